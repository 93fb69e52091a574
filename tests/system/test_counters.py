# SPDX-License-Identifier: GPL-2.0-or-later
"""The counters in the log, on SIGUSR1 and at the end: they say what the lines of the sessions say."""

import re
import signal
from collections import Counter

import pytest

from kit import backend as servers
from kit import proc, tcp, tls, tls13
from kit.pgwire import SSL_REQUEST, startup
from kit.ports import reserved_port
from kit.ringmain import ROOT
from kit.tls import V12, record
from kit.wait import wait_until
from test_tls_bad_input import BAD_HELLOS, BAD_RECORDS, FLOODS, quietly

pytestmark = pytest.mark.haproxy_cannot("other counters")

FIRST, LAST = "counters", "counters_backend"


class Report:
    """One report: its lines by message."""

    def __init__(self, lines):
        self.lines = lines

    def all(self, msg, **match):
        return [line for line in self.lines if line["msg"] == msg and
                all(line[key] == value for key, value in match.items())]

    def one(self, msg, **match):
        """The numbers of the one line."""
        found = self.all(msg, **match)
        assert len(found) == 1, (msg, match, self.lines)
        return {key: int(value) for key, value in found[0].items() if value.isdigit()}

    def details(self):
        """{(reason, detail): n}"""
        return {(line["reason"], line["detail"]): int(line["n"]) for line in self.all("counters_detail")}

    def ciphers(self):
        return {line["cipher"]: int(line["n"]) for line in self.all("counters_cipher")}


def reports(relay):
    """All that it has logged so far, the last perhaps not whole yet."""
    found = []
    for line in relay.lines():
        if line["msg"] == FIRST:
            found.append([])
        if found and line["msg"].startswith("counters"):
            found[-1].append(line)
    return [Report(lines) for lines in found]


def ask(relay, backends=1):
    """Sends SIGUSR1; gives the report. backends: how many there are in all pools."""
    before = len(reports(relay))
    relay.process.send_signal(signal.SIGUSR1)

    def whole():
        now = reports(relay)
        return len(now) > before and len(now[-1].all(LAST)) == backends and now[-1]
    return wait_until(whole, "the counters")


def at_the_end(relay):
    relay.stop()
    return reports(relay)[-1]


def expect_as_in_the_log(report, relay):
    """Every session's line has its part in the counters, and nothing else has."""
    lines = relay.sessions()
    for name in {line["listener"] for line in lines}:
        own = [line for line in lines if line["listener"] == name]
        numbers = report.one("counters_listener", listener=name)
        assert numbers["begun"] == numbers["ended"] == len(own) and numbers["open"] == 0
        for key in ("bytes_up", "bytes_down"):
            assert numbers[key] == sum(int(line[key]) for line in own)
        for reason, count in Counter(line["reason"] for line in own).items():
            assert numbers[reason] == count, reason
    assert report.details() == Counter((line["reason"], line["detail"]) for line in lines
                                       if "detail" in line)
    assert report.ciphers() == Counter(line["cipher"] for line in lines if "cipher" in line)
    assert report.one("counters")["ended"] == len(lines)


# Plain TCP

def test_report_while_sessions_run(session):
    client, peer, rm = session(settings={"workers": 2})
    client.sendall(b"x" * 1000)
    tcp.expect(peer, b"x" * 1000)
    # Before it ends; the peer may have the bytes a moment before ringmain hears of it.
    first = wait_until(lambda: (report := ask(rm)).one("counters_listener", listener="in")["bytes_up"]
                       == 1000 and report, "the bytes of an open session to be counted")
    assert first.one("counters")["open"] == 1
    assert first.one("counters_backend", backend="b1")["connected"] == 1
    tcp.reset(client)
    rm.wait_sessions(1)
    second = ask(rm)
    for line in first.lines:
        match = {key: line[key] for key in ("listener", "pool", "backend") if key in line}
        later = second.one(line["msg"], **match)
        for key, value in later.items():
            assert key in ("open", "queued") or value >= int(line[key])
    assert second.one("counters_listener")["client_reset"] == 1
    expect_as_in_the_log(second, rm)


