# SPDX-License-Identifier: GPL-2.0-or-later
"""What systemd is told and what it passes on, without systemd: kit.manager stands in."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from kit import backend as servers
from kit import proc, tcp
from kit.control import Ctl
from kit.manager import Manager
from kit.ports import free_port
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("is told otherwise")


@pytest.fixture
def manager(start, workdir):
    return start(Manager, os.path.join(workdir, "notify"))


def test_it_says_when_it_is_ready_and_when_it_stops(ringmain, backend, connect, manager):
    rm = ringmain([backend(servers.echo)], env={"NOTIFY_SOCKET": manager.path})
    manager.wait("READY")
    assert manager.wait("STATUS")[0] == "running, 0 sessions, 1 of 1 backends ready"
    client = connect(rm.address())
    tcp.exchange(client, b"x")
    assert "STOPPING" not in manager.lines
    rm.process.send_signal(signal.SIGTERM)
    manager.wait("STOPPING")
    assert manager.wait("STATUS", lambda said: "draining" in said[-1])[-1].startswith("draining, 1 sessions")


def test_an_abstract_socket_will_do(ringmain, backend, start):
    manager = start(Manager, f"@ringmain-test-{os.getpid()}")
    ringmain([backend(servers.echo)], env={"NOTIFY_SOCKET": manager.path})
    manager.wait("READY")


def test_a_reload_is_told_with_its_time(ringmain, backend, manager):
    rm = ringmain([backend(servers.echo)], env={"NOTIFY_SOCKET": manager.path})
    manager.wait("READY")
    before = time.monotonic_ns() // 1000
    rm.process.send_signal(signal.SIGHUP)
    manager.wait("READY", lambda said: len(said) == 2)
    assert manager.said("RELOADING") == ["1"]
    assert before <= int(manager.said("MONOTONIC_USEC")[0]) <= time.monotonic_ns() // 1000


def test_the_end_of_a_reload_is_told_once_there_is_room(running, backend, cleanup, workdir):
    """A manager that was told of a reload and not of its end gives up on us."""
    path = os.path.join(workdir, "notify")
    slow = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    cleanup.append(slow.close)
    slow.bind(path)
    slow.settimeout(30)
    r = running([backend(servers.echo)], env={"NOTIFY_SOCKET": path})
    said = [slow.recv(4096)]
    while said[-1] != b"READY=1\n":
        said.append(slow.recv(4096))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
        others.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                others.sendto(b"full", path)
    slow.recv(4096)             # there is room for RELOADING alone
    r.reload()
    said = []
    while b"READY=1\n" not in said:
        said.append(slow.recv(4096))
    assert said[-2].startswith(b"RELOADING=1") or b"full" in said


def test_the_watchdog_is_fed(ringmain, backend, manager):
    ringmain([backend(servers.echo)], settings={"workers": 4},
             env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "200000"})
    manager.wait("WATCHDOG", lambda said: len(said) >= 5)


def test_a_stuck_thread_of_the_checks_is_not_alive(ringmain, backend, manager):
    rm = ringmain([backend(servers.echo)], pool={"check": "tcp"},
                  env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "200000"})
    manager.wait("WATCHDOG")
    with proc.stopped(rm.process.thread("checks")):
        wait_until(lambda: not grows(manager), "the watchdog to be hungry")
    assert grows(manager)


def test_a_watchdog_for_somebody_else_is_none_of_ours(ringmain, backend, manager):
    ringmain([backend(servers.echo)],
             env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"})
    manager.wait("READY")
    assert not grows(manager)


def test_an_address_that_is_none_is_told(ringmain, backend):
    rm = ringmain([backend(servers.echo)], env={"NOTIFY_SOCKET": "vsock:2:1"})
    assert "NOTIFY_SOCKET" in rm.text()


def test_nobody_listens_at_the_address(ringmain, backend, workdir, connect):
    rm = ringmain([backend(servers.echo)], env={"NOTIFY_SOCKET": os.path.join(workdir, "nobody")})
    tcp.exchange(connect(rm.address()), b"all the same")


def grows(manager):
    """Is the watchdog fed in half a second, ten times what it takes?"""
    before = len(manager.said("WATCHDOG"))
    time.sleep(0.5)
    return len(manager.said("WATCHDOG")) > before


PASS = """
import fcntl, os, sys
names, fds, argv = sys.argv[1], [int(fd) for fd in sys.argv[2].split(",")], sys.argv[3:]
moved = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]     # to numbers that nobody has
for n, fd in enumerate(moved):
    os.dup2(fd, 3 + n)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(argv[0], argv)
