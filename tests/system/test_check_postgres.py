# SPDX-License-Identifier: GPL-2.0-or-later
"""What health checks say to real PostgreSQL servers, and what those write in their logs."""

import signal

import pytest

from kit import pgwire, replicas, servers
from kit.probe import probe
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("no relay takes part")

RULES = """
host replication tester 127.0.0.1/32 trust
host all tester 127.0.0.1/32 trust
host all clear 127.0.0.1/32 password
host all old 127.0.0.1/32 md5
host all all 127.0.0.1/32 scram-sha-256
"""
LOGIN = {"user": "alice", "password": "wonder"}


class CheckedPostgres(servers.Postgres):
    """Has TLS, and users who log in in all ways."""

    def __init__(self, workdir, pki, number=1):
        self.pki = pki
        super().__init__(workdir, number, options=("wal_level=replica",))

    def start(self):
        super().start()
        certificate, key = self.pki.lend(self.dir, self.user, "backend.crt", "backend.key")
        for setting in (f"ssl_cert_file = '{certificate}'", f"ssl_key_file = '{key}'", "ssl = on"):
            self.sql(f"alter system set {setting}")
        self.sql("create role alice login password 'wonder'")
        self.sql("create role clear login password 'wonder'")
        self.sql("set password_encryption = md5; create role old login password 'wonder'")
        (self.dir / "data/pg_hba.conf").write_text(RULES, encoding="ascii")
        self.reload()
        wait_until(lambda: probe("postgres", self.address, tls="require")["verdict"] == "passed",
                   "TLS of the server")

    def sql(self, text):
        return self.tool("psql", "-qAtc", text).stdout.strip()

    def reload(self):
        lines = self.process.text().count("received SIGHUP")
        self.sql("select pg_reload_conf()")
        wait_until(lambda: self.process.text().count("received SIGHUP") > lines, "the reload")


@pytest.fixture(scope="module")
def postgres(module_dir, pki):
    server = CheckedPostgres(module_dir, pki)
    yield server
    server.close()


@pytest.fixture
def own_pair(workdir, start):
    """A primary and its replica that a test may spoil."""
    primary = start(servers.Postgres, workdir, options=("wal_level=replica",))
    return primary, start(replicas.PostgresReplica, primary, workdir)


def test_primary_and_replica_tell_who_they_are(own_pair):
    primary, replica = own_pair
    facts = [probe("postgres", server.address, user="tester") for server in own_pair]
    assert [(f["verdict"], f["role"], f["read_only"], f["detached"], f["timeline"]) for f in facts] == [
        ("passed", "primary", False, False, 1), ("passed", "replica", True, False, 1)]
    for server, fact in zip(own_pair, facts):
        told = server.tool("psql", "-Atc", "select system_identifier, (extract(epoch from "
                           "pg_postmaster_start_time()) * 1000000)::bigint from pg_control_system()")
        assert told.stdout.strip() == f"{fact['system']}|{fact['started_us']}"
    assert facts[0]["system"] == facts[1]["system"]

    primary.tool("psql", "-qc", "create table t as select generate_series(1, 10000)")
    ahead = probe("postgres", primary.address, user="tester")["position"]
    assert ahead > facts[0]["position"] + 100_000
    wait_until(lambda: probe("postgres", replica.address, user="tester")["position"] >= ahead,
               "the replica to have it all")

    replica.promote()
    assert probe("postgres", replica.address, user="tester")["timeline"] == 2
    assert probe("postgres", primary.address, user="tester")["timeline"] == 1


def test_a_replica_without_its_primary_says_so(own_pair):
    primary, replica = own_pair
    primary.close()
    wait_until(lambda: probe("postgres", replica.address, user="tester")["detached"],
               "the replica to notice")


def test_a_server_that_waits_for_its_last_sessions_is_not_ready(start, workdir, connect):
    primary = start(servers.Postgres, workdir)
    pgwire.Session(connect(primary.address), user="tester", database="bench").query("select 1")
    primary.process.send_signal(signal.SIGTERM)
    for keys in ({"user": "tester"}, {}):
        fact = wait_until(lambda keys=keys: refusal(primary, keys), "the server to refuse")
        assert fact["verdict"] == "not ready"
        assert fact["words"].startswith("57P03 ")


def refusal(server, keys):
    fact = probe("postgres", server.address, **keys)
    return fact if "57P03" in fact["words"] else None


