# SPDX-License-Identifier: GPL-2.0-or-later
"""Real PostgreSQL with TLS: psql, pgbench and pg_dump with sslmode=verify-full; cancelled queries."""

import hashlib
import re
import signal

import pytest

from kit import pgwire, proc, servers, tcp, tls
from kit.wait import SCALE, wait_until

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

BACKEND_NAME = "backend.example.com"
MODES = ("terminate", "passthrough", "both", "backend")
ROWS = 60_000       # about 4 MB as text


@pytest.fixture(scope="module")
def databases(module_dir, pki):
    pair = []
    try:
        for number in (1, 2):
            pair.append(servers.TlsPostgres(module_dir, pki, number))
        yield pair
    finally:
        for server in pair:
            server.close()


@pytest.fixture(scope="module")
def database(databases):
    """One with tables in it."""
    server = databases[0]
    server.tool("pgbench", "-i", "-q", "-s", "1")
    server.tool("psql", "-qc", "create table big as select i, md5(i::text) as a, repeat('x', i % 60)"
                f" as b from generate_series(1, {ROWS}) i")
    return server


@pytest.fixture
def serving(ringmain, pki):
    """serving(mode, servers) gives a ringmain that speaks PostgreSQL."""
    def begin(mode, behind, direct_tls="no", wait_ms=3000, **listener):
        keys = {"protocol": "postgres", **listener}
        if mode in ("terminate", "both"):
            keys.update({"tls": "terminate", "certificate": pki["ecdsa.pem"]})
        elif mode == "passthrough":
            keys["tls"] = "passthrough"
        pool = {"balance": "roundrobin", "connect_timeout": f"{wait_ms}ms"}
        if mode in ("both", "backend"):
            pool.update({"protocol": "postgres", "tls": "yes", "tls_ca": pki["ca.crt"],
                         "direct_tls": direct_tls})
        return ringmain(behind, listener=keys, pool=pool)
    return begin


@pytest.fixture
def secure(pki):
    """secure(ringmain, mode, server) gives the conninfo of a client that verifies whom it meets."""
    def make(relay, mode, server, **keys):
        if mode == "backend":
            return server.conninfo(relay.address(), sslmode="disable", **keys)
        name = BACKEND_NAME if mode == "passthrough" else tls.NAME
        keys = {"host": name, "sslmode": "verify-full", "sslrootcert": pki["ca.crt"], **keys}
        return server.conninfo(relay.address(), **keys)
    return make


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


# Whoever verifies meets whom it wants

@pytest.mark.parametrize("mode", MODES)
def test_psql(serving, secure, database, mode):
    rm = serving(mode, [database])
    conninfo = secure(rm, mode, database)
    out = database.tool("psql", "-d", conninfo, "-Atc", "select i, a from big order by i").stdout
    assert digest(out) == digest(database.tool("psql", "-Atc", "select i, a from big order by i").stdout)
    server_side = database.tool("psql", "-d", conninfo, "-Atc",
                                "select ssl from pg_stat_ssl where pid = pg_backend_pid()").stdout
    assert server_side.strip() == ("f" if mode == "terminate" else "t")
    for line in rm.wait_sessions(2):
        assert line["reason"] == "done" and int(line["duration_ms"]) < 1500 * SCALE
        assert mode == "backend" or line["sni"] in (BACKEND_NAME, tls.NAME)


@pytest.mark.parametrize("mode", MODES)
def test_pgbench_steady_and_with_a_session_each(serving, secure, database, mode):
    rm = serving(mode, [database])
    conninfo = secure(rm, mode, database)
    out = database.tool("pgbench", "-c", 8, "-j", 2, "-T", 1, "-M", "prepared", conninfo).stdout
    assert "number of failed transactions: 0" in out
    out = database.tool("pgbench", "-C", "-S", "-c", 4, "-j", 2, "-t", 15, conninfo).stdout
    assert "number of transactions actually processed: 60/60" in out
    assert {line["reason"] for line in rm.sessions()} == {"done"}


def dump_of(server, *args):
    """pg_dump's text without the token it makes up each time."""
    text = server.tool("pg_dump", *args).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.M)


