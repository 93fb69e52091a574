# SPDX-License-Identifier: GPL-2.0-or-later
"""Real servers: each in a directory of its own, on a free loopback port, as an unprivileged user."""

import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket

from kit import proc, tcp
from kit.ports import free_port
from kit.wait import wait_until

START_S = 30


class Server:
    """What all have in common. A subclass gives name, package and start()."""

    user = None

    def __init__(self, workdir, number=1, host="127.0.0.1"):
        self.dir = pathlib.Path(workdir) / f"{type(self).__name__.lower()}-{number}"
        self.dir.mkdir()
        self.port = free_port(host)
        self.address = (host, self.port)
        self.text = tcp.text_of(self.address)
        self.log = self.dir / "log"
        self.process = None
        if self.user:
            shutil.chown(self.dir, self.user)
        self.start()

    def start(self):
        raise NotImplementedError

    def is_up(self):
        """Does it answer?"""
        with socket.socket() as sock:
            return sock.connect_ex(self.address) == 0

    def wait_up(self):
        wait_until(lambda: self.is_up() or not self.process.alive(), f"{self.process.name} to start",
                   START_S)
        assert self.process.alive(), f"{self.process.name} ended:\n{self.process.text()[-3000:]}"

    def signal_all(self, number):
        """The server, and its children, which come and go."""
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as file:
            found = [int(child) for child in file.read().split()]
        for process in [self.process.pid] + found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def close(self):
        if self.process:
            self.process.stop(timeout=20)


class Redis(Server):
    """options: more for redis-server."""

    def __init__(self, *args, options=(), **kwargs):
        self.options = options
        super().__init__(*args, **kwargs)

    def start(self):
        program = proc.need("redis-server", "redis-server")
        self.process = proc.Process(
            [program, "--bind", self.address[0], "--port", self.port, "--dir", self.dir,
             "--save", "", "--appendonly", "no", "--daemonize", "no", "--tcp-backlog", 511,
             *self.options], self.log)
        self.wait_up()

    def is_up(self):
        try:
            with socket.create_connection(self.address, 1) as sock:
                sock.sendall(b"PING\r\n")
                return sock.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def cli(self, *args, **kwargs):
        """Gives what redis-cli prints."""
        host, port = self.address
        return proc.run([proc.need("redis-cli", "redis-tools"), "-h", host, "-p", str(port),
                         *map(str, args)], **kwargs).stdout


class Postgres(Server):
    """initdb in a directory of its own; everybody on loopback is trusted. options: settings."""

    def __init__(self, *args, options=(), **kwargs):
        self.user, self.options = proc.unprivileged_user(), options
        super().__init__(*args, **kwargs)

    @staticmethod
    def program(name):
        """The newest one of Debian, whatever else is in the path."""
        versions = sorted(glob.glob("/usr/lib/postgresql/*/bin"),
                          key=lambda path: float(path.split("/")[-2]), reverse=True)
        return proc.need(name, "postgresql postgresql-client", os.pathsep.join(versions))

    def start(self):
        proc.run([self.program("initdb"), "-D", self.dir / "data", "-U", "tester", "-A", "trust",
                  "-E", "UTF8", "--locale=C", "--no-sync"], user=self.user, cwd=self.dir)
        self.launch()
        self.wait_up()
        self.tool("createdb", "bench")

    def launch(self):
        """Starts it on the data that it has."""
        settings = [f"listen_addresses={self.address[0]}", f"unix_socket_directories={self.dir}",
                    "fsync=off", "shared_buffers=32MB", "max_connections=200",
                    "logging_collector=off", *self.options]
        options = [word for setting in settings for word in ("-c", setting)]
        self.process = proc.Process(
            [self.program("postgres"), "-D", self.dir / "data", "-p", self.port, *options],
            self.log, user=self.user, cwd=self.dir)

    def is_up(self):
        return self.tool("psql", "-d", "postgres", "-Atc", "select 1", check=False).returncode == 0

    def tool(self, name, *args, address=None, **kwargs):
        """Runs psql, pgbench, pg_dump ... against this server, or the address of a relay."""
        host, port = address or self.address
        env = {"PATH": "/usr/bin:/bin", "PGHOST": host, "PGPORT": str(port), "PGUSER": "tester",
               "PGDATABASE": "bench", "PGCONNECT_TIMEOUT": "10", "LC_ALL": "C"}
        return proc.run([self.program(name), *map(str, args)], env=env, **kwargs)

    def close(self):
        """SIGINT: sessions are broken off."""
        if self.process:
            self.process.stop(signal.SIGINT, timeout=20)


