# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tests/load/load.c: many sessions at a time."""

import json
import os
import re

import pytest

from kit import proc, tcp
from kit.ringmain import VARIANT_DIR
from kit.wait import wait_until

PROGRAM = os.environ.get("RINGMAIN_LOAD", str(VARIANT_DIR / "tests/load/load"))


class Serve:
    """load serve: answers each request, or does other work."""

    def __init__(self, workdir, number=1, work="answer"):
        argv = [program(), "serve", "--listen", "127.0.0.1:0", "--work", work, "--verify"]
        self.process = proc.Process(argv, f"{workdir}/load-{number}.log", name="load")
        found = wait_until(lambda: re.search(r"listening (\S+)", self.process.text()), "load serve")
        self.text = found[1]

    def close(self):
        self.process.kill()


def program():
    if not os.path.exists(PROGRAM):
        pytest.fail(f"{PROGRAM} does not exist: build it (make load)", False)
    return PROGRAM


def run(task, relay, **keys):
    """Keeps the relay busy; gives the finished process. keys: seconds=1 resume=True ..."""
    argv = [program(), task, "--to", tcp.text_of(relay), "--verify"]
    for key, value in keys.items():
        argv += ["--" + key] if value is True else ["--" + key, str(value)]
    return proc.run(argv, timeout=60 + keys.get("seconds", 0), check=False)


def measure(task, relay, **keys):
    """As run(); gives the JSON line."""
    done = run(task, relay, **keys)
    assert done.returncode == 0, f"load: exit {done.returncode}\n{done.stdout}{done.stderr[-3000:]}"
    return json.loads(done.stdout.strip().split("\n")[-1])
