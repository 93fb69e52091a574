# SPDX-License-Identifier: GPL-2.0-or-later
"""Of `make failover`: how long it takes until somebody writes to the new primary, in several rounds.

In each the primary is killed, or stopped: then its kernel still takes connections, and nobody says anything.
The replica is promoted as soon as ringmain's log says that the primary is down, and gets a replica itself for
the next round. One client keeps its session as long as it can, another has one for each row.
"""

import contextlib
import signal
import statistics
import threading
import time

from kit import pgwire, replicas, servers, tcp
from kit.wait import wait_until

PAUSE_S = 0.02      # between two rows
PATIENCE_S = 60

# What the settings promise, which are those that ringmain has by default; times vary by a tenth.
INTERVAL_S, FAST_S, TIMEOUT_S, FALL, JITTER = 2.0, 0.5, 1.0, 3, 1.1
SEEN_AT_MOST_S = {
    "killed": JITTER * (INTERVAL_S + (FALL - 1) * FAST_S),
    "stopped": JITTER * INTERVAL_S + FALL * TIMEOUT_S,
}
FOUND_AT_MOST_S = JITTER * FAST_S       # while nobody has the role, all are asked so often


class Client:
    """Writes a row again and again."""

    def __init__(self, address, keeps_session):
        self.address, self.keeps_session, self.is_over = address, keeps_session, False
        self.written, self.ended, self.session = [], [], None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_over:
            try:
                self.write()
            except (OSError, EOFError, AssertionError):
                self.ended.append(time.monotonic())
                self.leave()
            time.sleep(PAUSE_S)
        self.leave()

    def write(self):
        self.session = self.session or pgwire.Session(tcp.connect(self.address), user="tester", database="bench")
        if self.session.query("insert into t values (1)") == []:
            self.written.append(time.monotonic())
        if not self.keeps_session:
            self.leave()

    def leave(self):
        if self.session:
            self.session.sock.close()
        self.session = None

    def first_written(self, since):
        return next((when for when in self.written if when > since), None)

    def close(self):
        self.is_over = True
        self.thread.join(PATIENCE_S)


def fail_over(rm, primary, replica, how):
    """Gives how long each step took, from the moment that the primary was killed or stopped."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(Client(rm.address("write"), keeps))) for keeps in (True, False)]
        wait_until(lambda: all(client.written for client in clients), "both to write", PATIENCE_S)
        primary.signal_all(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        began = time.monotonic()
        rm.wait_line(msg="backend", backend="pg1", change="down", timeout=PATIENCE_S)
        seen = time.monotonic()
        replica.promote()
        promoted = time.monotonic()
        wait_until(lambda: all(client.first_written(seen) for client in clients), "both to write again", PATIENCE_S)
        ended = next(when for when in clients[0].ended if when > began - PAUSE_S)
        return {
            "seen down": seen - began,
            "session ended": max(ended - began, 0),
            "promoted": promoted - began,
            "written again": max(client.first_written(seen) for client in clients) - began,
        }


def measure(folder, rounds, begin_relay):
    """{how: [steps of a round, ...]}; begin_relay(primary, replica) gives a ringmain that can be closed."""
    found = {how: [] for how in SEEN_AT_MOST_S}
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(contextlib.closing(servers.Postgres(folder, 100)))
        primary.tool("psql", "-qc", "create table t (n int)")
        for number in range(rounds * len(found)):
            how = list(found)[number % len(found)]
            replica = replicas.PostgresReplica(primary, folder, 101 + number)
            stack.enter_context(contextlib.closing(replica))
            with contextlib.closing(begin_relay(primary, replica)) as rm:
                found[how].append(fail_over(rm, primary, replica, how))
            primary.signal_all(signal.SIGKILL)
            primary = replica
    return found


def shown(values):
    return f"{statistics.median(values):5.1f} s ({min(values):.1f} to {max(values):.1f})"


def tell(found):
    """Prints a table. False: something took longer than promised."""
    is_good = True
    print("Until somebody wrote to the new primary, which was promoted as soon as the log said that the old one was down")
    print("(medians, least and greatest):")
    for how, rounds in found.items():
        late_s = [max(one["written again"] - one["promoted"], 0) for one in rounds]
        is_good &= max(one["seen down"] for one in rounds) <= SEEN_AT_MOST_S[how] + FAST_S
        print(f"  the old one was {how}, {len(rounds)} rounds")
        for step in rounds[0]:
            promise = f", promised: {SEEN_AT_MOST_S[how]:.1f} s at most" if step == "seen down" else ""
            print(f"    {step:14}{shown([one[step] for one in rounds])}{promise}")
        print(f"    {'after that':14}{shown(late_s)}, promised: {FOUND_AT_MOST_S:.1f} s at most and the time of a check")
    return is_good