class TlsPostgres(Postgres):
    """Has TLS beside clear text."""

    def __init__(self, workdir, pki, number=1):
        self.pki = pki
        super().__init__(workdir, number)

    def start(self):
        super().start()
        certificate, key = self.pki.lend(self.dir, self.user, "backend.crt", "backend.key")
        for setting in (f"ssl_cert_file = '{certificate}'", f"ssl_key_file = '{key}'", "ssl = on"):
            self.tool("psql", "-qc", f"alter system set {setting}")
        self.tool("psql", "-qc", "select pg_reload_conf()")
        wait_until(lambda: self.tool("psql", "-d", self.conninfo(sslmode="require"), "-c", "select 1",
                                     check=False).returncode == 0, "TLS of the server")

    def conninfo(self, address=None, **keys):
        """What psql, pgbench and pg_dump take in a database's place."""
        host, port = address or self.address
        keys = {"host": host, "hostaddr": host, "port": port, "user": "tester", "dbname": "bench", **keys}
        return " ".join(f"{key}={value}" for key, value in keys.items())


class MariaDB(Server):
    """Speaks first. options: more for mariadbd; user tester may come from anywhere."""

    def __init__(self, *args, options=(), **kwargs):
        self.user, self.options = proc.unprivileged_user(), options
        super().__init__(*args, **kwargs)

    def start(self):
        # A server that starts removes every temporary table of its tmpdir, whoever's it is: one in
        # /tmp would take those of another that is being installed at this moment.
        install = proc.need("mariadb-install-db", "mariadb-server")
        proc.run([install, "--no-defaults", f"--datadir={self.dir}/data", f"--tmpdir={self.dir}",
                  "--skip-test-db", "--auth-root-authentication-method=normal",
                  "--skip-name-resolve"],
                 user=self.user, cwd=self.dir, timeout=120)
        self.process = proc.Process(
            [proc.need("mariadbd", "mariadb-server"), "--no-defaults", f"--datadir={self.dir}/data",
             f"--tmpdir={self.dir}", f"--port={self.port}", f"--bind-address={self.address[0]}", "--skip-name-resolve",
             f"--socket={self.dir}/sock", f"--pid-file={self.dir}/pid", "--skip-log-bin",
             "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M",
             *self.options],
            self.log, user=self.user, cwd=self.dir)
        self.wait_up()
        self.tool("mariadb", "-e", "create database bench; create user tester@'%'; "
                  "grant all on *.* to tester@'%'")

    def is_up(self):
        return self.tool("mariadb", "-e", "select 1", check=False).returncode == 0

    def tool(self, name, *args, address=None, user="root", **kwargs):
        host, port = address or self.address
        return proc.run([proc.need(name, "mariadb-client"), "--no-defaults", "--protocol=tcp",
                         f"--host={host}", f"--port={port}", f"--user={user}", *args], **kwargs)


class Iperf(Server):
    def start(self):
        self.process = proc.Process([proc.need("iperf3", "iperf3"), "-s", "-B", self.address[0],
                                     "-p", self.port, "--forceflush"], self.log)
        wait_until(lambda: "listening" in self.process.text(), "iperf3 to listen", START_S)


class Sshd(Server):
    """Another one that speaks first; runs as root for a session as root, with keys of its own."""

    PRIVILEGE_DIR = "/run/sshd"

    def start(self):
        proc.need_root()
        program = proc.need("sshd", "openssh-server")
        # It stays: servers of other tests may need it by now.
        os.makedirs(self.PRIVILEGE_DIR, mode=0o755, exist_ok=True)
        for name in ("host", "user"):
            proc.run([proc.need("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "",
                      "-f", self.dir / name])
        shutil.copy(self.dir / "user.pub", self.dir / "authorized")
        config = self.dir / "config"
        config.write_text(f"HostKey {self.dir}/host\nAuthorizedKeysFile {self.dir}/authorized\n"
                          "StrictModes no\nPermitRootLogin yes\nUsePAM no\nPidFile none\n",
                          encoding="ascii")
        self.process = proc.Process([program, "-D", "-e", "-f", config, "-o",
                                     f"ListenAddress={self.text}"], self.log)
        self.wait_up()

    def ssh(self, address, command, **kwargs):
        """Runs a command over ssh through address."""
        host, port = address
        return proc.run(["/usr/bin/ssh", "-F", "none", "-p", str(port), "-i", self.dir / "user",
                         "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                         "-o", "LogLevel=ERROR", "-o", "BatchMode=yes",
                         f"{pwd.getpwuid(os.geteuid()).pw_name}@{host}", command], **kwargs)


def two(kind, workdir):
    """Two servers of a kind; the first is closed when the second does not start."""
    first = kind(workdir, 1)
    try:
        return first, kind(workdir, 2)
    except BaseException:
        first.close()
        raise
