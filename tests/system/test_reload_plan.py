# SPDX-License-Identifier: GPL-2.0-or-later
"""What a reload says that it changes, or would."""

import re
from datetime import datetime, timezone

import pytest

from kit import backend as servers
from kit.ports import free_port
from kit.reload import named, who
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("starts another process")


def test_nothing_to_do_is_said(running, backend):
    r = running([backend(servers.echo)])
    assert r.plan() == ["nothing would change"]
    assert r.reload() == ["nothing differs from what is in force"]


def test_a_plan_is_shown_and_not_done(running, backend):
    r = running([named(backend, "one")])
    r.add(f"backend = b2 {named(backend, 'two').text}\n")
    lines = r.plan()
    assert len(lines) == 1 and lines[0].startswith("+ pool out: backend b2 127.0.0.1:")
    assert {who(r.rm.address()) for _ in range(10)} == {"one"}
    assert r.reload() == lines
    wait_until(lambda: who(r.rm.address()) == "two", "the new backend to serve")


def test_warnings_alone_change_nothing(running, backend):
    r = running([backend(servers.echo)], pool={"stick_time": "1m"})
    warning = "warning: [pool out] stick_time: "
    plan, done = r.plan(), r.reload()
    assert warning in plan[0] and plan[-1] == "nothing would change"
    assert warning in done[0] and done[-1] == "nothing differs from what is in force"


def test_a_new_listeners_addresses_are_told(running, backend):
    r = running([backend(servers.echo)])
    ports = [free_port() for _ in range(40)]
    few = "".join(f"bind = 127.0.0.1:{port}\n" for port in ports[:3])
    r.add(f"[listener few]\n{few}pool = out\n")
    assert r.plan() == ["+ listener few " + ", ".join(f"127.0.0.1:{port}" for port in ports[:3])]
    many = "".join(f"bind = 127.0.0.1:{port}\n" for port in ports)
    r.write(r.text.replace(few, many))
    told, more = re.fullmatch(r"\+ listener few (.*) and (\d+) more", r.plan()[0]).groups()
    assert len(told.split(", ")) + int(more) == 40


def test_times_are_in_utc(running, backend):
    """Whatever the zone of the process is."""
    r = running([backend(servers.echo)], env={"TZ": "XYZ-9"})
    r.reload()
    at = datetime.strptime(r.row("process", None)["last_reload"], "%Y-%m-%d %H:%M:%S UTC")
    assert abs((datetime.now(timezone.utc).replace(tzinfo=None) - at).total_seconds()) < 600
    assert r.ctl.rows("history")[0]["at"].endswith(" UTC")
