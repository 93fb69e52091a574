# SPDX-License-Identifier: GPL-2.0-or-later
"""A program on a terminal, of tmux: what is on the screen, and keys."""

import os

from kit import proc
from kit.wait import wait_until


class Terminal:
    """A server of tmux of its own, with its socket in directory, that runs words."""

    def __init__(self, directory, words, width=80, height=24):
        self._path = os.path.join(directory, "tmux")
        env = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        for name in ("TMUX", "LINES", "COLUMNS"):    # of whoever runs the tests
            env.pop(name, None)
        proc.run(["tmux", "-S", self._path, "-f", "/dev/null", "new-session", "-d",
                  "-x", str(width), "-y", str(height), "--", *words], env=env)
        self._say("set-option", "-g", "escape-time", "0")

    def _say(self, *words, check=True):
        return proc.run(["tmux", "-S", self._path, *words], check=check).stdout

    def screen(self):
        """The lines, without what is blank at their ends."""
        return self._say("capture-pane", "-p").split("\n")

    def wait(self, *texts, gone=()):
        """Until all texts are on the screen, and none of the others; gives the screen."""
        def look():
            text = "\n".join(self.screen())
            if text != "\n".join(self.screen()):    # it is being drawn
                return None
            if all(t in text for t in texts) and not any(t in text for t in gone):
                return text
            return None
        return wait_until(look, lambda: f"{texts} on the screen\n" + "\n".join(self.screen()))

    def keys(self, *keys):
        """As tmux(1) names them: "Down", "Enter", "x"."""
        self._say("send-keys", *keys)

    def resize(self, width, height):
        """The window is of another size from now on."""
        self._say("resize-window", "-x", str(width), "-y", str(height))

    def is_over(self):
        """Has the program ended?"""
        return "no server" in proc.run(["tmux", "-S", self._path, "list-sessions"], check=False).stderr

    def close(self):
        """Ends what runs."""
        self._say("kill-server", check=False)
