# SPDX-License-Identifier: GPL-2.0-or-later
"""What health checks leave in the logs of real servers: `tcp` no line, the others what the manual says."""

import pathlib
import re
import socket
import time

import pytest

from kit import servers, services
from kit.backend import Backend
from kit.wait import SCALE, wait_steady, wait_until

pytestmark = pytest.mark.haproxy_cannot("its own check is as quiet; this is about ringmain's")

CHECKED = {"check": "tcp", "check_interval": "20ms", "check_fast_interval": "20ms", "check_fall": 1}
CHECKS_S = 0.6      # some thirty checks

KINDS = {
    "ssh": (servers.Sshd, {}),
    "mqtt": (services.Mosquitto, {}),
    "smtp": (services.Postfix, {}),
    "ldap": (services.Slapd, {}),
    "mariadb": (servers.MariaDB, {"options": ("--log-warnings=9",)}),
    "postgres": (servers.Postgres, {"options": ("log_connections=on",)}),
}


def text_of_log(server):
    return server.log.read_text(encoding="utf-8") if server.log.exists() else ""


def connect_and_leave(server):
    """What every one of these servers writes a line about; gives the port it came from."""
    with socket.create_connection(server.address) as sock:
        port = sock.getsockname()[1]
        sock.settimeout(10)
        try:
            sock.sendall(b"\r\n")
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(1000):
                pass
        except TimeoutError:
            raise
        except OSError:     # it may be gone before that is said
            pass
    return port


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_line_in_the_log_of(ringmain, workdir, start, kind):
    server_class, keys = KINDS[kind]
    server = start(server_class, workdir, **keys)
    before = text_of_log(server)
    connect_and_leave(server)
    wait_until(lambda: len(text_of_log(server)) > len(before), "a line about somebody else")
    wait_steady(lambda: len(text_of_log(server)), "the log to be quiet", quiet=1)
    settled = text_of_log(server)

    rm = ringmain([server], pool=CHECKED)
    time.sleep(CHECKS_S * SCALE)        # the pause is what is tested
    assert text_of_log(server)[len(settled):] == ""
    server.close()
    assert rm.wait_line(msg="backend", change="down")["by"] == "checks"


SERVERS = {"OpenSSH": (servers.Sshd, {}), "Postfix": (services.Postfix, {}), "Dovecot": (services.Dovecot, {}),
           "Mosquitto": (services.Mosquitto, {}), "slapd": (services.Slapd, {}),
           "MariaDB": (servers.MariaDB, {"options": ("--log-warnings=9",)}), "PostgreSQL": (servers.Postgres, {}),
           "Redis": (servers.Redis, {}), "nginx": (services.Nginx, {}), "RabbitMQ": (services.RabbitMQ, {})}
MARKS = {"RabbitMQ": pytest.mark.rabbitmq}


def table():
    """The manual's: (check, server, line)."""
    manual = (pathlib.Path(__file__).resolve().parents[2] / "etc/ringmain.ini.5").read_text(encoding="utf-8")
    rows = re.findall(r"^\.It Li (\S.*) Ta (\S+) Ta (.*)$", manual, re.M)
    return [pytest.param(check.replace("...", "tester"), server, line.replace("\\(dq", '"'), marks=MARKS.get(server, ()))
            for check, server, line in rows]


@pytest.mark.parametrize("check, name, line", table())
def test_the_line_that_the_manual_says(ringmain, workdir, start, check, name, line):
    server_class, keys = SERVERS[name]
    server = start(server_class, workdir, **keys)
    wait_steady(lambda: len(text_of_log(server)), "the log to be quiet", quiet=1)
    settled = len(text_of_log(server))
    database = " database=bench" if check == "postgres user=tester" else ""
    rm = ringmain([server], pool={**CHECKED, "check": check + database, "check_timeout": "5s"})
    if line == "no line":
        time.sleep(CHECKS_S * SCALE)        # the pause is what is tested
        assert text_of_log(server)[settled:] == ""
    else:
        wait_until(lambda: any(words in text_of_log(server)[settled:] for words in line.split(" or ")), f"the line {line!r}")
    assert not rm.lines(msg="backend") and not rm.lines(msg="check")


class Agent(Backend):
    """Answers as Patroni's does: head and body are written apart, which takes a while. Keeps what it was told of its writes."""

    def __init__(self, status):
        self.status, self.served, self.errors = status, 0, []
        super().__init__(self.answer)

    def answer(self, peer):
        sock = peer.sock
        try:
            sock.recv(4096)
            for piece in (b"HTTP/1.1 %b\r\nServer: agent\r\n" % self.status, b"Content-Length: 2000\r\n\r\n", *[b"x" * 500] * 4):
                sock.sendall(piece)
                time.sleep(0.01)        # the checker has read it
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(1000):
                pass
        except OSError as error:
            self.errors.append(error)
        self.served += 1


@pytest.mark.parametrize("status", (b"200 OK", b"503 Service Unavailable", b"500 No"))
def test_an_agent_that_writes_its_answer_in_pieces_is_not_reset(ringmain, start, status):
    agent = start(Agent, status)
    ringmain([agent], pool={**CHECKED, "check": "http", "check_timeout": "30s"})
    wait_until(lambda: agent.served >= 10, "checks")
    assert not agent.errors


def test_a_server_that_takes_nobody_is_down_all_the_same(ringmain, blackhole):
    rm = ringmain([blackhole()], pool={**CHECKED, "check_timeout": "100ms"})
    assert rm.wait_line(msg="backend", change="down")["reason"] == "timed out"
