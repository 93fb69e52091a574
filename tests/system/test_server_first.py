# SPDX-License-Identifier: GPL-2.0-or-later
"""MariaDB, iperf3, ssh, and whoever else speaks first."""

import hashlib
import json

import pytest

from kit import backend as kit_backend
from kit import proc, servers, tcp


@pytest.fixture(scope="module")
def mariadb(module_dir):
    server = servers.MariaDB(module_dir)
    yield server
    server.close()


def test_mariadb_queries(ringmain, mariadb):
    rm = ringmain([mariadb])
    mariadb.tool("mariadb", "bench", "-e",
                 "create or replace table t (i int primary key, a varchar(64));"
                 "insert into t select seq, md5(seq) from seq_1_to_50000", address=rm.address())
    rows = "select i, a from t order by i"
    through = mariadb.tool("mariadb", "bench", "-Ne", rows, address=rm.address()).stdout
    assert through == mariadb.tool("mariadb", "bench", "-Ne", rows).stdout
    assert through.count("\n") == 50000


@pytest.mark.parametrize("relay", ("copy", "splice", "auto"))
def test_mariadb_dump_is_the_same(ringmain, mariadb, relay):
    rm = ringmain([mariadb], listener={"relay": relay})
    mariadb.tool("mariadb", "bench", "-e",
                 "create or replace table d (i int primary key, a varchar(200));"
                 "insert into d select seq, repeat(md5(seq), 5) from seq_1_to_20000")
    dump = ["mariadb-dump", "--skip-comments", "--skip-dump-date", "bench", "d"]
    through = mariadb.tool(*dump, address=rm.address()).stdout
    assert hashlib.sha256(through.encode()).digest() == \
        hashlib.sha256(mariadb.tool(*dump).stdout.encode()).digest()


@pytest.fixture(scope="module")
def iperf(module_dir):
    server = servers.Iperf(module_dir)
    yield server
    server.close()


@pytest.mark.parametrize("relay", ("copy", "splice", "auto"))
@pytest.mark.parametrize("options", ([], ["-R"], ["-P", "4"], ["--bidir"]),
                         ids=("up", "down", "four", "both"))
def test_iperf3(ringmain, iperf, options, relay):
    # With --bidir the server tells its two connections apart by their order, which only a single
    # worker keeps.
    rm = ringmain([iperf], listener={"relay": relay}, settings={"workers": 1})
    host, port = rm.address()
    done = proc.run([proc.need("iperf3", "iperf3"), "-c", host, "-p", str(port), "-t", "1", "-J",
                     *options], timeout=30)
    report = json.loads(done.stdout)
    assert "error" not in report
    assert report["end"]["sum_received"]["bytes"] > 1 << 20


def test_ssh(ringmain, workdir, start):
    server = start(servers.Sshd, workdir)
    rm = ringmain([server])
    text = tcp.pattern("ssh", 4 << 20).hex()
    assert server.ssh(rm.address(), "cat", input=text).stdout == text


@pytest.mark.parametrize("relay", ("copy", "splice", "auto"))
def test_server_that_speaks_first(ringmain, backend, connect, relay):
    """As SMTP does: the client waits for the greeting before it says a word."""
    server = backend(kit_backend.greet(b"220 ready\r\n"))
    rm = ringmain([server], listener={"relay": relay})
    client = connect(rm.address())
    tcp.expect(client, b"220 ready\r\n")
    tcp.exchange(client, b"HELO me\r\n")
