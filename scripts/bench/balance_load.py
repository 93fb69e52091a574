# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a large configuration takes to load: `-t`, and from the start to "ready"."""

import os
import re
import select
import subprocess
import time

import figures
import processes
from processes import Trouble

BACKENDS = 1000
LISTENERS = 200
WORKERS = 4
GOAL_SECONDS = 1.0
PATIENCE_SECONDS = 60
BALANCERS = ("roundrobin", "leastconn", "random", "maglev", "first")


def pool(name, balance, backends):
    lines = [f"[pool {name}]", f"balance = {balance}"]
    for number in backends:
        lines.append(f"backend = b{number} 127.1.{number // 250}.{number % 250 + 1}:4000")
    return "\n".join(lines) + "\n"


def pools_of_ten():
    """{name: section}"""
    names = [f"p{i}" for i in range(BACKENDS // 10)]
    return {
        name: pool(name, BALANCERS[i % len(BALANCERS)], range(10 * i, 10 * i + 10))
        for i, name in enumerate(names)
    }


def one_pool():
    return {"all": pool("all", "maglev", range(BACKENDS))}


SHAPES = {"pools of ten": pools_of_ten, "one maglev pool": one_pool}


def write(bed, path, pools):
    names = list(pools)
    parts = [f"[global]\nworkers = {WORKERS}\nlog_level = info\n"]
    for i in range(LISTENERS):
        bind, name = f"127.0.0.1:{bed.free_port()}", names[i % len(names)]
        parts.append(f"[listener l{i}]\nbind = {bind}\npool = {name}\n")
    path.write_text("\n".join([*parts, *pools.values()]), encoding="ascii")


def seconds_to_test(ringmain, config):
    start = time.monotonic()
    try:
        ran = subprocess.run(
            [ringmain, "-t", "-c", config],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Trouble(f"ringmain -t takes more than {PATIENCE_SECONDS} s") from None
    if ran.returncode:
        raise Trouble(f"ringmain -t: {ran.stderr.strip()[-300:]}")
    return time.monotonic() - start


def start_to_ready(ringmain, config):
    """Starts it, stops it; gives the line "ready" and the seconds until that came."""
    start = time.monotonic()
    process = processes.start([ringmain, "-c", config], stderr=subprocess.PIPE)
    seen = b""
    try:
        while time.monotonic() < start + PATIENCE_SECONDS:
            if not select.select([process.stderr], [], [], 1)[0]:
                continue
            more = os.read(process.stderr.fileno(), 65536)
            if not more:
                raise Trouble(f"ringmain ends before it is ready: {seen[-300:].decode()}")
            seen += more
            ready = re.search(rb"msg=ready.*\n", seen)
            if ready:
                return ready.group().decode(), time.monotonic() - start
        raise Trouble(f"ringmain is not ready within {PATIENCE_SECONDS} s")
    finally:
        processes.stop(process)


def measure(bed, ringmain, turn):
    rows = []
    for shape, pools in SHAPES.items():
        config = bed.directory / f"load-{turn}-{len(rows)}.ini"
        write(bed, config, pools())
        rows.append(
            {
                "shape": shape,
                "test_s": seconds_to_test(ringmain, config),
                "ready_s": start_to_ready(ringmain, config)[1],
            }
        )
    return rows


def table(rounds):
    lines = []
    for shape in SHAPES:
        rows = [r for rows in rounds for r in rows if r["shape"] == shape]
        for key, what in (("test_s", "-t"), ("ready_s", "start to ready")):
            found = figures.spread([r[key] for r in rows])
            reached = "yes" if found["median"] < GOAL_SECONDS else "no"
            lines.append(
                [shape, what, *(f"{1000 * v:.0f}" for v in found.values())]
                + [f"< {1000 * GOAL_SECONDS:.0f}", reached]
            )
    return figures.table(["configuration", "", "ms", "min", "max", "goal", "reached"], lines)
