# SPDX-License-Identifier: GPL-2.0-or-later
"""`make failover`: a PostgreSQL primary dies behind ringmain while pgbench writes; what did its clients see?

Starts a primary and a streaming replica of its own, ringmain in front of them, and pgbench at its write
port: as sessions that stay open, and as sessions of one transaction each. The primary is killed, the
replica is promoted (by this script: ringmain promotes nobody), and the old primary is started again as it
was. Then failover_times.py does it several times and more shortly, and tells how long each step took. All
of it is on loopback and in a temporary directory, and gone in the end. Ends with 1 when anything was not as
promised.
"""

import argparse
import collections
import contextlib
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest       # by pytest.skip() the kit names what is missing

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/system"))

import failover_times                               # noqa: E402
from kit import replicas, servers                   # noqa: E402
from kit.ringmain import BINARY, Ringmain           # noqa: E402
from kit.wait import wait_until                     # noqa: E402

WRITERS = 4             # of each kind
WRITES_S = 50           # of each
RETRY_S = 0.1           # a program that lost its session tries again
AT_ONCE_S = 1           # a log-in that broke off so soon was under way when the primary died
PATIENCE_S = 120

INI = """\
[listener write]
bind = 127.0.0.1:0
protocol = postgres
pool = write

[pool write]
check = postgres user=tester database=bench
role = primary
hold = {hold}
backend = pg1 {primary}
backend = pg2 {replica}
"""

TABLE = """create table written (who int, run int, n int, at timestamptz default clock_timestamp(),
                              primary key (who, run, n))"""
WRITE = "\\set n :n + 1\ninsert into written (who, run, n) values (:who, :run, :n);\n"
AROUND = """select max(at) filter (where at <= to_timestamp({0})), min(at) filter (where at > to_timestamp({0}))
            from written where who {1} {2} group by who"""
GAPS = "select extract(epoch from max(b - a)), extract(epoch from min(b - a)) from ({}) as x (a, b)"

PROCESSED = re.compile(r"number of transactions actually processed: (\d+)")
UNCONNECTED = re.compile(r"connection to server at .* failed: *(\S.*)")


class Writer:
    """pgbench with one client, started again whenever it has ended."""

    def __init__(self, who, argv, folder):
        self.who, self.argv, self.folder = who, argv, folder
        self.acknowledged, self.errors, self.is_over = 0, [], False    # errors: (when, what it said)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        number = 0
        while not self.is_over:
            number += 1
            self.run_once(number)
            time.sleep(RETRY_S)

    def run_once(self, number):
        variables = [f"-Dwho={self.who}", f"-Drun={number}", "-Dn=0"]
        done = subprocess.run([*self.argv, *variables, "-f", "write.sql", "bench"], cwd=self.folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, check=False)
        found = PROCESSED.search(done.stdout)
        self.acknowledged += int(found[1]) if found else 0
        if not self.is_over:
            self.errors.append((time.time(), done.stderr.strip()))

    def sessions_ended(self):
        return [when for when, text in self.errors if not UNCONNECTED.search(text)]

    def refused(self):
        """(when, why) no session came about."""
        return [(when, UNCONNECTED.search(text)[1]) for when, text in self.errors if UNCONNECTED.search(text)]


