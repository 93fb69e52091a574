# SPDX-License-Identifier: GPL-2.0-or-later
"""How evenly real sessions are spread: clients and counting backends around a real ringmain.

Clients and backends are in this process, which only opens, accepts and closes; every client has
an address of its own, so that a hash of it tells them apart.
"""

import collections
import contextlib
import errno
import math
import random
import re
import select
import socket
import time

import balance_load
import figures
import plot_bars
import processes
from processes import Trouble

WORKERS = 4
BACKENDS = 8
SESSIONS = (32, 1000, 10000)
DIALING_MAX = 64  # less than the backlog
PATIENCE_SECONDS = 30
CHANCE_TRIALS = 100

# Label: balance, lines for the pool, max_sessions of each backend as a part of all sessions.
SERIES = {
    "roundrobin": ("roundrobin", "", None),
    "leastconn": ("leastconn", "", None),
    "random": ("random", "", None),
    "maglev": ("maglev", "", None),
    "maglev 125": ("maglev", "hash_balance = 125\n", None),
    "first": ("first", "", 1 / BACKENDS),
}


class Backends:
    """Listens as each of the backends and counts the sessions that each has now."""

    def __init__(self):
        self.poll = select.epoll()
        self.listeners = {}  # by file number: (socket, index)
        self.sessions = {}
        self.counts = [0] * BACKENDS
        for index in range(BACKENDS):
            listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
            listener.setblocking(False)
            self.listeners[listener.fileno()] = (listener, index)
            self.poll.register(listener, select.EPOLLIN)

    def addresses(self):
        return ["127.0.0.1:%d" % s.getsockname()[1] for s, _ in self.listeners.values()]

    def accept_all(self, listener, index):
        while True:
            try:
                session, _ = listener.accept()
            except BlockingIOError:
                return
            self.sessions[session.fileno()] = (session, index)
            self.poll.register(session, select.EPOLLIN)
            self.counts[index] += 1

    def end(self, number):
        session, index = self.sessions.pop(number)
        self.poll.unregister(number)
        session.close()
        self.counts[index] -= 1

    def turn(self):
        for number, _ in self.poll.poll(0.05, 1024):
            if number in self.listeners:
                self.accept_all(*self.listeners[number])
            else:
                self.end(number)  # nobody sends anything: it can only be the end

    def close(self):
        for session, _ in [*self.sessions.values(), *self.listeners.values()]:
            session.close()
        self.poll.close()


class Clients:
    """Sessions through ringmain, each from another address of 127.64.0.0/10."""

    def __init__(self, port, dice):
        self.port = port
        self.dice = dice
        self.next_address = dice.randrange(1 << 20)
        self.sockets = []

    def open_one(self):
        number = (self.next_address + len(self.sockets)) % (1 << 22)
        self.next_address += 1
        client = socket.socket()
        client.setblocking(False)
        client.bind((socket.inet_ntoa((0x7F400000 + number).to_bytes(4, "big")), 0))
        self.sockets.append(client)
        code = client.connect_ex(("127.0.0.1", self.port))
        if code not in (0, errno.EINPROGRESS):
            raise Trouble(f"connect to ringmain: {errno.errorcode.get(code, code)}")

    def close(self, number):
        """So many of them, at random."""
        self.dice.shuffle(self.sockets)
        for client in self.sockets[:number]:
            client.close()
        del self.sockets[:number]


def open_sessions(clients, backends, wanted):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(backends.counts) < wanted:
        while len(clients.sockets) < min(wanted, sum(backends.counts) + DIALING_MAX):
            clients.open_one()
        backends.turn()
        if time.monotonic() > deadline:
            raise Trouble(f"only {sum(backends.counts)} of {wanted} sessions arrive")


def close_sessions(clients, backends, left):
    deadline = time.monotonic() + PATIENCE_SECONDS
    clients.close(len(clients.sockets) - left)
    while sum(backends.counts) > left:
        backends.turn()
        if time.monotonic() > deadline:
            raise Trouble(f"{sum(backends.counts) - left} sessions outlive their clients")


@contextlib.contextmanager
def running(bed, ringmain, series, sessions, addresses):
    """A ringmain in front of these backends; gives its port."""
    balance, lines, part = SERIES[series]
    limit = f" max_sessions={math.ceil(sessions * part)}" if part else ""
    backends = "".join(f"backend = b{i} {a}{limit}\n" for i, a in enumerate(addresses))
    port = bed.free_port()
    config = bed.directory / "spread.ini"
    config.write_text(
        f"[global]\nworkers = {WORKERS}\nlog_level = warn\n\n"
        f"[listener spread]\nbind = 127.0.0.1:{port}\npool = spread\n\n"
        f"[pool spread]\nbalance = {balance}\n{lines}{backends}",
        encoding="ascii",
    )
    process = processes.start([ringmain, "-c", config])
    try:
        processes.wait_until(
            lambda: process.poll() is not None or processes.is_listening(port), 10, "ringmain"
        )
        yield port
        if process.poll() is not None:
            raise Trouble(f"ringmain ended with {process.returncode}")
    finally:
        processes.stop(process)