@pytest.mark.parametrize("mode", ("terminate", "passthrough", "both"))
def test_dump_is_the_same(serving, secure, database, mode):
    rm = serving(mode, [database])
    assert digest(dump_of(database, "-d", secure(rm, mode, database))) == digest(dump_of(database))


@pytest.mark.parametrize("mode", ("terminate", "both"))
def test_copy_out_and_in(serving, secure, database, workdir, mode):
    rm = serving(mode, [database])
    conninfo = secure(rm, mode, database)
    path = f"{workdir}/big"
    database.tool("psql", "-d", conninfo, "-qc", f"\\copy big to '{path}'")
    database.tool("psql", "-d", conninfo, "-q", "-c", "drop table if exists again", "-c",
                  "create table again (like big)", "-c", f"\\copy again from '{path}'")
    rows = database.tool("psql", "-Atc", "select count(*) from (table again except table big) d",
                         "-c", "select count(*) from again").stdout.split()
    assert rows == ["0", str(ROWS)]


def test_psql_notices_another_name_and_another_ca(serving, secure, database, pki):
    rm = serving("terminate", [database])
    other = secure(rm, "terminate", database, host="other.example.com")
    done = database.tool("psql", "-d", other, "-c", "select 1", check=False)
    assert 'does not match host name "other.example.com"' in done.stderr
    stranger = secure(rm, "terminate", database, sslrootcert=pki["stranger-ca.crt"])
    done = database.tool("psql", "-d", stranger, "-c", "select 1", check=False)
    assert "certificate verify failed" in done.stderr
    rm.wait_line(msg="session", reason="client_tls_error", detail="client sent the alert: unknown CA")


@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
def test_psql_in_clear(serving, database, mode):
    """Refused in words that psql shows, or let in."""
    rm = serving(mode, [database])
    done = database.tool("psql", "-d", database.conninfo(rm.address(), sslmode="disable"), "-c",
                         "select 1", check=False)
    assert "FATAL:  this server wants TLS: use sslmode=require" in done.stderr
    rm.wait_sessions(1, reason="refused")
    open_one = serving(mode, [database], plaintext="allow")
    out = database.tool("psql", "-d", database.conninfo(open_one.address(), sslmode="disable"), "-Atc",
                        "select 7").stdout
    assert out == "7\n"


@pytest.mark.parametrize("sslmode", ("allow", "prefer", "require"))
def test_other_sslmodes(serving, database, sslmode):
    """allow comes in clear first, is refused, and comes again."""
    rm = serving("terminate", [database])
    database.tool("psql", "-d", database.conninfo(rm.address(), sslmode=sslmode), "-c", "select 1")
    assert rm.wait_line(msg="session", reason="done")["tls"] == "TLSv1.3"


def test_names_lead_to_databases(ringmain, databases, pki):
    """psql's SNI chooses the pool, with one certificate for all of them."""
    one, two = databases
    rm = ringmain("[listener in]\nbind = 127.0.0.1:0\nprotocol = postgres\ntls = terminate\n"
                  f"certificate = {pki['ecdsa.pem']}\nroute = sni db1.example.com -> one\n"
                  f"route = sni *.shard.example.com -> two\n"
                  f"[pool one]\nbackend = b1 {one.text}\n[pool two]\nbackend = b1 {two.text}\n")
    for name, server in ((tls.NAME, one), ("x.shard.example.com", two)):
        conninfo = one.conninfo(rm.address(), host=name, sslmode="verify-full", sslrootcert=pki["ca.crt"])
        out = one.tool("psql", "-d", conninfo, "-Atc", "select inet_server_port()").stdout
        assert out.strip() == str(server.port)
    conninfo = one.conninfo(rm.address(), host="nowhere.example.com", sslmode="require")
    assert one.tool("psql", "-d", conninfo, "-c", "select 1", check=False).returncode == 2
    rm.wait_line(msg="session", reason="refused", detail="no route for this name")


def test_client_certificates(serving, secure, database, pki):
    rm = serving("terminate", [database], client_verify="require", client_ca=pki["ca.crt"])
    with_one = secure(rm, "terminate", database, sslcert=pki["alice.crt"], sslkey=pki["alice.key"])
    database.tool("psql", "-d", with_one, "-c", "select 1")
    assert rm.wait_line(msg="session", reason="done")["client_cn"] == "alice"
    done = database.tool("psql", "-d", secure(rm, "terminate", database), "-c", "select 1", check=False)
    assert done.returncode == 2
    rm.wait_line(msg="session", reason="client_tls_error", detail="peer sent no certificate")