class Show:
    """The servers, ringmain, the writers, and what became of them."""

    def __init__(self, folder, hold, stack):
        self.folder, self.stack, self.began, self.is_good = pathlib.Path(folder), stack, time.time(), True
        self.say("a primary and a replica that follows it ...")
        self.primary = self.keep(servers.Postgres(folder))
        self.primary.tool("psql", "-qc", TABLE)
        self.replica = self.keep(replicas.PostgresReplica(self.primary, folder))
        # What a client is told is written is on both, so that a crash can lose none of it.
        self.primary.tool("psql", "-qc", "alter system set synchronous_standby_names = '*'")
        self.primary.tool("psql", "-qc", "select pg_reload_conf()")
        self.rm = self.keep(begin_relay(folder, hold, self.primary, self.replica))
        self.writers, self.killed_s, self.promoted_s = [], 0, 0

    def keep(self, server):
        return self.stack.enter_context(contextlib.closing(server))

    def say(self, text):
        print(f"{time.time() - self.began:6.1f} s  {text}", flush=True)

    def promise(self, text, is_kept):
        self.is_good &= is_kept
        print(f"  {'ok ' if is_kept else 'NOT'}  {text}", flush=True)

    # What happens

    def begin_writing(self):
        host, port = self.rm.address("write")
        argv = [servers.Postgres.program("pgbench"), "-n", "-c1", "-T3600", f"-R{WRITES_S}", "-h", host, "-p",
                str(port), "-U", "tester"]
        (self.folder / "write.sql").write_text(WRITE, encoding="ascii")
        self.stack.callback(self.end_writing)
        for who in range(2 * WRITERS):
            writer = Writer(who, argv + (["-C"] if self.is_short(who) else []), self.folder)
            self.writers.append(writer)
        wait_until(lambda: self.rows(self.primary, "select count(distinct who) from written") == [str(2 * WRITERS)],
                   "all writers to write", PATIENCE_S)

    @staticmethod
    def is_short(who):
        return who >= WRITERS

    def end_writing(self):
        """The server ends the sessions, for then pgbench says how much it has written."""
        for writer in self.writers:
            writer.is_over = True
        while any(writer.thread.is_alive() for writer in self.writers):
            for server in (self.replica, self.primary):
                server.tool("psql", "-Atc", "select pg_terminate_backend(pid) from pg_stat_activity "
                            "where application_name = 'pgbench'", check=False)
            time.sleep(RETRY_S)

    def kill_primary(self):
        self.primary.signal_all(signal.SIGKILL)
        self.primary.process.wait()
        self.killed_s = time.time()

    def promote(self):
        self.replica.promote()
        self.promoted_s = time.time()

    def wait_written(self):
        query = f"select count(distinct who) from written where at > to_timestamp({self.killed_s})"
        wait_until(lambda: self.rows(self.replica, query) == [str(2 * WRITERS)],
                   "all writers to write to the new primary", PATIENCE_S)

    def return_old(self):
        self.primary.options = ("synchronous_standby_names=",)      # it would take writes at once
        self.primary.launch()
        self.primary.wait_up()

    # What came of it

    @staticmethod
    def rows(server, query):
        return server.tool("psql", "-Atc", query).stdout.split()

    def gap_s(self, comparison):
        """The longest and the shortest that a writer of a kind had no row written, around the crash."""
        around = AROUND.format(self.killed_s, comparison, WRITERS)
        return [float(text) for text in self.rows(self.replica, GAPS.format(around))[0].split("|")]

    def report_clients(self):
        refused = [one for writer in self.writers for one in writer.refused()]
        at_once = [one for one in refused if 0 <= one[0] - self.killed_s <= AT_ONCE_S and "closed" in one[1]]
        failed = collections.Counter(why for when, why in refused if (when, why) not in at_once)
        self.promise(f"failed connects: {failed.total()}"
                     f"{''.join(f'{chr(10)}       {n} x {why}' for why, n in failed.most_common(5))}",
                     not failed)
        print(f"       log-ins that were under way in the crash, and ended with it: {len(at_once)}")
        open_ones = self.writers[:WRITERS]
        self.promise("open sessions ended: " + ", ".join(
            f"{len(writer.sessions_ended())} time{'s'[:len(writer.sessions_ended()) != 1]}" for writer in open_ones),
            all(len(writer.sessions_ended()) == 1 for writer in open_ones))
        ready_s = self.promoted_s - self.killed_s
        print(f"       the new primary took writes {ready_s:.1f} s after the crash")
        print("       open sessions wrote again after {1:.1f} to {0:.1f} s".format(*self.gap_s("<")))
        print("       new sessions wrote again after {1:.1f} to {0:.1f} s".format(*self.gap_s(">=")))

    def report_rows(self):
        acknowledged = sum(writer.acknowledged for writer in self.writers)
        there = int(self.rows(self.replica, "select count(*) from written")[0])
        self.promise(f"rows that clients were told are written: {acknowledged}; there are {there}, each once",
                     0 < acknowledged <= there)
        late = self.rows(self.primary, f"select count(*) from written where at > to_timestamp({self.killed_s})")[0]
        self.promise(f"rows on the old primary that came after its crash: {late}", late == "0")

    def report_log(self):
        print("What the log said:")
        for line in self.rm.raw_lines():
            if " msg=session " not in line and re.search(r' msg=(role|backend|check|"[^"]*backends? (that is )?down[^"]*")', line):
                print(f"  {line}")
        ends = collections.Counter(line["reason"] for line in self.rm.sessions())
        print("  sessions by reason: " + ", ".join(f"{reason} {n}" for reason, n in ends.most_common()))


class Relay(Ringmain):
    """ringmain, stopped whatever came of it."""

    def close(self):
        self.process.stop(timeout=20)


numbers = itertools.count(1)


def begin_relay(folder, hold, primary, replica):
    rm = Relay(folder, next(numbers))
    rm.start(INI.format(hold=hold, primary=primary.text, replica=replica.text))
    return rm


def tell_times(folder, options):
    """False: it took longer than promised."""
    print(f"The same again, {options.rounds} times for each way to fail ...", flush=True)
    return failover_times.tell(failover_times.measure(
        folder, options.rounds, lambda primary, replica: begin_relay(folder, options.hold, primary, replica)))


def run(options):
    with tempfile.TemporaryDirectory(prefix="ringmain-failover-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o711)
        code = run_show(options, folder)
        if options.rounds > 0 and not tell_times(folder, options):
            code = 1
        return code


def run_show(options, folder):
    with contextlib.ExitStack() as stack:
        show = Show(folder, options.hold, stack)
        show.say(f"{WRITERS} open sessions write, and {WRITERS} clients with a session for each row")
        show.begin_writing()
        time.sleep(options.seconds)
        show.say("the primary is killed")
        show.kill_primary()
        time.sleep(options.seconds)
        show.say("the replica is promoted")
        show.promote()
        show.wait_written()
        show.say("all write again; the old primary is started as it was")
        show.return_old()
        show.rm.wait_line(msg="role", backend="pg1", reason="primary of an older timeline", timeout=PATIENCE_S)
        time.sleep(options.seconds)
        show.end_writing()
        show.say("over")
        print("What the clients saw:")
        show.report_clients()
        show.report_rows()
        show.report_log()
        return 0 if show.is_good else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hold", default="60s", help="as in ringmain.ini(5); 0 shows how it is without")
    parser.add_argument("--seconds", type=float, default=8, help="length of each part (default: 8)")
    parser.add_argument("--rounds", type=int, default=3, help="of each way to fail, for the times; 0: none (default: 3)")
    options = parser.parse_args()
    if not BINARY.exists():
        sys.exit(f"failover: {BINARY} is missing: make")
    try:
        sys.exit(run(options))
    except pytest.skip.Exception as missing:
        sys.exit(f"failover: {missing}: scripts/install-deps.sh --for failover")


if __name__ == "__main__":
    main()
