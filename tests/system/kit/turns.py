# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests run side by side, in several processes; those marked `alone` have the tree to themselves.

Two locks of files, for the kernel gives them back when a process dies: everybody holds the room,
together with others or alone, and goes in through the door one at a time. Who waits at the door to
be alone lets nobody else in, so the room becomes empty.
"""

import contextlib
import fcntl
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
ROOM, DOOR = HERE / "turns.py", HERE / "__init__.py"    # any two files of this tree


@contextlib.contextmanager
def turn(is_alone, room_file=ROOM, door_file=DOOR):
    """Waits until a test may run, and holds its place as long as it does."""
    with open(room_file, "rb") as room:
        with open(door_file, "rb") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        yield
