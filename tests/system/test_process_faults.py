# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of the process itself: what the kernel refuses it at its start, and what breaks later.

A start ends with all that is needed or with an exit code and a reason, never with a signal; what
cannot go on ends as a whole, at once, with a reason and an exit code that systemd restarts on.
"""

import errno
import os
import pathlib
import re
import signal

import pytest

from kit import backend as kit_backend
from kit import faults, proc, tcp
from kit.ini import ini
from kit.ringmain import BINARY
from kit.wait import SCALE, Stopwatch, wait_until

pytestmark = pytest.mark.haproxy_cannot("has no workers of this kind")

EXIT_FAILURE, EX_UNAVAILABLE = 1, 69
WORKERS = 2


@pytest.fixture(scope="module", name="library")
def _library(module_dir):
    return faults.build(module_dir)


@pytest.fixture(name="config")
def _config(workdir):
    """A file that needs no server; with a unix socket, whose file must not stay."""
    path = pathlib.Path(workdir) / "faults.ini"
    path.write_text(ini(["127.0.0.1:9"], settings={"workers": WORKERS},
                        binds=["127.0.0.1:0", f"unix:{workdir}/front.sock"]), encoding="ascii")
    return path


def begin(config, log, *, env=None, prefix=()):
    """Starts it and waits until it is ready or has ended; gives the process."""
    process = proc.Process([*prefix, BINARY, "-c", config], log,
                           env={**os.environ, **(env or {})})
    wait_until(lambda: not process.alive() or "msg=ready" in process.text(),
               lambda: f"ringmain to be ready or to end:\n{process.text()}", 30)
    return process


def expect_started_or_refused(process, code=EXIT_FAILURE):
    """It is ready, and ends well when it is told to; or it has said why it is not. Gives which."""
    if process.alive():
        assert process.stop(timeout=20) == 0, process.text()
        return True
    assert process.exit_code() in (EXIT_FAILURE, code), process.text()
    assert "level=error" in process.text(), process.text()
    return False


# ---- what it does not get at its start -------------------------------------------------

CALLS = [
    # the call, what it fails with, a word of the reason
    ("pthread_create", errno.EAGAIN, "pthread_create|thread of the log"),
    ("io_uring_queue_init_params", errno.ENOMEM, "io_uring"),
    ("io_uring_queue_init_params", errno.EPERM, "io_uring"),
    ("mmap", errno.ENOMEM, "memory|ENOMEM"),
    ("eventfd", errno.EPERM, "call=eventfd error=EPERM"),
    ("signalfd", errno.EMFILE, "call=signalfd error=EMFILE"),
    ("pipe2", errno.EMFILE, "call=pipe2 error=EMFILE"),
]


@pytest.mark.parametrize("call, error, reason", CALLS,
                         ids=[f"{row[0]}-{errno.errorcode[row[1]]}" for row in CALLS])
def test_each_call_of_a_start_may_fail(library, config, workdir, call, error, reason):
    """The first call fails, then the second instead, and so on until none does any more."""
    refused, code = 0, EX_UNAVAILABLE if error == errno.EPERM else EXIT_FAILURE
    for nth in range(1, 100):
        log = f"{workdir}/log-{nth}"
        env = faults.environment(library, call, error, nth=nth)
        process = begin(config, log, env=env)
        try:
            is_ready = expect_started_or_refused(process, code)
        finally:
            process.kill()
        assert not os.path.exists(f"{workdir}/front.sock"), "the socket's file stays"
        if not is_ready:
            refused += 1
            assert re.search(reason, process.text()), process.text()
        elif nth > WORKERS + 20:
            break
        elif is_ready and nth > 1 and call not in ("mmap", "io_uring_queue_init_params"):
            break
    assert refused > 0, "nothing failed"


@pytest.mark.parametrize("files", (4, 6, 8, 10, 12, 14, 17, 20))
def test_so_few_descriptors(config, workdir, files):
    prefix = [proc.need("prlimit", "util-linux"), f"--nofile={files}:{files}"]
    if proc.unprivileged_user():        # root may raise it
        prefix = [proc.need("setpriv", "util-linux"), "--bounding-set=-sys_resource", *prefix]
    process = begin(config, f"{workdir}/log", prefix=prefix)
    try:
        expect_started_or_refused(process)
    finally:
        process.kill()


@pytest.mark.skipif("asan" in str(BINARY), reason="a sanitizer wants all addresses there are")
def test_so_little_address_space(config, workdir):
    """From hardly enough to load the program up to enough for everything."""
    megabytes, is_ready = 8, False
    while not is_ready:
        prefix = [proc.need("prlimit", "util-linux"), f"--as={megabytes << 20}"]
        process = begin(config, f"{workdir}/log-{megabytes}", prefix=prefix)
        try:
            if not process.alive() and "level=" not in process.text():
                assert process.exit_code() in (EXIT_FAILURE, 127), process.text()   # not loaded
            else:
                is_ready = expect_started_or_refused(process)
        finally:
            process.kill()
        megabytes += megabytes // 3
        assert megabytes < 1 << 20


def test_no_client_is_accepted_by_a_start_that_fails(library, make_ringmain):
    """The last worker cannot be had: nobody was served meanwhile by the first."""
    rm = make_ringmain()
    rm.expected_exit = EXIT_FAILURE
    rm.start(ini(["127.0.0.1:9"], settings={"workers": 4}), wait=False,
             env=faults.environment(library, "io_uring_queue_init_params", errno.ENOMEM,
                                    thread="worker-3"))
    assert rm.process.wait(30) == EXIT_FAILURE
    rm.check_log()
    assert rm.lines(msg="a worker cannot start") == [
        {**rm.lines(msg="a worker cannot start")[0], "worker": "3", "call": "io_uring_setup",
         "error": "ENOMEM"}]
    assert not rm.lines(msg="ready") and not rm.sessions()
    assert rm.raw_lines()[-1].endswith('msg="ringmain ends: Cannot allocate memory"')


# ---- what it is started without ----------------------------------------------------------

def is_answered(path):
    try:
        with tcp.connect(path) as client:
            tcp.exchange(client, b"hello")
        return True
    except OSError:
        return False


@pytest.mark.parametrize("closed", ([0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]), ids=str)
def test_standard_descriptors_are_closed(make_ringmain, backend, workdir, closed):
    """No socket gets their numbers: what is logged goes to nobody, least of all to a backend."""
    server, path = backend(kit_backend.echo), f"{workdir}/front.sock"
    close = "".join(f" {fd}{'<' if fd == 0 else '>'}&-" for fd in closed)
    rm = make_ringmain()
    rm.start(ini([server], settings={"workers": 1}, binds=[f"unix:{path}"]), wait=False,
             prefix=["/bin/sh", "-c", f'exec "$@"{close}', "sh"])
    wait_until(lambda: is_answered(path), "ringmain to serve")
    rm.fds_at_start = rm.process.fds()
    for fd in closed:
        assert os.readlink(f"/proc/{rm.pid}/fd/{fd}") == "/dev/null"
    for _ in range(20):
        assert is_answered(path)
    rm.process.send_signal(signal.SIGUSR1)      # many lines
    for _ in range(20):
        assert is_answered(path)


# ---- what breaks later -------------------------------------------------------------------

@pytest.fixture(name="live")
def _live(library, make_ringmain, backend, connect, workdir):
    """live(thread, error) gives (ringmain, clients on all workers, break_it())."""
    def begin_one(thread, error):
        rm = make_ringmain()
        rm.expected_exit = EXIT_FAILURE
        when = pathlib.Path(workdir) / "now"
        server = backend(kit_backend.echo)
        rm.start(ini([server], settings={"workers": WORKERS}),
                 env=faults.environment(library, "io_uring_enter", error, always=True,
                                        thread=thread, when=when))
        clients = [connect(rm.address()) for _ in range(8)]
        for client in clients:
            tcp.exchange(client, b"x")
        return rm, clients, when.touch
    return begin_one


def wake(clients):
    """Whoever sleeps in the kernel is to enter it again. Gives those that were not reset at once."""
    live = []
    for client in clients:
        try:
            client.sendall(b"y")
            live.append(client)
        except ConnectionError:     # a reset is told once, by a send or by a receive
            pass
    return live


def expect_resets(clients):
    for client in clients:
        ending = tcp.read_to_end(client)
        assert ending.how == "RST" and ending.data in (b"", b"y")


@pytest.mark.parametrize("thread, said", (
    ("worker-1", {"msg": "the ring broke", "worker": "1"}),
    ("checks", {"msg": "the ring of the checks broke: ringmain cannot go on"}),
    ("ringmain", {"msg": "the ring of the main thread broke: ringmain cannot go on"})),
    ids=("worker", "checks", "main"))
def test_a_broken_ring_ends_the_process(live, thread, said):
    """All clients learn of it, those of the other worker too, and no port stays behind."""
    rm, clients, break_it = live(thread, errno.EBADFD)
    watch = Stopwatch()
    break_it()
    clients = wake(clients)
    rm.process.send_signal(signal.SIGUSR1)      # for the main thread
    assert rm.process.wait(30) == EXIT_FAILURE, rm.text()
    assert watch.seconds() < 10 * SCALE
    rm.check_log()
    line, = rm.lines(**said)
    assert (line["level"], line["error"]) == ("error", "EBADFD")
    assert "ringmain ends: File descriptor in bad state" in rm.text()
    expect_resets(clients)
    with pytest.raises(ConnectionRefusedError):
        tcp.connect(rm.address())
    # The worker that is well ends its sessions itself.
    assert {line["reason"] for line in rm.sessions()} == {"shutdown"}


def test_two_signals_end_it_though_a_worker_is_stuck(live):
    rm, clients, break_it = live("worker-1", 0)
    break_it()
    clients = wake(clients)
    rm.process.send_signal(signal.SIGTERM)
    rm.wait_line(msg="draining")
    rm.process.send_signal(signal.SIGTERM)
    assert rm.process.wait(60) == EXIT_FAILURE, rm.text()
    rm.check_log()
    assert [line["worker"] for line in rm.lines(msg="a worker does not end")] == ["1"]
    assert "ringmain ends: a thread is stuck" in rm.text()
    expect_resets(clients)
