# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures of ringmain alone: how fast and how evenly it chooses a backend, how soon it starts.

A row of FIGURES each: measured once a round, with a table and, where it helps, a picture. A new
one is a function that measures, one that writes the table, and a row.
"""

import dataclasses
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import textwrap
import typing

import balance_load
import balance_spread
import balance_table
import figures
import plot_bars
from processes import Trouble

BALANCERS = ("roundrobin", "leastconn", "random", "maglev", "first")
PICK_SECONDS = 0.3  # of each of 30 measurements
PICK_SECONDS_QUICK = 0.08
PICK_THREADS = 16


@dataclasses.dataclass(frozen=True)
class Figure:
    key: str
    title: str
    explained: str
    measure: typing.Callable  # of (Tools, round): something JSON can hold
    table: typing.Callable  # of what each round gave: text
    bars: typing.Optional[typing.Callable] = None  # the same: Bars for plot_bars.draw()


@dataclasses.dataclass
class Tools:
    """What is measured with what: copies, so that a build meanwhile changes nothing."""

    bed: typing.Any
    directory: typing.Any
    ringmain: typing.Any
    picks: typing.Any
    quick: bool
    picked: dict = dataclasses.field(default_factory=dict)  # what `picks` said, by round


# ---- the picks tool ----


def run_picks(tools, turn):
    """What tests/load/picks says; once a round, for all the figures that come from it."""
    if turn not in tools.picked:
        seconds = PICK_SECONDS_QUICK if tools.quick else PICK_SECONDS
        argv = [tools.picks, "--json", "--seconds", str(seconds), "--threads", str(PICK_THREADS)]
        try:
            ran = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise Trouble(f"picks: {error}") from None
        tools.picked[turn] = json.loads(ran.stdout)
    return tools.picked[turn]


def part_of_picks(name):
    return lambda tools, turn: run_picks(tools, turn)[name]


def by(rounds, keys, value):
    """{those keys' values: the values of all rounds}"""
    found = {}
    for rows in rounds:
        for row in rows:
            found.setdefault(tuple(row[k] for k in keys), []).append(row[value])
    return found


def medians(rounds, keys, value):
    return {k: statistics.median(v) for k, v in by(rounds, keys, value).items()}


def picks_table(rounds):
    speed = medians(rounds, ("balance", "threads", "backends"), "per_second")
    cost = by(rounds, ("balance", "threads", "backends"), "cpu_ns")
    sizes = sorted({n for _, _, n in speed})
    head = ["balance", "threads"]
    for n in sizes:
        head += [f"{n}: M/s", "ns", "min", "max"]
    head.append(f"min at {sizes[-1]} / at {sizes[0]}")
    lines = []
    for threads in sorted({t for _, t, _ in speed}):
        for balance in BALANCERS:
            line = [balance, str(threads)]
            for n in sizes:
                ns = cost[balance, threads, n]
                line.append(f"{speed[balance, threads, n] / 1e6:.2f}")
                line += [f"{v:.0f}" for v in (statistics.median(ns), min(ns), max(ns))]
            least, most = (min(cost[balance, threads, n]) for n in (sizes[0], sizes[-1]))
            lines.append([*line, f"{most / least:.2f}"])
    goal = f"Goal: {sizes[-1]} backends pick as fast as {sizes[0]} do, a ratio near 1."
    return f"{figures.table(head, lines)}\n{goal}"


def picks_bars(rounds):
    cost = by(rounds, ("balance", "threads", "backends"), "cpu_ns")
    sizes = sorted({n for _, _, n in cost})
    panel = plot_bars.Panel(
        "one thread",
        list(BALANCERS),
        {f"{n} backends": [figures.spread(cost[b, 1, n]) for b in BALANCERS] for n in sizes},
    )
    return plot_bars.Bars("Cost of a pick and its release", "ns of processor time", [panel])


def build_table(rounds):
    found = by(rounds, ("slots", "backends"), "ms")
    lines = []
    for (slots, backends), ms in sorted(found.items()):
        published = balance_table.BUILD_MS.get((slots, backends))
        lines.append(
            [str(slots), str(backends), *(f"{v:.2f}" for v in figures.spread(ms).values())]
            + [f"{published}" if published else ""]
        )
    head = ["slots", "backends", "ms", "min", "max", "published ms"]
    return f"{figures.table(head, lines)}\nPublished: {balance_table.MAGLEV}."


# ---- all ----

FIGURES = [
    Figure(
        "balance-picks",
        "picks per second",
        f"""picks (with the release of an older one) per second with 1 thread and with
{PICK_THREADS} at one pool of 3, 100 and 1000 backends of weights 1, 2 and 3, a random key each,
without a network (tests/load/picks.c); ns: processor time of one pick and release. The ratio is
that of the least disturbed rounds.""",
        part_of_picks("picks"),
        picks_table,
        picks_bars,
    ),
    Figure(
        "balance-build",
        "building maglev's table",
        """processor time to build the lookup table; the fastest of at least five, as the
others were disturbed. Beside it what the Maglev paper says of 1000 backends.""",
        part_of_picks("builds"),
        build_table,
    ),
    Figure(
        "balance-table",
        "evenness and disruption of maglev's table",
        """how even the lookup table is (slots of the least and the most loaded backend) and how
many slots change when backends are taken out of it and it is built again: all, and those whose
owner had not failed (needless). Beside it the same of plain Maglev, and published figures of
Maglev, Karger's ring, rendezvous and jump hash. In a running ringmain a failed backend changes no
slot at all: its keys walk on, so nothing moves needlessly.""",
        part_of_picks("table"),
        balance_table.table,
    ),
    Figure(
        "balance-spread",
        "spread of real sessions",
        f"""a real ringmain with {balance_spread.WORKERS} workers,
{balance_spread.BACKENDS} counting backends of equal weight, and sessions held open through it,
each from an address of its own: how far the backend that is farthest from its fair share is from
it, in percent of that share and in sessions. Once when all have come, and again when
a random half of them has left and as many others have come. `by chance`: what throwing every
session at a random backend would give. `first` has max_sessions of an {balance_spread.BACKENDS}th
of the sessions, rounded up; `maglev 125` has hash_balance = 125.""",
        lambda tools, turn: balance_spread.measure(tools.bed, tools.ringmain, turn),
        balance_spread.table,
        balance_spread.bars,
    ),
    Figure(
        "balance-load",
        "loading a large configuration",
        f"""wall time of `ringmain -t`, and from the start of the process to its line "ready",
with {balance_load.BACKENDS} backends and {balance_load.LISTENERS} listeners,
{balance_load.WORKERS} workers; in pools of ten with each balancer in turns, and in one pool with
maglev, whose table has 655373 slots then.""",
        lambda tools, turn: balance_load.measure(tools.bed, tools.ringmain, turn),
        balance_load.table,
    ),
]

def explanation(figure):
    words = " ".join(figure.explained.split())
    return textwrap.fill(words, 96, initial_indent=" " * 4, subsequent_indent=" " * 4)


HELP = "\n\nOf ringmain alone:\n" + "\n".join(
    f"  {f.key}: {f.title}\n{explanation(f)}" for f in FIGURES
)


def set_up(opt, bed, directory):
    tools = Tools(bed, directory, directory / "ringmain-alone", directory / "picks", opt.quick)
    try:
        shutil.copy(opt.ringmain, tools.ringmain)
        shutil.copy(pathlib.Path(opt.load_tool).parent / "picks", tools.picks)
    except OSError as error:
        raise Trouble(f"{error}: make program load") from None
    return tools


def measure_all(opt, bed, directory, found):
    """Adds to `found` {key: {"rounds": [what was measured], "errors": [text]}}."""
    found.update({f.key: {"rounds": [], "errors": []} for f in opt.figures})
    try:
        tools = set_up(opt, bed, directory)
    except Trouble as trouble:
        for of in found.values():
            of["errors"].append(str(trouble))
        return
    for turn in range(opt.rounds):
        for figure in opt.figures:
            print(f"[{turn + 1}/{opt.rounds}] {figure.key}", file=sys.stderr, flush=True)
            try:
                found[figure.key]["rounds"].append(figure.measure(tools, turn))
            except Trouble as trouble:
                found[figure.key]["errors"].append(str(trouble))
                print(f"{figure.key}: {trouble}", file=sys.stderr, flush=True)


def text(found, chosen):
    parts = []
    for figure in chosen if found else []:
        of = found[figure.key]
        title = f"{figure.key}: {figure.title} ({len(of['rounds'])} rounds)"
        shown = [title, figure.table(of["rounds"])] if of["rounds"] else [title]
        parts.append("\n".join([*shown, *(f"Failed: {e}" for e in of["errors"])]))
    return "\n\n".join(parts)


def draw(found, chosen, setting, directory):
    """Writes a picture of each figure that has one; gives their names."""
    drawn = []
    for figure in chosen if found else []:
        rounds = found[figure.key]["rounds"]
        name = f"{figure.key}.svg"
        if figure.bars and rounds:
            if plot_bars.draw(figure.bars(rounds), setting, directory / name):
                drawn.append(name)
    return drawn
