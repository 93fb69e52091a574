# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for conditions. No test sleeps and hopes."""

import os
import time

# Sanitizer builds and valgrind are slower: TEST_TIME_SCALE=3 stretches every deadline.
SCALE = float(os.environ.get("TEST_TIME_SCALE", "1"))


def wait_until(condition, what, timeout=10.0, interval=0.005, error=AssertionError):
    """Calls condition() until it is truthy and returns that value; raises error after timeout s.

    what ends the sentence "still waiting for ..."; it may be a callable for a fresh description.
    """
    deadline = time.monotonic() + timeout * SCALE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise error(f"after {timeout * SCALE:g} s still waiting for {text}")
        time.sleep(interval)


def wait_steady(read, what, quiet=0.5, timeout=30.0):
    """Polls read() until its value has not changed for quiet seconds; returns that value."""
    last = [read(), time.monotonic()]

    def is_steady():
        now = read()
        if now != last[0]:
            last[:] = [now, time.monotonic()]
        return time.monotonic() - last[1] >= quiet * SCALE

    wait_until(is_steady, lambda: f"{what} to settle (now {last[0]})", timeout)
    return last[0]


class Stopwatch:
    """Seconds since it was made, on the monotonic clock."""

    def __init__(self):
        self.start = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.start
