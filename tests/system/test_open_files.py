# SPDX-License-Identifier: GPL-2.0-or-later
"""Open files: however few there may be, nobody is rejected for want of one. Who does not fit waits
in the kernel's backlog, and who was accepted gets the socket to the backend that is the other half."""

import resource
import select
import socket

import pytest

from kit import backend as kit_backend
from kit import proc, tcp, tls
from kit.wait import wait_steady, wait_until

FEW = ((24, 1), (40, 1), (64, 1), (380, 1), (390, 1), (1024, 1), (24, 2), (48, 4))

pytestmark = pytest.mark.haproxy_cannot("refuses to start, or refuses clients")


def ready_to(what, socks, timeout):
    """Which are; select(2) knows no descriptor above 1023."""
    poller, by_fd = select.poll(), {sock.fileno(): sock for sock in socks}
    for number in by_fd:
        poller.register(number, what)
    return [by_fd[number] for number, _ in poller.poll(timeout * 1000)]


def readable(socks):
    """How many have something to read."""
    return len(ready_to(select.POLLIN, socks, 0))


@pytest.fixture(autouse=True)
def many_files():
    """This process holds both ends of all of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 8192), hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def places(rm):
    """What max_sessions = auto has become."""
    return int(rm.wait_line(msg="ready")["max_sessions"])


def knock(address, number, cleanup):
    """So many clients; what each has to say is on its way."""
    clients = []
    for _ in range(number):
        clients.append(tcp.connect(address))
        cleanup.append(clients[-1].close)
    return clients


def serve_all(clients, word=b"x", at_once=1):
    """Each gets its echo and makes room for others, so many that have it stay meanwhile."""
    waiting, inside, served = set(clients), [], 0
    while waiting:
        ready = ready_to(select.POLLIN, waiting, tcp.TIMEOUT_S)
        assert ready, f"{len(waiting)} of {len(clients)} clients are never served"
        for client in ready:
            tcp.expect(client, word)    # a reset is an error here
            waiting.remove(client)
            inside.append(client)
            served += 1
        while len(inside) >= (at_once if waiting else 1):
            inside.pop(0).close()
    assert served == len(clients)


def nobody_was_rejected(rm, number):
    lines = rm.wait_sessions(number)
    assert {line["reason"] for line in lines} <= {"done", "client_reset"}
    assert not rm.lines(msg="backend")


@pytest.mark.parametrize("limit,workers", FEW)
def test_more_clients_than_files(ringmain, backend, cleanup, limit, workers):
    """As many at once as there are places, and all in the end; checks want files, too."""
    rm = ringmain([backend(kit_backend.echo)], settings={"workers": workers},
                  pool={"check": "tcp", "check_interval": "20ms"}, prefix=proc.few_files(limit))
    room = places(rm)
    clients = knock(rm.address(), 2 * room + 8, cleanup)
    for client in clients:
        client.sendall(b"x")
    wait_until(lambda: readable(clients) >= room, f"{room} at once")
    serve_all(clients, at_once=room)
    nobody_was_rejected(rm, len(clients))


@pytest.mark.parametrize("limit", (24, 64, 390))
def test_more_tls_clients_than_files(ringmain, backend, cleanup, pki, limit):
    """They are accepted long before they are dialed for."""
    rm = ringmain([backend(kit_backend.echo)], settings={"workers": 1}, prefix=proc.few_files(limit),
                  listener={"tls": "terminate", "certificate": pki["ecdsa.pem"],
                            "handshake_timeout": "60s"})
    number = 2 * places(rm) + 8
    context = tls.client_context()

    def life(sock):
        stream = tls.TlsSocket(sock, context)
        tcp.exchange(stream, b"x")
        sock.close()

    lives = [tcp.Task(life, sock) for sock in knock(rm.address(), number, cleanup)]
    for one in lives:
        one.result()
    rm.wait_sessions(number)
    assert not rm.sessions(reason="no_resources") and not rm.lines(msg="backend")


@pytest.mark.parametrize("workers", (1, 2))
def test_limit_lowered_while_running(ringmain, backend, cleanup, workers):
    """Forty were accepted and have said nothing yet when not one more file is to be had."""
    rm = ringmain([backend(kit_backend.echo)], settings={"workers": workers},
                  listener={"proxy_protocol": "accept", "proxy_protocol_from": "127.0.0.1", "proxy_protocol_timeout": "60s"})
    early = knock(rm.address(), 40, cleanup)
    before = len(rm.fds_at_start)
    wait_until(lambda: len(rm.process.fds()) >= before + 40, "all to be accepted")
    highest = wait_steady(lambda: rm.process.fds(), "the descriptors", quiet=0.1)
    prlimit = proc.need("prlimit", "util-linux")
    _, hard = resource.prlimit(rm.process.pid, resource.RLIMIT_NOFILE)
    proc.run([prlimit, f"--pid={rm.process.pid}", f"--nofile={len(highest)}:{hard}"])
    late = knock(rm.address(), 20, cleanup)
    for client in early + late:
        client.sendall(b"PROXY UNKNOWN\r\nx")
    serve_all(early + late)
    nobody_was_rejected(rm, 60)
    rm.wait_line(msg="no files left to connect to backends, sessions wait", level="warn")

    proc.run([prlimit, f"--pid={rm.process.pid}", f"--nofile={hard}:{hard}"])
    again = knock(rm.address(), 60, cleanup)
    for client in again:
        client.sendall(b"PROXY UNKNOWN\r\nx")
    serve_all(again, at_once=60)
    rm.wait_sessions(120)


def test_pipes_leave_the_promised_sessions_their_files(ringmain, manual, cleanup):
    """Streams that stand still hold a pipe each, in either direction: more than there are files for.
    Over the budget they are copied, and as many sessions fit as before."""
    server = manual()
    rm = ringmain([server], settings={"workers": 1}, listener={"relay": "splice"},
                  prefix=proc.few_files(200))
    room, lump = places(rm), b"x" * (1 << 16)
    ends = []
    for client in knock(rm.address(), room, cleanup):
        peer = server.accept()
        for end in (client, peer):
            end.setblocking(False)
            _fill(end, lump)
        ends.append((client, peer))
    fds = wait_steady(lambda: len(rm.process.fds()), "the descriptors")
    assert len(ends) == room and fds <= 200
    pipes = sum(target.startswith("pipe:") for target in rm.process.fds())
    assert pipes > len([target for target in rm.fds_at_start if target.startswith("pipe:")])
    assert not rm.sessions()


def _fill(sock, lump):
    """Until nothing has gone for a while; what it carries is not looked at."""
    try:
        while ready_to(select.POLLOUT, [sock], 0.02):
            sock.send(lump)
    except (BlockingIOError, socket.timeout):
        pass
