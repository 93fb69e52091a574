# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that say a first word and wait (flood.py), beside a session that pings: how long does
a ping take? Of ringmain alone: what others would have to be told differs too much.
"""

import contextlib
import dataclasses
import pathlib
import socket
import subprocess
import sys
import typing

import processes

FLOOD = pathlib.Path(__file__).with_name("flood.py")
FEW_BUFFERS = "4M"  # 240 of them; the default has 15 420
GATHER_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Attack:
    """`flood`: the arguments of flood.py behind the address."""

    flood: tuple
    listener: str = ""
    certificate: typing.Optional[str] = None  # its kind; None: no TLS is terminated
    backend: str = ""  # more of its line
    pool: str = ""
    drops_syns: bool = False
    buffer_memory: str = FEW_BUFFERS

    def lines(self, bed, backend):
        """What the configuration says of the attacked listener; gives it with its address."""
        port = bed.free_port()
        tls = ""
        if self.certificate:
            tls = f"tls = terminate\ncertificate = {bed.certificate(self.certificate)}\n"
        return f"127.0.0.1:{port}", (
            f"[listener attacked]\nbind = 127.0.0.1:{port}\npool = attacked\n"
            f"handshake_timeout = 60s\n{tls}{self.listener}\n"
            f"[pool attacked]\nbackend = a {backend} {self.backend}\n{self.pool}\n"
        )


@contextlib.contextmanager
def blackhole():
    """The address of a listener whose queue is full: the kernel drops every SYN."""
    with socket.socket() as sock, socket.socket() as filler:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        filler.connect(sock.getsockname())
        yield "127.0.0.1:%d" % sock.getsockname()[1]


@contextlib.contextmanager
def backend_of(bed, attack):
    with blackhole() if attack.drops_syns else bed.backend("--work", "answer") as address:
        yield address


@contextlib.contextmanager
def flood(bed, address, attack):
    argv = [sys.executable, "-B", FLOOD, address, *attack.flood]
    process = processes.start(argv, bed.load_cpus, stdout=subprocess.PIPE, text=True)
    try:
        processes.first_line(process, GATHER_SECONDS, "flood.py")
        yield
        if process.poll() is not None:
            raise processes.Trouble("flood.py ended")
    finally:
        processes.stop(process)


def pings(attack, figure):
    """A measurement; figure: "p99_us" or "max_us", in milliseconds."""

    def measure(bed, relay):
        with backend_of(bed, attack) as backend:
            address, lines = attack.lines(bed, backend)
            more = {"settings": f"buffer_memory = {attack.buffer_memory}\n", "sections": lines}
            with bed.relayed(relay, "--work", "answer", more=more) as path:
                with flood(bed, address, attack):
                    seen = path.load("pingpong", 1)
        return {
            "figure": seen[figure] / 1e3,
            "rate": seen["exchanges"] / seen["seconds"],
            "p50_us": seen["p50_us"],
            "p99_us": seen["p99_us"],
            "longest_us": seen["max_us"],
            "busy": seen["cpu_s"] / seen["seconds"],
        }

    return measure


HELLOS_A_SECOND = Attack(("hello", "a-second", 2000), certificate="rsa")
LARGE_KEY = Attack(("hello", "at-once", 600), certificate="rsa4096")
RATE = Attack(("hello", "at-once", 3000), "handshake_rate = 10/s", "ecdsa")
HALF = Attack(("half", "at-once", 3000), certificate="ecdsa")
QUEUE = Attack(("hello", "at-once", 2000), "tls = passthrough", None, "max_sessions=1", "queue = 10000")
DROPPED = Attack(
    ("byte", "at-once", 2000), pool="connect_timeout = 60s\nconnect_total = 60s", drops_syns=True
)
