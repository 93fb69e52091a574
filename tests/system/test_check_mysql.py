# SPDX-License-Identifier: GPL-2.0-or-later
"""What health checks say to real MariaDB servers, to a Galera cluster, and to MySQL's way to log in."""

import os
import pathlib
import subprocess

import pytest

from kit import mysqlwire, proc, servers
from kit.ports import free_port
from kit.probe import probe
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("no relay takes part")

GALERA = "/usr/lib/galera/libgalera_smm.so"
LOGIN = {"user": "alice", "password": "wonder"}


@pytest.fixture(scope="module")
def mariadb(module_dir, pki):
    folder = pathlib.Path(module_dir) / "tls"
    folder.mkdir()
    user = proc.unprivileged_user()
    certificate, key = pki.lend(folder, user, "backend.crt", "backend.key")
    folder.chmod(0o755)
    server = servers.MariaDB(module_dir, options=(f"--ssl-cert={certificate}", f"--ssl-key={key}"))
    sql(server, "create user alice@'%' identified by 'wonder'; create user boss@'%' identified by "
        "'wonder'; grant replica monitor on *.* to boss@'%'; install soname 'auth_ed25519'; "
        "create user ed@'%' identified via ed25519 using password('wonder'); "
        "create user safe@'%' identified by 'wonder' require ssl")
    yield server
    server.close()


def sql(server, text, **kwargs):
    return server.tool("mariadb", "-NBe", text, **kwargs).stdout


@pytest.mark.parametrize("options", ({}, {"piece": 1}, {"tls": "prefer"}, {"tls": "require", "piece": 1},
                                     {"tls": "require", "verified": True, "database": "bench"}),
                         ids=lambda options: "-".join(map(str, options)) or "clear")
def test_logging_in(mariadb, options):
    keys = {**LOGIN, **options, "user": "tester" if "database" in options else "alice"}
    if keys["user"] == "tester":
        del keys["password"]
    fact = probe("mysql", mariadb.address, **keys)
    assert (fact["verdict"], fact["role"]) == ("passed", "primary")


def test_who_needs_tls_gets_it(mariadb):
    keys = {**LOGIN, "user": "safe"}
    assert probe("mysql", mariadb.address, **keys)["verdict"] == "own fault"
    assert probe("mysql", mariadb.address, **keys, tls="prefer")["role"] == "primary"


@pytest.mark.parametrize("keys, words", (
    ({"user": "alice", "password": "wrong"}, "1045 "),
    ({"user": "alice"}, "1045 "),
    ({"user": "nobody", "password": "wonder"}, "1045 "),
    ({**LOGIN, "database": "none"}, "1044 "),
    ({"user": "ed", "password": "wonder"}, "it asks for an unknown way to log in: client_ed25519"),
))
def test_a_check_that_cannot_log_in_is_the_checks_fault(mariadb, keys, words):
    fact = probe("mysql", mariadb.address, **keys)
    assert fact["verdict"] == "own fault"
    assert fact["words"].startswith(words)


def test_a_server_that_is_set_to_read_only_is_a_replica(mariadb):
    sql(mariadb, "set global read_only = 1")
    try:
        fact = probe("mysql", mariadb.address, **LOGIN)
    finally:
        sql(mariadb, "set global read_only = 0")
    assert (fact["role"], fact["read_only"], fact["detached"]) == ("replica", True, False)
    assert probe("mysql", mariadb.address, **LOGIN)["role"] == "primary"


def test_a_replica_that_gets_nothing_says_so(mariadb):
    nobody = free_port()
    sql(mariadb, f"change master to master_host = '127.0.0.1', master_port = {nobody}, master_user = 'x';"
        "start slave; set global read_only = 1")
    try:
        known = probe("mysql", mariadb.address, user="boss", password="wonder")
        unknown = probe("mysql", mariadb.address, **LOGIN)      # may not ask
    finally:
        sql(mariadb, "set global read_only = 0; stop slave; reset slave all")
    assert (known["role"], known["detached"], "lag_ms" in known) == ("replica", True, False)
    assert (unknown["role"], unknown["detached"]) == ("replica", False)


