# SPDX-License-Identifier: GPL-2.0-or-later
"""etc/recipes: each file as it is, but for addresses and names of files, in front of the servers that it is for."""

import pathlib
import re
import signal
import socket
import ssl

import pytest

from kit import pgwire, proc, replicas, servers, services, tcp
from kit.ports import free_port
from kit.wait import wait_until
from test_check_login import Agent

pytestmark = pytest.mark.haproxy_cannot("it reads other files")

RECIPES = pathlib.Path(__file__).resolve().parents[2] / "etc/recipes"
PASSWORD = "wonder"


def recipe(name):
    return (RECIPES / f"{name}.ini").read_text(encoding="ascii")


def cook(name, addresses, files=()):
    """The recipe with other addresses in their order ("10.0.0.11:5432" ...) and {file: another}."""
    text = re.sub(r"^bind = :\d+", "bind = 127.0.0.1:0", recipe(name), flags=re.M)
    written = list(dict.fromkeys(re.findall(r"10\.0\.0\.\d\d:\d+", text)))
    assert len(written) == len(addresses), written
    for old, new in zip(written, addresses):
        text = text.replace(old, new)
    for old, new in dict(files).items():
        assert old in text
        text = text.replace(old, str(new))
    return text


@pytest.fixture(name="password")
def _password(workdir):
    path = pathlib.Path(workdir) / "password"
    path.write_text(f"{PASSWORD}\n", encoding="ascii")
    path.chmod(0o600)
    return {"/etc/ringmain/ring": path}


@pytest.fixture(name="serve")
def _serve(ringmain, make_ringmain):
    """serve(name, addresses, files) gives a ringmain that -t had nothing to say about."""
    def begin(name, addresses, files=()):
        text = cook(name, addresses, files)
        said = make_ringmain().check(text, "-t")
        assert (said.returncode, said.stderr) == (0, "")
        return ringmain(text)
    return begin


def milliseconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s)", text).groups()
    return int(number) * (1 if unit == "ms" else 1000)


@pytest.mark.parametrize("name", ("postgres", "postgres-tls", "mysql", "redis"))
def test_a_killed_primary_is_known_in_time(make_ringmain, password, name):
    """With what the manual says: two seconds, half a one for the page; intervals are a tenth longer at times."""
    manual = (RECIPES.parent / "ringmain-recipes.7").read_text(encoding="ascii")
    faster = re.findall(r"^\.Ql (check_(?:fast_)?interval = .*)$", manual, re.M)
    assert len(faster) == 2
    text = recipe(name).replace("role = primary\n", "\n".join(["role = primary", *faster, ""])).replace("/etc/ringmain/ring\n", f"{password['/etc/ringmain/ring']}\n")
    text = re.sub(r"^(check_tls|tls_ca|tls_name) = .*\n", "", text, flags=re.M)
    dumped = make_ringmain().check(text, "--dump").stdout
    value = dict(re.findall(r"^(check_\w+) = (\S+)", dumped, re.M))
    slowest = (milliseconds(value["check_interval"])
               + (int(value["check_fall"]) - 1) * milliseconds(value["check_fast_interval"])) * 1.1
    assert slowest <= 1500


def test_each_recipe_has_a_test():
    tested = {name for name in re.findall(r'serve\("([a-z-]+)"', pathlib.Path(__file__).read_text(encoding="utf-8"))}
    assert {path.stem for path in RECIPES.glob("*.ini")} == tested


@pytest.mark.parametrize("name", ("postgres", "mysql", "redis"))
def test_a_write_port_and_a_read_port_take_fifteen_lines(name):
    lines = [line for line in recipe(name).splitlines() if line.strip() and not line.startswith(";")]
    assert len(lines) <= 15


def test_recipes_can_stand_side_by_side(make_ringmain, workdir, password, pki):
    """In one directory, each at an address of its own: no name is in two of them."""
    files = {**password, "/etc/ringmain/tls/ca.pem": pki["ca.crt"], "/etc/ringmain/tls/mqtt.pem": pki["backend.pem"]}
    together = {}
    for number, path in enumerate(sorted(RECIPES.glob("*.ini")), 1):
        text = re.sub(r"^bind = :", f"bind = 127.0.0.{number}:", path.read_text(encoding="ascii"), flags=re.M)
        for old, new in files.items():
            text = text.replace(old, str(new))
        together[path.name] = text
    said = make_ringmain().check(together, "-t")
    assert (said.returncode, said.stderr) == (0, "")


# PostgreSQL

@pytest.fixture(name="ring")
def _ring(workdir):
    """ring(server ...): a role for checks, with a password; replicas have it from their primary."""
    def make(primary, *others):
        primary.tool("psql", "-qc", f"create role ring login password '{PASSWORD}'")
        for server in (primary, *others):
            hba = server.dir / "data/pg_hba.conf"
            hba.write_text("host all ring 127.0.0.1/32 scram-sha-256\n" + hba.read_text(encoding="ascii"),
                           encoding="ascii")
            server.tool("psql", "-qc", "select pg_reload_conf()")
    return make


