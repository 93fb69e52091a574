# SPDX-License-Identifier: GPL-2.0-or-later
"""More real servers, for what health checks say to them: mail, messages, directories."""

import shutil
import smtplib

from kit import proc
from kit.ports import free_port
from kit.servers import Server
from kit.wait import wait_until


class Mosquitto(Server):
    """MQTT. anonymous=False: every client needs a password that nobody has. pki: in TLS."""

    def __init__(self, *args, anonymous=True, pki=None, **kwargs):
        self.user, self.anonymous, self.pki = proc.unprivileged_user(), anonymous, pki
        super().__init__(*args, **kwargs)

    def start(self):
        config = self.dir / "config"
        config.write_text(f"listener {self.port} {self.address[0]}\nlog_type all\n"
                          f"allow_anonymous {'true' if self.anonymous else 'false'}\n"
                          f"persistence false\n{self.tls()}", encoding="ascii")
        self.process = proc.Process([proc.need("mosquitto", "mosquitto"), "-c", config], self.log,
                                    user=self.user)
        self.wait_up()

    def tls(self):
        if not self.pki:
            return ""
        certificate, key = self.pki.lend(self.dir, self.user, "backend.crt", "backend.key")
        return f"certfile {certificate}\nkeyfile {key}\n"


class Nginx(Server):
    """HTTP: what is in its directory. Requests are in its log."""

    def start(self):
        (self.dir / "index.html").write_text("alive\n", encoding="ascii")
        config = self.dir / "nginx.conf"
        config.write_text(f"daemon off; master_process off; pid {self.dir}/pid; error_log stderr;\n"
                          f"events {{}} http {{ access_log /dev/stderr; server {{ listen {self.text}; root {self.dir}; }} }}\n",
                          encoding="ascii")
        self.process = proc.Process([proc.need("nginx", "nginx"), "-c", config, "-e", "stderr"], self.log)
        self.wait_up()


class Slapd(Server):
    """LDAP without data, which is enough to bind to."""

    def start(self):
        config = self.dir / "slapd.conf"
        config.write_text(f"pidfile {self.dir}/pid\nargsfile {self.dir}/args\n{self.settings()}",
                          encoding="ascii")
        self.process = proc.Process([proc.need("slapd", "slapd"), "-h", self.urls(), "-f", config, "-d", "stats"],
                                    self.log)
        self.wait_up()

    def urls(self):
        return f"ldap://{self.text}"

    def settings(self):
        return ""


class SlapdForMembers(Slapd):
    """Refuses who does not say who it is."""

    def settings(self):
        return "disallow bind_anon\n"


class Dovecot(Server):
    """IMAP, for who logs in by no password of ours."""

    def _version(self):
        """2.4 wants to be told for whom the configuration was written, and says users otherwise."""
        version = proc.run([proc.need("dovecot", "dovecot-imapd"), "--version"]).stdout
        if version.startswith("2.3"):
            return "passdb {\n driver = static\n args = nopassword=y\n}\n" \
                   "userdb {\n driver = static\n args = uid=65534 gid=65534 home=/nonexistent\n}\n"
        return "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n" \
               "passdb static {\n password = none\n}\n" \
               "userdb static {\n fields {\n  uid = 65534\n  gid = 65534\n  home = /nonexistent\n }\n}\n"

    def start(self):
        proc.need_root()
        config = self.dir / "dovecot.conf"
        config.write_text(self._version() + f"base_dir = {self.dir}/run\nlog_path = /dev/stderr\nssl = no\n"
                          f"protocols = imap\nlisten = {self.address[0]}\n"
                          f"service imap-login {{\n inet_listener imap {{\n  port = {self.port}\n }}\n"
                          " inet_listener imaps {\n  port = 0\n }\n}\n", encoding="ascii")
        self.process = proc.Process([proc.need("dovecot", "dovecot-imapd"), "-F", "-c", config],
                                    self.log)
        self.wait_up()


