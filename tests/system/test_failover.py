# SPDX-License-Identifier: GPL-2.0-or-later
"""Roles, hold and the sessions of who is down: PostgreSQL, MariaDB and Redis that fail over behind ringmain."""

import os
import signal
import threading
import time

import pytest

from kit import pgwire, replicas, servers, tcp
from kit.backend import echo
from kit.ports import free_port
from kit.wait import SCALE, wait_until
from test_check_login import Agent
from test_status import Status

pytestmark = pytest.mark.haproxy_cannot("it knows no roles")

CHECKED = {"check_interval": "200ms", "check_fast_interval": "100ms", "check_timeout": "1s",
           "check_fall": 3, "check_rise": 2}
POSTGRES = {"check": "postgres user=tester database=bench", **CHECKED}


def ports(backends, kinds, common):
    """INI with a listener and a pool for each of kinds, which are {name: {pool key: value}}."""
    lines = ["[global]", "workers = 2", "[defaults pool]", "connect_total = 10s"]
    for name, keys in kinds.items():
        lines += [f"[listener {name}]", "bind = 127.0.0.1:0", f"pool = {name}", f"[pool {name}]"]
        lines += [f"backend = b{n} {server.text}" for n, server in enumerate(backends, 1)]
        lines += [f"{key} = {value}" for key, value in {**common, **keys}.items()]
    return "\n".join(lines) + "\n"


WRITE = {"role": "primary", "hold": "60s"}
READ = {"role": "replica"}
GREETING = b"SSH-2.0-test\r\n"


@pytest.fixture
def pair(workdir, start):
    primary = start(servers.Postgres, workdir, options=("wal_level=replica",))
    primary.tool("psql", "-qc", "create table t (n int, who text)")
    replica = start(replicas.PostgresReplica, primary, workdir)
    wait_until(lambda: replica.tool("psql", "-Atc", "select 1 from t", check=False).returncode == 0,
               "the table to be there")
    return primary, replica


def in_recovery(rm, listener):
    return pg(rm, listener, "select pg_is_in_recovery()")


def is_answered_by(rm, port):
    """Does the one of this port answer?"""
    return pg(rm, "write", "select inet_server_port()") == [str(port)]


def pg(rm, listener, text):
    session = pgwire.Session(tcp.connect(rm.address(listener)), user="tester", database="bench")
    try:
        return session.query(text)
    finally:
        session.close()


class Writers:
    """Clients that write a row each over a session of its own, again and again."""

    def __init__(self, rm, count=4):
        self.rm, self.failures, self.written, self.is_over = rm, [], [], False
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        row = number
        while not self.is_over:
            try:
                result = pg(self.rm, "write", f"insert into t values ({row}, 'w')")
            except (OSError, EOFError, AssertionError) as error:
                result = repr(error)
            if result == []:
                self.written.append(row)
            else:
                self.failures.append(result)
            row += len(self.threads)
            time.sleep(0.02)

    def close(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(60 * SCALE)


def ready(rm, backend, pool):
    """The last thing that was said of a backend's role is that it has the one that is wanted."""
    lines = rm.lines(msg="role", pool=pool, backend=backend)
    return lines and lines[-1]["reason"] == "has the role"


def begin(ringmain, servers_, **kinds):
    rm = ringmain(ports(servers_, kinds or {"write": WRITE, "read": READ}, POSTGRES))
    return rm


def test_a_write_port_and_a_read_port(ringmain, pair):
    rm = begin(ringmain, pair)
    assert in_recovery(rm, "write") == ["f"]       # who comes first waits for the first checks
    wait_until(lambda: ready(rm, "b2", "read"), "the replica's role")
    assert in_recovery(rm, "read") == ["t"]


def test_roles_are_carried_over_a_reload(ringmain, pair, cleanup, blackhole):
    """Neither its sessions nor who comes see that the configuration is another one, whose checks never end."""
    text = ports(pair, {"write": {"role": "primary"}}, {
        **POSTGRES, "check_port": blackhole().address[1], "check_interval": "1h", "check_timeout": "1h"})
    rm = ringmain(ports(pair, {"write": {"role": "primary"}}, POSTGRES))
    wait_until(lambda: ready(rm, "b1", "write"), "the primary's role")
    session = pgwire.Session(tcp.connect(rm.address("write")), user="tester", database="bench")
    cleanup.append(session.sock.close)
    (rm.dir / "ringmain.ini").write_text(text, encoding="ascii")
    rm.process.send_signal(signal.SIGHUP)
    rm.wait_line(msg="reload", outcome="done")
    time.sleep(1 * SCALE)                   # a pause is what is tested: roles are looked at ten times
    assert in_recovery(rm, "write") == ["f"]
    assert session.query("select 1") == ["1"]


def reload(rm, text):
    done = len(rm.lines(msg="reload", outcome="done"))
    (rm.dir / "ringmain.ini").write_text(text, encoding="ascii")
    rm.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(rm.lines(msg="reload", outcome="done")) > done, "the reload")


