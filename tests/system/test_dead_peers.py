# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is dead and who only pauses: keepalive, user_timeout, and a network that loses everything.

A peer that reads nothing answers each probe of its closed window, for as long as it likes. One that
is gone answers nothing: keepalive finds it while nothing is on its way to it, user_timeout while
something is.
"""

import array
import fcntl
import socket
import termios
import time

import pytest

from kit import backend as kit_backend
from kit import tcp, tls
from kit.wait import SCALE, wait_steady, wait_until

MEGABYTE = 1 << 20
LOST_HOST = "127.0.0.9"
HOSTS = {"client": (LOST_HOST, "127.0.0.1"), "backend": ("127.0.0.1", LOST_HOST)}
IMPATIENT = {"keepalive_idle": "1s", "keepalive_interval": "1s", "keepalive_count": 2,
             "user_timeout": "1s"}
TOO_MUCH = 64 * MEGABYTE     # for all the sockets between two ends that stand still
LOST_S = 40     # at most until a peer is found dead: the next probe of its window, and user_timeout


# ---- who pauses -----------------------------------------------------------------------

TRANSPORTS = ("copy", "splice", "tls")
RCVBUFS = (0, 4096)     # the kernel's, whose window closes; and one that has to be taken back


@pytest.fixture
def pausing(ringmain, manual, pki, cleanup):
    """pausing(user_timeout) gives (ringmain, a Pause for each transport, direction and window)."""
    servers = {rcvbuf: manual(rcvbuf=rcvbuf) for rcvbuf in RCVBUFS}
    context = tls.client_context(pki)

    def keys(transport):
        if transport == "tls":
            return f"tls = terminate\ncertificate = {pki['ecdsa.pem']}\n"
        return f"relay = {transport}\n"

    def connect(address, transport, rcvbuf):
        client = (tls.connect(address, context, rcvbuf=rcvbuf) if transport == "tls"
                  else tcp.connect(address, rcvbuf=rcvbuf))
        cleanup.append(client.close)
        return client, servers[rcvbuf].accept()

    def begin(user_timeout):
        text = "".join(f"[pool {rcvbuf}]\nbackend = b {servers[rcvbuf].text}\n" +
                       "".join(f"[listener {transport}{rcvbuf}]\nbind = 127.0.0.1:0\npool = {rcvbuf}\n"
                               f"user_timeout = {user_timeout}\n{keys(transport)}"
                               for transport in TRANSPORTS)
                       for rcvbuf in RCVBUFS)
        rm = ringmain(text)
        return rm, [Pause(*connect(rm.address(f"{transport}{rcvbuf}"), transport, rcvbuf), direction)
                    for transport in TRANSPORTS for rcvbuf in RCVBUFS for direction in ("up", "down")]
    return begin


class Pause:
    """A session whose one end sends and whose other end reads nothing until finish()."""

    def __init__(self, client, peer, direction):
        self.sender, self.reader = (client, peer) if direction == "up" else (peer, client)
        self.data = tcp.pattern(direction, 8 * MEGABYTE)
        self.sender.settimeout(120 * SCALE)     # sendall()'s is one for all of it
        self.sending = tcp.send_in_background(self.sender, self.data)

    def finish(self):
        self.reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MEGABYTE)
        tcp.expect(self.reader, self.data)
        self.sending.result()
        self.reader.sendall(b"that was all")
        tcp.expect(self.sender, b"that was all")


@pytest.mark.parametrize("user_timeout, seconds", (
    ("1s", 5),
    pytest.param("2s", 60, marks=pytest.mark.soak),
))
@pytest.mark.haproxy_cannot("takes no user_timeout of a listener")
def test_a_reader_that_pauses_gets_everything(pausing, user_timeout, seconds):
    """Clients and backends, by all transports, with windows that close and some that are taken back."""
    rm, pauses = pausing(user_timeout)
    time.sleep(seconds)         # the pause is what is tested
    assert not rm.sessions()
    for pause in pauses:
        pause.finish()
    assert not rm.sessions()


# ---- who is gone ----------------------------------------------------------------------

def session_inside(netns, ringmain, cleanup, hosts, listener):
    """(client socket, backend socket, ringmain) of a live session inside a namespace."""
    client_host, backend_host = hosts
    server = netns.inside(kit_backend.Manual, (backend_host, 0))
    cleanup.append(server.close)
    rm = ringmain([server], listener=listener, prefix=netns.prefix)
    client = netns.inside(tcp.connect, rm.address(), source=(client_host, 0))
    cleanup.append(client.close)
    peer = server.accept()
    client.sendall(b"hello")
    tcp.expect(peer, b"hello")
    peer.sendall(b"hello too")
    tcp.expect(client, b"hello too")
    return client, peer, rm


class SendUntilItEnds:
    """Sends data on a thread, and counts, until the connection breaks or the test is over."""

    def __init__(self, sock, data):
        self.count = 0
        sock.settimeout(LOST_S)
        self.task = tcp.Task(self._run, sock, memoryview(data))

    def _run(self, sock, data):
        try:
            while self.count < len(data):
                self.count += sock.send(data[self.count:self.count + tcp.CHUNK])
        except OSError:
            pass


def unacknowledged(sock):
    """Bytes in a socket that the other kernel has not acknowledged."""
    count = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, count)
    return count[0]


def cut(netns):
    netns.lose([f"ip saddr {LOST_HOST}", f"ip daddr {LOST_HOST}"])


@pytest.mark.root
@pytest.mark.haproxy_cannot("other words")
@pytest.mark.parametrize("lost", ("client", "backend"))
@pytest.mark.parametrize("how", ("idle", "sending", "ending"))
def test_a_dead_peer_is_noticed(netns, ringmain, cleanup, lost, how):
    """F10. The cable is pulled; probes, or bytes or a FIN that nobody acknowledges, tell."""
    listener = IMPATIENT if how == "idle" else {"keepalive": "no", "user_timeout": "1s"}
    client, peer, rm = session_inside(netns, ringmain, cleanup, HOSTS[lost], dict(listener))
    cut(netns)
    alive = peer if lost == "client" else client
    if how == "sending":
        alive.sendall(b"are you there?")
    elif how == "ending":
        tcp.hang_up(alive)
    assert tcp.read_to_end(alive).how == "RST"
    rm.wait_sessions(1, reason=f"{lost}_lost")


@pytest.mark.root
@pytest.mark.haproxy_cannot("other words")
@pytest.mark.parametrize("lost, relay", (("client", "splice"), ("backend", "copy")))
def test_a_peer_that_dies_while_its_window_is_closed_is_noticed(netns, ringmain, cleanup, lost, relay):
    """Its kernel answered the probes of a window that it had closed, and does so no more."""
    listener = {"keepalive": "no", "user_timeout": "1s", "relay": relay}
    client, peer, rm = session_inside(netns, ringmain, cleanup, HOSTS[lost], listener)
    alive = peer if lost == "client" else client
    sent = SendUntilItEnds(alive, bytes(TOO_MUCH))
    wait_steady(lambda: sent.count, "the sender to be stopped")
    assert sent.count < TOO_MUCH
    time.sleep(1.5 * SCALE)     # longer than user_timeout: only who is gone may be ended
    assert not rm.sessions()
    cut(netns)
    rm.wait_sessions(1, timeout=LOST_S, reason=f"{lost}_lost")
    sent.task.result()


@pytest.mark.root
@pytest.mark.haproxy_cannot("other words")
@pytest.mark.parametrize("lost, relay", (("client", "copy"), ("backend", "splice")))
def test_what_a_dead_peer_had_sent_is_delivered(netns, ringmain, cleanup, lost, relay):
    """It dies, and much of what came from it still waits for a reader that pauses."""
    listener = {"keepalive": "no", "user_timeout": "1s", "close_timeout": "1m", "relay": relay}
    client, peer, rm = session_inside(netns, ringmain, cleanup, HOSTS[lost], listener)
    gone, alive = (client, peer) if lost == "client" else (peer, client)
    data = tcp.pattern(lost, TOO_MUCH)
    sent = SendUntilItEnds(gone, data)
    wait_steady(lambda: (sent.count, unacknowledged(gone)), "the sender to be stopped")
    cut(netns)
    least = sent.count - unacknowledged(gone)
    alive.sendall(b"are you there?")
    time.sleep(3)               # the reader pauses, and the other one is found dead meanwhile
    got = tcp.read_to_end(alive)
    assert got.how == "RST"
    assert len(got.data) >= least
    tcp.assert_same(got.data, data[:len(got.data)])
    rm.wait_sessions(1, reason=f"{lost}_lost")


@pytest.mark.root
@pytest.mark.haproxy_cannot("other words")
@pytest.mark.parametrize("lost", ("client", "backend"))
def test_a_few_lost_probes_are_forgiven(netns, ringmain, cleanup, lost):
    """keepalive_count: the network is away for some probes of an idle session, and back for others."""
    listener = {"keepalive_idle": "1s", "keepalive_interval": "1s", "keepalive_count": 60,
                "user_timeout": "1s"}
    client, peer, rm = session_inside(netns, ringmain, cleanup, HOSTS[lost], listener)
    cut(netns)
    wait_until(lambda: netns.lost() >= 3, "three probes to get lost", timeout=30)
    netns.lose_no_more()
    assert not rm.sessions()
    client.sendall(b"still there?")
    tcp.expect(peer, b"still there?")
    peer.sendall(b"still here")
    tcp.expect(client, b"still here")


@pytest.mark.root
@pytest.mark.haproxy_cannot("other words")
@pytest.mark.parametrize("lost", ("client", "backend"))
def test_a_lost_fin_is_found_out(netns, ringmain, cleanup, lost):
    """F10. The peer closed and forgot, its FIN never came; the next probe brings a RST."""
    netns.sysctl("net.ipv4.tcp_orphan_retries", 1)
    client, peer, rm = session_inside(netns, ringmain, cleanup, HOSTS[lost],
                                      {**IMPATIENT, "keepalive_count": 20, "user_timeout": "0"})
    netns.lose([f"ip saddr {LOST_HOST} tcp flags & fin == fin"])
    gone, alive = (client, peer) if lost == "client" else (peer, client)
    gone.close()
    assert tcp.read_to_end(alive) == (b"", "RST")
    rm.wait_sessions(1)


@pytest.mark.root
@pytest.mark.haproxy_cannot("its checks are others")
def test_a_check_that_connects_finds_out_for_those_who_wait_for_an_answer(netns, ringmain, cleanup):
    """Of the sessions of a backend that is down those end whose bytes it does not acknowledge, long
    before user_timeout, also who sends some later; who is silent goes on when it is back."""
    server = netns.inside(kit_backend.Manual, (LOST_HOST, 0))
    cleanup.append(server.close)
    rm = ringmain([server], prefix=netns.prefix, listener={"user_timeout": "10m"},
                  pool={"check": "tcp", "check_interval": "100ms", "check_fast_interval": "100ms",
                        "check_timeout": "200ms", "check_fall": 2, "eject_max_percent": 100})
    clients, peers = [], []
    for _ in range(3):
        clients.append(netns.inside(tcp.connect, rm.address()))
        peers.append(server.accept())
    cleanup += [one.close for one in clients + peers]
    cut(netns)
    clients[0].sendall(b"are you there?")
    assert rm.wait_line(msg="backend", change="down")["backend"] == "b1"
    assert rm.wait_sessions(1, timeout=30)[0]["reason"] == "backend_down"
    clients[1].sendall(b"and now?")
    assert rm.wait_sessions(2, timeout=30)[1]["reason"] == "backend_down"
    netns.lose_no_more()
    rm.wait_line(msg="backend", change="up")
    clients[2].sendall(b"here")
    assert tcp.recv_exactly(peers[2], 4) == b"here"
