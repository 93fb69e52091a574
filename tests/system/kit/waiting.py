# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel knows of a connection to ringmain: has it read what the client sent?"""

import socket
import struct

from kit.wait import wait_until


def _hex(address):
    host, port = address
    return f"{struct.unpack('=I', socket.inet_aton(host))[0]:08X}:{port:04X}"


def _is_read(relay, client):
    want = f" {_hex(relay)} {_hex(client)} "
    with open("/proc/self/net/tcp", encoding="ascii") as table:
        for line in table:
            if want in line:
                words = line.split()
                return words[9] != "0" and words[4].endswith(":00000000")
    return False


def wait_read(relay, sock):
    """Waits until all that sock has sent was accepted and read. IPv4 only.

    What a client says is read before a backend is chosen, in the same breath: then it waits in the
    queue, if there is none for it.
    """
    client = sock.getsockname()
    wait_until(lambda: _is_read(relay, client), "ringmain to read what a client sent")
