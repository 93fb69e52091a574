# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's proxies that speak the PROXY protocol, on either side."""

import os

from kit import proc
from kit.terminators import NGINX_STREAM, Terminator
from kit.wait import wait_until


class Proxy(Terminator):
    """Relays to an address. accepts: expects a header; sends: "v1" or "v2", or None; certificate: ends
    TLS, behind that header."""

    def __init__(self, workdir, to, number=1, *, accepts=False, sends=None, certificate=None):
        self.accepts, self.sends = accepts, sends
        super().__init__(workdir, to, number, certificate=certificate)


class Haproxy(Proxy):
    """sends: also "v2 tlvs", a checksum and an id among them. Logs what it was told, as LOG says."""

    LOG = "client=%[src]:%[src_port] to=%[dst]:%[dst_port] name=%[fc_pp_authority] id=%[fc_pp_unique_id]"
    BACKS = {None: "", "v1": "send-proxy", "v2": "send-proxy-v2",
             "v2 tlvs": "send-proxy-v2 proxy-v2-options crc32c,unique-id"}

    def start(self):
        front = "accept-proxy " if self.accepts else ""
        front += f"ssl crt {self.certificate}" if self.certificate else ""
        back = self.BACKS[self.sends]
        config = self.dir / "haproxy.cfg"
        config.write_text(
            "global\n  nbthread 1\n  maxconn 500\n  log stdout format raw local0\n"
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
            f'  log global\n  log-format "{self.LOG}"\n  unique-id-format "%{{+X}}o%ci:%cp-%pid-%rt"\n'
            f"listen all\n  bind {self.text} {front}\n  server s {self.to} {back}\n", encoding="ascii")
        self.process = proc.Process([proc.need("haproxy", "haproxy"), "-db", "-f", config], self.log)
        self.wait_up()


class Nginx(Proxy):
    """Sends version 1 alone, and the client's address it was told of."""

    def start(self):
        program = proc.need("nginx", "nginx libnginx-mod-stream")
        if not os.path.exists(NGINX_STREAM):
            proc.need("ngx_stream_module.so", "libnginx-mod-stream")
        front = "proxy_protocol " if self.accepts else ""
        front += "ssl" if self.certificate else ""
        keys = (f"ssl_certificate {self.certificate}; ssl_certificate_key {self.certificate};"
                if self.certificate else "")
        trust = "set_real_ip_from 127.0.0.0/8;" if self.accepts else ""
        back = "proxy_protocol on;" if self.sends else ""
        user = "user root;" if os.geteuid() == 0 else ""
        config = self.dir / "nginx.conf"
        config.write_text(
            f"load_module {NGINX_STREAM};\n{user}\ndaemon off;\npid {self.dir}/pid;\n"
            "worker_processes 1;\nevents { worker_connections 500; }\n"
            "stream { log_format told 'client=$remote_addr:$remote_port';\n"
            f"access_log {self.dir}/access told;\n"
            f"server {{ listen {self.text} {front}; {keys} {trust} {back}\n"
            f"proxy_pass {self.to}; }} }}\n", encoding="ascii")
        self.access = self.dir / "access"
        self.process = proc.Process([program, "-p", self.dir, "-e", self.log, "-c", config], self.log)
        self.wait_up()


class Hitch(Terminator):
    """Ends TLS and tells of the client with version 2.

    It understands no header itself. With passes_on it takes one of either version from in front of
    TLS and hands just these bytes to its backend, so that is all that can be tested of it there.
    """

    def __init__(self, *args, passes_on=False, **kwargs):
        self.mode = "--proxy-proxy" if passes_on else "--write-proxy-v2"
        super().__init__(*args, **kwargs)

    def start(self):
        host, port = self.to.split(":")
        user = ["--user=nobody", "--group=nogroup"] if os.geteuid() == 0 else []
        self.process = proc.Process(
            [proc.need("hitch", "hitch"), f"--frontend=[{self.address[0]}]:{self.port}",
             f"--backend=[{host}]:{port}", "--workers=1", "--ocsp-dir=", self.mode, *user,
             self.certificate], self.log)
        wait_until(lambda: self.is_up() or not self.process.alive(), "hitch")
        assert self.process.alive(), self.process.text()[-2000:]
