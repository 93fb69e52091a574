# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tests/load/probe.c: one health check of one server."""

import json
import os

import pytest

from kit import proc, tcp
from kit.ringmain import VARIANT_DIR

PROGRAM = os.environ.get("RINGMAIN_PROBE", str(VARIANT_DIR / "tests/load/probe"))


def probe(protocol, address, *options, **keys):
    """Gives the facts as a dict. keys become options: user="alice", verified=True."""
    if not os.path.exists(PROGRAM):
        pytest.fail(f"{PROGRAM} does not exist: build it (make load)", False)
    argv = [PROGRAM, protocol, address if isinstance(address, str) else tcp.text_of(address), *options]
    for key, value in keys.items():
        argv += [f"--{key}"] if value is True else [f"--{key}", str(value)]
    return json.loads(proc.run(argv).stdout)
