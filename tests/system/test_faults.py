# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong in the field: no descriptors, no buffers, dead peers, storms.

Each test brings one fault about and looks at what must hold meanwhile and afterwards. That
sessions and descriptors are back at their starting number is checked after each, by the fixture.
"""

import os
import select
import signal
import socket
import threading
import time

import pytest

from kit import backend as kit_backend
from kit import proc, servers, tcp
from kit.checker import backend_addresses, check
from kit.ports import free_port
from kit.wait import SCALE, Stopwatch, wait_steady, wait_until

# A sanitizer's own memory grows with the memory that is used.
SANITIZED = 4 if "asan" in os.environ.get("RINGMAIN", "") else 1
# Each of the two workers goes round the 256 buffers that it offers, 17 kB each, whatever it holds.
BUFFERS_KB = 10000 * SANITIZED

MEGABYTE = 1 << 20
RELAYS = ("copy", "splice", "auto")


# ---- no descriptors -------------------------------------------------------------------

def crowd(address, number):
    """So many clients, less those that were rejected at the door."""
    clients = []
    for _ in range(number):
        try:
            clients.append(tcp.connect(address))
        except ConnectionResetError:
            pass
    return clients


@pytest.mark.alone
@pytest.mark.haproxy_cannot("refuses to start")
def test_no_descriptors_left(ringmain, backend, connect):
    """F1. A hundred clients where there is suddenly room for twenty: no spinning, a quiet log, recovery."""
    rm = ringmain([backend(kit_backend.echo)], settings={"workers": 1})
    proc.run([proc.need("prlimit", "util-linux"), f"--pid={rm.process.pid}", "--nofile=60:"])
    clients = crowd(rm.address(), 100)
    wait_steady(lambda: len(rm.process.fds()), "the descriptors", quiet=0.3)
    assert len(rm.process.fds()) >= 60

    spent, lines, watch = rm.process.cpu_seconds(), len(rm.raw_lines()), Stopwatch()
    time.sleep(2)               # nothing may happen here: that is what is measured
    seconds = watch.seconds()
    assert rm.process.cpu_seconds() - spent < 0.2 * seconds, "spins"
    warnings = [line for line in rm.lines()[lines:] if line["msg"] != "session"]
    assert len(warnings) <= 2 * seconds + 2, "floods the log"

    for client in clients:
        client.close()
    watch = Stopwatch()
    tcp.exchange(connect(rm.address()), b"there is room again")
    assert watch.seconds() < 2 * SCALE


@pytest.mark.haproxy_cannot("refuses to start")
def test_sessions_go_on_while_descriptors_are_short(ringmain, backend, connect):
    rm = ringmain([backend(kit_backend.echo)], settings={"workers": 1}, prefix=proc.few_files(64))
    first = connect(rm.address())
    tcp.exchange(first, b"x")
    others = crowd(rm.address(), 100)
    for _ in range(50):
        tcp.exchange(first, tcp.pattern("through", 100_000))
    for client in others:
        client.close()


# ---- no buffers -----------------------------------------------------------------------

FOUR_BUFFERS = {"workers": 1, "buffer_memory": "68k"}


@pytest.mark.haproxy_cannot("has no such pool")
@pytest.mark.parametrize("relay", RELAYS)
def test_four_buffers_serve_everybody(ringmain, relay):
    """F2. Receives that find no buffer wait and go on; none is forgotten."""
    backends = backend_addresses(2)
    rm = ringmain(backends, settings=FOUR_BUFFERS, listener={"relay": relay})
    check(rm.address(), backends, sessions=400, concurrency=200, aborts=10, seed=5)
    rm.wait_sessions(400)


def test_slow_readers_holding_all_buffers_give_them_back(ringmain, backend, connect):
    """F2. While they hold them others wait; then everybody's bytes are right."""
    data = tcp.pattern("slow", 8 * MEGABYTE)
    rm = ringmain([backend(kit_backend.source(data))], settings=FOUR_BUFFERS,
                  listener={"relay": "copy"})
    clients = [connect(rm.address(), rcvbuf=4096) for _ in range(6)]
    for client in clients:
        client.sendall(b"?")
    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MEGABYTE)
        tcp.expect_end(client, data, "FIN")


# ---- a small ring ---------------------------------------------------------------------

@pytest.mark.haproxy_cannot("has no ring")
@pytest.mark.parametrize("entries", (8, 64))
def test_completions_overflow(ringmain, entries):
    """F3. A ring of 64 and 2000 sessions at once: none is lost."""
    backends = backend_addresses(2)
    rm = ringmain(backends, args=["--ring-entries", str(entries)], settings={"workers": 1})
    got = check(rm.address(), backends, sessions=2000, concurrency=2000, bytes_max=20000, seed=6)
    assert got["complete"] == 2000
    rm.wait_sessions(2000, reason="done")