def test_report_of_more_backends_than_the_log_holds_lines(ringmain):
    """No line is lost: the report waits for the reader of the log."""
    each = 1000                             # of four pools
    pools = [f"\n[pool p{p}]\n" + "".join(f"backend = b{n} 127.{p}.{n // 250}.{n % 250 + 1}:9\n"
                                          for n in range(each)) for p in range(4)]
    rm = ringmain("[listener in]\nbind = 127.0.0.1:0\npool = p0\n" + "".join(pools))
    ask(rm, 4 * each)
    assert not rm.lines(msg="log lines dropped")


def test_many_sessions_on_many_workers_to_the_last_one(ringmain, backend):
    rm = ringmain([backend(servers.echo), backend(servers.echo)], settings={"workers": 4},
                  listener={"relay": "auto"})

    def client(number):
        for _ in range(20):
            sock = tcp.connect(rm.address())
            tcp.exchange(sock, tcp.pattern(number, 1 + 40_000 * (number % 3)))
            (tcp.reset if number % 2 else tcp.hang_up)(sock)
            if number % 2 == 0:
                tcp.expect_end(sock, b"", "FIN")
            sock.close()

    tasks = [tcp.Task(client, number) for number in range(10)]
    ask(rm, 2)                              # in the middle of it
    for task in tasks:
        task.result()
    rm.wait_sessions(200)
    expect_as_in_the_log(ask(rm, 2), rm)
    report = at_the_end(rm)
    expect_as_in_the_log(report, rm)
    assert sum(report.one(LAST, backend=name)["connected"] for name in ("b1", "b2")) == 200
    assert report.one("counters_pool")["connected"] == 200


def test_who_cannot_be_connected_to(ringmain, backend, connect, cleanup):
    refusing, port = reserved_port()
    cleanup.append(refusing.close)
    rm = ringmain([f"127.0.0.1:{port}", backend(servers.echo)], pool={"balance": "first"})
    for _ in range(3):
        sock = connect(rm.address())
        tcp.exchange(sock, b"hello")
        tcp.hang_up(sock)
        tcp.expect_end(sock, b"", "FIN")
    report = at_the_end(rm)
    pool, down = report.one("counters_pool"), report.one(LAST, backend="b1")
    assert pool["connected"] == report.one(LAST, backend="b2")["connected"] == 3
    assert pool["connect_refused"] == down["connect_failures"] == 3 and down["connected"] == 0


def test_who_is_rejected(ringmain, backend):
    rm = ringmain([backend(servers.echo)], listener={"deny": "127.0.0.0/8"})
    for _ in range(3):
        tcp.knock(rm.address())
    report = at_the_end(rm)
    assert report.one("counters_listener")["denied"] == 3
    assert report.one("counters")["begun"] == 0


def test_every_key_is_in_the_manual(ringmain, backend, pki):
    rm = ringmain([backend(servers.echo)], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]})
    talk(rm, tls.client_context(pki))
    rm.wait_sessions(1)
    manual = (ROOT / "etc/ringmain.8").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", manual))
    for line in at_the_end(rm).lines:
        assert {"ts", "level", *words} >= set(line) and f"msg={line['msg']}\n" in manual


def test_drain_and_no_info(ringmain, backend):
    """No counters in a log of errors, and the signal is no reason to end."""
    rm = ringmain([backend(servers.echo)], settings={"log_level": "warn"}, wait=False)
    wait_until(lambda: rm.process.fds(), "ringmain to run")
    wait_until(lambda: _blocks_usr1(rm), "signals to be waited for")
    rm.process.send_signal(signal.SIGUSR1)
    rm.stop()
    assert not rm.lines()


def _blocks_usr1(relay):
    with open(f"/proc/{relay.pid}/status", encoding="utf-8") as status:
        mask = next(line for line in status if line.startswith("SigBlk:")).split()[1]
    return int(mask, 16) & 1 << (signal.SIGUSR1 - 1)


# TLS

