# SPDX-License-Identifier: GPL-2.0-or-later
"""Other people's TLS: HAProxy, nginx and hitch, in front of ringmain or behind it."""

import os

from kit import proc, tcp
from kit.servers import Server
from kit.wait import wait_until

NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"


class Terminator(Server):
    """Relays to an address. certificate: a PEM to end TLS with; ca and name: speaks TLS there."""

    def __init__(self, workdir, to, number=1, *, certificate=None, ca=None, name=None):
        self.to, self.certificate, self.ca, self.name = tcp.text_of(to), certificate, ca, name
        super().__init__(workdir, number)

    def is_up(self):
        """A knock would be a connection to the relay behind; the kernel knows as well."""
        with open(f"/proc/{self.process.pid}/net/tcp", encoding="ascii") as table:
            return any(f":{self.port:04X} 00000000:0000 0A" in line for line in table)


class Haproxy(Terminator):
    def start(self):
        front = f"ssl crt {self.certificate}" if self.certificate else ""
        back = (f"ssl verify required ca-file {self.ca} sni str({self.name}) verifyhost {self.name}"
                if self.ca else "")
        config = self.dir / "haproxy.cfg"
        config.write_text(
            "global\n  nbthread 1\n  maxconn 1000\n"
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
            f"listen all\n  bind {self.text} {front}\n  server s {self.to} {back}\n", encoding="ascii")
        self.process = proc.Process([proc.need("haproxy", "haproxy"), "-db", "-f", config], self.log)
        self.wait_up()


class Nginx(Terminator):
    def start(self):
        program = proc.need("nginx", "nginx libnginx-mod-stream")
        if not os.path.exists(NGINX_STREAM):
            proc.need("ngx_stream_module.so", "libnginx-mod-stream")
        front = (f"ssl_certificate {self.certificate}; ssl_certificate_key {self.certificate};"
                 if self.certificate else "")
        back = (f"proxy_ssl on; proxy_ssl_verify on; proxy_ssl_trusted_certificate {self.ca}; "
                f"proxy_ssl_name {self.name}; proxy_ssl_server_name on; "
                "proxy_ssl_protocols TLSv1.2 TLSv1.3;" if self.ca else "")
        config = self.dir / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(
            f"load_module {NGINX_STREAM};\n{user}\ndaemon off;\npid {self.dir}/pid;\n"
            "worker_processes 1;\nevents { worker_connections 2000; }\n"
            f"stream {{ server {{ listen {self.text} {'ssl' if front else ''};\n{front}\n{back}\n"
            f"proxy_half_close on; proxy_pass {self.to}; }} }}\n", encoding="ascii")
        self.process = proc.Process([program, "-p", self.dir, "-e", self.log, "-c", config], self.log)
        self.wait_up()


class Hitch(Terminator):
    """Ends TLS, and can nothing else."""

    def start(self):
        def bracketed(text):
            host, port = text.split(":")
            return f"[{host}]:{port}"

        user = ["--user=nobody", "--group=nogroup"] if os.geteuid() == 0 else []
        self.process = proc.Process(
            [proc.need("hitch", "hitch"), f"--frontend={bracketed(self.text)}",
             f"--backend={bracketed(self.to)}", "--workers=1", "--ocsp-dir=", *user, self.certificate],
            self.log)
        wait_until(lambda: self.is_up() or not self.process.alive(), "hitch")
        assert self.process.alive(), self.process.text()[-2000:]
