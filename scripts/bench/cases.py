# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: one row per case. A new case is a function and a row.

A function gets a Bed and a relay and gives a dictionary. "figure" is what is compared, less
is better; the rest is reported beside it.
"""

import dataclasses
import time
import typing

import attacks
import checks
from tls import Tls

GIB = 1 << 30
SETTLE_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Case:
    key: str
    title: str
    unit: str  # of the figure
    measure: typing.Callable
    ratio_goal: typing.Optional[float] = None  # ringmain's figure divided by HAProxy's
    figure_goal: typing.Optional[float] = None  # ringmain's figure itself
    has_tls: bool = False
    is_attack: bool = False
    is_check: bool = False

    def is_for(self, relay):
        """Without a relay there is nothing to weigh, to count, or to end TLS."""
        if self.is_attack:
            return relay.can_be_attacked
        if self.is_check:
            return relay.can_check
        if not relay.is_process:
            return self.figure_goal is None and not self.has_tls
        return self.has_tls or not relay.needs_tls


def of_load(bed, seen, per, amount):
    """Cost, throughput and latency of one run of the load client."""
    return {
        "figure": seen["cpu_s"] * (1e6 if per == "exchange" else 1) / amount,
        "rate": amount / seen["seconds"],
        "p50_us": seen["p50_us"],
        "p99_us": seen["p99_us"],
        "busy": seen["cpu_s"] / seen["seconds"],
    }


def exchanges(task, connections, tls=None):
    def measure(bed, relay):
        with bed.relayed(relay, "--work", "answer", tls=tls) as path:
            seen = path.load(task, connections)
            return of_load(bed, seen, "exchange", seen["exchanges"])

    return measure


def bulk(task, connections, tls=None):
    work, counted = {"down": ("source", "in_bytes"), "up": ("sink", "out_bytes")}[task]

    def measure(bed, relay):
        with bed.relayed(relay, "--work", work, streams=True, tls=tls) as path:
            seen = path.load(task, connections)
            result = of_load(bed, seen, "GiB", seen[counted] / GIB)
            return {**result, "p50_us": None, "p99_us": None}

    return measure


def idle_memory(wanted, tls=None):
    def measure(bed, relay):
        sessions = bed.sessions(wanted)
        plan = {"sessions": sessions + 64, "tls": tls}
        with bed.relayed(relay, "--work", "answer", **plan) as path:
            path.load("pingpong", 1, seconds=0.2)
            time.sleep(SETTLE_SECONDS)
            before = path.memory_kb()
            with path.hold(sessions):
                time.sleep(SETTLE_SECONDS)
                after = path.memory_kb()
        per = {k: (after[k] - before[k]) * 1024 / sessions for k in after}
        return {"figure": per["private"], "sessions": sessions, **per}

    return measure


def syscalls(connections):
    def measure(bed, relay):
        with bed.relayed(relay, "--work", "answer") as path:
            count, how = path.count_syscalls("pingpong", connections)
            return {"figure": count, "counted_by": how}

    return measure


def idle_cost(wanted, connections):
    """Cost with idle sessions, by the same relay process's cost without them."""

    def measure(bed, relay):
        idle = bed.sessions(wanted)
        with bed.relayed(relay, "--work", "answer", sessions=idle + connections) as path:
            alone = path.load("pingpong", connections)
            with path.hold(idle):
                time.sleep(SETTLE_SECONDS)
                among = path.load("pingpong", connections)
        cost = [s["cpu_s"] * 1e6 / s["exchanges"] for s in (alone, among)]
        return {
            "figure": cost[1] / cost[0],
            "sessions": idle,
            "cost_alone_us": cost[0],
            "cost_among_idle_us": cost[1],
            "p50_us": among["p50_us"],
            "p99_us": among["p99_us"],
            "rate": among["exchanges"] / among["seconds"],
            "busy": among["cpu_s"] / among["seconds"],
        }

    return measure


def pingpong_case(n):
    title = f"ping-pong, {n} connection{'s' if n > 1 else ''}"
    return Case(f"pingpong-{n}", title, US, exchanges("pingpong", n), ratio_goal=0.70)


