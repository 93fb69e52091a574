# SPDX-License-Identifier: GPL-2.0-or-later
"""The configurations of the README with the clients that people have: `make clients` installs and runs them.

psql, Java's JDBC, Go's lib/pq and Python's ssl log in to PostgreSQL; psql, Java and Go by SCRAM. The
same files without the line that says PostgreSQL serve curl, Java, Go and Python by HTTP, and
mosquitto's tools.
"""

import contextlib
import pathlib
import re

import pytest

from kit import backend as servers
from kit import pgwire, proc, proxies, tcp, tls
from kit.certificates import BACKEND_NAME, NAME, leaf
from kit.control import Ctl
from kit.servers import TlsPostgres
from kit.services import Mosquitto
from test_status import Status

pytestmark = pytest.mark.clients

KIT = pathlib.Path(__file__).parent / "kit"
README = KIT.parents[2] / "README.md"
PASSWORD = "opensesame"
BODY = "x" * 200_000
MY_INI = ("plain", "checked", "plain tls")      # its listener is postgres, that of the others databases

# What is done with the README's files, and the name that a client asks for there.
WAYS = {
    "plain": None,                      # my.ini
    "checked": None,                    # my.ini, with check = postgres
    "plain tls": BACKEND_NAME,          # my.ini, with TLS that ringmain does not look at
    "terminate": NAME,                  # tls.ini
    "route": "x.shard.example.com",     # tls.ini, by its route
    "passthrough": BACKEND_NAME,        # tls.ini, as its comment says
    "both": BACKEND_NAME,               # with tls = yes, and the same certificate on both sides
    "towards": None,                    # with tls = yes, and clients in clear
    "send_proxy": NAME,                 # with send_proxy = v2
}
BACKEND_IN_TLS = ("plain tls", "passthrough", "both", "towards")
OTHER_WAYS = [way for way in WAYS if way != "checked"]  # of what is no PostgreSQL
MQTT_WAYS = [way for way in OTHER_WAYS if way != "route"]       # it asks for the address that it connects to


# Configurations

def readme_ini(title):
    """The block of the README that has these words."""
    blocks = re.findall(r"^```ini\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    found, = (block for block in blocks if title in block)
    return found


def changed(text, pattern, replacement):
    """README and test must go together."""
    text, count = re.subn(pattern, replacement, text, flags=re.M)
    assert count, f"the README has no {pattern}"
    return text


def configured(way, behind, pki, is_postgres):
    """The README's file with the addresses and certificates of the test."""
    text = readme_ini("; my.ini" if way in MY_INI else "; tls.ini")
    text = changed(text, r"^bind = :\d+", "bind = 127.0.0.1:0")
    text = changed(text, r"10\.0\.\d\.1+:5432", behind[0])
    text = changed(text, r"10\.0\.\d\.1*2:5432", behind[1])
    if way == "checked":
        text = changed(text, "^check = tcp .*; or postgres.*", "check = postgres")
    if way in MY_INI:
        return text if is_postgres else changed(text, "^protocol = postgres.*", "")
    if way in ("passthrough", "towards"):
        text = changed(text, "^certificate = .*", "")
        text = changed(text, "^tls = terminate", f"tls = {'off' if way == 'towards' else way}")
    if way == "towards":
        text = changed(text, "^route = .*", "")
    if "certificate = " in text:
        text = changed(text, "/etc/ringmain/tls/db.pem",
                       pki["backend.pem" if way == "both" else "front.pem"])
    if not is_postgres:
        text = changed(text, "^protocol = postgres", "")
    if way in ("both", "towards"):
        protocol = "protocol = postgres\n" if is_postgres else ""
        text = changed(text, r"^(\[pool .*\])$", rf"\1\ntls = yes\ntls_ca = {pki['ca.crt']}\n{protocol}")
    if way == "send_proxy":
        text = changed(text, r"^(\[pool .*\])$", r"\1\nsend_proxy = v2")
    return text


@pytest.fixture
def serving(ringmain, pki, start, workdir):
    """serving(way, two servers) gives a ringmain and the address of its listener."""
    if not (pki.dir / "front.pem").exists():
        pki.make("front", "ca", leaf(f"DNS:{NAME}", "DNS:*.shard.example.com", "IP:127.0.0.1"))

    def begin(way, behind, is_postgres=False):
        if way == "send_proxy":         # HAProxy can read it, for those that cannot
            behind = [start(proxies.Haproxy, workdir, server.address, number, accepts=True)
                      for number, server in enumerate(behind, 1)]
        rm = ringmain(configured(way, [server.text for server in behind], pki, is_postgres))
        return rm, rm.address("postgres" if way in MY_INI else "databases")
    return begin


def expect_good(rm, count, way, *others):
    """Every session was one of data, and ended well, or in one of the other ways.

    Who closes in TLS before it has read the other's close_notify resets the connection: a listener that
    knows nothing of the TLS takes that for what it is.
    """
    lines = rm.wait_sessions(count)
    good = {"done", *others, *(("backend_reset", "client_reset") if way == "plain tls" else ())}
    assert {line["reason"] for line in lines} <= good
    return lines


# Clients

@pytest.fixture(scope="module")
def go(module_dir):
    """go(words) runs the client in Go."""
    program = f"{module_dir}/client"
    env = {"PATH": "/usr/bin:/bin", "GO111MODULE": "off", "GOPATH": "/usr/share/gocode",
           "GOCACHE": f"{module_dir}/cache", "CGO_ENABLED": "0"}
    proc.run([proc.need("go", "golang-go"), "build", "-o", program, KIT / "client.go"], env=env, timeout=600)
    return lambda *words: proc.run([program, *words], timeout=120).stdout


@pytest.fixture(scope="module")
def java(module_dir):
    """java(words) runs the client in Java, which finds all names on loopback."""
    proc.run([proc.need("javac", "default-jdk-headless"), "-d", module_dir, KIT / "Client.java"], timeout=300)
    hosts = pathlib.Path(module_dir) / "hosts"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in {*WAYS.values()} - {None}), encoding="ascii")
    argv = [proc.need("java", "default-jdk-headless"), f"-Djdk.net.hosts.file={hosts}",
            "-cp", f"{module_dir}:/usr/share/java/postgresql.jar", "Client"]
    return lambda *words: proc.run([*argv, *words], timeout=180).stdout