# TLS without a request for it, since PostgreSQL 17

@pytest.fixture
def direct(serving, secure, databases):
    """direct(mode, servers) gives a ringmain that meets its backends directly, and the conninfo of
    a client that comes so, and never falls back."""
    version = databases[0].tool("psql", "--version").stdout
    if int(re.search(r"(\d+)\.", version)[1]) < 17:
        pytest.skip(f"needs psql 17 for sslnegotiation=direct; this is {version.strip()}")

    def begin(mode, behind):
        rm = serving(mode, behind, direct_tls="yes")
        negotiation = {} if mode == "backend" else {"sslnegotiation": "direct"}
        return rm, secure(rm, mode, behind[0], **negotiation)
    return begin


@pytest.mark.parametrize("mode", MODES)
def test_direct_tls(direct, database, mode):
    rm, conninfo = direct(mode, [database])
    out = database.tool("psql", "-d", conninfo, "-Atc", "select i, a from big order by i").stdout
    assert digest(out) == digest(database.tool("psql", "-Atc", "select i, a from big order by i").stdout)
    if mode != "backend":
        assert rm.wait_sessions(1)[0]["alpn"] == "postgresql"
    out = database.tool("pgbench", "-C", "-S", "-c", 4, "-j", 2, "-t", 15, conninfo).stdout
    assert "number of transactions actually processed: 60/60" in out
    assert {line["reason"] for line in rm.sessions()} == {"done"}


@pytest.mark.parametrize("mode", ("terminate", "both"))
def test_direct_tls_by_hand(serving, database, pki, connect, mode):
    rm = serving(mode, [database])
    context = tls.client_context(pki, alpn=("postgresql",))
    session = pgwire.Session(tls.TlsSocket(connect(rm.address()), context, name=tls.NAME))
    assert session.query("select 7") == ["7"]
    session.close()
    assert rm.wait_sessions(1)[0]["alpn"] == "postgresql"


# Requests to cancel

@pytest.fixture
def login(connect, pki):
    """login(ringmain, mode) gives a session of a client of our own."""
    def begin(relay, mode):
        sock = connect(relay.address())
        if mode not in ("backend", "off"):
            sock.sendall(pgwire.SSL_REQUEST)
            tcp.expect(sock, b"S")
            name = BACKEND_NAME if mode == "passthrough" else tls.NAME
            sock = tls.TlsSocket(sock, tls.client_context(pki), name=name)
        return pgwire.Session(sock)
    return begin


def fall_asleep(sessions, databases):
    """All of them run a query that only a request to cancel ends in time."""
    for session in sessions:
        session.ask("select pg_sleep(60)")
    count = "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'"
    wait_until(lambda: sum(int(database.tool("psql", "-Atc", count).stdout) for database in databases)
               == len(sessions), "the queries to run")


@pytest.mark.parametrize("mode, how", (("off", "clear"), ("terminate", "clear"), ("terminate", "tls"),
                                       ("both", "clear"), ("both", "tls"), ("backend", "clear"),
                                       ("passthrough", "clear")))
def test_cancel_reaches_the_sessions_own_backend(serving, databases, login, connect, pki, mode, how):
    """Whatever turn it is: six sessions on two servers, cancelled out of order."""
    rm = serving(mode, databases)
    sessions = [login(rm, mode) for _ in range(6)]
    ports = {session.query("select inet_server_port()")[0] for session in sessions}
    assert ports == {str(server.port) for server in databases}
    fall_asleep(sessions, databases)
    for session in (sessions[at] for at in (3, 0, 1, 5, 4, 2)):
        sock = connect(rm.address())
        if how == "tls":
            sock.sendall(pgwire.SSL_REQUEST)
            tcp.expect(sock, b"S")
            sock = tls.TlsSocket(sock, tls.client_context(None), name=None)
        sock.sendall(pgwire.cancel(session.key))
        tcp.read_to_end(sock)
        assert session.result()["C"] == pgwire.CANCELED
        assert session.query("select 7") == ["7"]


