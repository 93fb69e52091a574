# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions of real servers that live through several reloads, which change what is theirs."""

import subprocess

import pytest

from kit import pgwire, servers, tcp
from kit.services import Mosquitto
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("starts another process")


@pytest.fixture
def server(workdir, cleanup):
    """server(kind) gives one that runs."""
    def begin(kind):
        made = kind(workdir)
        cleanup.append(made.close)
        return made
    return begin


class Lived:
    """A ringmain whose configuration changes a step at a time, and is changed back in the end."""

    def __init__(self, running, server, **listener):
        self.r = running([server], listener={"idle_timeout": "1h", **listener})
        self.server = server
        self.first = self.r.text

    def steps(self):
        """After each one the session is to be there."""
        r, line = self.r, next(line for line in self.first.splitlines() if line.startswith("backend = b1"))
        more = f"backend = b2 127.0.0.1:9\n{line}"
        for before, after in ((line, f"{line} weight=7"),                       # its weight
                              (f"{line} weight=7", more),                       # another beside it
                              (more, more + "\nbalance = leastconn"),
                              (line + "\n", ""),                                # it leaves
                              ("idle_timeout = 1h", "idle_timeout = 5m")):      # what a session was promised
            r.change(before, after)
            assert r.reload()
            yield
        r.change("[listener in]", "[listener other]")                           # and the listener with it
        assert r.reload()
        yield
        r.write(self.first)
        assert r.reload()
        yield
        assert r.reload("certs")
        yield


@pytest.fixture
def lived(running, server):
    return lambda kind, **listener: Lived(running, server(kind), **listener)


def test_postgresql(lived):
    """A transaction with a temporary table, in one session of psql."""
    it = lived(servers.Postgres)
    argv = [it.server.program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1",
            "host={} port={} user=tester dbname=bench".format(*it.r.rm.address())]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as psql:
        def says(question):
            psql.stdin.write(question + "\n")
            psql.stdin.flush()
            return psql.stdout.readline().strip()
        pid = says("begin; create temp table lived (n int); select pg_backend_pid();")
        for number, _ in enumerate(it.steps(), 1):
            assert says(f"insert into lived values ({number}); select count(*) from lived;") == str(number)
        assert says("commit; select pg_backend_pid();") == pid
        psql.stdin.close()
    assert psql.returncode == 0
    assert [line["reason"] for line in it.r.rm.wait_sessions(1)] == ["done"]


def test_a_key_to_cancel_a_query(lived, connect):
    """Learned before all of them, known after each."""
    it = lived(servers.Postgres, protocol="postgres")
    session, steps = pgwire.Session(connect(it.r.rm.address())), 0
    for _ in it.steps():
        steps += 1
        session.ask("select pg_sleep(60)")
        wait_until(lambda: it.server.tool("psql", "-Atc", "select 1 from pg_stat_activity where state = 'active' and "
                                          "query like '%sleep(60)'").stdout, "the query to run")
        with tcp.connect(it.r.rm.address()) as sock:
            sock.sendall(pgwire.cancel(session.key))
            assert tcp.read_to_end(sock) == (b"", "FIN")
        assert session.result()["C"] == pgwire.CANCELED
    it.r.rm.wait_sessions(steps, detail="cancel request")


def test_redis(lived, connect):
    """Commands that wait for EXEC, and one who is subscribed."""
    it = lived(servers.Redis)
    client, subscriber = connect(it.r.rm.address()), connect(it.r.rm.address())

    def says(sock, *words):
        sock.sendall((" ".join(words) + "\r\n").encode())
        return tcp.recv_exactly(sock, len(expected[words[0]])) == expected[words[0]]
    expected = {"MULTI": b"+OK\r\n", "INCR": b"+QUEUED\r\n",
                "SUBSCRIBE": b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"}
    assert says(client, "MULTI") and says(subscriber, "SUBSCRIBE", "c")
    steps = 0
    for _ in it.steps():
        steps += 1
        assert says(client, "INCR", "n")
        it.server.cli("publish", "c", f"m{steps}")
        message = f"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nm{steps}\r\n".encode()
        assert tcp.recv_exactly(subscriber, len(message)) == message
    client.sendall(b"EXEC\r\n")
    answer = f"*{steps}\r\n".encode() + b"".join(b":%d\r\n" % n for n in range(1, steps + 1))
    assert tcp.recv_exactly(client, len(answer)) == answer


def packet(kind, *parts):
    body = b"".join(parts)
    assert len(body) < 128
    return bytes([kind, len(body)]) + body


def text(value):
    return len(value).to_bytes(2, "big") + value


def test_mqtt(lived, connect):
    """One who is subscribed, and publishes to itself."""
    it = lived(Mosquitto)
    client = connect(it.r.rm.address())
    client.sendall(packet(0x10, text(b"MQTT"), b"\x04\x02\x00\x00", text(b"lived")))
    assert tcp.recv_exactly(client, 4) == b"\x20\x02\x00\x00"
    client.sendall(packet(0x82, b"\x00\x01", text(b"t"), b"\x00"))
    assert tcp.recv_exactly(client, 5) == b"\x90\x03\x00\x01\x00"
    for number, _ in enumerate(it.steps(), 1):
        message = packet(0x30, text(b"t"), b"after reload %d" % number)
        client.sendall(message)
        assert tcp.recv_exactly(client, len(message)) == message
    assert len(it.r.ctl.rows("sessions")) == 1
