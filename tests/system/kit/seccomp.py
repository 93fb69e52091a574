# SPDX-License-Identifier: GPL-2.0-or-later
"""Forbids a system call to a child, as containers' default profiles do.

forbid() gives what to put before a command; run as a program, this file installs the filter and
becomes that command.
"""

import ctypes
import os
import struct
import sys

IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER = 425, 426, 427      # the same everywhere

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
LOAD_NUMBER = struct.pack("HBBI", 0x20, 0, 0, 0)        # the number of the call
ALLOW = struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)

_libc = ctypes.CDLL(None, use_errno=True)


def forbid(number, error):
    """Gives a prefix for a command: in it the call fails with this errno."""
    return [sys.executable, "-B", __file__, str(number), str(error)]


def _install(number, error):
    program = b"".join((
        LOAD_NUMBER,
        struct.pack("HBBI", 0x15, 0, 1, number),        # equal? else skip one
        struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | error),
        ALLOW,
    ))
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count, padding, a pointer
    filter_ = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or \
            _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    _install(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])
