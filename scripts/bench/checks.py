# SPDX-License-Identifier: GPL-2.0-or-later
"""What health checks cost: a thousand servers (checked.py) are asked every two seconds, and nobody else comes."""

import dataclasses
import pathlib
import struct
import subprocess
import sys
import time

import checked
import processes

SERVER = pathlib.Path(checked.__file__)
BACKENDS = 1000
INTERVAL_SECONDS = 2
START_SECONDS = 30
SLACK = 0.2  # of the number of checks: their times vary


@dataclasses.dataclass(frozen=True)
class Check:
    """As each of them has it configured."""

    ringmain: str
    haproxy: str = ""


STARTUP = b"\0\3\0\0user\0tester\0database\0bench\0\0"
QUERY = b"select pg_is_in_recovery(), current_setting('transaction_read_only')\0"


def by_hand():
    """What ringmain's check says, as far as HAProxy can: it does not understand the answers."""
    lines = ["option tcp-check"]
    for words, answer in (
        (checked.SSL_REQUEST, b"N"),
        (struct.pack("!i", len(STARTUP) + 4) + STARTUP, checked.READY),
        (checked.message(b"Q", QUERY), checked.cell(b"t")),
        (checked.message(b"X", b""), b""),
    ):
        lines.append(f"tcp-check send-binary {words.hex()}")
        lines += [f"tcp-check expect binary {answer.hex()}"] if answer else []
    return "\n  ".join(lines)


TCP = Check("check = tcp")
POSTGRES = Check("check = postgres", "option pgsql-check user ringmain")
ROLE = Check("check = postgres user=tester database=bench\nrole = replica", by_hand())


def serve(bed, stack):
    """Gives the servers' addresses."""
    port = bed.free_port()
    argv = [sys.executable, "-B", SERVER, port, BACKENDS]
    server = processes.start(argv, bed.load_cpus, stdout=subprocess.PIPE, text=True)
    stack.callback(processes.stop, server)
    processes.first_line(server, START_SECONDS, "checked.py")
    return [f"{checked.address(n)}:{port}" for n in range(BACKENDS)]


def connects(pid):
    """How many connections were asked for in this network, which is the relay's alone as a rule."""
    with open(f"/proc/{pid}/net/snmp", encoding="ascii") as lines:
        names, values = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(values[names.index("ActiveOpens")])


def observe(bed, pids):
    """(checks, seconds, CPU seconds)"""
    seconds = max(bed.seconds, 2 * INTERVAL_SECONDS)
    time.sleep(INTERVAL_SECONDS + bed.warmup)  # then each was asked once
    before = connects(pids[0]), time.monotonic(), processes.cpu_s(pids)
    time.sleep(seconds)
    after = connects(pids[0]), time.monotonic(), processes.cpu_s(pids)
    return [now - then for now, then in zip(after, before)]


def checks(check):
    """A measurement."""

    def measure(bed, relay):
        with bed.checking(relay, check) as (pids, log):
            seen, seconds, cpu_s = observe(bed, pids)
            if "down" in log.read_text(errors="replace").lower():
                raise processes.Trouble("a server that is well was taken for down")
            expected = BACKENDS * seconds / INTERVAL_SECONDS
            if abs(seen - expected) > expected * SLACK:
                raise processes.Trouble(f"{seen} connections, and not about {expected:.0f}")
        return {"figure": cpu_s * 1e6 / seen, "rate": seen / seconds, "busy": cpu_s / seconds}

    return measure