@pytest.fixture
def terminating(ringmain, backend, pki):
    """terminating(**listener) ends TLS in front of an echo server."""
    def begin(**listener):
        return ringmain([backend(servers.echo)],
                        listener={"tls": "terminate", "certificate": pki["ecdsa.pem"], **listener})
    return begin


def talk(relay, context, **options):
    """A session from hello to close_notify; gives its TLS session."""
    sock = tls.connect(relay.address(), context, **options)
    tcp.exchange(sock, b"hello")
    session = sock.session()
    tcp.hang_up(sock)
    tcp.expect_end(sock, b"", "FIN")
    sock.close()
    return session


def test_handshakes(terminating, pki):
    """Version, cipher, name, resumption."""
    rm = terminating()
    old = tls.client_context(pki, high=V12)
    session = talk(rm, old)
    talk(rm, old, session=session)
    talk(rm, tls.client_context(pki))
    talk(rm, tls.client_context(None), name=None)
    rm.wait_sessions(4, reason="done")
    report = at_the_end(rm)
    numbers = report.one("counters_tls", listener="in")
    assert numbers.pop("handshake_n") == 4 and numbers.pop("handshake_ms") >= 0
    assert numbers == {"hellos": 4, "with_sni": 3, "handshakes": 4, "resumed": 1, "failed": 0, "tls1_2": 2,
                       "tls1_3": 2}
    assert len(report.ciphers()) == 2 and sum(report.ciphers().values()) == 4
    expect_as_in_the_log(report, rm)


@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
def test_every_bad_hello_raises_its_counter_by_one(terminating, ringmain, manual, connect, mode):
    rm = terminating() if mode == "terminate" else ringmain([manual()], listener={"tls": mode})
    for number, (name, (data, _, detail)) in enumerate(BAD_HELLOS.items()):
        before = ask(rm)
        client = connect(rm.address())
        sending = tcp.Task(quietly(client.sendall), data)
        tcp.read_to_end(client)
        client.close()
        sending.result()
        rm.wait_sessions(number + 1)
        after = ask(rm)
        expect_raised_by_one(before, after, "client_tls_error", detail, name)
        assert after.one("counters_tls")["failed"] == number + 1
    expect_as_in_the_log(ask(rm), rm)


def expect_raised_by_one(before, after, reason, detail, name):
    """One session more with this reason, and one detail more, this one if it is given."""
    assert after.one("counters_listener")[reason] == before.one("counters_listener")[reason] + 1, name
    raised = Counter(after.details())
    raised.subtract(before.details())
    (key, count), = ((key, count) for key, count in raised.items() if count)
    assert count == 1 and key[0] == reason and detail in (None, key[1]), (name, key)


@pytest.mark.parametrize("name", (*BAD_RECORDS, *FLOODS))
def test_every_bad_record_raises_a_counter(terminating, name):
    rm = terminating(ciphers=tls13.CIPHERS, tls_min="1.3")
    client = tls13.Forger(rm.address(), tls.client_context(None))
    make = FLOODS[name] if name in FLOODS else BAD_RECORDS[name][0]
    client.send(make(client))
    client.end()
    client.close()
    line = rm.wait_sessions(1)[0]
    report = at_the_end(rm)
    assert report.details() == {("client_tls_error", line["detail"]): 1}
    tls_line = report.one("counters_tls")
    assert (tls_line["handshakes"], tls_line["failed"]) == (1, 0)       # it failed behind the handshake


CLIENT_FAULTS = {
    "version": (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], {}, "client offers only TLS 1.1"),
    "cipher": (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], {}, None),
    "groups": (["-groups", "X448"], {}, "no key exchange group in common"),
    "name": (["-servername", "nowhere.example.org"], {"unknown_sni": "reject"},
             "no certificate has this name"),
    "ca": (["-verify_return_error", "-servername", tls.NAME], {}, "client sent the alert: unknown CA"),
    "certificate": ([], {"client_verify": "require"}, "peer sent no certificate"),
    "alpn": (["-alpn", "gopher"], {"alpn": "h2"}, None),
}


