# SPDX-License-Identifier: GPL-2.0-or-later
"""`make reload`: what a reload with a thousand backends costs the sessions there are.

One session sends bytes and waits for their echo, over and over, while each of ten reloads changes all
of a pool's backends: how long a reload takes as `ringmainctl reload` sees it, and the longest round trip,
beside that of as long a time without reloads. All of it is on loopback, and gone in the end.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/system"))

from kit import load, tcp                       # noqa: E402
from kit.control import Ctl                     # noqa: E402
from kit.ringmain import BINARY, Ringmain       # noqa: E402

RELOADS = 10
MARGIN_S = 2    # before the first and after the last


def config(folder, serve, backends, step):
    lines = [f"[global]\ncontrol = unix:{folder}/control.sock\n[listener in]\nbind = 127.0.0.1:0\npool = out\n",
             f"[pool out]\nbackend = echo {serve.text}\n"]
    lines += [f"backend = x{n} 127.1.{n // 250}.{n % 250 + 1}:9 weight=0 max_sessions={step + 1}\n"
              for n in range(backends)]
    return "".join(lines)


def measure(relay, seconds, meanwhile):
    """One session's round trips; gives those and what came of meanwhile()."""
    task = tcp.Task(lambda: load.measure("pingpong", relay.address(), seconds=seconds, connections=1))
    time.sleep(MARGIN_S / 2)
    came = meanwhile()
    return task.result(seconds + 60), came


def reload_all(relay, folder, serve, backends):
    ctl, took = Ctl(f"{folder}/control.sock"), []
    for step in range(1, RELOADS + 1):
        (relay.dir / "ringmain.ini").write_text(config(folder, serve, backends, step), encoding="utf-8")
        began = time.monotonic()
        ctl.rows("reload")
        took.append(time.monotonic() - began)
    return took


def run(backends, seconds):
    with tempfile.TemporaryDirectory(prefix="ringmain-reload-") as folder:
        serve = load.Serve(folder)
        relay = Ringmain(folder)
        try:
            relay.start(config(folder, serve, backends, 0))
            quiet, _ = measure(relay, seconds, lambda: None)
            busy, took = measure(relay, seconds, lambda: reload_all(relay, folder, serve, backends))
            print(f"{backends} backends, all of which change in each of {RELOADS} reloads")
            print(f"a reload: {statistics.median(took) * 1000:.0f} ms, the longest {max(took) * 1000:.0f} ms")
            for title, one in (("without reloads", quiet), ("with them", busy)):
                print(f"round trips {title}: p50 {one['p50_us'] / 1000:.3f} ms, p99 {one['p99_us'] / 1000:.3f} ms, "
                      f"the longest {one['max_us'] / 1000:.1f} ms")
        finally:
            relay.stop()
            serve.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", type=int, default=1000, help="of the pool (default: 1000)")
    parser.add_argument("--seconds", type=int, default=8, help="length of each part (default: 8)")
    options = parser.parse_args()
    if not BINARY.exists():
        sys.exit(f"reload: {BINARY} is missing: make")
    run(options.backends, options.seconds)


if __name__ == "__main__":
    main()