def test_a_full_server_is_full(mariadb, connect):
    held = [connect(mariadb.address) for _ in range(12)]
    for sock in held:
        sock.recv(1000)
    limit = sql(mariadb, "select @@max_connections")
    sql(mariadb, "set global max_connections = 10")
    try:
        facts = [probe("mysql", mariadb.address, **keys) for keys in (LOGIN, {})]
    finally:
        for sock in held:
            sock.close()
        wait_until(lambda: mariadb.is_up(), "room")
        sql(mariadb, f"set global max_connections = {limit}")
    assert [fact["verdict"] for fact in facts] == ["full", "full"]
    assert facts[0]["words"].startswith("1040 ")


def test_checks_with_a_user_leave_no_line_in_the_log(mariadb):
    sql(mariadb, "set global log_warnings = 9")
    try:
        before = mariadb.process.text()
        for tls in ("off", "require"):
            assert probe("mysql", mariadb.address, **LOGIN, tls=tls)["verdict"] == "passed"
        probe("mysql", mariadb.address, user="marker", password="x")
        wait_until(lambda: "'marker'" in mariadb.process.text(), "the log")
    finally:
        sql(mariadb, "set global log_warnings = 2")
    told = mariadb.process.text()[len(before):]
    assert all("'marker'" in line for line in told.splitlines()), told


def test_a_member_that_has_lost_its_cluster_is_not_ready(start, workdir):
    if not os.path.exists(GALERA):
        pytest.skip(f"{GALERA} is missing (apt-get install galera-4)")
    ports = free_port(), free_port()
    server = start(servers.MariaDB, workdir, options=(
        "--wsrep-on=ON", f"--wsrep-provider={GALERA}", "--wsrep-cluster-address=gcomm://",
        "--wsrep-node-address=127.0.0.1", "--wsrep-sst-method=skip", "--binlog-format=ROW",
        "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:%d;ist.recv_addr=127.0.0.1:%d" % ports))
    assert probe("mysql", server.address, user="tester")["role"] == "primary"
    sql(server, "set global wsrep_desync = 1")          # gives its data to another, but serves
    assert probe("mysql", server.address, user="tester")["role"] == "primary"
    sql(server, "set global wsrep_desync = 0")
    with pytest.raises(subprocess.TimeoutExpired):      # it waits for a member that is not there
        sql(server, f"set global wsrep_cluster_address = 'gcomm://127.0.0.1:{free_port()}'", timeout=1)
    fact = wait_until(lambda: not_ready(server), "it to leave the cluster")
    assert fact["words"].startswith("Galera: outside the cluster")
    server.process.kill()


def not_ready(server):
    fact = probe("mysql", server.address, user="tester")
    return fact if fact["verdict"] == "not ready" else None


@pytest.mark.parametrize("cached", (True, False), ids=("fast", "full"))
@pytest.mark.parametrize("way", ("clear", "verified", "unverified"))
def test_logging_in_as_mysql_8_has_it(start, workdir, pki, cached, way):
    pem = None if way == "clear" else pki["backend.pem"]
    server = start(mysqlwire.CachingServer, workdir, "wonder", cached=cached, pem=pem)
    options = {} if way == "clear" else {"tls": "require"}
    if way == "verified":
        options["verified"] = True
    wrong = probe("mysql", server.address, user="alice", password="wrong", **options)
    assert wrong["verdict"] == "own fault"
    fact = probe("mysql", server.address, **LOGIN, **options)
    if way == "unverified" and not cached:
        assert fact["verdict"] == "own fault"
        assert fact["words"].startswith("it asks for the password in clear")
        return
    assert (fact["verdict"], fact["role"], fact["lag_ms"]) == ("passed", "replica", 17_000)
    wait_until(lambda: server.seen[-2:] == [("alice", True), "quit"], "the goodbye")
