# SPDX-License-Identifier: GPL-2.0-or-later
"""The relays that are compared: how each is configured, started and asked for its version.

A relay is described by one class. write() puts its configuration into a directory of its own
and gives the command line. To compare another one, add a class and name it in RELAYS.
"""

import pathlib
import re
import shutil
import subprocess


class Relay:
    """What a measurement asks of a relay. `plan` says what it has to do:
    port (to listen on, 127.0.0.1), backends (addresses), sessions (at most), streams (bulk)."""

    key = label = program = None
    version_flags = ("-v",)
    version_pattern = r"(\d+\.\d+[.\d]*)"
    is_process = True
    cure = "scripts/install-deps.sh --for bench"

    def __init__(self):
        self.path = self.program and shutil.which(self.program)

    def is_there(self):
        return self.path is not None

    def version(self):
        ran = subprocess.run(
            [self.path, *self.version_flags], capture_output=True, text=True, check=False
        )
        found = re.search(self.version_pattern, ran.stdout + ran.stderr)
        return found.group(1) if found else "?"

    def freeze(self, directory):
        """Called once, before anything is measured."""

    def write(self, directory, plan):
        raise NotImplementedError


class Ringmain(Relay):
    """`extra`: lines for the listener."""

    version_flags = ("-V",)
    cure = "make"

    def __init__(self, key, label, path, extra):
        super().__init__()
        self.key, self.label, self.extra = key, label, "".join(f"{line}\n" for line in extra)
        self.path = str(path) if path and pathlib.Path(path).is_file() else None

    def freeze(self, directory):
        """A build meanwhile must not change what is measured."""
        self.path = shutil.copy(self.path, directory / self.key)

    def write(self, directory, plan):
        config = directory / "ringmain.ini"
        backends = "".join(f"backend = b{i} {b}\n" for i, b in enumerate(plan["backends"]))
        config.write_text(
            "[global]\nworkers = 1\nlog_level = warn\n\n"
            f"[listener bench]\nbind = 127.0.0.1:{plan['port']}\npool = bench\n{self.extra}\n"
            f"[pool bench]\n{backends}",
            encoding="ascii",
        )
        return [self.path, "-c", config]


class Haproxy(Relay):
    """splice-auto; for streams splicing without the "auto", which in 2.6 hardly ever begins when
    bytes flow one way only. maxpipes bounds the pipes, or files would be set aside for them."""

    key, label, program = "haproxy", "HAProxy", "haproxy"

    def write(self, directory, plan):
        config = directory / "haproxy.cfg"
        servers = "".join(f"  server b{i} {b}\n" for i, b in enumerate(plan["backends"]))
        splice = ["splice-request", "splice-response"] if plan["streams"] else ["splice-auto"]
        options = "".join(f"  option {option}\n" for option in splice)
        config.write_text(
            f"global\n  nbthread 1\n  maxconn {plan['sessions']}\n  maxpipes 64\n"
            "  no strict-limits\n"
            f"defaults\n  mode tcp\n{options}"
            "  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
            f"listen bench\n  bind 127.0.0.1:{plan['port']}\n  balance roundrobin\n{servers}",
            encoding="ascii",
        )
        return [self.path, "-db", "-f", config]


class Nginx(Relay):
    """The stream module, one process, 64 kB buffers, no log."""

    key, label, program = "nginx", "nginx", "nginx"

    def is_there(self):
        return super().is_there() and self.module() is not None

    def module(self):
        for place in ("/usr/lib/nginx/modules", "/usr/share/nginx/modules"):
            path = pathlib.Path(place) / "ngx_stream_module.so"
            if path.exists():
                return path
        return None

    def write(self, directory, plan):
        config = directory / "nginx.conf"
        servers = "".join(f"    server {b};\n" for b in plan["backends"])
        config.write_text(
            f"load_module {self.module()};\n"
            "daemon off;\nmaster_process off;\nworker_processes 1;\n"
            f"pid {directory}/nginx.pid;\nerror_log stderr crit;\n"
            f"events {{ worker_connections {2 * plan['sessions'] + 64}; }}\n"
            "stream {\n  access_log off;\n  proxy_buffer_size 64k;\n  proxy_timeout 1h;\n"
            f"  upstream bench {{\n{servers}  }}\n"
            f"  server {{ listen 127.0.0.1:{plan['port']}; proxy_pass bench;"
            " proxy_half_close on; }\n}\n",
            encoding="ascii",
        )
        return [self.path, "-p", directory, "-e", "stderr", "-c", config]


class Direct(Relay):
    """No relay at all: what client and backend can do without one."""

    key, label, is_process = "direct", "direct", False

    def is_there(self):
        return True

    def version(self):
        return ""


def all_relays(opt):
    """What --relays can name."""
    ringmain = Ringmain("ringmain", "ringmain", opt.ringmain, opt.listener)
    other = Ringmain("other", "the other ringmain", opt.other, opt.other_listener)
    return {r.key: r for r in (ringmain, other, Haproxy(), Nginx(), Direct())}