@pytest.fixture
def log_in(request, pki):
    """log_in(client, server, address, name) logs in and gives the answer to "select 7"."""
    def python(_, address, name):
        with tcp.connect(address) as sock:
            if name is None:
                session = pgwire.Session(sock)
                answer = session.query("select 7")[0]
                session.close()
                return answer
            sock.sendall(pgwire.SSL_REQUEST)
            tcp.expect(sock, b"S")
            with tls.client_context(pki).wrap_socket(sock, server_hostname=name) as secure:
                answer = pgwire.Session(secure).query("select 7")[0]
                secure.sendall(b"X\0\0\0\x04")
                with contextlib.suppress(OSError):
                    secure.unwrap()
                return answer

    def psql(server, address, name):
        conninfo = server.conninfo(address, user="scram", password=PASSWORD, **trust(name))
        return server.tool("psql", "-d", conninfo, "-Atc", "select 7", timeout=120).stdout.strip()

    def go_pq(_, address, name):
        keys = {"host": "127.0.0.1", "user": "scram", "password": PASSWORD, "dbname": "bench", **trust(name)}
        return request.getfixturevalue("go")(
            "pg", tcp.text_of(address), " ".join(f"{key}={value}" for key, value in keys.items()))

    def jdbc(_, address, name):
        keys = {"user": "scram", "password": PASSWORD, **trust(name)}
        host = keys.pop("host", "127.0.0.1")
        return request.getfixturevalue("java")(
            "pg", f"jdbc:postgresql://{host}:{address[1]}/bench?"
            + "&".join(f"{key}={value}" for key, value in keys.items()))

    def trust(name):
        """A client in TLS verifies whom it meets."""
        if name is None:
            return {"sslmode": "disable"}
        return {"host": name, "sslmode": "verify-full", "sslrootcert": pki["ca.crt"]}

    kinds = {"psql": psql, "go": go_pq, "java": jdbc, "python": python}
    return lambda client, *args: kinds[client](*args)


@pytest.fixture
def get(request, pki):
    """get(client, address, name, path) gives what a GET gives; a name means TLS."""
    def url(address, name, path):
        scheme, host = ("https", name) if name else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{address[1]}{path}"

    def python(address, name, path):
        with tcp.connect(address) as sock:
            if name:
                sock = tls.client_context(pki).wrap_socket(sock, server_hostname=name)
            sock.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            data = b""
            while chunk := sock.recv(tcp.CHUNK):
                data += chunk
            if name:
                sock.unwrap().close()
        return data.partition(b"\r\n\r\n")[2].decode()

    def curl(address, name, path):
        return proc.run([proc.need("curl", "curl"), "-sS", "--cacert", pki["ca.crt"], "--connect-to",
                         f"::{tcp.text_of(address)}", url(address, name, path)], timeout=120).stdout

    def go_http(address, name, path):
        return request.getfixturevalue("go")("http", tcp.text_of(address), name or "127.0.0.1", path,
                                             pki["ca.crt"] if name else "")

    def java_http(address, name, path):
        return request.getfixturevalue("java")("http", url(address, name, path),
                                               pki["ca.crt"] if name else "")

    kinds = {"curl": curl, "go": go_http, "java": java_http, "python": python}
    return lambda client, *args: kinds[client](*args)


# Servers

