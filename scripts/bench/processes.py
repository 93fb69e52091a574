# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that a measurement starts: pinned, bounded, and stopped on every way out."""

import ctypes
import os
import select
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 5

_libc = ctypes.CDLL(None)
_running = []


class Trouble(Exception):
    """A measurement could not be made; the text says why."""


def start(argv, cpus=None, log=None, **kwargs):
    """Starts argv on the given CPUs. It is killed when this process dies, however it dies. What
    this process was niced to, it inherits."""

    def prepare():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if cpus:
            os.sched_setaffinity(0, cpus)

    kwargs.setdefault("stdin", subprocess.DEVNULL)
    kwargs.setdefault("stdout", log or subprocess.DEVNULL)
    kwargs.setdefault("stderr", log or subprocess.DEVNULL)
    try:
        process = subprocess.Popen([str(a) for a in argv], preexec_fn=prepare, **kwargs)
    except OSError as error:
        raise Trouble(str(error)) from None
    _running.append(process)
    return process


def stop(process, signum=signal.SIGTERM):
    """Asks, waits, then kills."""
    if process.poll() is None:
        process.send_signal(signum)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()
    if process in _running:
        _running.remove(process)


def stop_all():
    for process in list(_running):
        stop(process, signal.SIGKILL)


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Trouble(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def first_line(process, seconds, what):
    """The first line of the output, or Trouble. The tools of tests/load flush it at once."""
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    if not ready:
        raise Trouble(f"{what}: says nothing within {seconds} s")
    line = process.stdout.readline().strip()
    if not line:
        raise Trouble(f"{what}: ended with {process.wait(STOP_SECONDS)}")
    return line


def is_listening(port):
    """Looks into the kernel's tables: a probe by connecting would be a session."""
    wanted = f":{port:04X}"
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with open(table, encoding="ascii") as lines:
            for line in lines:
                fields = line.split()
                if fields[3] == "0A" and fields[1].endswith(wanted):
                    return True
    return False


def family(pid):
    """A process and all its descendants."""
    pids = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                for child in children.read().split():
                    pids += family(int(child))
    except FileNotFoundError:
        pass
    return pids


def pin(pids, cpus):
    """Also those that chose another processor themselves."""
    for pid in pids:
        os.sched_setaffinity(pid, cpus)


def are_pinned(pids, cpus):
    return all(os.sched_getaffinity(pid) == cpus for pid in pids)


def cpu_s(pids):
    """CPU time so far of all their threads, user and kernel, in nanoseconds: their CPU clocks
    (CPUCLOCK_SCHED of clock_getcpuclockid(3))."""
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def memory_kb(pids):
    """Private, proportional and resident memory in user space, of all the processes together.
    Clean pages, those of program and libraries, turn from private to shared whenever anybody on
    the machine starts the same program: only written ones count as private.
    """
    sums = {"private": 0, "pss": 0, "rss": 0}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name == "Private_Dirty":
                    sums["private"] += int(value.split()[0])
                elif name in ("Pss", "Rss"):
                    sums[name.lower()] += int(value.split()[0])
    return sums