class Postfix(Server):
    """SMTP. Runs as root, in directories of its own, and delivers nothing."""

    smtpd_options = ""

    def start(self):
        proc.need_root()
        self.program = proc.need("postfix", "postfix")
        config, spool, data = (self.dir / name for name in ("config", "spool", "data"))
        for folder in (config, spool, data):
            folder.mkdir()
        shutil.chown(data, "postfix")
        self.dir.chmod(0o755)
        (config / "main.cf").write_text(
            f"queue_directory = {spool}\ndata_directory = {data}\nmaillog_file = {self.log}\n"
            f"maillog_file_prefixes = {self.dir}\nmyhostname = mail.example.com\n"
            "compatibility_level = 3.6\nmydestination =\nlocal_transport = error:none\n"
            "inet_protocols = ipv4\nalias_maps =\nalias_database =\n"
            "multi_instance_enable = yes\nmulti_instance_name = postfix-probe\n", encoding="ascii")
        (config / "master.cf").write_text(
            f"{self.text} inet n - n - - smtpd{self.smtpd_options}\n"
            "postlog unix-dgram n - n - 1 postlogd\nanvil unix - - n - 1 anvil\n"
            "rewrite unix - - n - - trivial-rewrite\ncleanup unix n - n - 0 cleanup\n"
            "qmgr unix n - n 300 1 qmgr\nproxymap unix - - n - - proxymap\n", encoding="ascii")
        self.process = proc.Process([self.program, "-c", config, "start-fg"], self.dir / "stderr")
        self.wait_up()

    def close(self):
        """Its master is in a session of its own: only Postfix ends it."""
        proc.run([self.program, "-c", self.dir / "config", "stop"], check=False)
        super().close()

    def is_up(self):
        try:
            with smtplib.SMTP(*self.address, timeout=2):
                return True
        except OSError:
            return False


class RabbitMQ(Server):
    """AMQP 0-9-1. A node of its own: with its own name service (epmd), cookie and database."""

    def start(self):
        self.user = proc.unprivileged_user()
        program = proc.need("rabbitmq-server", "rabbitmq-server", "/usr/lib/rabbitmq/bin")
        if self.user:
            shutil.chown(self.dir, self.user)
        names = free_port(self.address[0])
        self.names = proc.Process([proc.need("epmd", "erlang-base"), "-port", names, "-address", self.address[0]],
                                  self.dir / "epmd.log", user=self.user)
        self.process = proc.Process([program], self.log, user=self.user, cwd=self.dir, env=self.environment(names))
        self.wait_up()

    def environment(self, names):
        host = self.address[0]
        (self.dir / "plugins").write_text("[].\n", encoding="ascii")
        rabbit = {
            "NODENAME": "ringmain@localhost", "NODE_IP_ADDRESS": host, "NODE_PORT": self.port,
            "DIST_PORT": free_port(host), "MNESIA_BASE": f"{self.dir}/mnesia", "LOG_BASE": self.dir,
            "LOGS": "-",
            "ENABLED_PLUGINS_FILE": f"{self.dir}/plugins", "CONFIG_FILE": f"{self.dir}/none",
            "CONF_ENV_FILE": f"{self.dir}/none", "PID_FILE": f"{self.dir}/pid",
            "GENERATED_CONFIG_DIR": f"{self.dir}/config",
            "SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{{host.replace('.', ',')}}}",
        }
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.dir), "LANG": "C.UTF-8",
                "ERL_EPMD_PORT": str(names), "ERL_EPMD_ADDRESS": host, "ERL_CRASH_DUMP": f"{self.dir}/crash",
                **{f"RABBITMQ_{key}": str(value) for key, value in rabbit.items()}}

    def wait_up(self):
        wait_until(lambda: "Server startup complete" in self.process.text() or not self.process.alive(),
                   "RabbitMQ to start", 120)
        assert self.process.alive(), self.process.text()[-3000:]

    def close(self):
        try:
            super().close()
        finally:
            self.names.kill()
