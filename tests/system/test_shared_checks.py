# SPDX-License-Identifier: GPL-2.0-or-later
"""Several pools over the same backends: one check asks, and each pool judges for itself."""

import signal
import time

import pytest

from kit import tcp
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("its checks are others")

PRIMARY = b"+PONG\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
REPLICA = b"+PONG\r\n*5\r\n$5\r\nslave\r\n$1\r\nx\r\n:1\r\n$9\r\nconnected\r\n:0\r\n"
PAUSE_S = 0.6       # several intervals


def text(server, write="", read=""):
    """A write port and a read port over one server."""
    shared = "check = redis\ncheck_interval = 100ms\ncheck_fast_interval = 100ms\ncheck_timeout = 30s\n"
    return (f"[listener in]\nbind = 127.0.0.1:0\npool = write\n[listener out]\nbind = 127.0.0.1:0\npool = read\n"
            f"[pool write]\nbackend = one {server.text}\n{shared}role = primary\n{write}\n"
            f"[pool read]\nbackend = other {server.text}\n{shared}role = replica\n{read}\n")


def asked(server):
    """The next check, once it has said what it has to say."""
    sock = server.accept()
    assert tcp.recv_exactly(sock, 4)
    return sock


def expect_no_other(server):
    time.sleep(PAUSE_S)
    assert not server.has_waiting()


def states(rm):
    """By pool, as the log told last."""
    return {line["pool"]: line for line in rm.lines(msg="role")}


def test_one_check_asks_for_both_and_each_judges_by_its_role(ringmain, manual):
    server = manual()
    rm = ringmain(text(server))
    check = asked(server)
    expect_no_other(server)
    check.sendall(PRIMARY)
    wait_until(lambda: len(states(rm)) == 2, lambda: f"both to be judged: {states(rm)}")
    assert (states(rm)["write"]["backend"], states(rm)["read"]["backend"]) == ("one", "other")
    assert states(rm)["write"]["reason"] == "has the role"
    assert states(rm)["read"]["reason"] == "has another role"


def test_each_judges_with_its_own_fall(ringmain, manual):
    server = manual()
    rm = ringmain(text(server, write="check_fall = 2\nrole = any", read="check_fall = 4\nrole = any")
                  .replace("role = primary\n", "").replace("role = replica\n", ""))
    asked(server).sendall(PRIMARY)
    for number in range(4):
        asked(server).sendall(b"-ERR no\r\n")
        if number == 2:
            assert {line["pool"] for line in rm.lines(change="down")} == {"write"}
    wait_until(lambda: {line["pool"] for line in rm.lines(change="down")} == {"read", "write"}, "both to be down")
    assert rm.lines(change="down", pool="read")[0]["failures"] == "4"


@pytest.mark.parametrize("other", ("check_interval = 200ms", "check_timeout = 20s", "send_proxy = v1"))
def test_what_asks_otherwise_asks_itself(ringmain, manual, other):
    server = manual()
    lines = text(server)
    key = other.split(" = ", maxsplit=1)[0]
    head, read = lines.split("[pool read]")
    read = "\n".join(line for line in read.splitlines() if not line.startswith(key)) + f"\n{other}\n"
    ringmain(head + "[pool read]" + read)
    first, second = asked(server), asked(server)
    expect_no_other(server)
    first.close()
    second.close()


def test_a_pool_that_goes_leaves_the_check_to_the_others(ringmain, manual):
    server = manual()
    rm = ringmain(text(server))
    asked(server).sendall(PRIMARY)
    wait_until(lambda: len(states(rm)) == 2, "both to be judged")
    only = text(server).split("[listener out]")[0] + "[pool read]" + text(server).split("[pool read]")[1]
    (rm.dir / "ringmain.ini").write_text(only.replace("pool = write", "pool = read"), encoding="ascii")
    rm.process.send_signal(signal.SIGHUP)
    rm.wait_line(msg="reload", outcome="done")
    wait_until(lambda: _answer(server, REPLICA) and states(rm)["read"]["reason"] == "has the role", "its role")


def _answer(server, words):
    asked(server).sendall(words)
    return True
