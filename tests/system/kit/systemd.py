# SPDX-License-Identifier: GPL-2.0-or-later
"""A systemd of the test's own: process 1 of namespaces whose units are these and no others. Needs root."""

import os
import pathlib
import shutil

import pytest

from kit import proc
from kit.ringmain import VARIANT_DIR
from kit.wait import wait_until

PROGRAM = "/lib/systemd/systemd"
CGROUPS = pathlib.Path("/sys/fs/cgroup")
CONTROLLERS = ("systemd", "unified", "cpu", "cpuacct", "memory", "pids", "blkio", "devices")
DIRECTORY = "/run/ringmain-test"        # as it is called inside

# What units of the distribution's would stand for; theirs must not run on this machine's files.
TARGETS = ("sysinit", "basic", "shutdown", "network-online", "sockets", "multi-user")

# It is to write to nothing that outlives the namespaces. $1 is where the files come from.
BOOT = """
mount -t tmpfs none /run && mkdir /run/generators &&
cp -r "$1" /run/ringmain-test && chmod 755 /run/ringmain-test &&
mount -t tmpfs none /tmp && mount -t tmpfs none /var/tmp &&
{ [ ! -e /etc/machine-id ] || mount --bind /run/ringmain-test/machine-id /etc/machine-id; } &&
mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys &&
exec env container=ringmain-test SYSTEMD_UNIT_PATH=/run/ringmain-test/units \\
	SYSTEMD_GENERATOR_PATH=/run/generators SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/run/generators \\
	/lib/systemd/systemd --system --unit=basic.target --log-target=console
"""

# A control group of its own in each hierarchy is its root, so it makes none outside.
ENTER = """
boot=$1 from=$2; shift 2
for group; do echo $$ >"$group/cgroup.procs" || exit; done
exec unshare --mount --pid --cgroup --uts --ipc --fork --kill-child --mount-proc sh -c "$boot" boot "$from"
"""


def _hierarchies():
    """Where systemd makes control groups: in one tree, or in one for each controller."""
    if (CGROUPS / "cgroup.procs").exists():
        trees = [CGROUPS]
    else:
        trees = [CGROUPS / name for name in CONTROLLERS if not (CGROUPS / name).is_symlink()]
    found = [tree for tree in trees if os.access(tree / "cgroup.procs", os.W_OK)]
    if not found:
        pytest.skip("no control groups to be had")
    return found


class Systemd:
    """Units are files of etc/, with /usr/sbin/ringmain being the build that is tested."""

    def __init__(self, workdir):
        proc.need_root()
        proc.need(PROGRAM, "systemd")
        self.source = pathlib.Path(workdir) / "systemd"
        self.source.mkdir()
        (self.source / "units").mkdir()
        (self.source / "machine-id").write_text("0123456789abcdef0123456789abcdef\n", encoding="ascii")
        for name in ("ringmain", "ringmainctl"):
            shutil.copy(VARIANT_DIR / name, self.source)
        for name in TARGETS:
            self.unit(f"{name}.target", f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")
        self.groups, self.process, self.pid = [], None, 0

    def unit(self, name, text):
        """Adds a unit, before begin()."""
        path = self.source / "units" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("/usr/sbin/", f"{DIRECTORY}/"), encoding="utf-8")

    def begin(self):
        for hierarchy in _hierarchies():
            self.groups.append(hierarchy / f"ringmain-test-{os.getpid()}")
            self.groups[-1].mkdir()
        self.process = proc.Process(["sh", "-c", ENTER, "enter", BOOT, self.source, *self.groups],
                                    self.source / "log", name="systemd")
        self.pid = wait_until(self._first_child, lambda: f"a systemd: {self.process.text()}")
        wait_until(self._has_started, lambda: f"systemd to have started: {self.process.text()}", 30)

    def _has_started(self):
        assert self.process.alive(), self.process.text()
        return self.ask("is-system-running").stdout.strip() in ("running", "degraded")

    def _first_child(self):
        assert self.process.alive(), self.process.text()
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii")
        return int(children.split()[0]) if children.strip() else 0

    def file(self, name):
        """A file beside the programs, as it is reached from outside."""
        return pathlib.Path(f"/proc/{self.pid}/root{DIRECTORY}/{name}")

    def ask(self, *words):
        """systemctl WORDS; gives CompletedProcess."""
        return proc.run(["nsenter", "--target", str(self.pid), "--mount", "--pid", "systemctl", "--no-pager", *words],
                        check=False)

    def say(self, *words):
        """For what has to succeed; gives what was printed."""
        done = self.ask(*words)
        assert done.returncode == 0, f"{words}: {done.stderr}{self.process.text()}"
        return done.stdout.strip()

    def show(self, unit, key):
        return self.say("show", "--value", "-p", key, unit)

    def main_pid(self, unit):
        """Of a service that runs, as it is called outside."""
        inside = self.show(unit, "MainPID")
        seen = [pid for pid in _processes() if _pid_inside(pid, self.pid) == inside]
        assert len(seen) == 1, f"{unit} is {inside} inside: {seen}"
        return seen[0]

    def close(self):
        if self.process:
            self.process.kill()
        for group in self.groups:
            wait_until(lambda: _remove(group), f"{group} to be empty")      # pylint: disable=cell-var-from-loop


def _processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _pid_inside(pid, first):
    """What it is called in the namespace whose process 1 this is; None when it is in another."""
    try:
        if os.readlink(f"/proc/{pid}/ns/pid") != os.readlink(f"/proc/{first}/ns/pid"):
            return None
        status = pathlib.Path(f"/proc/{pid}/status").read_text("ascii", errors="replace")
    except OSError:             # it has ended, or is nobody of ours
        return None
    return next(line.split()[-1] for line in status.splitlines() if line.startswith("NSpid:"))


def _remove(group):
    """A control group with those in it; False while somebody dies in one."""
    try:
        for path, _, _ in os.walk(group, topdown=False):
            os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
