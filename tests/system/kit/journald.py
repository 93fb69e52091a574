# SPDX-License-Identifier: GPL-2.0-or-later
"""A systemd-journald of the test's own, in a mount namespace with a /run of its own. Needs root."""

import json
import os

from kit import proc
from kit.wait import wait_until

PROGRAM = "/lib/systemd/systemd-journald"

# The kernel's messages are somebody else's; the namespace lives as long as this does.
HOLD = """
mount -t tmpfs none /run &&
mkdir -p /run/systemd/journal /run/log/journal &&
{ [ ! -e /dev/kmsg ] || mount --bind /dev/null /dev/kmsg; } &&
echo ready && exec sleep infinity
"""


class Journald:
    def __init__(self, workdir):
        proc.need(PROGRAM, "systemd")
        self.workdir = workdir
        self.holder = proc.Process(["unshare", "--mount", "sh", "-c", HOLD], os.path.join(workdir, "journald-namespace"))
        wait_until(lambda: "ready" in self.holder.text() or not self.holder.alive(), "a namespace")
        self.inside = ["nsenter", "--mount", "--target", str(self.holder.pid)]
        self.process = None
        self.start()

    def start(self):
        self.process = proc.Process([*self.inside, PROGRAM], os.path.join(self.workdir, "journald"))
        wait_until(lambda: self.process.alive() and proc.run(
            [*self.inside, "test", "-S", "/run/systemd/journal/socket"], check=False).returncode == 0, "journald")

    def stop(self):
        """It is away; its socket's file stays, as it does when it crashes."""
        self.process.kill()

    def entries(self):
        """All that ringmain has logged, oldest first."""
        said = proc.run([*self.inside, "journalctl", "--no-pager", "-o", "json", "-D", "/run/log/journal", "-t", "ringmain"],
                        check=False).stdout
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]

    def close(self):
        self.process.kill()
        self.holder.kill()