def bulk_case(task, n):
    title = f"bulk {task}, {n} connection{'s' if n > 1 else ''}"
    return Case(f"{task}-{n}", title, CPU_S, bulk(task, n), ratio_goal=0.65)


def memory_case(n):
    title = f"memory, {n} idle sessions"
    return Case(f"memory-{n}", title, BYTES, idle_memory(n), figure_goal=1024)


def tls_handshakes(key, kind, tls, ratio_goal=None):
    measure = exchanges("exchange", 64, tls)
    title = f"TLS handshakes, {kind}"
    return Case(key, title, HANDSHAKE, measure, ratio_goal, has_tls=True)


def tls_bulk(task, n):
    title = f"TLS bulk {task}, {n} connection{'s' if n > 1 else ''}"
    return Case(f"tls-{task}-{n}", title, CPU_S, bulk(task, n, Tls()), 0.60, has_tls=True)


def attack(key, title, what, figure="max_us", goal=None):
    unit = {"max_us": "ms, longest", "p99_us": "ms, p99"}[figure]
    measure = attacks.pings(what, figure)
    return Case(f"attack-{key}", f"a ping during {title}", unit, measure, None, goal, is_attack=True)


def check_case(key, title, check):
    title = f"checks of 1000 backends, {title}"
    measure = checks.checks(check)
    return Case(f"checks-{key}", title, "us/check", measure, ratio_goal=1.1, is_check=True)


US, CPU_S, BYTES = "us/exchange", "CPU-s/GiB", "B/session"
HANDSHAKE = "us/handshake"

CASES = [
    pingpong_case(1),
    pingpong_case(64),
    pingpong_case(1000),
    Case(
        "exchange-64", "a connection per exchange", US, exchanges("exchange", 64), ratio_goal=0.75
    ),
    bulk_case("down", 1),
    bulk_case("down", 16),
    bulk_case("up", 1),
    bulk_case("up", 16),
    memory_case(1000),
    memory_case(10000),
    Case("syscalls-64", "syscalls, 64 connections", "per exchange", syscalls(64), figure_goal=0.15),
    Case("idle-cost", "cost among 10000 idle sessions", "x", idle_cost(10000, 64), figure_goal=1.1),
    tls_handshakes("tls-full-ecdsa", "ECDSA P-256", Tls(), 0.30),
    tls_handshakes("tls-full-rsa", "RSA 2048", Tls("rsa")),
    tls_handshakes("tls-full-p256", "ECDSA P-256, with keys of P-256", Tls(group="P-256")),
    tls_handshakes("tls-full-p256-12", "the same, 1.2", Tls(version="1.2", group="P-256")),
    tls_handshakes("tls-resumed", "resumed", Tls(resumes=True)),
    tls_handshakes("tls12-resumed", "resumed, 1.2", Tls(version="1.2", resumes=True)),
    tls_bulk("down", 1),
    tls_bulk("down", 16),
    tls_bulk("up", 1),
    tls_bulk("up", 16),
    Case(
        "tls-pingpong-64",
        "TLS ping-pong, 64 connections",
        US,
        exchanges("pingpong", 64, Tls()),
        ratio_goal=0.70,
        has_tls=True,
    ),
    Case(
        "tls-memory-1000",
        "TLS memory, 1000 idle sessions",
        BYTES,
        idle_memory(1000, Tls()),
        figure_goal=9000,
        has_tls=True,
    ),
    check_case("tcp", "tcp", checks.TCP),
    check_case("postgres", "postgres", checks.POSTGRES),
    check_case("role", "postgres: log-in, role", checks.ROLE),
    attack("hellos", "2000 hellos a second, RSA 2048", attacks.HELLOS_A_SECOND, "p99_us", 10),
    attack("rsa4096", "600 hellos, RSA 4096", attacks.LARGE_KEY),
    attack("rate", "3000 hellos, handshake_rate", attacks.RATE, goal=100),
    attack("half", "3000 half hellos", attacks.HALF, goal=100),
    attack("queue", "2000 hellos in a queue", attacks.QUEUE, goal=100),
    attack("syn", "2000 dials of a dead backend", attacks.DROPPED, goal=100),
]