# ---- slow readers ---------------------------------------------------------------------

def warm_up(address):
    """So much through an echo server that every buffer that is used in turn has been used."""
    data = b"x" * (16 * MEGABYTE)
    for client in [tcp.connect(address) for _ in range(4)]:
        with client:
            sending = tcp.send_in_background(client, data)
            tcp.expect(client, data)
            sending.result()


@pytest.mark.alone
@pytest.mark.parametrize("relay", RELAYS)
def test_slow_readers_hold_little_memory_and_nobody_up(ringmain, backend, connect, relay):
    """F5. 40 clients do not read the 10 MB that are coming for them."""
    data = tcp.pattern("pending", 10 * MEGABYTE)
    source, echo = backend(kit_backend.source(data)), backend(kit_backend.echo)
    rm = ringmain(f"""
        [global]
        workers = 2
        [listener in]
        bind = 127.0.0.1:0
        pool = source
        relay = {relay}
        [listener other]
        bind = 127.0.0.1:0
        pool = echo
        relay = copy
        [pool source]
        backend = s {source.text}
        [pool echo]
        backend = e {echo.text}
        """)
    warm_up(rm.address("other"))
    other = connect(rm.address("other"))
    tcp.exchange(other, b"x")
    rm.process.rss_peak_forget()
    before_kb = rm.process.rss_kb()
    clients = [connect(rm.address(), rcvbuf=4096) for _ in range(40)]
    for client in clients:
        client.sendall(b"?")
    wait_steady(lambda: source.active(), "the transfers to get stuck")

    slowest = 0.0
    for _ in range(100):
        watch = Stopwatch()
        tcp.exchange(other, b"y" * 1000)
        slowest = max(slowest, watch.seconds())
    assert slowest < 1 * SCALE, "others have to wait"
    grown_kb = rm.process.rss_peak_kb() - before_kb
    held_kb, offered_kb = (3 * 17 + 20) * len(clients), 2 * 128 * 17    # offered: by two workers
    assert grown_kb < (held_kb + offered_kb) * SANITIZED, "more than three buffers for each"

    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MEGABYTE)
        tcp.expect_end(client, data, "FIN")


@pytest.mark.parametrize("relay", ("copy", "splice"))
def test_client_that_sends_a_gigabyte_and_never_reads(ringmain, backend, connect, relay):
    server = backend(kit_backend.sink)
    rm = ringmain([server], listener={"relay": relay})
    client = connect(rm.address())
    chunk = tcp.pattern("gigabyte", 8 * MEGABYTE)
    client.sendall(chunk)
    rm.process.rss_peak_forget()
    before_kb = rm.process.rss_kb()
    for _ in range(127):
        client.sendall(chunk)
    tcp.hang_up(client)
    tcp.expect_end(client, b"", "FIN")
    assert server.peers[0].received == 128 * len(chunk)
    assert rm.process.rss_peak_kb() - before_kb < BUFFERS_KB


def more_than_kernels_hold():
    """There and back a byte passes four sockets; each may grow its buffers to the most there is."""
    limits = [int(open(f"/proc/sys/net/ipv4/tcp_{way}mem", encoding="ascii").read().split()[2])
              for way in "rw"]
    return 4 * sum(limits) + 16 * MEGABYTE


@pytest.mark.parametrize("relay", RELAYS)
def test_client_that_does_not_read_its_echo(ringmain, backend, connect, relay):
    """Both directions fill up and stop; then the client reads and gets everything."""
    rm = ringmain([backend(kit_backend.echo)], listener={"relay": relay})
    warm_up(rm.address())
    client = connect(rm.address(), rcvbuf=4096)
    data = tcp.pattern("echo", more_than_kernels_hold())
    rm.process.rss_peak_forget()
    before_kb = rm.process.rss_kb()
    sent = SendAsFarAsItGoes(client, data)
    wait_steady(lambda: sent.count, "the sender to be stopped")
    assert sent.count < len(data)
    assert rm.process.rss_peak_kb() - before_kb < BUFFERS_KB
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MEGABYTE)
    tcp.expect_end(client, data, "FIN")


class SendAsFarAsItGoes:
    """Sends on a thread and counts; then FIN."""

    def __init__(self, sock, data):
        self.count = 0
        self._task = tcp.Task(self._run, sock, memoryview(data))

    def _run(self, sock, data):
        while self.count < len(data):
            self.count += sock.send(data[self.count:self.count + 65536])
        tcp.hang_up(sock)