def test_cancel_where_all_places_are_taken(serving, databases, login, connect):
    """A request is no session that a database has to have room for."""
    rm = serving("terminate", [f"{database.text} max_sessions=1" for database in databases])
    sessions = [login(rm, "terminate") for _ in databases]
    fall_asleep(sessions, databases)
    for session in sessions:
        sock = connect(rm.address())
        sock.sendall(pgwire.cancel(session.key))
        tcp.read_to_end(sock)
        assert session.result()["C"] == pgwire.CANCELED


def test_cancel_of_what_passed_through_by_routes(ringmain, databases, login, connect):
    """Its session is in a pool that a request without a name would not find."""
    one, two = databases
    rm = ringmain("[listener in]\nbind = 127.0.0.1:0\nprotocol = postgres\ntls = passthrough\n"
                  f"route = sni {BACKEND_NAME} -> two\npool = one\n"
                  f"[pool one]\nbackend = b1 {one.text}\n[pool two]\nbackend = b1 {two.text}\n")
    session = login(rm, "passthrough")
    assert session.query("select inet_server_port()") == [str(two.port)]
    fall_asleep([session], [two])
    sock = connect(rm.address())
    sock.sendall(pgwire.cancel(session.key))
    assert tcp.read_to_end(sock) == (b"", "FIN")
    assert session.result()["C"] == pgwire.CANCELED
    rm.wait_sessions(1, reason="done", detail="cancel request, sent to all backends of its source")


def test_cancel_of_what_passed_through_when_one_is_gone(serving, databases, login, connect):
    """A database that does not answer keeps the request from the others for a while only."""
    rm = serving("passthrough", databases, wait_ms=700)
    here = str(databases[1].port)
    sessions = [login(rm, "passthrough") for _ in range(4)]
    sessions = [session for session in sessions if session.query("select inet_server_port()") == [here]]
    fall_asleep(sessions, databases)
    databases[0].process.send_signal(signal.SIGSTOP)
    try:
        for session in sessions:
            sock = connect(rm.address())
            sock.sendall(pgwire.cancel(session.key))
            assert tcp.read_to_end(sock) == (b"", "FIN")
            assert session.result()["C"] == pgwire.CANCELED
    finally:
        databases[0].process.send_signal(signal.SIGCONT)


def test_request_to_cancel_somebody_elses(serving, databases, login, connect):
    """A key that nobody has cancels nothing."""
    rm = serving("terminate", databases)
    sessions = [login(rm, "terminate") for _ in range(2)]
    for session in sessions:
        session.ask("select pg_sleep(0.5)")
        sock = connect(rm.address())
        sock.sendall(pgwire.cancel((session.key[0], bytes(4))))
        tcp.read_to_end(sock)
    for session in sessions:
        assert session.result() == [""]


def interrupt_psql(databases, workdir, conninfo):
    """Twice, as there are two servers that take turns."""
    for number in range(2):
        mark = f"{workdir} {number}"
        psql = proc.Process([databases[0].program("psql"), "-X", "-d", conninfo, "-c",
                             f"select pg_sleep(60) /* {mark} */"], f"{workdir}/psql{number}")
        wait_until(lambda mark=mark: any(sleeps(server, mark) for server in databases),
                   "the query to run")
        psql.send_signal(signal.SIGINT)
        assert psql.wait() == 1
        assert "canceling statement due to user request" in psql.text()


@pytest.mark.parametrize("mode", ("terminate", "backend", "passthrough"))
def test_control_c_in_psql(serving, secure, databases, workdir, mode):
    """libpq sends its requests on a connection of their own."""
    rm = serving(mode, databases)
    interrupt_psql(databases, workdir, secure(rm, mode, databases[0]))


@pytest.mark.parametrize("mode", ("terminate", "both"))
def test_control_c_in_psql_with_direct_tls(direct, databases, workdir, mode):
    interrupt_psql(databases, workdir, direct(mode, databases)[1])


def sleeps(server, mark):
    return server.tool("psql", "-Atc", "select count(*) from pg_stat_activity where query like "
                       f"'%{mark} */%' and query not like '%like%' and state = 'active'"
                       ).stdout.strip() == "1"
