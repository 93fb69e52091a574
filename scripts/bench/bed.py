# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds what is measured: clients, a relay, a backend, each on its processor."""

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import time

import checks
import processes
from processes import Trouble
from tls import make_certificate

START_SECONDS = 10
SPARE_FILES = 300  # of a relay, beside its sessions


class Bed:
    """The machine's part of a measurement: tools, processors, seconds, a directory, ports."""

    def __init__(self, load_tool, directory, relay_cpus, load_cpus, seconds, nofile):
        self.load_tool = load_tool
        self.directory = directory
        self.relay_cpus = relay_cpus
        self.load_cpus = load_cpus
        self.seconds = seconds
        self.warmup = 0.5
        # Two files each; ringmain keeps a sixteenth of them for other things.
        self.sessions_max = (nofile * 15 // 16 - SPARE_FILES) // 2
        self.certificates = {}
        self.counter = 0
        self.port = 10000

    def sessions(self, wanted):
        """As many sessions as the limit of open files allows, up to `wanted`."""
        return min(wanted, self.sessions_max - 64)

    def certificate(self, kind):
        """The path of a PEM file, made when it is first needed."""
        if kind not in self.certificates:
            self.certificates[kind] = make_certificate(self.directory, kind)
        return self.certificates[kind]

    def free_port(self):
        """Below the kernel's own range, so that no connection of ours is sitting on it."""
        while True:
            self.port = self.port + 1 if self.port < 30000 else 10000
            with contextlib.closing(socket.socket()) as probe:
                try:
                    probe.bind(("127.0.0.1", self.port))
                    return self.port
                except OSError:
                    continue

    def load(self, *args, **kwargs):
        return processes.start(
            [self.load_tool, *args],
            self.load_cpus,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **kwargs,
        )

    @contextlib.contextmanager
    def backend(self, *args):
        """A `load serve`; gives its address."""
        serve = self.load("serve", "--listen", "127.0.0.1:0", "--lifetime", 600, *args)
        try:
            yield processes.first_line(serve, START_SECONDS, "load serve").split()[1]
        finally:
            processes.stop(serve)

    @contextlib.contextmanager
    def relayed(self, relay, *backend_args, sessions=2048, backends=1, streams=False, tls=None, more=None):
        """A relay in front of `backends` backends, that ends TLS if told so; gives a Path."""
        with contextlib.ExitStack() as stack:
            addresses = [
                stack.enter_context(self.backend(*backend_args)) for _ in range(backends)
            ]
            if not relay.is_process:
                yield Path(self, addresses[0], [])
                return
            plan = {"backends": addresses, "sessions": sessions, "streams": streams, "tls": tls}
            plan |= {"pem": tls and self.certificate(tls.certificate), "more": more or {}}
            port, pids, _ = stack.enter_context(self.running(relay, plan))
            yield Path(self, f"127.0.0.1:{port}", pids, tls)

    @contextlib.contextmanager
    def checking(self, relay, check):
        """A relay that asks many backends how they are; gives its processes and its log."""
        with contextlib.ExitStack() as stack:
            plan = {"backends": checks.serve(self, stack), "sessions": 64, "check": check}
            plan |= {"streams": False, "tls": None, "more": {}}
            yield stack.enter_context(self.running(relay, plan))[1:]

    @contextlib.contextmanager
    def running(self, relay, plan):
        """A relay that does as planned; gives its port, processes and log."""
        with contextlib.ExitStack() as stack:
            self.counter += 1
            directory = self.directory / f"{self.counter}-{relay.key}"
            directory.mkdir()
            port = self.free_port()
            plan = {"check": None, **plan, "port": port}
            plan["sessions"] = min(plan["sessions"], self.sessions_max)
            argv = relay.write(directory, plan)
            log = stack.enter_context(open(directory / "log", "wb"))
            process = processes.start(argv, self.relay_cpus, log)
            stack.callback(processes.stop, process)
            try:
                wait_for_relay(relay, process, port)
                family = processes.family(process.pid)
                processes.pin(family, self.relay_cpus)
                yield port, family, directory / "log"
                if process.poll() is not None:
                    raise Trouble(f"{relay.label} ended with {process.returncode} under load")
            except Trouble as trouble:
                tail = (directory / "log").read_text(errors="replace")[-500:].strip()
                raise Trouble(f"{trouble}{': ' if tail else ''}{tail}") from None


def wait_for_relay(relay, process, port):
    """Until it listens and its workers are there."""

    def is_up():
        family = processes.family(process.pid)
        return processes.is_listening(port) and len(family) >= relay.processes

    processes.wait_until(
        lambda: process.poll() is not None or is_up(), START_SECONDS, f"{relay.label} listens"
    )
    if process.poll() is not None:
        raise Trouble(f"{relay.label} ended with {process.returncode} at start-up")
    time.sleep(relay.settle_seconds)


class Path:
    """From the clients to the backend, through a relay or (pids empty) directly."""

    def __init__(self, bed, address, pids, tls=None):
        self.bed = bed
        self.address = address
        self.pids = pids
        self.tls = tls

    def client(self, task, connections):
        """The beginning of a client's command line."""
        flags = self.tls.client_flags() if self.tls else []
        return [task, "--to", self.address, "--connections", connections, *flags]

    def start_load(self, task, connections, *args, seconds=None):
        seconds = seconds or self.bed.seconds
        args = [*self.client(task, connections), *args]
        args += ["--seconds", seconds, "--warmup", self.bed.warmup]
        args += ["--lifetime", int(seconds) + 90]
        if self.pids:
            args += ["--cpu-of", ",".join(map(str, self.pids))]
        return self.bed.load(*args)

    def finish_load(self, client, seconds=None):
        """Waits for a client and gives what it saw."""
        try:
            out, err = client.communicate(timeout=(seconds or self.bed.seconds) + 95)
        except subprocess.TimeoutExpired:
            raise Trouble("the load client does not end") from None
        finally:
            processes.stop(client, signal.SIGKILL)
        if client.returncode:
            raise Trouble(f"load client: exit {client.returncode}: {err.strip()}")
        seen = json.loads(out)
        if seen["failures"]:
            raise Trouble(f"{seen['failures']} connections failed: {err.strip()}")
        if not processes.are_pinned(self.pids, self.bed.relay_cpus):
            raise Trouble("the relay left its processor")
        if self.tls:
            self.tls.check(seen)
        return seen

    def load(self, task, connections, *args, seconds=None):
        return self.finish_load(self.start_load(task, connections, *args, seconds=seconds))

    @contextlib.contextmanager
    def hold(self, connections):
        """So many sessions that have had one exchange each and are idle now."""
        client = self.bed.load(
            *self.client("hold", connections), "--lifetime", 600, stdin=subprocess.PIPE
        )
        try:
            line = processes.first_line(client, 90, "load hold")
            if line != f"holding {connections}":
                raise Trouble(f"load hold says: {line}")
            yield
            if client.poll() is not None:
                raise Trouble("load hold ended: the relay closed idle sessions")
        finally:
            processes.stop(client)

    def memory_kb(self):
        return processes.memory_kb(self.pids)

    def count_syscalls(self, task, connections):
        """Syscalls of the relay per exchange, and how they were counted."""
        client = self.start_load(task, connections, seconds=self.bed.seconds + 1.5)
        time.sleep(self.bed.warmup + 0.5)
        count, seconds, how = syscalls_of(self.pids, self.bed.seconds, self.bed.load_cpus)
        seen = self.finish_load(client, self.bed.seconds + 1.5)
        return count / (seconds * seen["exchanges"] / seen["seconds"]), how


def syscalls_of(pids, seconds, cpus):
    """The number of syscalls within about so many seconds, the seconds, the tool."""
    if shutil.which("perf"):
        counted = syscalls_by_perf(pids, seconds, cpus)
        if counted:
            return (*counted, "perf")
    if shutil.which("strace"):
        return (*syscalls_by_strace(pids, seconds, cpus), "strace")
    raise Trouble("neither perf (linux-perf) nor strace can count syscalls here")


def syscalls_by_perf(pids, seconds, cpus):
    """None where the tracepoint cannot be had (no root, no tracefs)."""
    perf = processes.start(
        ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", ",".join(map(str, pids))]
        + ["--", "sleep", str(seconds)],
        cpus,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, err = perf.communicate(timeout=seconds + 20)
    except subprocess.TimeoutExpired:
        err = ""
    finally:
        processes.stop(perf, signal.SIGKILL)
    # value,unit,event,run time in ns,percentage ...
    found = re.search(r"^(\d+),,raw_syscalls:sys_enter,(\d+),", err, re.MULTILINE)
    return (int(found.group(1)), seconds) if found else None


def syscalls_by_strace(pids, seconds, cpus):
    """Slows the relay down: a fallback whose counts per exchange are rough."""
    argv = ["strace", "-c", "-f", "-q", *[a for p in pids for a in ("-p", p)]]
    started = time.monotonic()
    strace = processes.start(argv, cpus, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    strace.send_signal(signal.SIGINT)
    spent = time.monotonic() - started
    try:
        _, err = strace.communicate(timeout=20)
    finally:
        processes.stop(strace, signal.SIGKILL)
    found = re.search(r"^\s*100\.00\s+[\d.]+\s+(?:\d+\s+)?(\d+)\s+(?:\d+\s+)?total$", err, re.M)
    if not found:
        raise Trouble(f"strace: {err.strip()[-200:]}")
    return int(found.group(1)), spent
