# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that log in, ask another port, and follow a script: with real servers behind ringmain."""

import http.server
import pathlib
import signal
import threading

import pytest

from kit import backend as echo_servers
from kit import certificates, ini, pgwire, servers, tcp, tls
from kit.ports import free_port
from kit.wait import wait_until
from test_status import Status

pytestmark = pytest.mark.haproxy_cannot("its checks are others")

CHECKED = {"check_interval": "50ms", "check_fast_interval": "20ms", "check_fall": 2, "check_rise": 2,
           "check_timeout": "3s"}
PASSWORD = "wonder-of-a-password"


def checked(check, **keys):
    return {"check": check, **CHECKED, **keys}


@pytest.fixture
def password(workdir):
    path = pathlib.Path(workdir) / "password"
    path.write_text(PASSWORD + "\n", encoding="ascii")
    path.chmod(0o600)
    return path


class Postgres(servers.Postgres):
    """Lets nobody but its owner in without a password."""

    def start(self):
        super().start()
        self.sql(f"create role ring login password '{PASSWORD}'")
        (self.dir / "data/pg_hba.conf").write_text("host all tester 127.0.0.1/32 trust\n"
                                                   "host all all 127.0.0.1/32 scram-sha-256\n")
        self.sql("select pg_reload_conf()")

    def sql(self, text):
        return self.tool("psql", "-qAtc", text).stdout.strip()


def test_a_password_that_is_changed_on_both_sides_is_read_anew(ringmain, workdir, start, password):
    server = start(Postgres, workdir)
    rm = ringmain([server], pool=checked(f"postgres user=ring password_file={password} database=bench"))
    server.sql("alter role ring password 'another'")
    line = rm.wait_line(msg="check")
    assert line["backend"] == "b1"
    assert line["reason"].startswith("28P01 ")
    failed = server.process.text().count("password authentication failed")
    password.write_text("another", encoding="ascii")
    wait_until(lambda: is_quiet(server, failed), "log-ins that do not fail")
    assert not rm.lines(msg="backend")      # it was the check's fault, and the server stayed


def test_a_server_whose_last_places_are_kept_is_full(ringmain, connect, workdir, start, password):
    """PostgreSQL keeps three for superusers, and says so only behind the password: who logs in finds out."""
    crowded, other = start(Postgres, workdir, 1, options=("max_connections=6",)), start(Postgres, workdir, 2)
    for _ in range(3):
        pgwire.Session(connect(crowded.address))

    def log_in(rm):
        target = f"host=127.0.0.1 port={rm.address()[1]} user=ring password={PASSWORD} dbname=bench"
        return other.tool("psql", "-d", target, "-Atc", "show port", check=False)

    unseen = ringmain([crowded, other], listener={"protocol": "postgres"}, pool={"balance": "first"})
    assert "reserved" in log_in(unseen).stderr      # the client's: nobody else could answer what it is asked next
    rm = ringmain([crowded, other], listener={"protocol": "postgres"},
                  pool=checked(f"postgres user=ring password_file={password} database=bench", balance="first"))
    rm.wait_line(msg="backend", backend="b1", change="full")
    for _ in range(3):
        assert log_in(rm).stdout.strip() == str(other.port)


def start_up_of(sock):
    size = int.from_bytes(tcp.recv_exactly(sock, 4), "big")
    return tcp.recv_exactly(sock, size - 4)


