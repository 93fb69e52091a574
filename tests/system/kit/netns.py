# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces with a loopback, held by child processes and gone with them. Need root.

All of 127.0.0.0/8 is there, so two addresses are two hosts, and a filter that drops what comes from
one and goes to it is a pulled cable.
"""

import ctypes
import os
import re

from kit import proc, tcp
from kit.wait import wait_until

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


class Netns:
    """One network namespace."""

    def __init__(self, workdir, number=1):
        proc.need_root()
        unshare, sleep = proc.need("unshare", "util-linux"), proc.need("sleep", "coreutils")
        self.nsenter = proc.need("nsenter", "util-linux")
        self.holder = proc.Process([unshare, "--net", sleep, "3600"], f"{workdir}/netns-{number}.log")
        self.path = f"/proc/{self.holder.pid}/ns/net"
        ours = os.readlink("/proc/self/ns/net")
        wait_until(lambda: not self.holder.alive() or os.readlink(self.path) != ours,
                   "the network namespace")
        assert self.holder.alive(), f"no network namespace: {self.holder.text()}"
        self.run(proc.need("ip", "iproute2"), "link", "set", "lo", "up")

    @property
    def prefix(self):
        """What to put before a command to run it inside."""
        return [self.nsenter, f"--net={self.path}", "--"]

    def run(self, *command, **kwargs):
        return proc.run([*self.prefix, *map(str, command)], **kwargs)

    def sysctl(self, name, value):
        self.run("/bin/sh", "-c", 'echo "$2" >"$1"', "sh", f"/proc/sys/{name.replace('.', '/')}", value)

    def inside(self, function, *args, **kwargs):
        """Calls function on a thread inside; sockets it makes stay inside for good."""
        def enter():
            with open(self.path, "rb") as namespace:
                if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            return function(*args, **kwargs)
        return tcp.Task(enter).result()

    def link(self, other, ours, theirs):
        """A cable to another one; gives both ends' interfaces these names. IPv6 works at once: nobody
        waits to see whether an address is taken."""
        for end in (self, other):
            end.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.run("ip", "link", "add", ours, "type", "veth",
                 "peer", "name", theirs, "netns", other.holder.pid)
        self.run("ip", "link", "set", "dev", ours, "up")
        other.run("ip", "link", "set", "dev", theirs, "up")

    def address(self, interface, address):
        """Gives an interface ADDRESS/BITS, usable at once."""
        options = ["nodad"] if ":" in address else []
        self.run("ip", "address", "add", address, "dev", interface, *options)

    def lose(self, what):
        """From now on packets that match are lost: "ip saddr 127.0.0.9", "tcp flags fin" ..."""
        nft = proc.need("nft", "nftables")
        self.run(nft, "add table inet lost; add chain inet lost in "
                      "{ type filter hook input priority 0; }")
        for match in what:
            self.run(nft, f"add rule inet lost in {match} counter drop")

    def lost(self):
        """How many packets were lost so far."""
        text = self.run(proc.need("nft", "nftables"), "list table inet lost").stdout
        return sum(map(int, re.findall(r"counter packets (\d+)", text)))

    def lose_no_more(self):
        self.run(proc.need("nft", "nftables"), "delete table inet lost")

    def close(self):
        self.holder.kill()