def pg(rm, listener, text):
    session = pgwire.Session(tcp.connect(rm.address(listener)), user="tester", database="bench")
    try:
        return session.query(text)
    finally:
        session.close()


def test_postgres(serve, workdir, start, password, ring):
    """The replica is promoted when its primary has died, and who comes meanwhile only waits."""
    primary = start(servers.Postgres, workdir, options=("wal_level=replica",))
    replica = start(replicas.PostgresReplica, primary, workdir)
    ring(primary, replica)
    rm = serve("postgres", [primary.text, replica.text], password)
    assert pg(rm, "pg-write", "select pg_is_in_recovery()") == ["f"]
    assert pg(rm, "pg-read", "select pg_is_in_recovery()") == ["t"]
    assert not rm.lines(msg="check")
    primary.signal_all(signal.SIGKILL)
    replica.promote()
    assert pg(rm, "pg-write", "create table after (n int); select pg_is_in_recovery()")[-1:] == ["f"]


class Patroni:
    """The agents of two servers: both at the port of the recipe, on addresses of their own."""

    def __init__(self, hosts, port):
        self.agents = [Agent(host, port) for host in hosts]
        self.promote(0)

    def promote(self, primary):
        for number, agent in enumerate(self.agents):
            agent.role = "primary" if number == primary else "replica?lag=10MB"

    def close(self):
        for agent in self.agents:
            agent.close()


def test_patroni(serve, start, backend):
    """A switchover: the first 503 is believed, sessions end, and who comes is at the other one."""
    hosts, port = ("127.0.0.1", "127.0.0.2"), free_port()
    patroni = start(Patroni, hosts, port)
    pair = [backend(lambda peer, number=number: answer(peer, number), (host, 0)) for number, host in enumerate(hosts)]
    rm = serve("patroni", ["%s:%d" % server.address for server in pair], {"check_port = 8008": f"check_port = {port}"})

    def served(listener):
        sock = tcp.connect(rm.address(listener))
        sock.sendall(b"\0\0\0\x13\0\x03\0\0user\0anna\0\0")
        return sock, tcp.recv_exactly(sock, 9)[8]
    writer, number = served("patroni-write")
    assert (number, served("patroni-read")[1]) == (0, 1)
    patroni.promote(1)
    tcp.read_to_end(writer)
    assert served("patroni-write")[1] == 1
    wait_until(lambda: served("patroni-read")[1] == 0, "a check to see that there is another replica")
    down = rm.wait_line(msg="backend", pool="patroni-write", backend="pg1", change="down")
    assert (down["failures"], down["reason"]) == ("1", "answered 503 Service Unavailable")


def answer(peer, number):
    """AuthenticationCleartextPassword, or so, with its number."""
    while peer.recv():
        peer.sock.sendall(bytes([ord("R"), 0, 0, 0, 8, 0, 0, 0, number]))


def test_postgres_tls(serve, workdir, start, password, ring, pki):
    """psql verifies the server and binds its log-in to the server's certificate; one in clear is told no."""
    server = start(servers.TlsPostgres, workdir, pki)
    ring(server)
    files = {**password, "/etc/ringmain/tls/ca.pem": pki["ca.crt"], "db.example.com": "backend.example.com"}
    rm = serve("postgres-tls", [server.text, "127.0.0.1:9"], files)

    def psql(**keys):
        return server.tool("psql", "-Atc", "select ssl from pg_stat_ssl where pid = pg_backend_pid()", "-d",
                           server.conninfo(rm.address("pgtls-write"), host="backend.example.com", user="ring",
                                           password=PASSWORD, sslrootcert=pki["ca.crt"], **keys), check=False)
    done = psql(sslmode="verify-full", channel_binding="require")
    assert (done.stdout, done.stderr) == ("t\n", "")
    assert psql(sslmode="disable").returncode != 0


# Other databases

def test_mysql(serve, workdir, start, password):
    pair = [start(servers.MariaDB, workdir, n) for n in (1, 2)]
    for server in pair:
        server.tool("mariadb", "-e", f"create user ring@'%' identified by '{PASSWORD}'")
    pair[1].tool("mariadb", "-e", "set global read_only = 1")
    rm = serve("mysql", [server.text for server in pair], password)
    for listener, server in (("my-write", pair[0]), ("my-read", pair[1])):
        said = server.tool("mariadb", "-NBe", "select @@port", address=rm.address(listener), user="tester").stdout
        assert int(said) == server.port
    assert not rm.lines(msg="check")


