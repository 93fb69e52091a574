# SPDX-License-Identifier: GPL-2.0-or-later
"""Ports for servers that cannot bind port 0 and say what they got.

A port is taken below the kernel's ephemeral range, so that no outgoing connection grabs it between
our look and the server's bind, and is locked with a file, so that test runs side by side on one
machine do not give it out twice.
"""

import fcntl
import os
import random
import socket
import tempfile

LOCK_DIR = os.path.join(tempfile.gettempdir(), f"ringmain-ports-{os.getuid()}")
FIRST_PORT = 12000
PORTS = 20000
ATTEMPTS_MAX = 500

_locks = []     # open files; the locks last as long as this process


def free_port(host="127.0.0.1"):
    """Gives a TCP port nobody listens on and no other test run will be given."""
    os.makedirs(LOCK_DIR, mode=0o700, exist_ok=True)
    for _ in range(ATTEMPTS_MAX):
        port = FIRST_PORT + random.SystemRandom().randrange(PORTS)
        if _lock(port) and _can_bind(host, port):
            return port
    raise RuntimeError("no free port found")


def reserved_port(host="127.0.0.1"):
    """Gives (socket, port): bound, never listening, so that connecting to it is refused."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.bind((host, 0))
    return sock, sock.getsockname()[1]


def _can_bind(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True


def _lock(port):
    lock = open(os.path.join(LOCK_DIR, str(port)), "w")     # pylint: disable=consider-using-with
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    _locks.append(lock)
    return True
