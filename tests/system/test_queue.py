# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions that wait because every backend is full."""

import contextlib

import pytest

from kit import backend as servers
from kit import load, tcp
from kit.wait import Stopwatch, wait_steady
from kit.waiting import wait_queued

QUEUE = {"queue": 100, "queue_timeout": "20s"}


@pytest.fixture
def full(ringmain, manual, connect):
    """full(...) gives (ringmain, server, client, its backend's side): there is no place left."""
    def begin(**pool):
        server = manual()
        rm = ringmain([f"{server.text} max_sessions=1"], pool={**QUEUE, **pool})
        client = connect(rm.address())
        client.sendall(b"first")
        sock = server.accept()
        tcp.expect(sock, b"first")
        return rm, server, client, sock
    return begin


def leave(client, sock):
    """Ends a session that has a place."""
    client.close()
    tcp.expect_end(sock, b"", "FIN")
    sock.close()


def join(connect, rm, data, place=1):
    """Gives a client that waits in the queue, in this place, and has sent data."""
    client = connect(rm.address())
    client.sendall(data)
    wait_queued(rm, client, place)
    return client


def test_first_come_first_served(full, connect):
    """Of both workers alike."""
    rm, server, client, sock = full()
    waiting = [join(connect, rm, b"%02d" % number, number + 1) for number in range(16)]
    for number, following in enumerate(waiting):
        leave(client, sock)
        client, sock = following, server.accept()
        assert tcp.recv_exactly(sock, 2) == b"%02d" % number
    leave(client, sock)
    lines = rm.wait_sessions(17, reason="done")
    assert len({line["worker"] for line in lines}) == 2
    waited = [int(line["wait_ms"]) for line in lines if "wait_ms" in line]
    assert len(waited) >= 15 and all(int(line.get("wait_ms", 0)) <= int(line["duration_ms"]) for line in lines)


def test_never_more_than_its_limit(ringmain, manual, connect):
    server = manual()
    rm = ringmain([f"{server.text} max_sessions=3"], pool=QUEUE)
    clients, socks = [], []
    for number in range(20):
        clients.append(join(connect, rm, b"%02d" % number, max(0, number - 2)))
        if number < 3:
            socks.append(server.accept())
    for number, client in enumerate(clients):
        assert not server.has_waiting(), "one too many"
        sock = socks.pop(0)
        tcp.expect(sock, b"%02d" % number)
        leave(client, sock)
        if number < len(clients) - 3:
            socks.append(server.accept())
    rm.wait_sessions(20, reason="done")


def test_timeout(full, connect):
    rm, server, client, sock = full(queue_timeout="300ms")
    watch = Stopwatch()
    late = connect(rm.address())
    late.sendall(b"late")
    assert tcp.read_to_end(late).data == b""
    assert watch.seconds() > 0.2
    assert int(rm.wait_sessions(1, reason="queue_timeout", by="ringmain")[0]["wait_ms"]) >= 250
    leave(client, sock)
    following = connect(rm.address())
    following.sendall(b"ok")
    tcp.expect(server.accept(), b"ok")


def test_full_queue_refuses_at_once(full, connect):
    rm, server, client, sock = full(queue=2)
    waiting = [join(connect, rm, b"%d" % number, number + 1) for number in range(2)]
    assert tcp.knock(rm.address()) == (b"", "RST")
    rm.wait_sessions(1, reason="backends_full")
    for number, following in enumerate(waiting):
        leave(client, sock)
        client, sock = following, server.accept()
        tcp.expect(sock, b"%d" % number)


def send_all_it_can(sock):
    """Until nothing has gone for a while: ringmain takes no more."""
    sent = [0]

    def total():
        with contextlib.suppress(BlockingIOError):
            while True:
                sent[0] += sock.send(bytes(1 << 16))
        return sent[0]

    wait_steady(total, "the bytes that are taken", quiet=0.1)


@pytest.mark.parametrize("how", ("FIN", "RST", "RST after bytes", "RST after bytes and FIN",
                                 "RST after many bytes"))
def test_client_that_leaves_is_dropped(full, connect, how):
    """The queue has one place: who leaves it makes room."""
    rm, server, client, sock = full(queue=1)
    for number in range(1, 6):
        leaver = join(connect, rm, b"gone") if "bytes" in how else connect(rm.address())
        if "many" in how:
            leaver.setblocking(False)
            send_all_it_can(leaver)
        if "FIN" in how:
            tcp.hang_up(leaver)
        if how == "FIN":
            tcp.read_to_end(leaver)
        else:
            tcp.reset(leaver)
        rm.wait_sessions(number, reason="client_left" if how == "FIN" else "client_reset")
    join(connect, rm, b"patient")
    leave(client, sock)
    tcp.expect(server.accept(), b"patient")


def test_client_that_has_said_all_keeps_its_place(full, connect):
    """FIN after a request is no farewell."""
    rm, server, client, sock = full()
    patient = join(connect, rm, b"request")
    tcp.hang_up(patient)
    leave(client, sock)
    sock = server.accept()
    tcp.expect_end(sock, b"request", "FIN")
    sock.sendall(b"answer")
    sock.close()
    tcp.expect_end(patient, b"answer", "FIN")


@pytest.mark.threads
def test_nobody_is_lost_under_churn(ringmain, start, workdir):
    both = [start(load.Serve, workdir, number) for number in (1, 2)]
    rm = ringmain([f"{one.text} max_sessions=3" for one in both], pool={**QUEUE, "queue": 200})
    seen = load.measure("exchange", rm.address(), seconds=1, warmup=0.2, connections=80)
    assert seen["failures"] == 0 and seen["exchanges"] > 100
    assert not [line for line in rm.sessions() if line["reason"] not in ("done", "client_reset")]
    rm.wait_fds_back()      # before the servers go, for those that have not been served yet


@pytest.mark.threads
def test_places_survive_leavers_under_churn(ringmain, backend, connect):
    """Clients come, wait and reset at random moments; at the end all places are free again."""
    server = backend(servers.echo)
    rm = ringmain([f"{server.text} max_sessions=4"], pool=QUEUE)

    def churn(seed):
        for number in range(60):
            with tcp.connect(rm.address()) as sock:
                if (number + seed) % 3 == 0:
                    tcp.reset(sock)
                elif (number + seed) % 3 == 1:
                    sock.sendall(b"bye")
                    tcp.reset(sock)
                else:
                    tcp.exchange(sock, b"x" * 1000)

    for task in [tcp.Task(churn, seed) for seed in range(8)]:
        task.result()
    rm.wait_sessions(8 * 60)
    assert len(rm.sessions(reason="done")) >= 8 * 20
    clients = [connect(rm.address()) for _ in range(4)]
    for client in clients:
        tcp.exchange(client, b"all four at once")
    assert server.active() == 4