def test_another_role_holds_from_the_reload_on(ringmain, pair):
    """Where a replica served writers get the primary, though no check is due for long."""
    config = ports(pair, {"write": {}}, {**POSTGRES, "check_interval": "1h", "check_fast_interval": "1h"})
    rm = ringmain(config)
    wait_until(lambda: {str(in_recovery(rm, "write")) for _ in range(8)} == {"['f']", "['t']"}, "both to serve")
    for role, said in (("primary", ["f"]), ("replica", ["t"]), ("primary", ["f"])):
        reload(rm, config + f"role = {role}\n")
        assert [in_recovery(rm, "write") for _ in range(20)] == 20 * [said]
    assert not rm.sessions(reason="no_backend")


def test_who_was_stopped_does_not_write_to_whom_it_knew(ringmain, pair):
    """What it knew is too old, whichever of its threads wakes up first."""
    primary, replica = pair
    rm = ringmain(ports(pair, {"write": WRITE}, {**POSTGRES, "check_timeout": "200ms"}))
    wait_until(lambda: ready(rm, "b1", "write"), "the primary's role")
    os.kill(rm.pid, signal.SIGSTOP)
    try:
        replica.promote()
        waiting = [tcp.Task(is_answered_by, rm, replica.port) for _ in range(60)]
        time.sleep(1.5)     # what may be known is 860 ms old at most
    finally:
        os.kill(rm.pid, signal.SIGCONT)
    assert [task.result() for task in waiting] == 60 * [True]
    assert primary.is_up()


def test_a_replica_that_lags_gets_nothing(ringmain, pair):
    primary, replica = pair
    config = ports(pair, {"read": {"role": "replica", "max_lag": "64k"}}, POSTGRES)
    rm = ringmain(config.replace("workers = 2", "workers = 2\nstatus = 127.0.0.1:0"))
    wait_until(lambda: ready(rm, "b2", "read"), "the replica's role")
    status = Status(rm)

    def shown(what, backend, more=""):
        return status.metrics().get(f'ringmain_backend_{what}{{pool="read",backend="{backend}"{more}}}')

    assert [shown("role", "b1", f',role="{role}"') for role in ("primary", "replica")] == [1, 0]
    assert [shown("role", "b2", f',role="{role}"') for role in ("primary", "replica")] == [0, 1]
    assert shown("lag_bytes", "b1") is None and shown("lag_bytes", "b2") <= 65536
    assert status.backend("b2")["role"] == "replica"
    replica.tool("psql", "-qc", "select pg_wal_replay_pause()")
    primary.tool("psql", "-qc", "insert into t select generate_series(1, 20000), 'lag'")
    rm.wait_line(msg="role", backend="b2", reason="too far behind its primary")
    wait_until(lambda: shown("lag_bytes", "b2") > 65536, "the lag to be measured")
    replica.tool("psql", "-qc", "select pg_wal_replay_resume()")
    wait_until(lambda: ready(rm, "b2", "read"), "the replica to catch up")


