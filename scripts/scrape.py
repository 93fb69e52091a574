# SPDX-License-Identifier: GPL-2.0-or-later
"""`make scrape`: how long an answer of the status page takes with a thousand backends, and who waits for it.

One session sends bytes and waits for their echo, over and over, while all metrics are asked for, and then
all of the JSON, five times a second, which is as often as an answer is made anew. Shown is how long answers
take, the goal being 50 ms, and the session's round trips beside those of as long a time without anybody who
asks. All of it is on loopback, and gone in the end.
"""

import argparse
import http.client
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/system"))

from kit import load, tcp                       # noqa: E402
from kit.ringmain import BINARY, Ringmain, to_address   # noqa: E402

GOAL_MS = 50
POOLS = 10
EVERY_S = 0.21      # an answer is kept for 0.2 s
PATHS = ("/metrics", "/status.json")


def config(serve, backends):
    parts = ["[global]\nstatus = 127.0.0.1:0\n[listener in]\nbind = 127.0.0.1:0\npool = p0\n"]
    for pool in range(POOLS):
        parts.append(f"[pool p{pool}]\nbackend = echo {serve.text}\n")
        parts += [f"backend = x{n} 127.1.{n // 250}.{n % 250 + 1}:9 weight=0\n"
                  for n in range(pool, backends - POOLS, POOLS)]
    return "".join(parts)


def ask(address, path):
    """(seconds, bytes) of an answer."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(*address, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    size = len(answer.read())
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    return time.monotonic() - began, size


def measure(relay, seconds, path):
    """One session's round trips, and the answers to @path meanwhile; None: nobody asks."""
    task = tcp.Task(lambda: load.measure("pingpong", relay.address(), seconds=seconds, connections=1))
    address, answers, until = to_address(relay.wait_line(msg="status")["addr"]), [], time.monotonic() + seconds
    while path and time.monotonic() < until:
        answers.append(ask(address, path))
        time.sleep(EVERY_S)
    return task.result(seconds + 60), answers


def tell(title, trips, answers):
    print(f"{title:13} round trips: p50 {trips['p50_us'] / 1000:.3f} ms, p99 {trips['p99_us'] / 1000:.3f} ms, "
          f"the longest {trips['max_us'] / 1000:.1f} ms")
    if not answers:
        return
    took = [1000 * seconds for seconds, _ in answers]
    median = statistics.median(took)
    print(f"{'':13} {len(took)} answers of {answers[-1][1] / 1000:.0f} kB: {median:.1f} ms, the longest {max(took):.1f} ms; "
          f"goal {GOAL_MS} ms: {'reached' if median < GOAL_MS else 'missed'}")


def run(backends, seconds):
    with tempfile.TemporaryDirectory(prefix="ringmain-scrape-") as folder:
        serve = load.Serve(folder)
        relay = Ringmain(folder)
        try:
            relay.start(config(serve, backends))
            print(f"{backends} backends in {POOLS} pools")
            for path in (None, *PATHS):
                tell(path or "nobody asks", *measure(relay, seconds, path))
        finally:
            relay.stop()
            serve.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", type=int, default=1000, help="of all pools (default: 1000)")
    parser.add_argument("--seconds", type=int, default=8, help="length of each part (default: 8)")
    options = parser.parse_args()
    if not BINARY.exists():
        sys.exit(f"scrape: {BINARY} is missing: make")
    run(options.backends, options.seconds)


if __name__ == "__main__":
    main()