def role_of(rm, listener):
    with tcp.connect(rm.address(listener)) as client:
        client.sendall(b"ROLE\r\n")
        return tcp.recv_exactly(client, 14).split(b"\r\n")[2]


def test_redis(serve, workdir, start):
    primary = start(servers.Redis, workdir)
    replica = start(replicas.RedisReplica, primary, workdir)
    rm = serve("redis", [primary.text, replica.text])
    assert role_of(rm, "redis-write").startswith(b"mas")
    assert role_of(rm, "redis-read").startswith(b"sla")
    primary.process.kill()
    replica.cli("REPLICAOF", "NO", "ONE")
    assert role_of(rm, "redis-write").startswith(b"mas")


# Everything else

def test_mqtt(serve, workdir, start, pki):
    """What one publishes arrives at another: they come from one address, so they have one broker."""
    pair = [start(services.Mosquitto, workdir, n) for n in (1, 2)]
    rm = serve("mqtt", [server.text for server in pair], {"/etc/ringmain/tls/mqtt.pem": pki["backend.pem"]})
    host, port = rm.address("mqtt")
    to_it = ["-h", host, "-p", str(port), "--cafile", pki["ca.crt"], "-t", "news"]
    proc.run([proc.need("mosquitto_pub", "mosquitto-clients"), *to_it, "-m", "hello", "-r", "-q", "1"])
    said = proc.run([proc.need("mosquitto_sub", "mosquitto-clients"), *to_it, "-C", "1", "-W", "20"]).stdout
    assert said == "hello\n"
    assert all(line["tls"] for line in rm.wait_sessions(2))
    assert not rm.lines(msg="check")


class PostfixBehindProxy(services.Postfix):
    """Wants a PROXY header."""

    smtpd_options = " -o smtpd_upstream_proxy_protocol=haproxy"

    def is_up(self):
        return "daemon started" in (self.log.read_text(encoding="utf-8") if self.log.exists() else "")


def test_smtp(serve, workdir, start):
    """Its log has the client's own address."""
    server = start(PostfixBehindProxy, workdir)
    rm = serve("smtp", [server.text, "127.0.0.1:9"])
    with socket.create_connection(rm.address("smtp"), 20, source_address=("127.0.0.77", 0)) as client:
        assert tcp.recv_exactly(client, 4) == b"220 "
        client.sendall(b"QUIT\r\n")
        assert b"221 " in tcp.read_to_end(client).data
    wait_until(lambda: "connect from unknown[127.0.0.77]" in server.log.read_text(encoding="utf-8"), "the line")
    assert not rm.lines(msg="check")


BIND = bytes.fromhex("300c 020101 6007 020103 0400 8000".replace(" ", ""))       # anonymous
BOUND = bytes.fromhex("300c 020101 6107 0a0100 0400 0400".replace(" ", ""))


class SlapdWithTls(services.Slapd):
    """LDAP and LDAPS."""

    def __init__(self, workdir, pki, number=1):
        self.pki, self.tls_port = pki, free_port()
        super().__init__(workdir, number)

    def urls(self):
        return f"{super().urls()} ldaps://127.0.0.1:{self.tls_port}"

    def settings(self):
        return f"TLSCertificateFile {self.pki['backend.crt']}\nTLSCertificateKeyFile {self.pki['backend.key']}\n"


def test_ldap(serve, workdir, start, pki):
    server = start(SlapdWithTls, workdir, pki)
    rm = serve("ldap", [server.text, "127.0.0.1:9", f"127.0.0.1:{server.tls_port}", "127.0.0.1:9"],
               {"/etc/ringmain/tls/ca.pem": pki["ca.crt"], "ldap.example.com": "backend.example.com"})
    with tcp.connect(rm.address("ldap")) as client:
        client.sendall(BIND)
        assert tcp.recv_exactly(client, len(BOUND)) == BOUND
    context = ssl.create_default_context(cafile=pki["ca.crt"])
    with context.wrap_socket(tcp.connect(rm.address("ldaps")), server_hostname="backend.example.com") as client:
        client.sendall(BIND)
        assert client.recv(100) == BOUND
    assert not rm.lines(msg="check", pool="ldaps", backend="ldap1")


def test_ssh(serve, workdir, start):
    pair = [start(servers.Sshd, workdir, n) for n in (1, 2)]
    rm = serve("ssh", [server.text for server in pair], {"10.0.0.0/8": "127.0.0.0/8"})
    for server in pair:         # one of them has the client's key, and it is the same one each time
        (server.dir / "authorized").write_text((pair[0].dir / "user.pub").read_text(encoding="ascii"),
                                               encoding="ascii")
    for _ in range(2):
        assert pair[0].ssh(rm.address("ssh"), "echo hello").stdout == "hello\n"
    assert len({line["backend"] for line in rm.wait_sessions(2)}) == 1
    assert not rm.lines(msg="check")