def test_a_failover_is_a_pause_for_new_sessions(ringmain, pair, start):
    """The primary crashes and its replica is promoted: nobody who comes meanwhile fails, the sessions
    that were open end, and the old primary, started again as it was, is not written to."""
    primary, replica = pair
    rm = begin(ringmain, pair)
    assert in_recovery(rm, "write") == ["f"]
    open_one = pgwire.Session(tcp.connect(rm.address("write")), user="tester", database="bench")
    open_one.query("select 1")

    writers = start(Writers, rm)
    wait_until(lambda: len(writers.written) > 10, "rows")
    primary.signal_all(signal.SIGKILL)
    tcp.read_to_end(open_one.sock)
    time.sleep(0.5 * SCALE)                 # a pause is what is tested
    replica.promote()
    before = len(writers.written)
    wait_until(lambda: len(writers.written) > before + 20, "rows on the new primary", 30)
    assert len(writers.failures) <= 4, writers.failures     # those that were connected when it died

    primary.launch()
    primary.wait_up()
    wait_until(lambda: rm.lines(msg="role", pool="write", backend="b1", reason="primary of an older timeline"),
               "the old primary to be fenced", 20)
    writers.close()
    rows = {int(row) for row in replica.tool("psql", "-Atc", "select n from t").stdout.split()}
    old = {int(row) for row in primary.tool("psql", "-Atc", "select n from t").stdout.split()}
    assert set(writers.written) <= rows
    assert len(rows) == int(replica.tool("psql", "-Atc", "select count(*) from t").stdout)
    assert old < rows                       # it has had none since


def test_a_primary_that_hangs_loses_its_sessions(ringmain, pair):
    primary, replica = pair
    rm = begin(ringmain, pair)
    assert in_recovery(rm, "write") == ["f"]
    client = tcp.connect(rm.address("write"))
    session = pgwire.Session(client, user="tester", database="bench")
    session.query("select 1")
    primary.signal_all(signal.SIGSTOP)
    try:
        line = rm.wait_line(msg="session", reason="backend_down", timeout=20)
        assert line["backend"] == "b1"
        replica.promote()
        assert in_recovery(rm, "write") == ["f"]
    finally:
        primary.signal_all(signal.SIGCONT)
    wait_until(lambda: rm.lines(msg="role", pool="write", backend="b1", reason="primary of an older timeline"),
               "the old primary to be fenced", 20)
    assert ready(rm, "b2", "write")


def test_who_logs_in_where_nobody_answers_any_more_is_held(ringmain, pair):
    """Its connection was taken by the kernel of a server that hangs; it has heard nothing of it."""
    primary, replica = pair
    config = ports(pair, {"write": WRITE}, POSTGRES)
    rm = ringmain(config.replace("[listener write]", "[listener write]\nprotocol = postgres"))
    assert in_recovery(rm, "write") == ["f"]
    primary.signal_all(signal.SIGSTOP)
    try:
        waiting = tcp.Task(in_recovery, rm, "write")
        rm.wait_line(msg="backend", backend="b1", change="down")
        replica.promote()
        assert waiting.result() == ["f"]
    finally:
        primary.signal_all(signal.SIGCONT)
    assert rm.wait_sessions(2)[1]["backend"] == "b2"


def test_a_smart_shutdown_keeps_its_sessions_until_another_is_primary(ringmain, pair):
    """What they wrote from then on would be lost."""
    primary, replica = pair
    rm = begin(ringmain, pair, write={"role": "primary"})
    wait_until(lambda: ready(rm, "b1", "write"), "the primary's role")
    session = pgwire.Session(tcp.connect(rm.address("write")), user="tester", database="bench")
    session.query("select 1")
    primary.process.send_signal(signal.SIGTERM)
    down = rm.wait_line(msg="backend", change="down")
    assert down["reason"].startswith("57P03 ")
    assert session.query("select 2") == ["2"]
    replica.promote()
    wait_until(lambda: ready(rm, "b2", "write"), "another primary")
    assert rm.wait_line(msg="session", reason="backend_down")["backend"] == "b1"


def test_the_first_to_answer_is_not_believed_before_the_others_were_asked(ringmain, pair):
    """Two primaries that ringmain has never seen: the old one is quick, the other one slow."""
    old, new = pair
    new.promote()
    config = ports(pair, {"write": WRITE}, {**POSTGRES, "check_timeout": "20s"})
    new.signal_all(signal.SIGSTOP)
    try:
        rm = ringmain(config.replace("workers = 2", "workers = 2\nstatus = 127.0.0.1:0"))
        passed = 'ringmain_backend_checks_total{pool="write",backend="b1",result="passed"}'
        wait_until(lambda: Status(rm).metrics()[passed] >= 3, "the old primary to be checked again and again")
    finally:
        new.signal_all(signal.SIGCONT)
    wait_until(lambda: ready(rm, "b2", "write"), "the new primary")
    assert not rm.lines(msg="role", backend="b1", reason="has the role")