def test_a_reload_in_the_middle_of_a_log_in(ringmain, manual):
    """The check that is under way ends in peace, and the next one is the new configuration's."""
    server = manual()
    keys = checked("postgres user=ring", check_tls="no", check_timeout="60s", check_interval="100ms")
    rm = ringmain([server], pool=keys)
    old = server.accept()
    assert b"user\0ring\0" in start_up_of(old)
    (rm.dir / "ringmain.ini").write_text(ini.ini([server], pool={**keys, "check": "postgres user=other"}), encoding="ascii")
    rm.process.send_signal(signal.SIGHUP)
    rm.wait_line(msg="reload", outcome="done")
    new = server.accept()
    assert b"user\0other\0" in start_up_of(new)
    old.sendall(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")     # it is let in, and goes on with what it asks
    assert old.recv(1) == b"Q"
    new.sendall(b"E\0\0\0\x0cC57P03\0\0")
    assert rm.wait_line(msg="backend", change="down")["reason"].startswith("57P03")
    old.close()
    assert b"user\0other\0" in start_up_of(server.accept())


@pytest.mark.parametrize("protocol", ("postgres", "redis"))
def test_a_server_that_refuses_our_certificate_is_quoted(ringmain, manual, pki, protocol):
    """In TLS 1.3 it does so when the handshake is over here, and the check waits for an answer."""
    server = manual()
    own = {"tls": "yes", "tls_ca": pki["ca.crt"], "tls_certificate": pki["alice.pem"]}
    if protocol == "postgres":
        own["protocol"] = protocol
    rm = ringmain([server], pool={**checked(protocol, check_fall=1), **own})
    peer = server.accept()
    if protocol == "postgres":
        tcp.expect(peer, pgwire.SSL_REQUEST)
        peer.sendall(b"S")
    context = tls.server_context(pki["backend.pem"], client_ca=pki["stranger-ca.crt"], low=tls.V13)
    with pytest.raises(OSError, match="(?i)verify failed"):
        tls.TlsSocket(peer, context, server=True)
    why = rm.wait_line(msg="backend", change="down")["reason"]
    assert why.startswith("TLS: server sent the alert: unknown CA, before the answer to ")


def is_quiet(server, failed):
    """The last of many log-ins have not failed."""
    before = server.process.text().count("password authentication failed")
    server.sql("select pg_sleep(0.3)")
    return before >= failed and server.process.text().count("password authentication failed") == before


def test_a_password_that_systemd_hands_over(ringmain, workdir, start, password):
    """LoadCredential= puts it in a directory that only the environment names."""
    server = start(Postgres, workdir)
    check = f"postgres user=ring password_file=${{CREDENTIALS_DIRECTORY}}/{password.name} database=bench"
    rm = ringmain([server], pool=checked(check, role="primary", hold="60s"),
                  env={"CREDENTIALS_DIRECTORY": str(password.parent)})
    rm.wait_line(msg="role", reason="has the role")
    assert not rm.lines(msg="check")


def test_a_password_is_nowhere_to_be_seen(ringmain, make_ringmain, workdir, start, password):
    server = start(Postgres, workdir)
    rm = ringmain([server], settings={"log_level": "debug"},
                  pool=checked(f"postgres user=ring password_file={password}"))
    server.sql("alter role ring password 'another'")
    rm.wait_line(msg="check")
    assert PASSWORD not in rm.text()
    pool = checked(f"postgres user=ring password_file={password}")
    dumped = make_ringmain().check(ini.ini([server], pool=pool), "--dump")
    assert f"check = postgres user=ring password_file={password}" in dumped.stdout
    assert PASSWORD not in dumped.stdout


def test_a_password_in_the_configuration_gets_into_no_log(running, backend):
    """Where it does not belong: a reload's log quotes the line that is wrong."""
    r = running([backend(echo_servers.sink)], pool=checked("tcp"))
    r.change("check = tcp", f"check = postgres user=ring password={PASSWORD}")
    said = r.fails()
    assert "password_file=FILE" in said
    wait_until(lambda: "check = postgres user=ring password=..." in r.rm.text(), "the line in the log")
    assert PASSWORD not in said + r.rm.text()


@pytest.fixture(name="redis")
def _redis(workdir, start, pki):
    """Speaks in clear, in TLS and over a unix socket, and tells nobody anything without a password."""
    port = free_port()
    certificate, key = pki.lend(workdir, None, "backend.crt", "backend.key")
    server = start(servers.Redis, workdir, options=[
        "--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no",
        "--tls-ca-cert-file", pki["ca.crt"], "--unixsocket", pathlib.Path(workdir) / "redis.sock"])
    server.cli("ACL", "SETUSER", "ring", "on", f">{PASSWORD}", "+ping", "+role")
    server.cli("ACL", "SETUSER", "open", "on", "nopass", "+ping", "+role")
    server.cli("CONFIG", "SET", "requirepass", PASSWORD)
    server.tls_port = port
    return server


@pytest.mark.parametrize("user", ("ring", None))
@pytest.mark.parametrize("way", ("tls", "unix"))
def test_redis_with_an_acl_and_with_a_password_alone(ringmain, workdir, redis, pki, password, user, way):
    keys = {"check_tls": "yes", "check_port": redis.tls_port, "tls_ca": pki["ca.crt"]} if way == "tls" else {}
    address = redis if way == "tls" else f"unix:{workdir}/redis.sock"
    check = f"redis {'user=ring ' if user else ''}password_file={password}"
    rm = ringmain([address], pool=checked(check, role="primary", **keys))
    rm.wait_line(msg="role", reason="has the role")
    redis.cli("-a", PASSWORD, "ACL", "SETUSER", user or "default", "resetpass", ">another")
    assert rm.wait_line(msg="check")["reason"].startswith("WRONGPASS ")
    assert not rm.lines(msg="backend")


def test_redis_and_a_user_without_a_password(ringmain, redis):
    """Who may do no more than be asked who the server is: nothing that is worth listening for."""
    rm = ringmain([redis], pool=checked("redis user=open", role="primary"))
    rm.wait_line(msg="role", reason="has the role")
    assert not rm.lines(msg="check")


def test_redis_gets_no_password_in_clear(make_ringmain, redis, password):
    pool = checked(f"redis password_file={password}", role="primary")
    said = make_ringmain().check(ini.ini([redis], pool=pool), "-t")
    assert said.returncode == 1
    assert "only sent inside verified TLS (check_tls = yes, tls_ca) or over a unix socket" in said.stderr


def test_mariadb_by_its_own_way_to_log_in(ringmain, workdir, start, password):
    server = start(servers.MariaDB, workdir)
    server.tool("mariadb", "-e", f"create user ring@'%' identified by '{PASSWORD}'")
    rm = ringmain([server], pool=checked(f"mysql user=ring password_file={password}"))
    server.tool("mariadb", "-e", "alter user ring@'%' identified by 'another'")
    assert rm.wait_line(msg="check")["reason"].startswith("1045 ")
    assert not rm.lines(msg="backend")


class Agent(http.server.ThreadingHTTPServer):
    """Says like Patroni what the server beside it is."""

    daemon_threads = True

    def __init__(self, host="127.0.0.1", port=0):
        super().__init__((host, port), Answers)
        self.role, self.asked = "primary", set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class Answers(http.server.BaseHTTPRequestHandler):
    def do_OPTIONS(self):
        self.server.asked.add((self.command, self.path, self.headers["Host"]))
        is_it = self.path == f"/{self.server.role}"
        body = b'{"state": "running", "role": "%b"}' % self.server.role.encode()
        self.send_response(200 if is_it else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_OPTIONS

    def log_message(self, *args):
        pass


def test_an_agent_on_another_port_says_who_serves(ringmain, backend, start):
    agent = start(Agent)
    check = 'http method=OPTIONS path=/primary host=db status=200 header="Server: BaseHTTP*" body="\\"running\\""'
    rm = ringmain([backend(echo_servers.sink)], pool=checked(check, check_port=agent.server_port))
    wait_until(lambda: agent.asked == {("OPTIONS", "/primary", "db")}, "a check")
    assert not rm.lines(msg="backend")
    agent.role = "replica"
    assert rm.wait_line(msg="backend", change="down")["reason"].startswith("answered 503")
    agent.role = "primary"
    rm.wait_line(msg="backend", change="up")


def test_one_that_was_never_up_says_why(ringmain, backend, start):
    """With hold it is down until its first check has passed: none of which has a no of its own to report."""
    agent = start(Agent)
    agent.role = "replica"
    rm = ringmain([backend(echo_servers.sink)], settings={"status": "127.0.0.1:0"}, pool=checked(
        "http path=/primary", check_port=agent.server_port, hold="60s"))
    down = rm.wait_line(msg="backend", change="down")
    assert (down["by"], down["failures"], down["reason"]) == ("checks", "1", "answered 503 Service Unavailable")
    assert Status(rm).backend("b1")["why"] == "answered 503 Service Unavailable"
    agent.role = "primary"
    rm.wait_line(msg="backend", change="up")


def test_a_server_that_is_full_from_the_start_was_not_asked_who_it_is(running, backend):
    """And that is said, not only that its role is unknown."""
    full = backend(echo_servers.name(b"-ERR max number of clients reached\r\n"))
    r = running([full], pool=checked("redis", role="primary"))
    wait_until(lambda: r.row("backend", "b1").get("why") == "role unknown; full: ERR max number of clients reached", "the words")
    assert r.row("backend", "b1")["state"] == "standby"
    assert r.rm.wait_line(msg="backend", change="full")["reason"] == "ERR max number of clients reached"


def test_an_agent_at_another_address(ringmain, backend, start):
    """Of the pool, and of one backend alone."""
    agent = start(Agent, "127.0.0.2")
    there = start(Agent, "127.0.0.3", agent.server_port)
    far, own = backend(echo_servers.sink), backend(echo_servers.sink)
    rm = ringmain([far, f"{own.text} check_address=127.0.0.3"],
                  pool=checked("http path=/primary method=OPTIONS", check_port=agent.server_port, check_address="127.0.0.2"))
    wait_until(lambda: agent.asked and there.asked, "both to be asked")
    assert not rm.lines(msg="backend")
    there.role = "replica"
    assert rm.wait_line(msg="backend", change="down")["backend"] == "b2"


def test_a_script_of_ones_own(ringmain, backend):
    steps = ['expect "^220 *\\n"', "fail ^421", "send_hex \"51 55 49 54\"", "send \\r\\n"]
    good = backend(echo_servers.name(b"220 hello\r\n"))
    busy = backend(echo_servers.name(b"421 not now\r\n"))
    rm = ringmain([good, busy], pool=checked("expect", check_step=steps))
    down = rm.wait_line(msg="backend", change="down")
    assert (down["backend"], down["reason"]) == ("b2", "answered: 421")


def test_a_handshake_is_a_check(ringmain, backend, pki):
    context = tls.server_context(pki["backend.pem"])
    good = backend(tls.served(context, echo_servers.sink))
    rm = ringmain([good, backend(lambda peer: None)],
                  pool=checked("tls", tls_ca=pki["ca.crt"]))
    down = rm.wait_line(msg="backend", change="down")
    assert (down["backend"], down["by"]) == ("b2", "checks")


@pytest.mark.parametrize("keys", ({}, {"check_tls": "yes", "tls_ca": "ca.crt"}), ids=("offered", "verified"))
def test_postgres_over_tls_that_only_the_check_has(ringmain, workdir, start, pki, password, keys):
    server = start(servers.TlsPostgres, workdir, pki)
    for text in ("alter system set log_connections = on", f"create role ring login password '{PASSWORD}'"):
        server.tool("psql", "-qc", text)
    (server.dir / "data/pg_hba.conf").write_text("host all tester 127.0.0.1/32 trust\n"
                                                 "hostssl all all 127.0.0.1/32 scram-sha-256\n")
    server.tool("psql", "-qc", "select pg_reload_conf()")
    keys = {key: pki[value] if key == "tls_ca" else value for key, value in keys.items()}
    rm = ringmain([server], pool=checked(f"postgres user=ring password_file={password} database=bench", **keys))
    wait_until(lambda: "connection authorized: user=ring database=bench application_name=ringmain SSL enabled" in server.process.text(),
               "a log-in over TLS")
    assert not rm.lines(msg="check")
    assert not rm.lines(msg="backend")


@pytest.mark.parametrize("keys", ({}, {"check_tls": "yes", "tls_ca": "ca.crt"}), ids=("offered", "verified"))
def test_a_log_in_is_bound_to_the_certificate_that_the_check_has_seen(ringmain, workdir, start, pki, password, keys):
    """A relay with another one stands between the check and its server: SCRAM-SHA-256-PLUS shows it."""
    server = start(servers.TlsPostgres, workdir, pki)
    server.tool("psql", "-qc", f"create role ring login password '{PASSWORD}'")
    (server.dir / "data/pg_hba.conf").write_text("host all tester 127.0.0.1/32 trust\n"
                                                 "hostssl all all 127.0.0.1/32 scram-sha-256\n")
    server.tool("psql", "-qc", "select pg_reload_conf()")
    pki.make("between", "ca", certificates.leaf("IP:127.0.0.1"))
    between = ringmain([server], listener={"protocol": "postgres", "tls": "terminate", "certificate": pki["between.pem"]},
                       pool={"tls": "yes", "protocol": "postgres", "tls_ca": pki["ca.crt"]})
    keys = {key: pki[value] if key == "tls_ca" else value for key, value in keys.items()}
    rm = ringmain([f"127.0.0.1:{between.address()[1]}"],
                  pool=checked(f"postgres user=ring password_file={password} database=bench", **keys))
    assert rm.wait_line(msg="check")["reason"].startswith("28000 ")


def test_a_certificate_that_the_check_does_not_trust_is_its_own_fault(ringmain, workdir, start, pki, password):
    server = start(servers.TlsPostgres, workdir, pki)
    rm = ringmain([server], pool=checked(f"postgres user=ring password_file={password}",
                                         tls_ca=pki["stranger-ca.crt"]))
    assert rm.wait_line(msg="check")["reason"].startswith("TLS: ")
    assert not rm.lines(msg="backend")