"""


@pytest.fixture
def passing(monkeypatch, make_ringmain, cleanup):
    """passing(config, {name: socket}, ...) starts a ringmain to which these sockets are passed."""
    def begin(config, sockets, **options):
        for sock in sockets.values():
            cleanup.append(sock.close)
            os.set_inheritable(sock.fileno(), True)
        numbers = [sock.fileno() for sock in sockets.values()]
        popen = subprocess.Popen
        monkeypatch.setattr(subprocess, "Popen", lambda *args, **more: popen(*args, pass_fds=numbers, **more))
        rm = make_ringmain()
        prefix = [sys.executable, "-c", PASS, ":".join(sockets), ",".join(map(str, numbers))]
        rm.start(config, prefix=prefix, **options)
        monkeypatch.undo()
        return rm
    return begin


def listening(family=socket.AF_INET, address=("127.0.0.1", 0)):
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    sock.listen(64)
    return sock


def config_of(server, *binds, name="in", workers=3):
    return (f"[global]\nworkers = {workers}\n[listener {name}]\n" +
            "".join(f"bind = {bind}\n" for bind in binds) +
            f"pool = out\n[pool out]\nbackend = b1 {server.text}\n")


def is_open(address):
    try:
        tcp.reset(tcp.connect(address))
        return True
    except ConnectionError:
        return False


def test_a_passed_socket_is_served_by_all_workers(passing, backend, connect):
    sock = listening()
    address = sock.getsockname()
    early = connect(address)        # before there is a ringmain
    rm = passing(config_of(backend(servers.echo), f"127.0.0.1:{address[1]}"), {"in": sock})
    tcp.exchange(early, b"patience")
    for _ in range(30):
        tcp.exchange(connect(address), b"x")
    assert rm.address() == address


def test_clients_wait_while_it_is_restarted(passing, backend, connect):
    server, passed = backend(servers.echo), listening()
    address = passed.getsockname()
    config = config_of(server, f"127.0.0.1:{address[1]}")
    rm = passing(config, {"in": passed})
    with tcp.connect(address) as sock:
        tcp.exchange(sock, b"x")
    rm.wait_sessions(1)
    rm.stop()
    waiting = [connect(address) for _ in range(20)]     # nobody refuses them
    passing(config, {"in": passed})
    for client in waiting:
        tcp.exchange(client, b"served in the end")


def test_a_passed_socket_refuses_for_a_while(passing, backend, workdir):
    """All workers stop the same socket, and all let it listen again."""
    sock, path = listening(address=("127.0.0.1", free_port())), os.path.join(workdir, "control.sock")
    address = sock.getsockname()
    rm = passing(f"[global]\nworkers = 3\ncontrol = unix:{path}\n"
                 + config_of(backend(servers.echo), f"127.0.0.1:{address[1]}").split("\n", 2)[2], {"in": sock})
    ctl = Ctl(path)
    ctl.say("listener", "in", "pause")
    wait_until(lambda: not is_open(address), "clients to be refused")
    ctl.say("listener", "in", "resume")
    wait_until(lambda: is_open(address), "clients to be let in")
    for _ in range(10):
        with tcp.connect(address) as client:
            tcp.exchange(client, b"x")
    assert not [line for line in rm.lines(level="warn") if line["msg"] == "cannot accept, trying again"]


def test_unix_sockets_and_others_may_be_passed(passing, backend, workdir):
    path = os.path.join(workdir, "passed.sock")
    unix, inet, own = listening(socket.AF_UNIX, path), listening(), "127.0.0.1:0"
    config = config_of(backend(servers.echo), f"unix:{path}", f"127.0.0.1:{inet.getsockname()[1]}", own)
    rm = passing(config, {"ringmain.socket": unix, "in": inet})
    for address in (path, inet.getsockname()):
        with tcp.connect(address) as sock:
            tcp.exchange(sock, b"x")
    assert len(rm.lines(msg="listening")) == 3
    rm.wait_sessions(2)
    rm.stop()
    assert os.path.exists(path)     # whoever made it removes it


def test_one_that_no_listener_binds_is_an_error(passing, backend):
    sock = listening()
    rm = passing(config_of(backend(servers.echo), "127.0.0.1:0"), {"in": sock}, wait=False)
    assert rm.process.wait(10) == 1
    line = rm.wait_line(msg="no listener binds what was passed")
    assert line["name"] == "in" and line["addr"].endswith(f":{sock.getsockname()[1]}")
    rm.expected_exit = 1


def test_what_does_not_listen_is_an_error(passing, backend):
    sock = socket.socket()
    rm = passing(config_of(backend(servers.echo), "127.0.0.1:0"), {"in": sock}, wait=False)
    assert rm.process.wait(10) == 1
    assert rm.lines(msg="what was passed is no listening socket")
    rm.expected_exit = 1
