# SPDX-License-Identifier: GPL-2.0-or-later
"""Being told to stop: who may finish, for how long, and what the others see."""

import os
import signal
import time

import pytest

from kit import backend as kit_backend
from kit import tcp
from kit.wait import SCALE, Stopwatch, wait_until

pytestmark = pytest.mark.haproxy_cannot("other signals")


def is_refused(address):
    try:
        tcp.reset(tcp.connect(address))
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
@pytest.mark.parametrize("relay", ("copy", "splice"))
def test_transfers_finish(session, relay, number):
    client, peer, rm = session(listener={"relay": relay})
    parts = [tcp.pattern(number, 200_000) for number in range(30)]
    peer.sendall(parts[0])
    tcp.expect(client, parts[0])
    rm.process.send_signal(number)
    wait_until(lambda: is_refused(rm.address()), "new connections to be refused")
    for part in parts[1:]:
        tcp.send_in_background(peer, part)
        tcp.expect(client, part)
    assert rm.process.alive()
    tcp.hang_up(peer)
    tcp.expect_end(client, b"", "FIN")
    client.close()
    assert rm.process.wait() == 0
    assert [line["bytes_down"] for line in rm.sessions(reason="done")] == ["6000000"]


def test_stops_at_once_without_sessions(ringmain, backend):
    rm = ringmain([backend(kit_backend.echo)])
    watch = Stopwatch()
    rm.stop()
    assert watch.seconds() < 2 * SCALE


def test_drain_timeout_resets_the_rest(session):
    client, peer, rm = session(settings={"drain_timeout": "500ms"})
    watch = Stopwatch()
    rm.process.send_signal(signal.SIGTERM)
    tcp.expect_end(client, b"", "RST")
    assert 0.4 <= watch.seconds() < 0.5 + 3 * SCALE
    tcp.expect_end(peer, b"", "RST")
    assert rm.process.wait() == 0
    assert [line["reason"] for line in rm.sessions()] == ["drain_timeout"]


def test_second_signal_ends_now(session):
    client, peer, rm = session()
    rm.process.send_signal(signal.SIGTERM)
    rm.wait_line(msg="draining")
    rm.process.send_signal(signal.SIGTERM)
    tcp.expect_end(client, b"", "RST")
    tcp.expect_end(peer, b"", "RST")
    assert rm.process.wait(5) == 0
    assert [line["reason"] for line in rm.sessions()] == ["shutdown"]


@pytest.mark.threads
def test_many_sessions_end_with_the_drain_timeout(ringmain, backend, connect):
    rm = ringmain([backend(kit_backend.echo)], settings={"drain_timeout": "300ms", "workers": 4})
    clients = [connect(rm.address()) for _ in range(300)]
    for client in clients:
        tcp.exchange(client, b"x")
    rm.stop()
    assert len(rm.sessions(reason="drain_timeout")) == 300
    for client in clients:
        tcp.expect_end(client, b"", "RST")


def test_stop_while_dialing(ringmain, connect, blackhole):
    rm = ringmain([blackhole()], pool={"connect_timeout": "30s", "connect_total": "30s"},
                  settings={"drain_timeout": "300ms"})
    client = connect(rm.address())
    client.sendall(b"hello?")
    watch = Stopwatch()
    rm.stop()
    assert watch.seconds() < 5 * SCALE
    tcp.expect_end(client, b"", "RST")


def test_stop_under_load(ringmain, backend):
    """Sessions come and go while it drains: each ends well or is refused; nothing hangs."""
    rm = ringmain([backend(kit_backend.echo)], settings={"drain_timeout": "2s"})
    seen = []

    def visit(seed):
        data = tcp.pattern(seed, 3000)
        while True:
            try:
                sock = tcp.connect(rm.address())
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                seen.append("reset")
                continue
            with sock:
                try:
                    tcp.exchange(sock, data)
                    tcp.hang_up(sock)
                    tcp.expect_end(sock, b"", "FIN")
                    seen.append("done")
                except ConnectionError:
                    seen.append("reset")

    visitors = [tcp.Task(visit, seed) for seed in range(16)]
    wait_until(lambda: len(seen) > 100, "some visits")
    rm.process.send_signal(signal.SIGTERM)
    for visitor in visitors:
        visitor.result(20)
    assert rm.process.wait() == 0
    # Whoever is between the last look into the queue and its end is reset: a handful at most.
    assert seen.count("reset") <= 16
    assert len(rm.sessions(reason="done")) >= seen.count("done")


def test_hangup_is_answered_politely(session):
    client, peer, rm = session()
    rm.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "SIGHUP" in rm.text() or "reload" in rm.text(), "an answer in the log")
    client.sendall(b"still there?")
    tcp.expect(peer, b"still there?")
    assert not is_refused(rm.address())


def test_other_signals_do_not_disturb(session):
    client, peer, rm = session()
    for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGPIPE, signal.SIGWINCH):
        rm.process.send_signal(number)
    time.sleep(0.05)        # SIGSTOP and SIGCONT right after each other would cancel out
    client.sendall(b"hello")
    tcp.expect(peer, b"hello")


def test_no_threads_or_files_are_left_behind(ringmain, backend, workdir):
    before = set(os.listdir(workdir))
    rm = ringmain([backend(kit_backend.echo)], binds=["127.0.0.1:0", f"unix:{workdir}/s"])
    rm.stop()
    assert set(os.listdir(workdir)) - before == {"ringmain-1"}
