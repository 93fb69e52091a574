# SPDX-License-Identifier: GPL-2.0-or-later
"""Several workers, old kernels, no io_uring at all."""

import errno

import pytest

from kit import backend as kit_backend
from kit import seccomp, tcp
from kit.checker import backend_addresses, check

pytestmark = pytest.mark.haproxy_cannot("has no workers of this kind")

EX_UNAVAILABLE = 69


def sessions_of_workers(rm, clients, workers):
    """Ends the sessions and counts them by worker."""
    for client in clients:
        client.close()
    lines = rm.wait_sessions(len(clients))
    return [sum(line["worker"] == str(worker) for line in lines) for worker in range(workers)]


@pytest.mark.parametrize("workers", (2, 4))
def test_32_long_sessions_are_spread(ringmain, backend, connect, workers):
    rm = ringmain([backend(kit_backend.echo)], settings={"workers": workers})
    clients = []
    for _ in range(32):
        clients.append(connect(rm.address()))
        tcp.exchange(clients[-1], b"x")
    counts = sessions_of_workers(rm, clients, workers)
    assert max(counts) - min(counts) <= 2, counts


@pytest.mark.parametrize("workers", (2, 4))
def test_32_sessions_at_once_are_spread(ringmain, backend, connect, workers):
    rm = ringmain([backend(kit_backend.echo)], settings={"workers": workers})
    clients = [connect(rm.address()) for _ in range(32)]
    for client in clients:
        tcp.exchange(client, b"x")
    counts = sessions_of_workers(rm, clients, workers)
    assert max(counts) - min(counts) <= 4, counts


def test_sessions_of_a_unix_listener_are_spread(ringmain, backend, connect, workdir):
    rm = ringmain([backend(kit_backend.echo)], binds=[f"unix:{workdir}/front.sock"])
    clients = []
    for _ in range(32):
        clients.append(connect(rm.address()))
        tcp.exchange(clients[-1], b"x")
    counts = sessions_of_workers(rm, clients, 2)
    assert max(counts) - min(counts) <= 2, counts


def test_new_sessions_go_where_old_ones_left(ringmain, backend, connect):
    """64 sessions, then one worker loses all of its own: the next 32 are its."""
    rm = ringmain([backend(kit_backend.echo)], settings={"workers": 2})
    clients = []
    for _ in range(64):
        clients.append(connect(rm.address()))
        tcp.exchange(clients[-1], b"x")
    # Which session is whose shows only at its end: end them one by one until one worker is empty.
    worker_of = {}
    for client in list(clients):
        port = client.getsockname()[1]
        client.close()
        line = rm.wait_line(msg="session", client=f"127.0.0.1:{port}")
        worker_of[line["worker"]] = worker_of.get(line["worker"], 0) + 1
        clients.remove(client)
        if max(worker_of.values()) == 24:
            break
    left = {worker: 32 - worker_of.get(worker, 0) for worker in ("0", "1")}
    for _ in range(len(worker_of) and 64 - len(clients)):
        clients.append(connect(rm.address()))
        tcp.exchange(clients[-1], b"x")
    assert min(left.values()) <= 10
    before = len(rm.sessions())
    for client in clients:
        client.close()
    lines = rm.wait_sessions(before + 64)[before:]
    counts = [sum(line["worker"] == worker for line in lines) for worker in ("0", "1")]
    assert abs(counts[0] - counts[1]) <= 6, counts


@pytest.mark.threads
@pytest.mark.parametrize("workers", (1, 2, 4))
def test_every_byte_with_so_many_workers(ringmain, workers):
    backends = backend_addresses(2)
    rm = ringmain(backends, settings={"workers": workers})
    check(rm.address(), backends, sessions=600, concurrency=200, aborts=20, seed=workers)
    rm.wait_sessions(600)


FEATURES = ("defer_taskrun", "accept_multishot", "recv_credit", "no_iowait")


@pytest.mark.parametrize("relay", ("copy", "auto"))
@pytest.mark.parametrize("without", (*FEATURES, ",".join(FEATURES)))
def test_every_byte_on_an_older_kernel(ringmain, without, relay):
    """The fallbacks for what came after kernel 6.1 do the same."""
    backends = backend_addresses(2)
    rm = ringmain(backends, listener={"relay": relay}, args=["--without", without])
    ready = rm.lines(msg="ready")[0]
    assert all(ready[feature] == "no" for feature in without.split(","))
    check(rm.address(), backends, sessions=400, concurrency=150, aborts=20, seed=7)
    rm.wait_sessions(400)


def test_unknown_feature_is_refused(make_ringmain):
    done = make_ringmain().check("", "--without", "magic")
    assert done.returncode == 1
    assert "magic" in done.stderr and "recv_credit" in done.stderr


CONFIG = "[listener in]\nbind = 127.0.0.1:0\npool = p\n[pool p]\nbackend = b 127.0.0.1:9\n"


@pytest.mark.parametrize("number,error,cause", (
    (seccomp.IO_URING_SETUP, errno.EPERM, "seccomp"),
    (seccomp.IO_URING_SETUP, errno.ENOSYS, "kernel"),
    (seccomp.IO_URING_REGISTER, errno.EPERM, "seccomp"),
    (seccomp.IO_URING_ENTER, errno.EPERM, "seccomp"),
))
def test_forbidden_io_uring_is_explained(make_ringmain, number, error, cause):
    rm = make_ringmain()
    rm.expected_exit = EX_UNAVAILABLE
    rm.start(CONFIG, prefix=seccomp.forbid(number, error), wait=False)
    assert rm.process.wait() == EX_UNAVAILABLE, rm.text()
    assert "io_uring" in rm.text() and cause in rm.text(), rm.text()


def test_configuration_is_checked_without_io_uring(make_ringmain):
    """-t wants no ring: it may run where the program may not."""
    rm = make_ringmain()
    rm.start(CONFIG + "check = none\n", args=["-t"], prefix=seccomp.forbid(seccomp.IO_URING_SETUP, errno.EPERM),
             wait=False)
    assert rm.process.wait() == 0
    assert rm.text() == ""