def test_what_a_held_client_has_asked_is_not_done_when_it_has_gone(ringmain, backend):
    """Bytes that came before its end would be read first, and written, were it served."""
    asked, port = [], free_port()
    rm = ringmain([f"127.0.0.1:{port}"], pool={"hold": "60s", "check": "tcp", **CHECKED})
    rm.wait_line(msg="backend", change="down")
    with tcp.connect(rm.address()) as client:
        client.sendall(b"INCR n\r\n")
    assert rm.wait_sessions(1)[0]["reason"] == "client_left"
    backend(lambda peer: asked.append(peer.sock.recv(100)), ("127.0.0.1", port))
    with tcp.connect(rm.address()) as client:
        client.sendall(b"PING\r\n")
        tcp.read_to_end(client)
    assert b"PING\r\n" in asked and b"INCR n\r\n" not in asked


def test_one_that_is_set_to_read_only_is_left(ringmain, pair):
    primary, _ = pair
    rm = begin(ringmain, pair, write={"role": "primary"})
    wait_until(lambda: ready(rm, "b1", "write"), "the primary's role")
    session = pgwire.Session(tcp.connect(rm.address("write")), user="tester", database="bench")
    session.query("select 1")
    primary.tool("psql", "-qc", "alter system set default_transaction_read_only = on")
    primary.tool("psql", "-qc", "select pg_reload_conf()")
    rm.wait_line(msg="role", backend="b1", reason="refuses to write")
    rm.wait_line(msg="session", reason="backend_down")


def test_mariadb_by_read_only(ringmain, workdir, start):
    pair = [start(servers.MariaDB, workdir, n) for n in (1, 2)]
    pair[1].tool("mariadb", "-e", "set global read_only = 1")
    rm = ringmain(ports(pair, {"write": WRITE}, {"check": "mysql user=tester", **CHECKED}))
    wait_until(lambda: ready(rm, "b1", "write"), "a primary")
    assert not ready(rm, "b2", "write")
    pair[0].tool("mariadb", "-e", "set global read_only = 1")
    assert rm.wait_line(msg="role", backend="b1", reason="has the role")["level"] == "info"
    assert rm.wait_line(msg="role", backend="b1", reason="has another role")["level"] == "warn"
    pair[1].tool("mariadb", "-e", "set global read_only = 0")
    wait_until(lambda: ready(rm, "b2", "write"), "the other one")
    assert rm.wait_line(msg="role", backend="b2", reason="has the role")["level"] == "warn"
    said = pair[0].tool("mariadb", "-NBe", "select @@port", address=rm.address("write"), user="tester").stdout
    assert int(said) == pair[1].port


def test_redis_that_is_promoted(ringmain, workdir, start):
    primary = start(servers.Redis, workdir)
    replica = start(replicas.RedisReplica, primary, workdir)
    config = ports([primary, replica], {"write": WRITE}, {"check": "redis", **CHECKED})
    rm = ringmain(config.replace("workers = 2", "workers = 2\nstatus = 127.0.0.1:0"))
    status = Status(rm)

    def fenced():
        return [status.metrics()[f'ringmain_backend_fenced{{pool="write",backend="{name}"}}'] for name in ("b1", "b2")]

    wait_until(lambda: ready(rm, "b1", "write"), "a primary")
    with tcp.connect(rm.address("write")) as client:        # its session ends with the role
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b"+PONG\r\n"
        assert fenced() == [0, 0]
        replica.cli("REPLICAOF", "NO", "ONE")
        rm.wait_line(msg="role", backend="b2", reason="one of several primaries")
        wait_until(lambda: fenced() == [1, 1], "both to be kept out")
        primary.cli("REPLICAOF", *map(str, replica.address))
        wait_until(lambda: ready(rm, "b2", "write"), "the other one")
        rm.wait_line(msg="session", reason="backend_down")