# ---- storms ---------------------------------------------------------------------------

def test_a_thousand_connects_and_resets(ringmain, backend, connect):
    """F8. Each is a session that ended, and the next client is served."""
    server = backend(kit_backend.echo)
    rm = ringmain([server])
    visits = [tcp.Task(connect_and_reset, rm.address(), 50) for _ in range(20)]
    for visit in visits:
        visit.result()
    tcp.exchange(connect(rm.address()), b"and now for real")
    rm.wait_sessions(1000)
    wait_until(lambda: server.active() <= 1, "the backend to be rid of them")


def connect_and_reset(address, times):
    for _ in range(times):
        tcp.reset(tcp.connect(address))


@pytest.mark.haproxy_fails("sends FIN for RST")
@pytest.mark.parametrize("relay", RELAYS)
def test_everybody_resets(ringmain, relay):
    """F8. By either side, at the start, in the middle, at the end."""
    backends = backend_addresses(2)
    rm = ringmain(backends, listener={"relay": relay})
    check(rm.address(), backends, sessions=1000, concurrency=300, aborts=100, seed=8)
    rm.wait_sessions(1000)


@pytest.mark.haproxy_fails("sends FIN for RST")
@pytest.mark.parametrize("relay", RELAYS)
def test_descriptors_change_hands_quickly(ringmain, relay):
    """F20. A number that was just closed is the next socket's while completions are still due."""
    backends = backend_addresses(2)
    rm = ringmain(backends, listener={"relay": relay}, settings={"workers": 1})
    got = check(rm.address(), backends, sessions=8000, concurrency=64, aborts=50,
                bytes_max=3000, pause=0, seed=9)
    assert got["complete"] > 3000
    rm.wait_sessions(8000)


# ---- bad backends ---------------------------------------------------------------------

def test_stopped_backend(ringmain, workdir, start, connect):
    """F11. SIGSTOP: the kernel still accepts for it; the idle timeout ends what waits."""
    redis = start(servers.Redis, workdir)
    rm = ringmain([redis], listener={"idle_timeout": "500ms"})
    first = connect(rm.address())
    first.sendall(b"PING\r\n")
    tcp.expect(first, b"+PONG\r\n")
    redis.process.send_signal(signal.SIGSTOP)
    try:
        second = connect(rm.address())
        second.sendall(b"PING\r\n")
        assert tcp.read_to_end(second).data == b""
        rm.wait_sessions(2, reason="idle")
    finally:
        redis.process.send_signal(signal.SIGCONT)


def test_killed_backend(ringmain, workdir, start, connect):
    """F11. SIGKILL: its sessions end at once, the next ones go elsewhere."""
    one, two = (start(servers.Redis, workdir, number) for number in (1, 2))
    rm = ringmain([one, two], pool={"balance": "roundrobin"})
    clients = [connect(rm.address()) for _ in range(10)]
    for client in clients:
        client.sendall(b"PING\r\n")
        tcp.expect(client, b"+PONG\r\n")
    watch = Stopwatch()
    one.process.kill()
    wait_until(lambda: sum(map(has_ended, clients)) >= 5, "five sessions to end")
    assert watch.seconds() < 4 * SCALE
    assert sum(map(has_ended, clients)) == 5
    for _ in range(6):
        client = connect(rm.address())
        client.sendall(b"PING\r\n")
        tcp.expect(client, b"+PONG\r\n")


def has_ended(sock):
    """Has the stream ended? Does not wait and takes nothing out."""
    if not select.select([sock], [], [], 0)[0]:
        return False
    try:
        return not sock.recv(1, socket.MSG_PEEK)
    except ConnectionError:
        return True


@pytest.mark.haproxy_cannot("other words")
def test_backend_that_accepts_and_says_nothing_does_not_stop_a_drain(ringmain, manual, connect):
    server = manual()
    rm = ringmain([server], settings={"drain_timeout": "300ms"})
    client = connect(rm.address())
    server.accept()
    rm.stop()
    assert tcp.read_to_end(client).data == b""
    assert len(rm.sessions(reason="drain_timeout")) == 1


# ---- no ports -------------------------------------------------------------------------

def answers_with_few_ports(netns, rm, cleanup, count):
    """What each client gets, "echo" or "RST". Their own ports are outside the range."""
    answers = []
    for number in range(count):
        try:
            client = netns.inside(tcp.connect, rm.address(), source=("127.0.0.1", 50000 + number))
            cleanup.append(client.close)
            client.sendall(b"x")
            tcp.expect(client, b"x")
            answers.append("echo")
        except ConnectionResetError:
            answers.append("RST")
    return answers


