# SPDX-License-Identifier: GPL-2.0-or-later
"""Backends that are asked in their own protocol: real servers that hang, refuse, and come back."""

import contextlib
import os
import re
import signal
import time

import pytest

from kit import backend as echo_servers
from kit import pgwire, replicas, servers, services, tcp
from kit.ports import free_port
from kit.probe import probe
from kit.wait import SCALE, wait_until
from test_status import Status

pytestmark = pytest.mark.haproxy_cannot("its checks are others")

CHECKED = {"check_interval": "50ms", "check_fast_interval": "20ms", "check_fall": 2, "check_rise": 2,
           "check_timeout": "500ms"}

CHECKS_S = 0.6

KINDS = {"postgres": servers.Postgres, "mysql": servers.MariaDB, "redis": servers.Redis,
         "smtp": services.Postfix, "imap": services.Dovecot, "ssh": servers.Sshd,
         "mqtt": services.Mosquitto, "ldap": services.Slapd}


def checked(kind, **keys):
    return {"check": kind, **CHECKED, **keys}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_real_server_is_healthy_until_it_hangs(ringmain, workdir, start, kind):
    server = start(KINDS[kind], workdir)
    rm = ringmain([server], pool=checked(kind))
    signal_all(server, signal.SIGSTOP)
    try:
        down = rm.wait_line(msg="backend", change="down")
    finally:
        signal_all(server, signal.SIGCONT)
    assert down["by"] == "checks"
    assert down["reason"].startswith("no answer in time: waited for ")
    assert rm.wait_line(msg="backend", change="up")["state"] == "ready"


def signal_all(server, number):
    """The server and its children, of which some come and go."""
    for process in all_of(server.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def all_of(pid):
    """A process and its children."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            found = [int(child) for child in children.read().split()]
    return [pid] + [one for child in found for one in all_of(child)]


def test_a_postgres_that_waits_for_its_last_sessions_is_down(ringmain, workdir, start, connect):
    """And one that comes back is up: the connect alone would have shown neither."""
    server = start(servers.Postgres, workdir)
    rm = ringmain([server], pool=checked("postgres"))
    held = pgwire.Session(connect(server.address), user="tester", database="bench")
    held.query("select 1")
    server.process.send_signal(signal.SIGTERM)
    down = rm.wait_line(msg="backend", change="down")
    assert down["reason"].startswith("57P03 ")
    held.close()
    server.process.wait(20)
    server.launch()
    assert int(rm.wait_line(msg="backend", change="up")["down_for_ms"]) > 0


def test_a_replica_that_does_not_serve_is_down(ringmain, workdir, start):
    primary = start(servers.Redis, workdir)
    replica = start(replicas.RedisReplica, primary, workdir)
    replica.cli("CONFIG", "SET", "replica-serve-stale-data", "no")
    rm = ringmain([replica], pool=checked("redis"))
    replica.cli("REPLICAOF", "127.0.0.1", free_port())
    assert rm.wait_line(msg="backend", change="down")["reason"].startswith("MASTERDOWN ")
    replica.follow()
    rm.wait_line(msg="backend", change="up")


def test_what_speaks_another_protocol_is_down(ringmain, backend):
    rm = ringmain([backend(echo_servers.name(b"SSH-2.0-OpenSSH_9.2\r\n"))], pool=checked("smtp"),
                  settings={"status": "127.0.0.1:0"})
    words = "unexpected answer: SSH-2.0-OpenSSH_9.2"
    assert rm.wait_line(msg="backend", change="down")["reason"] == words
    shown = Status(rm).backend("b1")
    assert (shown["by"], shown["why"]) == ("checks", words)


def test_a_server_that_closes_at_once_is_down(ringmain, backend):
    rm = ringmain([backend(lambda peer: None)], pool=checked("postgres"))
    reason = rm.wait_line(msg="backend", change="down")["reason"]
    assert re.fullmatch("connection (closed|reset) before the answer to the start-up packet", reason)


class TlsPostgres(servers.Postgres):
    """Has TLS, and asks everybody but its own user for a password."""

    def __init__(self, workdir, pki, number=1):
        self.pki = pki
        super().__init__(workdir, number)

    def start(self):
        super().start()
        certificate, key = self.pki.lend(self.dir, self.user, "backend.crt", "backend.key")
        for setting in (f"ssl_cert_file = '{certificate}'", f"ssl_key_file = '{key}'", "ssl = on"):
            self.tool("psql", "-qc", f"alter system set {setting}")
        (self.dir / "data/pg_hba.conf").write_text("host all tester 127.0.0.1/32 trust\n"
                                                   "hostssl all all 127.0.0.1/32 scram-sha-256\n")
        self.tool("psql", "-qc", "select pg_reload_conf()")
        wait_until(lambda: probe("postgres", self.address, tls="require")["verdict"] == "passed",
                   "TLS of the server")


def test_checks_go_through_the_tls_that_sessions_have(ringmain, workdir, start, pki):
    server = start(TlsPostgres, workdir, pki)
    told = server.process.text()
    rm = ringmain([server], pool=checked("postgres", tls="yes", protocol="postgres", tls_ca=pki["ca.crt"]))
    time.sleep(CHECKS_S * SCALE)        # some ten checks
    assert not rm.lines(msg="backend")      # the very first answer would have been believed
    assert server.process.text() == told    # nor has it anything to say about it
    server.process.send_signal(signal.SIGSTOP)
    try:
        down = rm.wait_line(msg="backend", change="down")
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert down["reason"].startswith("no answer in time: waited for ")
    rm.wait_line(msg="backend", change="up")


def test_a_certificate_that_is_not_trusted_takes_it_down(ringmain, workdir, start, pki):
    server = start(TlsPostgres, workdir, pki)
    rm = ringmain([server], pool=checked("postgres", tls="yes", protocol="postgres",
                                         tls_ca=pki["stranger-ca.crt"]))
    assert rm.wait_line(msg="backend", change="down")["reason"] == "unknown CA"


def test_a_check_that_may_not_ask_is_the_checks_fault(ringmain, backend):
    """A warning, and the backend stays up."""
    server = backend(echo_servers.name(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"))
    rm = ringmain([server], pool=checked("http"))
    assert rm.wait_line(msg="check")["reason"] == "answered 401 Unauthorized"
    seen = len(server.peers)
    wait_until(lambda: len(server.peers) > seen + 5, "more checks")
    assert len(rm.lines(msg="check")) == 1 and not rm.lines(msg="backend")


def test_checks_have_the_header_that_sessions_have(ringmain, manual):
    server = manual()
    ringmain([server], pool=checked("redis", send_proxy="v2"))
    sock = server.accept()
    assert tcp.recv_exactly(sock, 16)[:13] == b"\r\n\r\n\0\r\nQUIT\n\x20"      # LOCAL
    while not sock.recv(1000).endswith(b"ROLE\r\n"):
        pass


def test_a_stop_waits_for_no_check(ringmain, blackhole, manual):
    server = manual()
    rm = ringmain([server], pool=checked("mysql", check_timeout="60s"))
    server.accept()         # and never answered
    rm.stop()