def test_who_hears_no_greeting_is_held(ringmain, workdir, start):
    """MariaDB speaks first, and hangs: its kernel has taken the connection, and nothing was said to anybody."""
    old, new = (start(servers.MariaDB, workdir, n) for n in (1, 2))
    new.tool("mariadb", "-e", "set global read_only = 1")
    rm = ringmain(ports([old, new], {"write": WRITE}, {"check": "mysql user=tester", **CHECKED}))
    wait_until(lambda: ready(rm, "b1", "write"), "a primary")
    old.signal_all(signal.SIGSTOP)
    try:
        with tcp.connect(rm.address("write")) as client:
            rm.wait_line(msg="backend", backend="b1", change="down")
            new.tool("mariadb", "-e", "set global read_only = 0")
            assert tcp.recv_exactly(client, 5)[4] == 10         # a greeting, of protocol 10
    finally:
        old.signal_all(signal.SIGCONT)
    assert rm.wait_sessions(1)[0]["backend"] == "b2"


@pytest.mark.parametrize("end", (tcp.hang_up, tcp.reset))
def test_one_that_ends_before_its_greeting_has_failed_a_try(ringmain, backend, end):
    """As one that dies, or stops, does: its client has heard nothing of it."""
    def greet(peer):
        peer.sock.sendall(GREETING)
        tcp.read_to_end(peer.sock)

    second = backend(greet)
    rm = ringmain([backend(lambda peer: end(peer.sock)), second], pool={
        "balance": "first", "hold": "60s", "check": "ssh", "check_port": second.address[1], **CHECKED})
    with tcp.connect(rm.address()) as client:
        assert tcp.recv_exactly(client, len(GREETING)) == GREETING
    line = rm.wait_sessions(1)[0]
    assert line["backend"] == "b2" and line["failed_tries"] == "1"


def test_readers_that_prefer_a_replica_have_the_primary_without(ringmain, pair):
    _, replica = pair
    rm = begin(ringmain, pair, read={"role": "prefer_replica", "hold": "60s"})
    assert in_recovery(rm, "read") == ["t"]
    replica.signal_all(signal.SIGKILL)
    rm.wait_line(msg="backend", backend="b2", change="down")
    assert in_recovery(rm, "read") == ["f"]
    session = pgwire.Session(tcp.connect(rm.address("read")), user="tester", database="bench")
    assert session.query("select pg_is_in_recovery()") == ["f"]
    replica.launch()
    replica.wait_up()
    wait_until(lambda: in_recovery(rm, "read") == ["t"], "the replica to serve again")
    assert session.query("select pg_is_in_recovery()") == ["f"]         # it stays where it is
    session.close()


def test_readers_have_the_primary_while_the_replica_is_full(ringmain, workdir, start):
    """New sessions go elsewhere: to the primary, which is there for readers without a replica."""
    primary = start(servers.Redis, workdir)
    replica = start(replicas.RedisReplica, primary, workdir)
    rm = ringmain(ports([primary, replica], {"read": {"role": "prefer_replica"}}, {"check": "redis", **CHECKED}))
    wait_until(lambda: ready(rm, "b2", "read"), "the replica's role")
    replica.cli("CONFIG", "SET", "maxclients", 1)       # which its primary is
    line = rm.wait_line(msg="backend", backend="b2", change="full")
    assert (line["by"], line["reason"]) == ("checks", "ERR max number of clients reached")
    wait_until(lambda: ready(rm, "b1", "read"), "the primary to stand in")
    with tcp.connect(rm.address("read")) as client:
        client.sendall(b"ROLE\r\n")
        assert b"master" in client.recv(1000)


def test_a_reader_s_replica_that_is_promoted_is_told_of(ringmain, workdir, start):
    """It serves as before, and is something else."""
    primary = start(servers.Redis, workdir)
    replica = start(replicas.RedisReplica, primary, workdir)
    rm = ringmain(ports([primary, replica], {"read": {"role": "prefer_replica", "fence": "no"}}, {
        "check": "redis", **CHECKED}))
    wait_until(lambda: ready(rm, "b2", "read"), "the replica's role")
    replica.cli("REPLICAOF", "NO", "ONE")
    line = rm.wait_line(msg="role", backend="b2", role="primary")
    assert (line["state"], line["reason"]) == ("ready", "has the role")