@pytest.fixture(scope="module")
def databases(module_dir, pki):
    """Two with a role whose password has to come by SCRAM."""
    pair = []
    try:
        for number in (1, 2):
            server = TlsPostgres(module_dir, pki, number)
            pair.append(server)
            hba = server.dir / "data/pg_hba.conf"
            hba.write_text("host all scram 127.0.0.1/32 scram-sha-256\n" + hba.read_text(encoding="ascii"),
                           encoding="ascii")
            server.tool("psql", "-qc", f"create role scram login password '{PASSWORD}'",
                        "-qc", "select pg_reload_conf()")
        yield pair
    finally:
        for server in pair:
            server.close()


def web(peer):
    """Answers one request."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv()
    peer.sock.sendall(f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"
                      .encode())
    tcp.hang_up(peer.sock)
    servers.sink(peer)


# The tests

@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("client", ("psql", "go", "java", "python"))
def test_postgres(serving, log_in, databases, client, way):
    rm, address = serving(way, databases, is_postgres=True)
    for _ in databases:
        assert log_in(client, databases[0], address, WAYS[way]) == "7"
    is_early = client == "java" and way == "passthrough"    # its alert has the look of data (ringmain(8), done)
    lines = expect_good(rm, len(databases), way, *(["client_reset"] if is_early else []))
    if way in MY_INI:
        assert {line["backend"] for line in lines} == {"pg1", "pg2"}
    elif way == "route":
        assert {line["backend"] for line in lines} <= {"s1", "s2"}


@pytest.mark.parametrize("way", OTHER_WAYS)
@pytest.mark.parametrize("client", ("curl", "go", "java", "python"))
def test_http(serving, get, backend, pki, client, way):
    handler = tls.served(tls.server_context(pki["backend.pem"]), web) if way in BACKEND_IN_TLS else web
    rm, address = serving(way, [backend(handler), backend(handler)])
    assert get(client, address, WAYS[way], "/") == BODY
    is_silent = client == "java" and WAYS[way]      # JDK 17's HttpClient leaves without close_notify
    expect_good(rm, 1, way, *(["client_truncated", "client_reset"] if is_silent else []))


@pytest.mark.parametrize("way", MQTT_WAYS)
def test_mosquitto(serving, start, workdir, pki, way):
    """A message that is kept by the broker for the one who asks later."""
    broker = start(Mosquitto, workdir, pki=pki if way in BACKEND_IN_TLS else None)
    rm, (host, port) = serving(way, [broker, broker])
    words = ["-h", host, "-p", str(port), "-t", "ring/main", "-q", "1"]
    if WAYS[way]:
        words += ["--cafile", pki["ca.crt"]]
    proc.run([proc.need("mosquitto_pub", "mosquitto-clients"), *words, "-r", "-m", "hello"])
    heard = proc.run([proc.need("mosquitto_sub", "mosquitto-clients"), *words, "-C", "1", "-W", "30"])
    assert heard.stdout == "hello\n"
    expect_good(rm, 2, way)


@pytest.mark.parametrize("client", ("curl", "go", "java", "python"))
def test_status(ringmain, get, backend, client):
    """What "Seeing it" adds to the first."""
    assert "`status = 127.0.0.1:9180` in `[global]`" in README.read_text(encoding="utf-8")
    far = backend(servers.echo).text
    rm = ringmain("[global]\nstatus = 127.0.0.1:0\n" + configured("plain", [far, far], None, True))
    address = Status(rm).address
    assert "<html" in get(client, address, None, "/")
    assert "ringmain_" in get(client, address, None, "/metrics")
    assert get(client, address, None, "/status.json").startswith("{")
    assert get(client, address, None, "/healthz")


@pytest.mark.parametrize("client", ("psql", "go", "java", "python"))
def test_changed_while_it_runs(ringmain, log_in, databases, workdir, client):
    """What "Changing it while it runs" says, word by word; top wants a terminal (test_top)."""
    text = README.read_text(encoding="utf-8")
    commands = [line.partition("#")[0].split()[1:] for line in re.findall(r"^ringmainctl .*$", text, re.M)]
    assert ["plan"] in commands and ["reload"] in commands and ["backend", "pg/pg2", "drain"] in commands
    path = f"{workdir}/control.sock"
    control = changed(re.search("`(control = .*?)`", text)[1], "/run/ringmain/control.sock", path)
    rm = ringmain(f"[global]\n{control}\n" + configured("plain", [server.text for server in databases], None, True))
    for number, words in enumerate(commands, 1):
        if words != ["top"]:
            Ctl(path).say(*words)
        assert log_in(client, databases[0], rm.address("postgres"), None) == "7"
        rm.wait_sessions(number)        # lines come in the order in which sessions end
    lines = expect_good(rm, len(commands), "plain")
    drained = commands.index(["backend", "pg/pg2", "drain"])
    assert {line["backend"] for line in lines[:drained]} == {"pg1", "pg2"}
    assert {line["backend"] for line in lines[drained:]} == {"pg1"}
