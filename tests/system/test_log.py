# SPDX-License-Identifier: GPL-2.0-or-later
"""What ringmain says, and that it says each thing once."""

import json
import os

import pytest

from kit import backend as kit_backend
from kit import logfmt, proc, tcp
from kit.ports import free_port
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("has a log of its own")

SESSION_FIELDS = {"level", "msg", "id", "listener", "client", "backend", "bytes_up", "bytes_down", "connect_ms",
                  "duration_ms", "worker", "reason", "by"}


def test_one_line_for_a_session(ringmain, backend, connect):
    rm = ringmain([backend(kit_backend.echo)])
    client = connect(rm.address())
    client.sendall(b"a" * 1000)
    tcp.expect(client, b"a" * 1000)
    port = client.getsockname()[1]
    tcp.hang_up(client)
    tcp.expect_end(client, b"", "FIN")
    line = rm.wait_sessions(1)[0]
    assert SESSION_FIELDS <= set(line)
    assert line["client"] == f"127.0.0.1:{port}"
    assert (line["listener"], line["backend"]) == ("in", "b1")
    assert (line["bytes_up"], line["bytes_down"]) == ("1000", "1000")
    assert (line["reason"], line["level"]) == ("done", "info")
    assert int(line["duration_ms"]) < 20000


def test_nothing_is_logged_before_the_end(session):
    client, peer, rm = session()
    lines = len(rm.raw_lines())
    for _ in range(100):
        client.sendall(b"x" * 1000)
        tcp.expect(peer, b"x" * 1000)
    assert len(rm.raw_lines()) == lines


def test_every_session_has_its_own_id(ringmain, backend):
    rm = ringmain([backend(kit_backend.echo)], settings={"workers": 4})
    for _ in range(200):
        with tcp.connect(rm.address()) as client:
            tcp.exchange(client, b"x")
    lines = rm.wait_sessions(200)
    assert len({line["id"] for line in lines}) == 200


def test_json(ringmain, backend, connect):
    rm = ringmain([backend(kit_backend.echo)], settings={"log_format": "json"})
    client = connect(rm.address())
    tcp.exchange(client, b"x")
    client.close()
    rm.wait_sessions(1)
    lines = [json.loads(line) for line in rm.raw_lines()]
    ended = [line for line in lines if line["msg"] == "session"][0]
    assert SESSION_FIELDS <= set(ended)
    assert ended["bytes_up"] == 1, "numbers are numbers"


def test_level_warn_is_quiet(ringmain, backend, workdir):
    path = f"{workdir}/front.sock"
    rm = ringmain([backend(kit_backend.echo)], settings={"log_level": "warn"},
                  binds=[f"unix:{path}"], wait=False)
    wait_until(lambda: os.path.exists(path), "the socket")

    def connected():
        try:
            return tcp.connect(path)
        except ConnectionRefusedError:      # bound, and not listening yet
            return None

    rm.fds_at_start = rm.process.fds()
    with wait_until(connected, "the listener") as client:
        tcp.exchange(client, b"x")
    rm.stop()
    assert rm.text() == ""


def test_level_debug_stays_readable(ringmain, backend, connect):
    rm = ringmain([backend(kit_backend.echo)], settings={"log_level": "debug"})
    tcp.exchange(connect(rm.address()), b"x")


