# SPDX-License-Identifier: GPL-2.0-or-later
"""RabbitMQ, which brings all of Erlang along and takes a while to start: `make rabbitmq`.

What its log says about checks is printed, too; test_quiet_checks.py has the line that the manual tells.
"""

import re
import signal
import time

import pytest

from kit import proc, services, tcp
from kit.wait import SCALE, wait_steady, wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.haproxy_cannot("its checks are others")]

CHECKED = {"check_interval": "200ms", "check_fast_interval": "100ms", "check_timeout": "2s", "check_fall": 2}
CHECKS_S = 2
OF_A_CHECK = re.compile(r"\[info\] .* accepting AMQP connection |\[warning\] .* closing AMQP connection "
                        r"|\[warning\] .* client unexpectedly closed TCP connection$|^$")


@pytest.fixture(name="server", scope="module")
def _server(module_dir):
    server = services.RabbitMQ(module_dir)
    yield server
    server.close()


@pytest.fixture(name="said")
def _said(server):
    """What its log has said since the test began."""
    wait_steady(lambda: len(server.process.text()), "the log to be quiet", quiet=1)
    before = len(server.process.text())
    return lambda: server.process.text()[before:]


def show(title, text):
    print(f"\n{title}:", *(text.splitlines() or ["no line"]), sep="\n  ")


def test_a_check_that_only_connects_leaves_no_line(ringmain, server, said):
    rm = ringmain([server], pool={**CHECKED, "check": "tcp"})
    time.sleep(CHECKS_S * SCALE)        # the pause is what is tested
    show("RabbitMQ's log of check = tcp", said())
    assert said() == "" and not rm.lines(msg="backend")


def test_a_check_of_its_protocol_leaves_the_lines_that_it_must(ringmain, server, said):
    """Who has no name can say no goodbye: before the log-in the protocol has none."""
    rm = ringmain([server], pool={**CHECKED, "check": "amqp"})
    wait_until(lambda: said().count("client unexpectedly closed TCP connection") > 2, "checks")
    show("RabbitMQ's log of check = amqp", said())
    assert all(OF_A_CHECK.search(line) for line in said().splitlines()), said()
    assert not rm.lines(msg="backend")


def test_a_message_goes_through(ringmain, server):
    rm = ringmain([server], pool={**CHECKED, "check": "amqp"})

    def amqp(tool, *args):
        return proc.run([proc.need(f"amqp-{tool}", "amqp-tools"), "-u", f"amqp://{tcp.text_of(rm.address())}", *args]).stdout

    assert amqp("declare-queue", "-q", "letters") == "letters\n"
    amqp("publish", "-r", "letters", "-b", "hello")
    assert amqp("get", "-q", "letters") == "hello"
    assert len(rm.wait_sessions(3, backend="b1")) == 3


def test_one_that_hangs_is_down_until_it_goes_on(ringmain, server):
    rm = ringmain([server], pool={**CHECKED, "check": "amqp"})
    server.signal_all(signal.SIGSTOP)
    try:
        assert rm.wait_line(msg="backend", change="down", timeout=30)["reason"].startswith("no answer in time")
    finally:
        server.signal_all(signal.SIGCONT)
    rm.wait_line(msg="backend", change="up", timeout=60)