def test_one_that_comes_back_has_its_role_told_again(ringmain, workdir, start):
    """By what the log said last it would be standby for ever."""
    server = start(servers.Redis, workdir)
    rm = ringmain(ports([server], {"write": WRITE}, {"check": "redis", **CHECKED}))
    wait_until(lambda: ready(rm, "b1", "write"), "the role")
    server.cli("CONFIG", "SET", "lua-time-limit", 10)
    script = tcp.Task(server.cli, "EVAL", "while true do end", 0)
    rm.wait_line(msg="backend", backend="b1", change="down")    # it is busy, as it says at once
    server.cli("SCRIPT", "KILL")
    script.result()
    rm.wait_line(msg="backend", backend="b1", change="up")
    wait_until(lambda: len(rm.lines(msg="role", backend="b1", reason="has the role")) == 2, "its role")
    assert rm.lines(msg="role", backend="b1")[-1]["state"] == "ready"


# What is limited

def closed(ringmain, **keys):
    """Nobody listens there."""
    port = free_port()
    rm = ringmain([f"127.0.0.1:{port}"], pool={"hold": "60s", "check": "tcp", **CHECKED, **keys},
                  settings={"workers": 1})      # they are seen in the order in which they come
    rm.wait_line(msg="backend", change="down")
    return rm, port


def test_so_many_are_held_at_a_time(ringmain, backend, connect):
    rm, port = closed(ringmain, hold_max=2)
    held = [connect(rm.address()) for _ in range(2)]
    tcp.knock(rm.address())
    assert rm.wait_sessions(1)[0]["reason"] == "no_backend"
    backend(echo, ("127.0.0.1", port))
    for client in held:
        client.sendall(b"held")
        assert tcp.recv_exactly(client, 4) == b"held"


def test_so_many_are_let_go_in_a_second(ringmain, backend, connect):
    rm, port = closed(ringmain, hold_rate="2/s")
    held = [connect(rm.address()) for _ in range(5)]
    for client in held:
        client.sendall(b"held")
    backend(echo, ("127.0.0.1", port))
    served = []
    for client in held:
        assert tcp.recv_exactly(client, 4) == b"held"
        served.append(time.monotonic())
    assert served[-1] - served[0] > 1.2


def test_so_many_sessions_are_ended_in_a_second(ringmain, backend, connect, start):
    agent = start(Agent)
    rm = ringmain([backend(echo), backend(echo)], pool={
        "check": "http path=/primary", "check_port": agent.server_port, **CHECKED, "on_down": "reset",
        "balance": "first", "eject_max_percent": 100, "on_down_rate": "2/s"})
    clients = [connect(rm.address()) for _ in range(5)]
    for client in clients:
        tcp.exchange(client, b"served")
    agent.role = "replica"
    for client in clients:
        tcp.expect_end(client, b"", "RST")
    lasted = [int(line["duration_ms"]) for line in rm.wait_sessions(5, reason="backend_down")]
    assert max(lasted) - min(lasted) > 1200
    assert rm.lines(msg="backend", backend="b1")[0]["failures"] == "1"      # a 503 is believed at once


def test_an_old_primary_is_let_back_after_a_while(ringmain, workdir, start):
    old = start(servers.Redis, workdir)
    new = start(replicas.RedisReplica, old, workdir)
    rm = ringmain(ports([old, new], {"write": {**WRITE, "failback": "after 2s"}}, {"check": "redis", **CHECKED}))
    wait_until(lambda: ready(rm, "b1", "write"), "a primary")
    old.close()
    rm.wait_line(msg="backend", backend="b1", change="down")
    new.cli("REPLICAOF", "NO", "ONE")
    wait_until(lambda: ready(rm, "b2", "write"), "the new one")
    old.start()
    rm.wait_line(msg="role", backend="b1", reason="was replaced as primary")
    new.close()
    alone = time.monotonic()
    wait_until(lambda: ready(rm, "b1", "write"), "the old one to be let back", 20)
    assert time.monotonic() - alone > 1.5       # it was alone a little before new.close() returned
