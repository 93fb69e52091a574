# SPDX-License-Identifier: GPL-2.0-or-later
"""What is settled with a PostgreSQL server before its session relays: TLS or not, and whether it serves."""

import concurrent.futures
import signal

import pytest

from kit import hello, pgwire, servers, tcp, tls
from kit.ports import free_port
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("it knows nothing of PostgreSQL")

BACKEND_NAME = "backend.example.com"
SSL_OF_SERVER = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
PORT = "select inet_server_port()"


@pytest.fixture(scope="module")
def with_tls(module_dir, pki):
    server = servers.TlsPostgres(module_dir, pki, 1)
    yield server
    server.close()


@pytest.fixture(scope="module")
def without_tls(module_dir):
    server = servers.Postgres(module_dir, 2)
    yield server
    server.close()


@pytest.fixture
def serving(ringmain):
    """serving(servers) gives a ringmain that speaks PostgreSQL, and is told nothing of TLS."""
    def begin(behind, pool=None, **listener):
        return ringmain(behind, listener={"protocol": "postgres", **listener},
                        pool={"balance": "roundrobin", "connect_timeout": "5s", **(pool or {})})
    return begin


def conninfo(server, rm, **keys):
    host, port = rm.address()
    keys = {"host": host, "hostaddr": host, "port": port, "user": "tester", "dbname": "bench", **keys}
    return " ".join(f"{key}={value}" for key, value in keys.items())


def ask(server, rm, sql, check=True, **keys):
    done = server.tool("psql", "-d", conninfo(server, rm, **keys), "-Atc", sql, check=check)
    return done.stdout.strip() if check else done


# The backend's own answer to a request for TLS

@pytest.mark.parametrize("sslmode, has_tls", (("disable", "f"), ("allow", "f"), ("prefer", "t"),
                                              ("require", "t"), ("verify-full", "t")))
def test_backend_says_yes(serving, with_tls, pki, sslmode, has_tls):
    rm = serving([with_tls])
    keys = {"host": BACKEND_NAME, "sslrootcert": pki["ca.crt"]} if sslmode == "verify-full" else {}
    assert ask(with_tls, rm, SSL_OF_SERVER, sslmode=sslmode, **keys) == has_tls


@pytest.mark.parametrize("sslmode", ("disable", "allow", "prefer"))
def test_backend_says_no(serving, without_tls, sslmode):
    rm = serving([without_tls])
    assert ask(without_tls, rm, "select 7", sslmode=sslmode) == "7"
    assert rm.wait_sessions(1)[0]["reason"] == "done"


def test_who_insists_hears_the_backends_no(serving, without_tls):
    rm = serving([without_tls])
    done = ask(without_tls, rm, "select 7", sslmode="require", check=False)
    assert "server does not support SSL, but SSL was required" in done.stderr
    rm.wait_sessions(1, reason="client_left", detail="the backend has no TLS")


def test_log_in_stays_with_the_backend_that_said_no(serving, without_tls, connect):
    """On the same connection: one session, whatever the other backend would say."""
    rm = serving([without_tls])
    sock = connect(rm.address())
    sock.sendall(pgwire.GSS_REQUEST)
    tcp.expect(sock, b"N")
    sock.sendall(pgwire.SSL_REQUEST)
    tcp.expect(sock, b"N")
    session = pgwire.Session(sock)
    assert session.query(PORT) == [str(without_tls.port)]
    session.close()
    line = rm.wait_sessions(1)[0]
    assert line["reason"] == "done" and "failed_tries" not in line


def test_direct_tls_goes_through(serving, with_tls, pki, connect):
    version = int(with_tls.tool("psql", "-Atc", "show server_version_num").stdout)
    if version < 170000:
        pytest.skip("needs a server that takes TLS without a request")
    rm = serving([with_tls])
    context = tls.client_context(pki, alpn=("postgresql",))
    session = pgwire.Session(tls.TlsSocket(connect(rm.address()), context, name=BACKEND_NAME))
    assert session.query(SSL_OF_SERVER) == ["t"]
    session.close()