def measure_one(bed, ringmain, series, sessions, turn):
    backends = Backends()
    clients = None
    try:
        with running(bed, ringmain, series, sessions, backends.addresses()) as port:
            clients = Clients(port, random.Random(turn))
            open_sessions(clients, backends, sessions)
            opened = list(backends.counts)
            close_sessions(clients, backends, sessions - sessions // 2)
            open_sessions(clients, backends, sessions)
            churned = list(backends.counts)
            close_sessions(clients, backends, 0)
    finally:
        if clients:
            clients.close(len(clients.sockets))
        backends.close()
    return {"balance": series, "sessions": sessions, "opened": opened, "churned": churned}


def sessions_max(bed, ringmain):
    """By the limit of open files: for this process, and as ringmain says of itself."""
    config = bed.directory / "probe.ini"
    config.write_text(
        f"[global]\nworkers = {WORKERS}\n\n"
        f"[listener l]\nbind = 127.0.0.1:{bed.free_port()}\npool = p\n\n"
        "[pool p]\nbackend = b 127.0.0.1:1\n",
        encoding="ascii",
    )
    ready, _ = balance_load.start_to_ready(ringmain, config)
    of_ringmain = int(re.search(r"max_sessions=(\d+)", ready).group(1))
    return min(of_ringmain, bed.sessions(of_ringmain))


def measure(bed, ringmain, turn):
    most = sessions_max(bed, ringmain)
    return [
        measure_one(bed, ringmain, series, min(wanted, most), turn)
        for series in SERIES
        for wanted in SESSIONS
    ]


# ---- what comes of it ----


def farthest(counts):
    """The largest deviation from the fair share, in sessions."""
    share = sum(counts) / len(counts)
    return max(abs(c - share) for c in counts)


def by_chance(sessions):
    """The same of sessions that are thrown at random, on average."""
    dice = random.Random(1)
    found = []
    for _ in range(CHANCE_TRIALS):
        thrown = collections.Counter(dice.choices(range(BACKENDS), k=sessions))
        found.append(farthest([thrown[i] for i in range(BACKENDS)]))
    return sum(found) / len(found)


def deviations(rounds, series, sessions, when):
    return [
        farthest(row[when])
        for rows in rounds
        for row in rows
        if row["balance"] == series and row["sessions"] == sessions
    ]


def numbers_of_sessions(rounds):
    return sorted({row["sessions"] for row in rounds[0]})


def percent(deviation, sessions):
    return 100 * deviation * BACKENDS / sessions


def cells(rounds, series, when, numbers):
    for n in numbers:
        found = figures.spread(deviations(rounds, series, n, when))
        yield f"{percent(found['median'], n):.1f}"
        yield f"{percent(found['min'], n):.1f}"
        yield f"{percent(found['max'], n):.1f}"
        yield f"{found['median']:g}"


WHEN = {"opened": "when all have come", "churned": "after half were replaced"}


def table(rounds):
    numbers = numbers_of_sessions(rounds)
    head = ["balance", "when"]
    for n in numbers:
        head += [f"{n}: %", "min", "max", "sessions"]
    lines = []
    for series in SERIES:
        for when, words in WHEN.items():
            lines.append([series, words, *cells(rounds, series, when, numbers)])
    chance = ["by chance", ""]
    for n in numbers:
        chance += [f"{percent(by_chance(n), n):.1f}", "", "", f"{by_chance(n):.1f}"]
    notes = [
        f"{wanted} sessions were wanted, the limit of open files allows {n}."
        for wanted, n in zip(SESSIONS, numbers)
        if wanted != n
    ]
    return "\n".join([figures.table(head, [*lines, chance]), *notes])


def bars(rounds):
    numbers = numbers_of_sessions(rounds)
    panels = []
    for when, words in WHEN.items():
        series = {}
        for n in numbers:
            series[f"{n} sessions"] = [
                figures.spread([percent(d, n) for d in deviations(rounds, label, n, when)])
                for label in SERIES
            ]
        panels.append(plot_bars.Panel(words, list(SERIES), series))
    return plot_bars.Bars(
        f"Largest deviation from the fair share ({BACKENDS} backends, {WORKERS} workers)",
        "percent of the share",
        panels,
    )
