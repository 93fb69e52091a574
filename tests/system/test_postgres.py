# SPDX-License-Identifier: GPL-2.0-or-later
"""Real PostgreSQL servers and their own tools."""

import hashlib
import re

import pytest

from kit import servers, tcp

ROWS = 150_000      # about 10 MB as text


@pytest.fixture(scope="module")
def databases(module_dir):
    pair = servers.two(servers.Postgres, module_dir)
    yield pair
    for server in pair:
        server.close()


@pytest.fixture(scope="module")
def database(databases):
    """One with tables in it."""
    server = databases[0]
    server.tool("pgbench", "-i", "-q", "-s", "2")
    server.tool("psql", "-qc", "create table big as select i, md5(i::text) as a, repeat('x', i % 60)"
                f" as b from generate_series(1, {ROWS}) i")
    return server


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def dump_of(server, **kwargs):
    """pg_dump's text without the token it makes up each time."""
    text = server.tool("pg_dump", **kwargs).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.M)


@pytest.mark.parametrize("relay", ("copy", "splice", "auto"))
def test_pgbench_on_steady_sessions(ringmain, database, relay):
    rm = ringmain([database], listener={"relay": relay})
    out = database.tool("pgbench", "-c", 16, "-j", 2, "-T", 2, "-M", "prepared",
                        address=rm.address()).stdout
    assert "number of failed transactions: 0" in out
    rm.wait_sessions(17, reason="done")     # pgbench asks once before it begins


def test_pgbench_with_a_session_per_transaction(ringmain, database):
    rm = ringmain([database])
    out = database.tool("pgbench", "-C", "-S", "-c", 8, "-j", 2, "-t", 50,
                        address=rm.address()).stdout
    assert "number of transactions actually processed: 400/400" in out
    assert {line["reason"] for line in rm.sessions()} == {"done"}


def test_dump_is_the_same(ringmain, database):
    rm = ringmain([database])
    assert digest(dump_of(database, address=rm.address())) == digest(dump_of(database))


@pytest.mark.parametrize("relay", ("copy", "splice", "auto"))
def test_copy_out_and_in(ringmain, database, workdir, relay):
    rm = ringmain([database], listener={"relay": relay})
    path = f"{workdir}/big"
    database.tool("psql", "-qc", f"\\copy big to '{path}'", address=rm.address())
    with open(path, "rb") as file:
        direct = database.tool("psql", "-Atqc", "copy big to stdout").stdout
        assert hashlib.sha256(file.read()).hexdigest() == digest(direct)
    database.tool("psql", "-q", "-c", "drop table if exists again",
                  "-c", "create table again (like big)",
                  "-c", f"\\copy again from '{path}'", address=rm.address())
    rows = database.tool("psql", "-Atc", "select count(*) from (table again except table big) d",
                         "-c", "select count(*) from again").stdout.split()
    assert rows == ["0", str(ROWS)]


def test_server_side_cursor(ringmain, database):
    rm = ringmain([database])
    out = database.tool("psql", "-Atq", "-c", "begin", "-c",
                        "declare c cursor for select i, a from big order by i",
                        *["-c", "fetch 5000 from c"] * 30, "-c", "commit", address=rm.address()).stdout
    direct = database.tool("psql", "-Atqc", "select i, a from big order by i").stdout
    assert digest(out) == digest(direct)


def test_error_messages_come_through(ringmain, database):
    rm = ringmain([database])
    done = database.tool("psql", "-c", "select 1/0", address=rm.address(), check=False)
    assert "division by zero" in done.stderr
    done = database.tool("psql", "-d", "nowhere", address=rm.address(), check=False)
    assert 'database "nowhere" does not exist' in done.stderr


def test_killed_server_process_is_noticed(ringmain, database):
    rm = ringmain([database])
    done = database.tool("psql", "-c", "select pg_terminate_backend(pg_backend_pid())",
                         address=rm.address(), check=False)
    assert "terminating connection due to administrator command" in done.stderr


def test_two_databases_take_turns(ringmain, databases):
    rm = ringmain(databases, pool={"balance": "roundrobin"})
    ports = [databases[0].tool("psql", "-Atc", "select inet_server_port()",
                               address=rm.address()).stdout.strip() for _ in range(6)]
    assert sorted(ports) == sorted([str(server.port) for server in databases] * 3)


def test_over_unix_sockets(ringmain, database, workdir):
    """Both the server's unix socket behind ringmain and ringmain's in front of the client."""
    front = f"{workdir}/.s.PGSQL.{database.port}"
    ringmain([f"unix:{database.dir}/.s.PGSQL.{database.port}"], binds=[f"unix:{front}"])
    out = database.tool("psql", "-Atc", "select count(*) from big",
                        address=(workdir, database.port)).stdout
    assert out.strip() == str(ROWS)


def test_notification_wakes_a_quiet_session(ringmain, database, connect):
    """LISTEN/NOTIFY: the server speaks long after the client did."""
    rm = ringmain([database])
    startup = b"user\0tester\0database\0bench\0\0"
    client = connect(rm.address())
    client.sendall((len(startup) + 8).to_bytes(4, "big") + b"\0\x03\0\0" + startup)
    read_until(client, b"Z\0\0\0\x05I")
    client.sendall(b"Q\0\0\0\x10listen news\0")
    read_until(client, b"Z\0\0\0\x05I")
    database.tool("psql", "-c", "notify news, 'paper'")
    assert b"paper" in read_until(client, b"paper\0")


def read_until(sock, mark):
    got = b""
    while mark not in got:
        part = sock.recv(tcp.CHUNK)
        assert part, f"end of stream after {got!r}"
        got += part
    return got
