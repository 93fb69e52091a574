# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tests/load/check.c, the byte-exact judge of relays."""

import json
import os

import pytest

from kit import proc, tcp
from kit.ports import free_port
from kit.ringmain import VARIANT_DIR
from kit.wait import SCALE

PROGRAM = os.environ.get("RINGMAIN_CHECK", str(VARIANT_DIR / "tests/load/check"))
TIMEOUT_S = 60


def backend_addresses(count=1, host="127.0.0.1"):
    """Gives addresses for check's --listen, which ringmain's configuration must name before."""
    return [tcp.text_of((host, free_port(host))) for _ in range(count)]


def check(relay, backends, *options, **keys):
    """Runs seeded sessions through relay (an address); gives check's JSON line as a dict.

    keys become options: sessions=300, bytes_max=..., aborts=10. AssertionError when check says that
    the relay is not true.
    """
    if not os.path.exists(PROGRAM):
        pytest.fail(f"{PROGRAM} does not exist: build it (make load)", False)
    argv = [PROGRAM, "--to", tcp.text_of(relay), "--timeout", str(int(TIMEOUT_S * SCALE))]
    for address in backends:
        argv += ["--listen", address]
    argv += options
    for key, value in keys.items():
        argv += ["--" + key.replace("_", "-"), str(value)]
    done = proc.run(argv, timeout=TIMEOUT_S + 30, check=False)
    assert done.returncode == 0, f"check: exit {done.returncode}\n{done.stdout}{done.stderr[-3000:]}"
    return json.loads(done.stdout.strip().split("\n")[-1])
