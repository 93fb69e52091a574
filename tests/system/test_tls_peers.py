# SPDX-License-Identifier: GPL-2.0-or-later
"""Other TLS libraries and servers: in front of ringmain, behind it, and on both sides."""

import pytest

from kit import backend as servers
from kit import proc, servers as real, tcp, terminators, tls
from kit.checker import backend_addresses, check
from kit.ringmain import to_address
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

FRONTS = (terminators.Haproxy, terminators.Nginx)
BACKS = (terminators.Haproxy, terminators.Nginx, terminators.Hitch)
SESSIONS = 24


@pytest.fixture
def before(start, workdir, pki):
    """before(Kind, address) starts one that takes plain connections and goes there with TLS."""
    return lambda kind, to: start(kind, workdir, to, 1, ca=pki["ca.crt"], name=tls.NAME)


@pytest.fixture
def behind(start, workdir, pki):
    """behind(Kind, address) starts one that ends TLS and goes there."""
    return lambda kind, to: start(kind, workdir, to, 2, certificate=pki["backend.pem"])


@pytest.fixture
def ends_tls(pki):
    return {"tls": "terminate", "certificate": [pki["ecdsa.pem"], pki["rsa.pem"]]}


@pytest.fixture
def speaks_tls(pki):
    return {"tls": "yes", "tls_ca": pki["ca.crt"]}


def strict(kinds):
    """nginx and hitch end both directions of a TLS session when one ends; HAProxy does not."""
    return all(kind is terminators.Haproxy for kind in kinds)


def transfer(front, back_address, kinds):
    """Bytes through all of them: sessions of any shape, or echoes that end when all is back."""
    if strict(kinds):
        got = check(front, [tcp.text_of(back_address)], sessions=SESSIONS, concurrency=SESSIONS,
                    bytes_max=1 << 19, seed=41)
        assert got["complete"] == SESSIONS
        return
    server = servers.Backend(servers.echo, back_address)
    try:
        for task in [tcp.Task(echo, front, number) for number in range(SESSIONS)]:
            task.result()
    finally:
        server.close()


def echo(address, number):
    data = tcp.pattern(number, 300_000)
    with tcp.connect(address) as sock:
        for at in range(0, len(data), 50_000):
            tcp.exchange(sock, data[at:at + 50_000])


@pytest.fixture
def far_end():
    """The address of a server that is started later."""
    return to_address(backend_addresses(1)[0])


@pytest.mark.parametrize("kind", FRONTS)
def test_in_front(ringmain, before, ends_tls, far_end, kind):
    rm = ringmain([tcp.text_of(far_end)], listener=ends_tls)
    transfer(before(kind, rm.address()).address, far_end, [kind])
    for line in rm.wait_sessions(SESSIONS):
        assert line["tls"] == "TLSv1.3" and line["sni"] == tls.NAME


@pytest.mark.parametrize("kind", BACKS)
def test_behind(ringmain, behind, speaks_tls, far_end, kind):
    rm = ringmain([behind(kind, far_end)], pool=speaks_tls)
    transfer(rm.address(), far_end, [kind])
    rm.wait_sessions(SESSIONS)


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("back", BACKS)
def test_on_both_sides(ringmain, before, behind, ends_tls, speaks_tls, far_end, front, back):
    rm = ringmain([behind(back, far_end)], listener=ends_tls, pool=speaks_tls)
    transfer(before(front, rm.address()).address, far_end, [front, back])
    rm.wait_sessions(SESSIONS)


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("back", BACKS)
def test_passing_between_them(ringmain, start, workdir, behind, pki, far_end, front, back):
    rm = ringmain([behind(back, far_end)], listener={"tls": "passthrough"})
    client = start(front, workdir, rm.address(), 1, ca=pki["ca.crt"], name="backend.example.com")
    transfer(client.address, far_end, [front, back])
    for line in rm.wait_sessions(SESSIONS):
        assert line["sni"] == "backend.example.com"


# Redis

class TlsRedis(real.Redis):
    """Speaks TLS alone, and only with clients that have a certificate."""

    def __init__(self, workdir, pki):
        self.pki = pki
        super().__init__(workdir, "tls")

    def start(self):
        files = self.pki.lend(self.dir, None, "backend.crt", "backend.key", "ca.crt")
        self.process = proc.Process(
            [proc.need("redis-server", "redis-server"), "--bind", self.address[0], "--port", "0",
             "--tls-port", self.port, "--tls-cert-file", files[0], "--tls-key-file", files[1],
             "--tls-ca-cert-file", files[2], "--tls-auth-clients", "yes", "--dir", self.dir,
             "--save", "", "--daemonize", "no"], self.log)
        self.wait_up()

    def is_up(self):
        return "Ready to accept connections" in self.process.text()


@pytest.fixture(scope="module")
def tls_redis(module_dir, pki):
    server = TlsRedis(module_dir, pki)
    yield server
    server.close()


@pytest.fixture(scope="module")
def plain_redis(module_dir):
    server = real.Redis(module_dir)
    yield server
    server.close()


def redis(program, address, *args, pki=None, **kwargs):
    host, port = address
    security = ["--tls", "--cacert", pki["ca.crt"], "--sni", tls.NAME] if pki else []
    return proc.run([proc.need(program, "redis-tools"), "-h", host, "-p", str(port), *security, *args],
                    **kwargs).stdout


@pytest.mark.parametrize("front, back", ((True, False), (False, True), (True, True)))
def test_redis(ringmain, request, pki, ends_tls, speaks_tls, front, back):
    """TLS ends here, begins here, or both; its own TLS has a client certificate of ours."""
    server = request.getfixturevalue("tls_redis" if back else "plain_redis")
    rm = ringmain([server], listener=ends_tls if front else None,
                  pool={**speaks_tls, "tls_certificate": pki["alice.crt"],
                        "tls_key": pki["alice.key"]} if back else None)
    secure = pki if front else None
    value = tcp.pattern("redis", 1 << 20).hex()
    assert redis("redis-cli", rm.address(), "-x", "set", "large", input=value, pki=secure) == "OK\n"
    assert redis("redis-cli", rm.address(), "get", "large", pki=secure).strip() == value
    said = redis("redis-benchmark", rm.address(), "-P", "16", "-n", "20000", "-c", "20", "-d", "64",
                 "-t", "set,get,lpush", "-q", pki=secure)
    assert "rror" not in said and said.count("requests per second") >= 3
    commands = "".join(f"SET key:{number} {'v' * (number % 200 + 1)}\r\n" for number in range(20_000))
    said = redis("redis-cli", rm.address(), "--pipe", input=commands, pki=secure)
    assert "errors: 0, replies: 20000" in said


def test_redis_that_wants_a_certificate_and_gets_none(ringmain, tls_redis, speaks_tls, cleanup):
    """TLS 1.3: the refusal comes behind the handshake, as an alert that a reset may overtake."""
    rm = ringmain([tls_redis], pool=speaks_tls)
    client = tcp.connect_to_be_refused(rm.address())
    cleanup.append(client.close)
    client.sendall(b"PING\r\n")
    tcp.expect_end(client, b"", "RST")
    line = wait_until(lambda: rm.sessions(by="backend"), "the session's line")[0]
    assert line["reason"] == "backend_reset" or \
        line["detail"] == "server sent the alert: certificate required"