@pytest.mark.parametrize("mode", ("auto", "passthrough"))
def test_no_is_never_held_against_a_backend(ringmain, without_tls, connect, mode):
    """However many ask for what it does not have."""
    rm = ringmain([without_tls, without_tls], listener={"protocol": "postgres", "tls": mode},
                  pool={"eject_after": 2})
    for _ in range(12):
        sock = connect(rm.address())
        sock.sendall(pgwire.SSL_REQUEST)
        if mode == "passthrough":
            tcp.expect(sock, b"S")
            sock.sendall(tls.client_hello(tls.client_context()))
        else:
            tcp.expect(sock, b"N")
        sock.close()
    rm.wait_sessions(12)
    assert not rm.lines(msg="backend ejected")
    assert "eject" not in rm.text()


def test_pool_with_tls_of_its_own_leaves_clients_in_clear(serving, with_tls, pki, connect):
    rm = serving([with_tls], pool={"protocol": "postgres", "tls": "yes", "tls_ca": pki["ca.crt"]})
    sock = connect(rm.address())
    sock.sendall(pgwire.SSL_REQUEST)
    tcp.expect(sock, b"N")
    assert pgwire.Session(sock).query(SSL_OF_SERVER) == ["t"]


def test_tls_off_says_no_and_is_warned_of(make_ringmain, ringmain, with_tls, connect):
    rm = ringmain([with_tls], listener={"protocol": "postgres", "tls": "off"})
    sock = connect(rm.address())
    sock.sendall(pgwire.SSL_REQUEST)
    tcp.expect(sock, b"N")
    text = ("[listener in]\nbind = 127.0.0.1:0\npool = p\nprotocol = postgres\ntls = off\n"
            "[pool p]\nbackend = b 127.0.0.1:1\n")
    done = make_ringmain().check(text, "-t")
    assert "tls: off: clients that ask for TLS are told that there is none" in done.stderr
    assert "warning" not in make_ringmain().check(text.replace("tls = off\n", ""), "-t").stderr


# Requests to cancel

@pytest.fixture
def login(connect, pki):
    """login(ringmain, how) gives a session of a client of our own."""
    def begin(rm, how):
        sock = connect(rm.address())
        if how != "clear":
            sock.sendall(pgwire.SSL_REQUEST)
            tcp.expect(sock, b"S" if how == "tls" else b"N")
        if how == "tls":
            sock = tls.TlsSocket(sock, tls.client_context(pki), name=BACKEND_NAME)
        return pgwire.Session(sock)
    return begin


def sleeping(server):
    return int(server.tool("psql", "-Atc", "select count(*) from pg_stat_activity where query = "
                           "'select pg_sleep(60)' and state = 'active'").stdout)


@pytest.mark.parametrize("how", ("clear", "tls"))
def test_cancel_finds_its_session(serving, with_tls, without_tls, login, connect, how):
    behind = [with_tls, without_tls] if how == "clear" else [with_tls]
    rm = serving(behind)
    sessions = [login(rm, how) for _ in range(4)]
    for session in sessions:
        session.ask("select pg_sleep(60)")
    wait_until(lambda: sum(sleeping(server) for server in behind) == 4, "the queries to run")
    for session in sessions:
        sock = connect(rm.address())
        sock.sendall(pgwire.cancel(session.key))
        tcp.read_to_end(sock)
        assert session.result()["C"] == pgwire.CANCELED


def test_cancel_behind_a_no(serving, with_tls, without_tls, login, connect):
    """libpq 17 asks for TLS first: the one that it asks need not be the one that it means."""
    rm = serving([without_tls])
    sessions = [login(rm, "refused") for _ in range(2)]
    for session in sessions:
        session.ask("select pg_sleep(60)")
    wait_until(lambda: sleeping(without_tls) == 2, "the queries to run")
    for session in sessions:
        sock = connect(rm.address())
        sock.sendall(pgwire.SSL_REQUEST)
        tcp.expect(sock, b"N")
        sock.sendall(pgwire.cancel(session.key))
        tcp.read_to_end(sock)
        assert session.result()["C"] == pgwire.CANCELED
    rm.wait_sessions(2, detail="cancel request")


def test_cancel_of_a_session_of_another_node(serving, with_tls, without_tls, connect):
    """Whose key nobody here knows: all backends are asked."""
    rm = serving([with_tls, without_tls])
    for server in (with_tls, without_tls) * 2:
        session = pgwire.Session(connect(server.address))
        session.ask("select pg_sleep(60)")
        wait_until(lambda server=server: sleeping(server) == 1, "the query to run")
        sock = connect(rm.address())
        sock.sendall(pgwire.cancel(session.key))
        assert tcp.read_to_end(sock) == (b"", "FIN")
        assert session.result()["C"] == pgwire.CANCELED
    rm.wait_sessions(4, detail="cancel request of an unknown key, sent to all backends")


