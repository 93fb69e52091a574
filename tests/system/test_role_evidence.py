# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of who is primary, when checks cannot ask any more, and when an old one comes back."""

import pathlib
import signal

from kit import pgwire, replicas, servers, tcp
from kit.control import Ctl
from kit.wait import wait_until
from test_failover import CHECKED, POSTGRES, WRITE, pair, pg, ports, ready  # noqa: F401: pair is a fixture
from test_status import Status


def login(server, password):
    """Lets nobody but tester in without a password, of which checks have another one now."""
    server.tool("psql", "-qc", f"create role ring login password '{password}'")
    (server.dir / "data/pg_hba.conf").write_text("host all tester 127.0.0.1/32 trust\n"
                                                 "host all all 127.0.0.1/32 scram-sha-256\n", encoding="ascii")
    server.tool("psql", "-qc", "select pg_reload_conf()")


def with_password(workdir, text):
    path = pathlib.Path(workdir) / "password"
    path.write_text(text, encoding="ascii")
    path.chmod(0o600)
    return path


def begin(ringmain, server, password):
    config = ports([server], {"write": WRITE}, {
        **POSTGRES, "check": f"postgres user=ring password_file={password} database=bench"})
    rm = ringmain(config.replace("workers = 2", "workers = 2\nstatus = 127.0.0.1:0"))
    wait_until(lambda: ready(rm, "b1", "write"), "the primary's role")
    return rm


def rotate(rm, server):
    server.tool("psql", "-qc", "alter role ring password 'another'")
    return rm.wait_line(msg="check", backend="b1", level="warn")


def is_doubted(rm):
    """Or a check came as it was shutting down, which is believed at once: nothing is said of its role then."""
    return rm.lines(msg="role", backend="b1", reason="role unknown") or rm.lines(msg="backend", change="down")


def is_primary(rm, listener):
    return pg(rm, listener, "select pg_is_in_recovery()") == ["f"]


def test_a_role_that_no_check_can_confirm_lasts_until_the_server_is_started_again(ringmain, workdir, start):
    """It answers, so it is who it was; started again it may be something else, and is not written to."""
    server, password = start(servers.Postgres, workdir), with_password(workdir, "first")
    login(server, "first")
    rm = begin(ringmain, server, password)
    warning = rotate(rm, server)
    assert warning["role"] == "primary" and int(warning["role_unconfirmed_ms"]) >= 0
    shown = Status(rm).backend("b1")
    assert (shown["state"], shown["by"]) == ("ready", "checks")
    assert shown["why"].startswith("the check cannot ask: 28P01 password authentication failed")
    passed = 'ringmain_backend_checks_total{pool="write",backend="b1",result="passed"}'
    before = Status(rm).metrics()[passed]
    wait_until(lambda: Status(rm).metrics()[passed] > before + 10, "more checks than evidence may be old")
    assert is_primary(rm, "write")

    server.process.stop(signal.SIGINT, timeout=20)
    waiting = tcp.Task(is_primary, rm, "write")
    wait_until(lambda: is_doubted(rm), "a check to find that it is away")
    server.launch()
    server.wait_up()
    wait_until(lambda: rm.lines(msg="check", backend="b1", level="warn"), "a warning")
    wait_until(lambda: Status(rm).backend("b1")["why"].startswith("role unknown; the check cannot ask: 28P01"),
               "the words to be shown")
    assert Status(rm).backend("b1")["state"] == "standby"
    password.write_text("another", encoding="ascii")
    assert waiting.result()


def test_a_refused_session_ends_what_is_only_assumed(ringmain, workdir, start):
    """Before the next check, which is rare."""
    server, password = start(servers.Postgres, workdir), with_password(workdir, "first")
    login(server, "first")
    rm = begin(ringmain, server, password)
    rotate(rm, server)
    (rm.dir / "ringmain.ini").write_text(
        (rm.dir / "ringmain.ini").read_text(encoding="ascii").replace("check_interval = 200ms", "check_interval = 1h"),
        encoding="ascii")
    rm.process.send_signal(signal.SIGHUP)
    rm.wait_line(msg="reload", outcome="done")
    server.process.stop(signal.SIGINT, timeout=20)
    with tcp.connect(rm.address("write")):
        wait_until(lambda: is_doubted(rm), "the session to be refused")


