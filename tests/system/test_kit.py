# SPDX-License-Identifier: GPL-2.0-or-later
"""What lets tests run side by side: turns, and ports that no other process is given."""

import contextlib
import subprocess
import sys

import pytest

from kit import ports, tcp
from kit.turns import HERE, turn
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("tests no relay")


class Visit:
    """A test's turn, taken on a thread and held until leave()."""

    def __init__(self, is_alone, *files):
        self.is_inside, self._may_leave = False, False
        self._task = tcp.Task(self._run, is_alone, *files)

    def _run(self, is_alone, *files):
        with turn(is_alone, *files):
            self.is_inside = True
            wait_until(lambda: self._may_leave, "leave()")
            self.is_inside = False

    def leave(self):
        self._may_leave = True
        self._task.result()


@pytest.fixture
def visit(tmp_path, cleanup):
    files = [tmp_path / name for name in ("room", "door")]
    for file in files:
        file.touch()

    def begin(is_alone=False):
        one = Visit(is_alone, *files)
        cleanup.append(one.leave)
        return one
    return begin


def test_who_must_be_alone_is_and_does_not_wait_for_latecomers(visit):
    first, second = visit(), visit()
    wait_until(lambda: first.is_inside and second.is_inside, "both")
    alone = visit(is_alone=True)
    first.leave()
    late = visit()
    assert second.is_inside and not alone.is_inside
    second.leave()
    wait_until(lambda: alone.is_inside or late.is_inside, "the next")
    if alone.is_inside:         # else the latecomer was faster at the door
        assert not late.is_inside
        alone.leave()
        wait_until(lambda: late.is_inside, "the last")


def test_a_port_is_given_to_one_process():
    """Another one finds the locks of ours, though nobody has bound the port yet."""
    mine = ports.free_port()
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from kit import ports\n"
            "print(ports._lock(int(sys.argv[2])))")

    def is_given_elsewhere():
        return subprocess.run([sys.executable, "-B", "-c", code, HERE.parent, str(mine)], check=True,
                              timeout=60, stdout=subprocess.PIPE, text=True).stdout.strip()

    assert is_given_elsewhere() == "False"
    with contextlib.closing(ports._locks.pop()):        # pylint: disable=protected-access
        pass
    assert is_given_elsewhere() == "True"
