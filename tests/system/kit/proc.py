# SPDX-License-Identifier: GPL-2.0-or-later
"""A child process: started, watched through /proc, stopped by its own pid."""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess

import pytest

from kit.wait import SCALE, wait_until

PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000


def need(program, package, extra_path=""):
    """Gives the full path of a program; skips the test, naming the Debian package, without it."""
    path = os.pathsep.join(filter(None, [extra_path, "/usr/sbin:/sbin:/usr/bin:/bin"]))
    found = shutil.which(program, path=path)
    if not found:
        pytest.skip(f"{program} is missing (apt-get install {package})")
    return found


def need_root():
    """Skips the test when it does not run as root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


def unprivileged_user():
    """Gives a user for servers that refuse to be root; None when we are not root ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            continue
    return None


def credentials(user):
    """The subprocess arguments that run a child as user; none when user is None."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def for_everybody(binary, directory):
    """A copy that unprivileged users reach, wherever the checkout is."""
    copy = shutil.copy(binary, directory)
    os.chmod(copy, 0o755)
    return copy


def few_files(number):
    """What to put before a command so that it has so many descriptors, and root may not take more."""
    prefix = [need("prlimit", "util-linux"), f"--nofile={number}:{number}"]
    if unprivileged_user():
        prefix = [need("setpriv", "util-linux"), "--bounding-set=-sys_resource", *prefix]
    return prefix


def run(argv, *, user=None, timeout=60, check=True, text=True, **kwargs):
    """Runs a command to its end; gives CompletedProcess with its output; shows it on failure."""
    if "input" not in kwargs:
        kwargs["stdin"] = subprocess.DEVNULL
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text,
                          timeout=timeout * SCALE, check=False, **credentials(user), **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, argv))}: exit {done.returncode}\n"
                             f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


class Process:
    """One started program. Its stdout and stderr go to the file `log`."""

    def __init__(self, argv, log, *, name=None, user=None, env=None, cwd=None):
        self.argv = [str(arg) for arg in argv]
        self.name = name or os.path.basename(self.argv[0])
        self.log = str(log)

        # It is killed when this test run dies.
        leash = [need("setpriv", "util-linux"), "--pdeathsig", "KILL", "--"]
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(leash + self.argv, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=out, env=env, cwd=cwd, start_new_session=True,
                                          **credentials(user))
        self.pid = self.popen.pid

    def exit_code(self):
        """None while it runs."""
        return self.popen.poll()

    def alive(self):
        return self.exit_code() is None

    def text(self):
        """All it has printed."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def send_signal(self, number):
        self.popen.send_signal(number)

    def wait(self, timeout=10):
        """Waits for its end; gives the exit code."""
        wait_until(lambda: not self.alive(), f"{self.name} to exit", timeout)
        return self.exit_code()

    def stop(self, number=signal.SIGTERM, timeout=10):
        """Ends it and what it started; gives its exit code."""
        if self.alive():
            self.send_signal(number)
        try:
            return self.wait(timeout)
        except AssertionError:
            self.kill()
            raise
        finally:
            self._kill_group()

    def kill(self):
        if self.alive():
            self.popen.kill()
        self.popen.wait()
        self._kill_group()

    def _kill_group(self):
        """Children that outlived it: they are in the session we made for it."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    # What /proc knows

    def fds(self):
        """Sorted targets of its open descriptors."""
        folder = f"/proc/{self.pid}/fd"
        found = []
        for number in os.listdir(folder):
            try:
                found.append(os.readlink(f"{folder}/{number}"))
            except FileNotFoundError:
                pass
        return sorted(found)

    def rss_kb(self):
        """Resident memory now."""
        return self._status_kb("VmRSS")

    def rss_peak_kb(self):
        """The most since rss_peak_forget()."""
        return self._status_kb("VmHWM")

    def rss_peak_forget(self):
        with open(f"/proc/{self.pid}/clear_refs", "w", encoding="ascii") as clear_refs:
            clear_refs.write("5")

    def _status_kb(self, key):
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith(key + ":"):
                    return int(line.split()[1])
        raise AssertionError(f"{self.name} has no {key} (is it dead?)")

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def thread(self, name):
        """The id of the thread of this name."""
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{tid}/comm", encoding="utf-8") as comm:
                if comm.read().strip() == name:
                    return int(tid)
        raise AssertionError(f"no thread {name}")


@contextlib.contextmanager
def stopped(tid):
    """This thread does nothing meanwhile, its siblings go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4

    def ask(request):
        assert libc.ptrace(request, tid, 0, 0) == 0, os.strerror(ctypes.get_errno())

    ask(PTRACE_ATTACH)
    os.waitpid(tid, WALL)
    try:
        yield
    finally:
        ask(PTRACE_DETACH)
