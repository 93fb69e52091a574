# SPDX-License-Identifier: GPL-2.0-or-later
"""A backend's change of state says why, who found out, and for how long it was away."""

import pytest

from kit import backend as servers
from kit import tcp
from kit.ports import reserved_port

CHECKED = {"check": "tcp", "check_interval": "50ms", "check_fast_interval": "20ms", "check_fall": 3,
           "check_rise": 2}

pytestmark = pytest.mark.haproxy_cannot("says it otherwise")


def words(line, *keys):
    return [line.get(key) for key in keys]


def test_checks_that_are_refused(ringmain, backend):
    pair = [backend(servers.echo), backend(servers.echo)]
    rm = ringmain(pair, pool=CHECKED)
    tcp.exchange(tcp.connect(rm.address()), b"well")
    rm.wait_sessions(1)
    pair[0].stop_listening()
    down = rm.wait_line(msg="backend", change="down")
    assert words(down, "backend", "state", "by", "reason") == ["b1", "down", "checks",
                                                               "connection refused"]
    assert 1 <= int(down["failures"]) <= 3      # the very first answer is believed at once
    backend(servers.echo, pair[0].address)
    up = rm.wait_line(msg="backend", change="up")
    assert words(up, "backend", "state", "by", "passes") == ["b1", "ready", "checks", "2"]
    assert int(up["down_for_ms"]) >= 20 and "reason" not in up


def test_checks_that_are_not_answered(ringmain, blackhole):
    rm = ringmain([blackhole()], pool={**CHECKED, "check_timeout": "100ms"})
    down = rm.wait_line(msg="backend", change="down")
    assert words(down, "by", "failures", "reason") == ["checks", "1", "timed out"]


def test_sessions_that_are_refused(ringmain, backend, cleanup):
    held, port = reserved_port()
    cleanup.append(held.close)
    rm = ringmain([f"127.0.0.1:{port}", backend(servers.echo)],
                  pool={"balance": "first", "eject_after": 4, "eject_time": "1s"})
    for _ in range(4):
        with tcp.connect(rm.address()) as sock:
            tcp.exchange(sock, b"by the other one")
    ejected = rm.wait_line(msg="backend", change="ejected")
    assert words(ejected, "backend", "by", "failures", "connects", "reason") == [
        "b1", "sessions", "4", None, "connection refused"]
    returned = rm.wait_line(msg="backend", change="returned")
    assert returned["state"] == "ready" and int(returned["down_for_ms"]) >= 1000


def test_sessions_whose_tls_fails(ringmain, backend, pki):
    """A server without TLS, and why it would not do."""
    rm = ringmain([backend(servers.name(b"no TLS here\n")), backend(servers.name(b"nor here\n"))],
                  pool={"tls": "yes", "tls_ca": pki["ca.crt"], "eject_after": 2})
    for _ in range(3):
        tcp.knock(rm.address())
    ejected = rm.wait_line(msg="backend", change="ejected")
    assert words(ejected, "by", "failures", "reason") == ["sessions", "2", "TLS failed"]
    assert ejected["detail"]
