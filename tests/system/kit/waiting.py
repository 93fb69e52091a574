# SPDX-License-Identifier: GPL-2.0-or-later
"""Is a client in the queue? Nothing is read of it there: ringmain has to say so itself."""

import os
import signal
import socket
import struct

from kit.wait import wait_until


def wait_queued(relay, sock, count):
    """Waits until sock was accepted and count sessions are in the queue of the only pool.

    A stand-in for ringmain is not asked.
    """
    wait_until(lambda: _is_accepted(relay.address(), sock.getsockname()), "a client to be accepted")
    if not os.environ.get("RINGMAIN_STANDIN"):
        wait_until(lambda: _queued(relay) >= count, f"{count} sessions to be in the queue")


def _queued(relay):
    def lines():
        return relay.lines(msg="counters_pool")

    before = len(lines())
    relay.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: len(lines()) > before, "the counters")
    return int(lines()[-1]["queued"])


def _hex(address):
    host, port = address
    return f"{struct.unpack('=I', socket.inet_aton(host))[0]:08X}:{port:04X}"


def _is_accepted(relay, client):
    """An accepted socket has an inode. IPv4 only."""
    want = f" {_hex(relay)} {_hex(client)} "
    with open("/proc/self/net/tcp", encoding="ascii") as table:
        return any(want in line and line.split()[9] != "0" for line in table)
