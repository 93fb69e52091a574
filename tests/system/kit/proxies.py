# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's proxies that speak the PROXY protocol, on either side."""

import os

from kit import proc
from kit.terminators import NGINX_STREAM, Terminator
from kit.wait import wait_until


class Proxy(Terminator):
    """Relays to an address. accepts: expects a header; sends: "v1" or "v2", or None."""

    def __init__(self, workdir, to, number=1, *, accepts=False, sends=None):
        self.accepts, self.sends = accepts, sends
        super().__init__(workdir, to, number)


class Haproxy(Proxy):
    def start(self):
        front = "accept-proxy" if self.accepts else ""
        back = {None: "", "v1": "send-proxy", "v2": "send-proxy-v2"}[self.sends]
        config = self.dir / "haproxy.cfg"
        config.write_text(
            "global\n  nbthread 1\n  maxconn 500\n"
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
            f"listen all\n  bind {self.text} {front}\n  server s {self.to} {back}\n", encoding="ascii")
        self.process = proc.Process([proc.need("haproxy", "haproxy"), "-db", "-f", config], self.log)
        self.wait_up()


class Nginx(Proxy):
    """Sends version 1 alone, and the client's address it was told of."""

    def start(self):
        program = proc.need("nginx", "nginx libnginx-mod-stream")
        if not os.path.exists(NGINX_STREAM):
            proc.need("ngx_stream_module.so", "libnginx-mod-stream")
        front = "proxy_protocol" if self.accepts else ""
        trust = "set_real_ip_from 127.0.0.0/8;" if self.accepts else ""
        back = "proxy_protocol on;" if self.sends else ""
        user = "user root;" if os.geteuid() == 0 else ""
        config = self.dir / "nginx.conf"
        config.write_text(
            f"load_module {NGINX_STREAM};\n{user}\ndaemon off;\npid {self.dir}/pid;\n"
            "worker_processes 1;\nevents { worker_connections 500; }\n"
            f"stream {{ server {{ listen {self.text} {front}; {trust} {back}\n"
            f"proxy_pass {self.to}; }} }}\n", encoding="ascii")
        self.process = proc.Process([program, "-p", self.dir, "-e", self.log, "-c", config], self.log)
        self.wait_up()


class Hitch(Terminator):
    """Ends TLS and tells of the client with version 2."""

    def start(self):
        host, port = self.to.split(":")
        user = ["--user=nobody", "--group=nogroup"] if os.geteuid() == 0 else []
        self.process = proc.Process(
            [proc.need("hitch", "hitch"), f"--frontend=[{self.address[0]}]:{self.port}",
             f"--backend=[{host}]:{port}", "--workers=1", "--ocsp-dir=", "--write-proxy-v2", *user,
             self.certificate], self.log)
        wait_until(lambda: self.is_up() or not self.process.alive(), "hitch")
        assert self.process.alive(), self.process.text()[-2000:]
