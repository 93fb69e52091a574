# SPDX-License-Identifier: GPL-2.0-or-later
"""The relays that are compared: how each is configured, started and asked for its version.

A relay is described by one class. write() puts its configuration into a directory of its own
and gives the command line. To compare another one, add a class and name it in RELAYS.
"""

import os
import pathlib
import re
import shutil
import ssl
import subprocess


class Relay:
    """What a measurement asks of a relay. `plan` says what it has to do:
    port (to listen on, 127.0.0.1), backends (addresses), sessions (at most), streams (bulk), tls
    (a Tls, or None: in clear) with pem (certificate and key), check (a Check, or None), more (of
    ringmain's configuration)."""

    key = label = program = None
    version_flags = ("-v",)
    version_pattern = r"(\d+\.\d+[.\d]*)"
    library_flags = library_pattern = None
    is_process = True
    processes = 1
    settle_seconds = 0  # from listening to being ready
    needs_tls = False  # it can do nothing else
    can_be_attacked = False  # write() knows plan["more"]
    can_check = False  # write() knows plan["check"]
    cure = "scripts/install-deps.sh --for bench"

    def __init__(self):
        self.path = self.program and shutil.which(self.program)

    def is_there(self):
        return self.path is not None

    def version(self):
        return self.says(self.version_flags, self.version_pattern)

    def library(self):
        """Whose TLS it is, and which version of it; None when it does not say."""
        return self.library_flags and self.says(self.library_flags, self.library_pattern)

    def says(self, flags, pattern):
        ran = subprocess.run([self.path, *flags], capture_output=True, text=True, check=False)
        found = re.search(pattern, ran.stdout + ran.stderr)
        return found.group(1) if found else "?"

    def freeze(self, directory):
        """Called once, before anything is measured."""

    def write(self, directory, plan):
        raise NotImplementedError


class Ringmain(Relay):
    """`extra`: lines for the listener."""

    version_flags = ("-V",)
    can_be_attacked = can_check = True
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
            f"[global]\nworkers = 1\nlog_level = warn\n{plan['more'].get('settings', '')}\n"
            f"[listener bench]\nbind = 127.0.0.1:{plan['port']}\npool = bench\n"
            f"{self.front(plan)}{self.extra}\n"
            f"[pool bench]\n{backends}\n{self.checks(plan)}{plan['more'].get('sections', '')}",
            encoding="ascii",
        )
        return [self.path, "-c", config]

    @staticmethod
    def checks(plan):
        return f"{plan['check'].ringmain}\ncheck_interval = 2s\n" if plan["check"] else ""

    @staticmethod
    def front(plan):
        tls = plan["tls"]
        if not tls:
            return ""
        return (
            f"tls = terminate\ncertificate = {plan['pem']}\n"
            f"tls_min = {tls.version}\ntls_max = {tls.version}\n"
            f"ciphers = {tls.suites}\ngroups = {tls.groups}\n"
        )


class Haproxy(Relay):
    """In clear splice-auto; for streams splicing without the "auto", which in 2.6 hardly ever
    begins when bytes flow one way only. maxpipes bounds the pipes, or files would be set aside for
    them."""

    key, label, program = "haproxy", "HAProxy", "haproxy"
    can_check = True
    library_flags = ("-vv",)
    library_pattern = r"Running on OpenSSL version : (\w+ [\d.]+\w*)"

    def write(self, directory, plan):
        config = directory / "haproxy.cfg"
        check = plan["check"]
        more = " check inter 2s rise 2 fall 3" if check else ""
        servers = "".join(f"  server b{i} {b}{more}\n" for i, b in enumerate(plan["backends"]))
        splice = ["splice-request", "splice-response"] if plan["streams"] else ["splice-auto"]
        options = "" if plan["tls"] else "".join(f"  option {option}\n" for option in splice)
        config.write_text(
            f"global\n  nbthread 1\n  maxconn {plan['sessions']}\n  maxpipes 64\n"
            "  no strict-limits\n"
            f"defaults\n  mode tcp\n{options}"
            "  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
            f"listen bench\n  bind 127.0.0.1:{plan['port']}{self.front(plan)}\n"
            f"  balance roundrobin\n{check and f'  {check.haproxy}{chr(10)}' or ''}{servers}",
            encoding="ascii",
        )
        return [self.path, "-db", "-f", config]

    @staticmethod
    def front(plan):
        tls = plan["tls"]
        if not tls:
            return ""
        version = f"ssl-min-ver TLSv{tls.version} ssl-max-ver TLSv{tls.version}"
        suites = "ciphers" if tls.version == "1.2" else "ciphersuites"
        return f" ssl crt {plan['pem']} {version} {suites} {tls.suites} curves {tls.groups}"


class Nginx(Relay):
    """The stream module, one process, 64 kB buffers, no log."""

    key, label, program = "nginx", "nginx", "nginx"
    library_flags = ("-V",)
    library_pattern = r"(?s).*(?:built|running) with (\w+ [\d.]+\w*)"  # the last one runs

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
            f"  server {{ listen 127.0.0.1:{plan['port']}{self.front(plan)}; proxy_pass bench;"
            " proxy_half_close on; }\n}\n",
            encoding="ascii",
        )
        return [self.path, "-p", directory, "-e", "stderr", "-c", config]

    @staticmethod
    def front(plan):
        tls = plan["tls"]
        if not tls:
            return ""
        suites = "ssl_ciphers" if tls.version == "1.2" else "ssl_conf_command Ciphersuites"
        return (
            f" ssl; ssl_certificate {plan['pem']}; ssl_certificate_key {plan['pem']};"
            f" ssl_protocols TLSv{tls.version}; {suites} {tls.suites};"
            f" ssl_ecdh_curve {tls.groups}; ssl_session_tickets on"
        )


class Hitch(Relay):
    """One worker below one master, no log, no OCSP. It refuses to work as root without being told,
    and where a namespace maps nobody but root, it cannot even be told: there it gets a namespace
    in which it is somebody else."""

    key, label, program = "hitch", "hitch", "hitch"
    version_flags = ("--version",)
    processes = 2
    settle_seconds = 0.2  # then its worker has chosen a processor, which we overrule
    needs_tls = True

    def library(self):
        """It does not say. It is linked to the system's, as Python is."""
        return " ".join(ssl.OPENSSL_VERSION.split()[:2])

    def write(self, directory, plan):
        config = directory / "hitch.conf"
        tls = plan["tls"]
        is_mapped = pathlib.Path("/proc/self/setgroups").read_text(encoding="ascii") == "deny\n"
        user = 'user = "root"\n' if os.geteuid() == 0 and not is_mapped else ""
        somebody = ["unshare", "--user", "--map-user=1000", "--"] if is_mapped else []
        suites = "ciphers" if tls.version == "1.2" else "ciphersuites"
        host, port = plan["backends"][0].split(":")
        config.write_text(
            f'frontend = "[127.0.0.1]:{plan["port"]}"\nbackend = "[{host}]:{port}"\n'
            f'pem-file = "{plan["pem"]}"\nworkers = 1\ndaemon = off\nlog-level = 0\n'
            f'ocsp-dir = ""\ntls-protos = TLSv{tls.version}\n{suites} = "{tls.suites}"\n'
            f'ecdh-curve = "{tls.groups}"\n{user}',
            encoding="ascii",
        )
        return [*somebody, self.path, f"--config={config}"]


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
    return {r.key: r for r in (ringmain, other, Haproxy(), Nginx(), Hitch(), Direct())}
