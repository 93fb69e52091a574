# SPDX-License-Identifier: GPL-2.0-or-later
"""A service manager: hears what is told to $NOTIFY_SOCKET, passes listening sockets."""

import os
import socket
import threading

from kit.wait import wait_until


class Manager:
    """Collects the lines of all datagrams."""

    def __init__(self, path):
        self.path = str(path)
        self.lines = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        while True:
            text = self.socket.recv(4096).decode()
            if text == "end":
                return
            self.lines += text.splitlines()

    def said(self, key):
        """The values of a key, in order."""
        return [line.partition("=")[2] for line in list(self.lines) if line.startswith(key + "=")]

    def wait(self, key, condition=bool):
        """Waits until condition is true of the key's values; gives them."""
        wait_until(lambda: condition(self.said(key)), lambda: f"{key}; it was told {self.lines}")
        return self.said(key)

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end", self.socket.getsockname())
        self.thread.join(5)
        self.socket.close()
        if not self.path.startswith("@"):
            os.unlink(self.path)