@pytest.mark.parametrize("fault", CLIENT_FAULTS)
def test_every_failed_handshake_is_counted_once_in_words(terminating, pki, fault):
    args, keys, detail = CLIENT_FAULTS[fault]
    if "client_verify" in keys:
        keys = {**keys, "client_ca": pki["ca.crt"]}
    rm = terminating(**keys)
    host, port = rm.address()
    proc.run([proc.need("openssl", "openssl"), "s_client", "-connect", f"{host}:{port}", *args], input="Q\n",
             check=False)
    line = rm.wait_sessions(1)[0]
    assert detail in (None, line["detail"])
    report = at_the_end(rm)
    assert report.details() == {(line["reason"], line["detail"]): 1}
    numbers = report.one("counters_tls")
    assert numbers["failed"] == 1 and numbers["handshakes"] == 0


@pytest.mark.parametrize("junk", (record(21, b"\x01\x64") * 5000, record(20, b"\x01") * 5000,
                                  record(23, bytes(50)), b"\x16\x03\x03\x48\x01", b"noise" * 500),
                         ids=("warnings", "ccs", "data", "18433", "noise"))
def test_junk_in_a_handshake_is_a_failed_one(terminating, connect, junk):
    rm = terminating()
    client = connect(rm.address())
    client.sendall(tls.client_hello(tls.client_context(None)))
    client.recv(tcp.CHUNK)
    quietly(client.sendall)(junk)
    tcp.read_to_end(client)
    client.close()
    line = rm.wait_sessions(1, reason="client_tls_error")[0]
    report = at_the_end(rm)
    assert report.details() == {("client_tls_error", line["detail"]): 1}
    numbers = report.one("counters_tls")
    assert (numbers["hellos"], numbers["failed"], numbers["handshakes"]) == (1, 1, 0)


PREAMBLES = {
    "http": (b"GET / HTTP/1.1\r\n\r\n", "bad_preread", "not PostgreSQL's protocol"),
    "in-clear": (startup(), "refused", "this server wants TLS: use sslmode=require"),
    "eager": (SSL_REQUEST + b"x", "bad_preread", "clear text behind a request for encryption"),
    "twice": (SSL_REQUEST + SSL_REQUEST, "bad_preread", "clear text behind a request for encryption"),
    "direct": (tls.client_hello(tls.client_context(None)), "refused",
               "direct TLS without ALPN postgresql"),
    "short": (SSL_REQUEST[:5], "client_left", None),
}


@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
def test_every_bad_preamble_of_postgresql_raises_a_counter(ringmain, manual, connect, pki, mode):
    keys = {"certificate": pki["ecdsa.pem"]} if mode == "terminate" else {}
    rm = ringmain([manual()], listener={"protocol": "postgres", "tls": mode, **keys})
    for number, (name, (data, reason, detail)) in enumerate(PREAMBLES.items()):
        before = ask(rm)
        client = connect(rm.address())
        client.sendall(data)
        tcp.hang_up(client)
        tcp.read_to_end(client)
        client.close()
        rm.wait_sessions(number + 1)
        after = ask(rm)
        if detail:
            expect_raised_by_one(before, after, reason, detail, name)
        assert after.one("counters_listener")[reason] == before.one("counters_listener")[reason] + 1
    expect_as_in_the_log(ask(rm), rm)


def test_silent_clients_are_counted(terminating, connect):
    rm = terminating(handshake_timeout="300ms")
    for _ in range(30):
        connect(rm.address())
    rm.wait_sessions(30, reason="preread_timeout")
    assert at_the_end(rm).one("counters_listener")["preread_timeout"] == 30


def test_passed_through(ringmain, backend, pki):
    """Who only looks at a hello knows no cipher."""
    context = tls.server_context(pki["ecdsa.pem"])
    rm = ringmain([backend(tls.served(context, servers.echo))], listener={"tls": "passthrough"})
    talk(rm, tls.client_context(pki))
    rm.wait_sessions(1)
    report = at_the_end(rm)
    numbers = report.one("counters_tls")
    assert (numbers["hellos"], numbers["with_sni"], numbers["handshakes"]) == (1, 1, 0)
    assert not report.ciphers()