def test_an_old_redis_that_comes_back_does_not_put_the_new_one_out(ringmain, workdir, start):
    old = start(servers.Redis, workdir)
    new = start(replicas.RedisReplica, old, workdir)
    config = ports([old, new], {"write": WRITE}, {"check": "redis", **CHECKED})
    rm = ringmain(config.replace("workers = 2", "workers = 2\nstatus = 127.0.0.1:0"))
    wait_until(lambda: ready(rm, "b1", "write"), "a primary")
    old.close()
    rm.wait_line(msg="backend", backend="b1", change="down")
    new.cli("REPLICAOF", "NO", "ONE")
    wait_until(lambda: ready(rm, "b2", "write"), "the new one")
    with tcp.connect(rm.address("write")) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b"+PONG\r\n"
        old.start()                         # as it was: a primary
        line = rm.wait_line(msg="role", backend="b1", reason="was replaced as primary")
        assert line["level"] == "warn"
        fenced = {name: Status(rm).metrics()[f'ringmain_backend_fenced{{pool="write",backend="{name}"}}']
                  for name in ("b1", "b2")}
        assert fenced == {"b1": 1, "b2": 0}
        client.sendall(b"PING\r\n")         # it serves on
        assert client.recv(100) == b"+PONG\r\n"
    rm.wait_line(msg="role", backend="b2", reason="has the role")
    assert not rm.lines(msg="role", reason="one of several primaries")


def test_an_old_mariadb_that_comes_back_does_not_put_the_new_one_out(ringmain, workdir, start):
    old, new = (start(servers.MariaDB, workdir, n) for n in (1, 2))
    new.tool("mariadb", "-e", "set global read_only = 1")
    rm = ringmain(ports([old, new], {"write": WRITE}, {"check": "mysql user=tester", "fence": "yes", **CHECKED}))
    wait_until(lambda: ready(rm, "b1", "write"), "a primary")
    old.signal_all(signal.SIGSTOP)
    rm.wait_line(msg="backend", backend="b1", change="down")
    new.tool("mariadb", "-e", "set global read_only = 0")
    wait_until(lambda: ready(rm, "b2", "write"), "the new one")
    old.signal_all(signal.SIGCONT)
    rm.wait_line(msg="role", backend="b1", reason="was replaced as primary")
    assert rm.lines(msg="role", backend="b2")[-1]["reason"] == "has the role"
    said = old.tool("mariadb", "-NBe", "select @@port", address=rm.address("write"), user="tester").stdout
    assert int(said) == new.port


def test_the_end_of_a_maintenance_does_not_make_an_old_primary_the_primary(ringmain, workdir, start):
    """Said once more it does."""
    old = start(servers.Redis, workdir)
    new = start(replicas.RedisReplica, old, workdir)
    control = pathlib.Path(workdir) / "control.sock"
    config = ports([old, new], {"write": WRITE}, {"check": "redis", **CHECKED})
    rm = ringmain(config.replace("workers = 2", f"workers = 2\ncontrol = unix:{control}"))
    ctl = Ctl(control)
    wait_until(lambda: ready(rm, "b1", "write"), "a primary")
    ctl.say("backend", "write/b1", "maint")
    new.cli("REPLICAOF", "NO", "ONE")
    wait_until(lambda: ready(rm, "b2", "write"), "the new one")
    ctl.say("backend", "write/b1", "ready")
    rm.wait_line(msg="role", backend="b1", state="standby", reason="was replaced as primary")
    assert ready(rm, "b2", "write")
    ctl.say("backend", "write/b1", "ready")
    rm.wait_line(msg="role", backend="b2", reason="was replaced as primary")
    wait_until(lambda: ready(rm, "b1", "write"), "the one that the operator wants")