def test_cancels_of_unknown_keys_are_limited(serving, without_tls):
    rm = serving([without_tls])
    for number in range(40):
        with tcp.connect(rm.address()) as sock:
            sock.sendall(pgwire.cancel((number + 1, b"none")))
            tcp.read_to_end(sock)
    rm.wait_sessions(40)
    refused = rm.sessions(reason="refused", detail="too many cancel requests with keys that nobody has")
    assert refused and len(rm.sessions(reason="done")) >= 10


# A log-in that this server cannot serve

def fake_error(sqlstate, text="no"):
    body = b"SFATAL\0VFATAL\0C" + sqlstate.encode() + b"\0M" + text.encode() + b"\0\0"
    return b"E" + (len(body) + 4).to_bytes(4, "big") + body


class Refuses:
    """A server that answers each start-up packet with the same."""

    def __init__(self, manual, answer):
        self.backend, self.answer = manual, answer

    def turn_away(self):
        sock = self.backend.accept()
        data = sock.recv(tcp.CHUNK)
        if self.answer:
            sock.sendall(self.answer)
        sock.close()
        return data


NEGOTIATE = b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0"      # NegotiateProtocolVersion: 3.0, no option is unknown
NOTICE = b"N\0\0\0\x11Mby the way\0\0"


@pytest.mark.parametrize("answer", (fake_error("57P03"), fake_error("53300"), b"", NEGOTIATE + fake_error("57P03"),
                                    NOTICE + NEGOTIATE + fake_error("53300")),
                         ids=("57P03", "53300", "nothing", "57P03 behind v", "53300 behind N and v"))
@pytest.mark.parametrize("mode", ("clear", "terminate"))
def test_log_in_is_tried_elsewhere(ringmain, manual, without_tls, connect, pki, mode, answer):
    broken = Refuses(manual(), answer)
    listener = {"protocol": "postgres"}
    if mode == "terminate":
        listener.update({"tls": "terminate", "certificate": pki["ecdsa.pem"]})
    rm = ringmain([broken.backend, without_tls], listener=listener, pool={"balance": "first"})
    sock = connect(rm.address())
    if mode == "terminate":
        sock.sendall(pgwire.SSL_REQUEST)
        tcp.expect(sock, b"S")
        sock = tls.TlsSocket(sock, tls.client_context(pki), name=tls.NAME)
    packet = pgwire.startup()
    sock.sendall(packet)
    assert broken.turn_away() == packet
    while pgwire.message(sock)[0] != "Z":
        pass
    sock.close()
    line = rm.wait_sessions(1)[0]
    assert line["failed_tries"] == "1" and line["backend"] == "b2"


@pytest.mark.parametrize("sqlstate", ("57P03", "53300"))
def test_last_ones_error_is_the_clients(ringmain, manual, connect, sqlstate):
    broken = Refuses(manual(), fake_error(sqlstate, "not today"))
    rm = ringmain([broken.backend], listener={"protocol": "postgres"})
    sock = connect(rm.address())
    sock.sendall(pgwire.startup())
    broken.turn_away()
    data, end = tcp.read_to_end(sock)
    assert data == fake_error(sqlstate, "not today") and end == "FIN"
    rm.wait_sessions(1, reason="login_refused")


def test_other_errors_are_passed_on(ringmain, manual, without_tls, connect):
    broken = Refuses(manual(), fake_error("28000", "not you"))
    rm = ringmain([broken.backend, without_tls], listener={"protocol": "postgres"},
                  pool={"balance": "first"})
    sock = connect(rm.address())
    sock.sendall(pgwire.startup())
    broken.turn_away()
    assert tcp.read_to_end(sock)[0] == fake_error("28000", "not you")
    sock.close()
    assert rm.wait_sessions(1, reason="done")[0]["backend"] == "b1"


@pytest.fixture
def crowded(start, module_dir, connect):
    """A server whose places are all taken."""
    server = start(servers.Postgres, module_dir, 3, options=("max_connections=4",))
    for _ in range(4):
        pgwire.Session(connect(server.address))
    return server


def test_server_without_places_left(serving, crowded, with_tls):
    """A real one: the next one serves, and nobody sees anything of it."""
    rm = serving([crowded, with_tls], pool={"balance": "first"})
    assert ask(with_tls, rm, PORT, sslmode="disable") == str(with_tls.port)
    assert rm.wait_sessions(1)[0]["failed_tries"] == "1"


