# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies of databases that follow a primary."""

from kit import proc, servers
from kit.wait import wait_until


class PostgresReplica(servers.Postgres):
    """A hot standby of another Postgres, which it follows by streaming."""

    def __init__(self, primary, workdir, number=2, **kwargs):
        self.primary = primary
        super().__init__(workdir, number, **kwargs)

    def start(self):
        host, port = self.primary.address
        proc.run([self.program("pg_basebackup"), "-h", host, "-p", str(port), "-U", "tester", "-D",
                  self.dir / "data", "-R", "-X", "stream", "-c", "fast", "--no-sync"],
                 user=self.user, cwd=self.dir)
        self.launch()
        self.wait_up()
        wait_until(self.is_streaming, "the replica to follow", servers.START_S)

    def is_streaming(self):
        return self.tool("psql", "-Atc", "select status from pg_stat_wal_receiver",
                         check=False).stdout.strip() == "streaming"

    def promote(self):
        self.tool("psql", "-qc", "select pg_promote()")
        wait_until(lambda: self.tool("psql", "-Atc", "select pg_is_in_recovery()").stdout == "f\n",
                   "the replica to be promoted", servers.START_S)


class RedisReplica(servers.Redis):
    """A replica of another Redis."""

    def __init__(self, primary, workdir, number=2):
        self.primary = primary
        super().__init__(workdir, number)

    def start(self):
        super().start()
        self.primary.cli("CONFIG", "SET", "repl-diskless-sync-delay", 0)
        self.follow()

    def follow(self):
        self.cli("REPLICAOF", self.primary.address[0], self.primary.port)
        wait_until(lambda: "master_link_status:up" in self.cli("INFO", "replication"),
                   "the replica to follow", servers.START_S)