def test_priorities_for_the_journal(make_ringmain, backend, connect):
    """With $JOURNAL_STREAM naming stderr, each line begins with <priority>."""
    rm = make_ringmain()
    rm.log.touch()
    stat = os.stat(rm.log)
    server = backend(kit_backend.echo)
    rm.start(f"[listener in]\nbind = 127.0.0.1:0\npool = p\n[pool p]\nbackend = b {server.text}\n",
             env={"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})
    with tcp.connect(rm.address()) as client:
        tcp.exchange(client, b"x")
    rm.wait_sessions(1)
    assert all(line.startswith("<6>") for line in rm.raw_lines())
    assert not any("ts=" in line for line in rm.raw_lines())


def test_all_limits_are_logged_once(ringmain, backend, connect):
    """No hidden limit: the first hit is told, and only the first."""
    rm = ringmain([backend(kit_backend.echo)], listener={"max_sessions": 1})
    first = connect(rm.address())
    tcp.exchange(first, b"x")
    others = [tcp.Task(visit, rm.address()) for _ in range(5)]
    rm.wait_line(level="warn")
    first.close()
    for other in others:
        other.result()
    rm.wait_sessions(6)
    warnings = rm.lines(level="warn")
    assert len(warnings) == 1
    assert "max_sessions" in warnings[0]["msg"] and warnings[0]["listener"] == "in"


def visit(address):
    with tcp.connect(address) as client:
        tcp.exchange(client, b"x")


@pytest.mark.threads
def test_log_that_nobody_reads_stops_nobody(make_ringmain, backend, cleanup, workdir):
    """stderr is a pipe, its reader stands still: sessions go on, lines are dropped and counted."""
    fifo = f"{workdir}/stderr"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR)
    cleanup.append(lambda: os.close(reader))
    rm = make_ringmain()
    port = free_port()
    server = backend(kit_backend.echo)
    rm.start(f"[global]\nworkers = 1\n[listener in]\nbind = 127.0.0.1:{port}\npool = p\n"
             f"[pool p]\nbackend = b {server.text}\n",
             prefix=["/bin/sh", "-c", f'exec "$@" 2>{fifo}', "sh"], wait=False)
    wait_until(lambda: answers(port), "ringmain")
    rm.fds_at_start = rm.process.fds()
    for _ in range(3000):
        visit(("127.0.0.1", port))
    text = tcp.Task(read_until_dropped, reader)
    wait_until(lambda: visit(("127.0.0.1", port)) or text.is_done(), "the line that tells of it")
    assert "log lines dropped" in text.result()


@pytest.mark.root
def test_a_full_disk_costs_lines_that_are_counted(make_ringmain, backend, cleanup, workdir):
    """Every line that would have been there is, or is in a count, and none is glued to another."""
    disk = f"{workdir}/disk"
    os.mkdir(disk)
    proc.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk])
    cleanup.append(lambda: proc.run(["umount", "-l", disk]))
    server = backend(kit_backend.echo)
    lines = [lines_of_a_run(make_ringmain, server, f"{workdir}/front-0.sock", f"{workdir}/log-0", 0),
             lines_of_a_run(make_ringmain, server, f"{workdir}/front-1.sock", f"{disk}/log", 800,
                            ["mount", "-o", "remount,size=16m", disk])]
    dropped = [int(line["n"]) for line in lines[1] if line["msg"] == "log lines dropped"]
    assert dropped and sum(dropped) > 200
    assert len(lines[1]) - len(dropped) + sum(dropped) == len(lines[0]) + 800


def lines_of_a_run(make_ringmain, server, address, log, visits, then=None):
    """Its log lines, whole ones: so many sessions, then a command, then a few of them again."""
    rm = make_ringmain()
    rm.start(f"[global]\nworkers = 1\n[listener in]\nbind = unix:{address}\npool = p\n"
             f"[pool p]\nbackend = b {server.text}\n",
             prefix=["/bin/sh", "-c", f'exec "$@" 2>{log}', "sh"], wait=False)
    wait_until(lambda: os.path.exists(address) and "msg=ready" in read(log), "ringmain")
    rm.fds_at_start = rm.process.fds()
    for number in range(visits):
        if then and number == visits - 10:
            proc.run(then)
        visit(address)
    rm.stop()
    *lines, rest = read(log).split("\n")
    assert rest == ""
    parsed = [logfmt.parse(line) for line in lines if not line.endswith(" truncated=yes")]
    assert None not in parsed
    return parsed


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def answers(port):
    try:
        visit(("127.0.0.1", port))
        return True
    except ConnectionError:
        return False


def read_until_dropped(reader):
    text = ""
    while "dropped" not in text:
        text += os.read(reader, 1 << 16).decode()
    return text