def test_server_that_starts_up(serving, manual, without_tls):
    """psql through the log-in: the first one shuts down, the second serves."""
    broken = Refuses(manual(), fake_error("57P03"))
    rm = serving([broken.backend, without_tls], pool={"balance": "first"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        turned = pool.submit(broken.turn_away)
        assert ask(without_tls, rm, PORT, sslmode="disable") == str(without_tls.port)
        assert turned.result()


def test_slow_answer_is_no_failure(ringmain, manual, connect):
    """A server that looks names up, or asks a directory: it has accepted, and is waited for."""
    slow = manual()
    rm = ringmain([slow], listener={"protocol": "postgres"}, pool={"connect_timeout": "100ms"})
    sock = connect(rm.address())
    sock.sendall(pgwire.startup())
    behind = slow.accept()
    assert tcp.recv_exactly(behind, len(pgwire.startup())) == pgwire.startup()
    wait_until(lambda: not slow.has_waiting(), "nobody else to come")
    sock.sendall(b"more")
    tcp.expect(behind, b"more")
    behind.sendall(fake_error("57P03"))
    tcp.expect(sock, fake_error("57P03"))


# Clients that wait for a backend while they have asked for TLS

@pytest.fixture
def full(serving, manual, connect):
    """full(**pool) gives (ringmain, its backend, whose one place is taken, what frees it)."""
    def begin(**pool):
        server = manual()
        server.text += " max_sessions=1"
        rm = serving([server], pool={"queue": 5, **pool})
        client = connect(rm.address())
        client.sendall(pgwire.startup())
        holder = server.accept()
        tcp.expect(holder, pgwire.startup())
        holder.sendall(pgwire.READY)

        def free():
            client.close()
            holder.close()
        return rm, server, free
    return begin


@pytest.mark.parametrize("more", (b"", pgwire.startup()[:9]), ids=("silent", "eager"))
def test_who_waits_too_long_with_a_request_for_tls_hears_no(full, connect, more):
    """And goes on in clear, where it hears why; it waits for nothing meanwhile."""
    rm, _, _ = full(queue_timeout="300ms")
    sock = connect(rm.address())
    sock.sendall(pgwire.SSL_REQUEST)
    rm.wait_line(msg="all backends of a pool are full")
    sock.sendall(more)
    tcp.expect(sock, b"N")
    sock.sendall(pgwire.startup()[len(more):])
    assert pgwire.error_of(tcp.read_to_end(sock).data)["C"] in ("53300", "57P03")
    rm.wait_sessions(1, reason="queue_timeout")


def test_who_waited_with_a_request_for_tls_is_served(full, connect):
    rm, server, free = full(queue_timeout="20s")
    sock = connect(rm.address())
    sock.sendall(pgwire.SSL_REQUEST)
    rm.wait_line(msg="all backends of a pool are full")
    free()
    behind = server.accept()
    tcp.expect(behind, pgwire.SSL_REQUEST)
    behind.sendall(b"N")
    tcp.expect(sock, b"N")
    sock.sendall(pgwire.startup())
    tcp.expect(behind, pgwire.startup())
    behind.sendall(pgwire.READY)
    tcp.expect(sock, pgwire.READY)


def test_cancel_behind_a_no_of_our_own(full, connect):
    """It is none of those who wait, and their time-out is not its own."""
    rm, _, _ = full(queue_timeout="300ms")
    sock = connect(rm.address())
    sock.sendall(pgwire.SSL_REQUEST)
    tcp.expect(sock, b"N")
    sock.sendall(pgwire.cancel((1, b"none")))
    tcp.read_to_end(sock)
    assert rm.wait_sessions(1)[0]["reason"] != "queue_timeout" or rm.sessions(detail="cancel request")


# Servers that say nothing, or half of it

def say_nothing(peer):
    while peer.sock.recv(tcp.CHUNK):
        pass


@pytest.mark.parametrize("ends", (False, True), ids=("stays", "ends"))
def test_log_in_that_is_never_answered_ends(serving, backend, connect, pki, ends):
    """In clear before a server with TLS: its answer is to be edited, and does not come."""
    silent = backend(tls.served(tls.server_context(pki["backend.pem"]), say_nothing))
    rm = serving([silent], idle_timeout="1s" if not ends else "1h",
                 half_close_timeout="1s",
                 pool={"tls": "yes", "tls_ca": pki["ca.crt"], "tls_name": BACKEND_NAME,
                       "connect_timeout": "500ms"})
    sock = connect(rm.address())
    sock.sendall(pgwire.startup())
    if ends:
        tcp.hang_up(sock)
    rm.wait_sessions(1, reason="half_closed_idle" if ends else "idle")


def test_half_an_error_is_not_passed_on(ringmain, manual, connect):
    """The drain ends while a server is in the middle of its no: the client hears a whole one."""
    server = manual()
    rm = ringmain([server], listener={"protocol": "postgres"}, settings={"drain_timeout": "300ms"})
    sock = connect(rm.address())
    sock.sendall(pgwire.startup())
    behind = server.accept()
    tcp.expect(behind, pgwire.startup())
    behind.sendall(fake_error("57P03")[:20])
    rm.process.send_signal(signal.SIGTERM)
    assert pgwire.error_of(tcp.read_to_end(sock).data)["M"] == "no server is available now"


# What is told of it

def test_a_refusal_of_tls_counts_as_a_failed_connect(serving, without_tls, connect):
    """It is no trouble of this machine."""
    rm = serving([without_tls], tls="passthrough")
    sock = connect(rm.address())
    sock.sendall(pgwire.SSL_REQUEST)
    tcp.expect(sock, b"S")
    sock.sendall(tls.client_hello(tls.client_context()))
    tcp.read_to_end(sock)
    rm.wait_sessions(1, reason="backend_tls_error")
    rm.process.send_signal(signal.SIGUSR1)
    numbers = rm.wait_line(msg="counters_backend")
    assert (numbers["connect_failures"], numbers["no_resources"]) == ("1", "0")


def test_detail_is_of_the_try_that_was_the_last(ringmain, manual, connect):
    broken = Refuses(manual(), fake_error("53300", "first"))
    dead = tcp.text_of(("127.0.0.1", free_port("127.0.0.1")))
    rm = ringmain([broken.backend, dead], listener={"protocol": "postgres"}, pool={"balance": "first"})
    sock = connect(rm.address())
    sock.sendall(pgwire.startup())
    broken.turn_away()
    assert pgwire.error_of(tcp.read_to_end(sock).data)["M"] == "no server is available now"
    assert "detail" not in rm.wait_sessions(1, reason="connect_refused")[0]


def test_what_follows_a_no_does_not_change_the_reason(serving, manual, connect):
    broken = Refuses(manual(), b"")
    rm = serving([broken.backend], pool={"eject_after": 0})
    sock = connect(rm.address())
    sock.sendall(pgwire.SSL_REQUEST)
    broken.turn_away()
    tcp.expect(sock, b"N")
    sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    tcp.read_to_end(sock)
    assert rm.wait_sessions(1, reason="connect_failed")[0]["detail"] == "closed before it answered"


# What comes before an offer of SASL

PLUS, SCRAM = b"SCRAM-SHA-256-PLUS\0", b"SCRAM-SHA-256\0"


def message(letter, body):
    return letter + (len(body) + 4).to_bytes(4, "big") + body


def sasl(names):
    return message(b"R", b"\0\0\0\x0a" + names + b"\0")


@pytest.mark.parametrize("sizes", ((), (100,), (7000,) * 3, (20000,), (40000, 5), (60000,) * 5), ids=str)
@pytest.mark.parametrize("chunk", (1000, 50000))
def test_notices_come_before_the_offer(ringmain, backend, connect, pki, sizes, chunk):
    """However many there are, the client has them all, and no channel binding behind them."""
    notices = b"".join(message(b"N", bytes([number + 65]) * size) for number, size in enumerate(sizes))

    def inside(peer):
        peer.sock.recv(100)
        said = notices + sasl(PLUS + SCRAM + PLUS)
        for at in range(0, len(said), chunk):
            peer.sock.sendall(said[at:at + chunk])
        peer.sock.recv(100)

    def talks(peer):
        hello.receive_exactly(peer.sock, 8)
        peer.sock.sendall(b"S")
        tls.served(tls.server_context(pki["ecdsa.pem"]), inside)(peer)

    rm = ringmain([backend(talks)], listener={"protocol": "postgres", "tls": "off"},
                  pool={"protocol": "postgres", "tls": "yes", "tls_verify": "no"})
    client = connect(rm.address())
    client.sendall(b"\0\0\0\x11\0\3\0\0user\0me\0\0")
    tcp.expect(client, notices + sasl(SCRAM))