def test_a_server_that_hangs_is_silent(start, workdir):
    primary = start(servers.Postgres, workdir)
    primary.process.send_signal(signal.SIGSTOP)
    try:
        fact = probe("postgres", primary.address, user="tester", timeout=0.5)
    finally:
        primary.process.send_signal(signal.SIGCONT)
    assert fact["verdict"] == "failed"
    assert fact["words"] == "no answer in time: waited for the answer to the start-up packet"


@pytest.mark.parametrize("options", (
    {}, {"piece": 1}, {"tls": "prefer"}, {"tls": "require", "verified": True},
    {"tls": "require", "bound": True}, {"tls": "require", "bound": True, "piece": 1},
), ids=lambda options: "-".join(map(str, options)) or "clear")
def test_logging_in_with_scram(postgres, options):
    fact = probe("postgres", postgres.address, **LOGIN, **options)
    assert (fact["verdict"], fact["role"]) == ("passed", "primary")


@pytest.mark.parametrize("keys, words", (
    ({"user": "alice", "password": "wrong"}, "28P01 "),
    ({"user": "alice", "password": "wrong", "tls": "require", "bound": True}, "28P01 "),
    ({"user": "nobody", "password": "wonder"}, "28P01 "),
    ({"user": "alice"}, "it asks for a password"),
    ({**LOGIN, "database": "none"}, "3D000 "),
    ({"user": "old", "password": "wonder"}, "it asks for the password in MD5"),
    ({"user": "clear", "password": "wonder"}, "it asks for the password in clear"),
    ({"user": "clear", "password": "wonder", "tls": "require"}, "it asks for the password in clear"),
))
def test_a_check_that_cannot_log_in_is_the_checks_fault(postgres, keys, words):
    fact = probe("postgres", postgres.address, **keys)
    assert fact["verdict"] == "own fault"
    assert fact["words"].startswith(words)


def test_a_password_in_clear_goes_through_verified_tls(postgres):
    fact = probe("postgres", postgres.address, user="clear", password="wonder", tls="require",
                 verified=True)
    assert (fact["verdict"], fact["role"]) == ("passed", "primary")


@pytest.mark.parametrize("what, verdict", (("database postgres", "full"), ("role alice", "own fault")))
def test_a_limit_is_the_servers_or_the_checks_own(postgres, what, verdict):
    """Both are 53300; but where only the check's role may not have more connections, there is room for others."""
    postgres.sql(f"alter {what} connection limit 0")
    try:
        fact = probe("postgres", postgres.address, **LOGIN)
    finally:
        postgres.sql(f"alter {what} connection limit -1")
    assert fact["verdict"] == verdict
    assert fact["words"].startswith("53300 ")


def test_a_primary_that_is_set_to_read_only_says_so(postgres):
    postgres.sql("alter system set default_transaction_read_only = on")
    postgres.reload()
    try:
        wait_until(lambda: probe("postgres", postgres.address, **LOGIN)["read_only"], "the setting")
        assert probe("postgres", postgres.address, **LOGIN)["role"] == "primary"
    finally:
        postgres.tool("psql", "-qc", "set transaction_read_only = off", "-c",
                      "alter system reset default_transaction_read_only", check=False)
        postgres.reload()
        wait_until(lambda: not probe("postgres", postgres.address, **LOGIN)["read_only"], "the setting")


def test_a_user_without_rights_still_learns_the_role(postgres):
    postgres.tool("psql", "-d", "postgres", "-qc", "revoke execute on function pg_control_system() from public")
    try:
        fact = probe("postgres", postgres.address, **LOGIN)
    finally:
        postgres.tool("psql", "-d", "postgres", "-qc", "grant execute on function pg_control_system() to public")
    assert (fact["verdict"], fact["role"], fact["system"]) == ("passed", "primary", 0)


@pytest.mark.parametrize("keys", ({}, {"tls": "prefer"}, LOGIN, {**LOGIN, "tls": "require"}),
                         ids=("nobody", "nobody-tls", "user", "user-tls"))
def test_checks_leave_no_line_in_the_log(postgres, keys):
    before = postgres.process.text()
    for _ in range(3):
        assert probe("postgres", postgres.address, **keys)["verdict"] == "passed"
    marker = f"marker-{len(before)}"
    postgres.tool("psql", "-qc", f'select "{marker}"', check=False)
    wait_until(lambda: marker in postgres.process.text(), "the log")
    told = postgres.process.text()[len(before):]
    assert all(marker in line for line in told.splitlines()), told