@pytest.mark.root
@pytest.mark.haproxy_cannot("other words")
def test_no_local_ports_left(netns, ringmain, cleanup):
    """F13. Ten ports (an even number: the kernel looks at no other), fourteen sessions."""
    netns.sysctl("net.ipv4.ip_local_port_range", "40000 40009")
    server = netns.inside(kit_backend.Backend, kit_backend.echo, ("127.0.0.1", 2001))
    cleanup.append(server.close)
    rm = ringmain([server], binds=["127.0.0.1:2000"], prefix=netns.prefix)
    assert answers_with_few_ports(netns, rm, cleanup, 14) == ["echo"] * 10 + ["RST"] * 4
    lines = rm.wait_sessions(4)
    assert {line["reason"] for line in lines} == {"no_resources"}
    assert "EADDRNOTAVAIL" in rm.text()


@pytest.mark.root
@pytest.mark.haproxy_cannot("other words")
def test_no_local_ports_left_towards_one_backend(netns, ringmain, cleanup):
    """F13. Another backend has ports of its own."""
    netns.sysctl("net.ipv4.ip_local_port_range", "40000 40009")
    pair = [netns.inside(kit_backend.Backend, kit_backend.echo, (host, 2001))
            for host in ("127.0.0.1", "127.0.0.2")]
    cleanup.extend(server.close for server in pair)
    rm = ringmain([f"{pair[0].text} weight=20", pair[1]], binds=["127.0.0.1:2000"],
                  pool={"balance": "roundrobin"}, prefix=netns.prefix)
    assert answers_with_few_ports(netns, rm, cleanup, 20) == ["echo"] * 20
    assert (len(pair[0].peers), len(pair[1].peers)) == (10, 10)


# ---- restart --------------------------------------------------------------------------

@pytest.mark.haproxy_cannot("not its habit")
def test_restart_after_a_kill_listens_at_once(make_ringmain, backend, connect):
    """F21. Fifty times, with a live session each time."""
    server = backend(kit_backend.echo)
    bind = f"127.0.0.1:{free_port()}"
    rm = make_ringmain()
    config = f"[listener in]\nbind = {bind}\npool = p\n[pool p]\nbackend = b {server.text}\n"
    for _ in range(50):
        rm.start(config)
        tcp.exchange(connect(rm.address()), b"alive")
        rm.process.kill()
    rm.start(config)
    tcp.exchange(connect(rm.address()), b"alive")


# ---- loops ----------------------------------------------------------------------------

@pytest.mark.haproxy_cannot("does not mind")
@pytest.mark.parametrize("bind,backend_address", (
    ("127.0.0.1:{0}", "127.0.0.1:{0}"),
    ("0.0.0.0:{0}", "127.0.0.1:{0}"),
    (":{0}", "127.0.0.1:{0}"),
    ("[::1]:{0}", "[::1]:{0}"),
    ("localhost:{0}", "127.0.0.1:{0}"),
    ("127.0.0.1:{0}", "localhost:{0}"),
    ("unix:/tmp/ringmain-loop-{0}", "unix:/tmp/ringmain-loop-{0}"),
))
def test_own_port_as_backend_is_refused(make_ringmain, bind, backend_address):
    port = free_port()
    rm = make_ringmain()
    config = (f"[listener in]\nbind = {bind.format(port)}\npool = p\n"
              f"[pool p]\nbackend = b {backend_address.format(port)}\n")
    done = rm.check(config, "-t")
    assert done.returncode == 1
    assert "ringmain.ini:5:" in done.stderr


def test_churn_from_many_threads(ringmain, backend):
    """Connects, talks and leaves in every way at once, for two seconds; nobody gets another's bytes."""
    rm = ringmain([backend(kit_backend.echo), backend(kit_backend.echo)])
    stop = Stopwatch()
    errors = []

    def visit(seed):
        number = 0
        while stop.seconds() < 2:
            number += 1
            data = tcp.pattern((seed, number).__repr__(), 1 + (number * 7919) % 9000)
            try:
                with tcp.connect(rm.address()) as sock:
                    tcp.exchange(sock, data)
                    if number % 3 == 0:
                        tcp.reset(sock)
                    elif number % 3 == 1:
                        tcp.hang_up(sock)
                        tcp.expect_end(sock, b"", "FIN")
            except (AssertionError, OSError) as error:
                errors.append(f"{seed}/{number}: {error!r}")
                return

    threads = [threading.Thread(target=visit, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
