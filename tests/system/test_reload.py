# SPDX-License-Identifier: GPL-2.0-or-later
"""Another configuration for a process that runs, without a client noticing."""

import os
import random
import re
import shutil
import signal
import threading
import time
from contextlib import closing

import pytest

from kit import backend as servers
from kit import load, proc, tcp, tls
from kit.control import Ctl
from kit.ports import free_port
from kit.wait import SCALE, wait_until

pytestmark = pytest.mark.haproxy_cannot("starts another process")


class Reloaded:
    """A running ringmain, its file, and who gives it another one."""

    def __init__(self, rm, path):
        self.rm = rm
        self.file = rm.dir / "ringmain.ini"
        self.ctl = Ctl(path)
        self.text = self.file.read_text(encoding="utf-8")

    def write(self, text):
        self.text = text
        self.file.write_text(text, encoding="utf-8")

    def change(self, before, after):
        assert before in self.text
        self.write(self.text.replace(before, after))

    def add(self, text):
        self.write(self.text + text)

    def plan(self):
        return [row["plan"] for row in self.ctl.rows("plan")]

    def reload(self, *words):
        """Gives the plan's lines."""
        return [row["plan"] for row in self.ctl.rows("reload", *words)]

    def fails(self, *words):
        """Gives what was said."""
        done = self.ctl.run("reload", *words)
        assert done.returncode == 1
        assert "nothing has changed" in done.stderr
        return done.stdout

    def address(self, listener, n=0):
        """The log may be a moment late."""
        self.rm.wait_line(msg="listening", listener=listener)
        return self.rm.addresses(listener)[n]

    def settle(self):
        """The sockets that listen now stay to the end."""
        wait_until(lambda: self.row("process", None)["sessions"] == 0, "sessions to end")
        self.rm.fds_at_start += [fd for fd in self.rm.process.fds() if fd not in self.rm.fds_at_start]

    def row(self, kind, name):
        return next((row for row in self.ctl.rows("status")
                     if row["row"] == kind and row.get(kind) == name), None)


@pytest.fixture
def running(ringmain, workdir):
    """running(backends, ...as ringmain...) gives a Reloaded."""
    def begin(backends, *, settings=None, **options):
        path = os.path.join(workdir, "control.sock")
        rm = ringmain(backends, settings={"control": f"unix:{path}", **(settings or {})}, **options)
        return Reloaded(rm, path)
    return begin


def named(backend, text):
    return backend(servers.name(text.encode()))


def who(address):
    """Which server answers."""
    with tcp.connect(address) as client:
        return tcp.read_to_end(client)[0].decode()


# ---- what changes ----

def test_nothing_to_do_is_said(running, backend):
    r = running([backend(servers.echo)])
    assert r.plan() == ["nothing would change"]
    assert r.reload() == ["nothing differs from what is in force"]


def test_a_signal_reloads_too(running, backend):
    r = running([backend(servers.echo)])
    r.change("connect_timeout = 10s", "connect_timeout = 11s")
    r.rm.process.send_signal(signal.SIGHUP)
    line = r.rm.wait_line(msg="reload", outcome="done")
    assert line["by"] == "SIGHUP"
    assert r.rm.lines(msg="reload", plan="~ pool out: connect_timeout 10s -> 11s")


def test_a_plan_is_shown_and_not_done(running, backend):
    r = running([named(backend, "one")])
    r.add(f"backend = b2 {named(backend, 'two').text}\n")
    lines = r.plan()
    assert len(lines) == 1 and lines[0].startswith("+ pool out: backend b2 127.0.0.1:")
    assert {who(r.rm.address()) for _ in range(10)} == {"one"}
    assert r.reload() == lines
    wait_until(lambda: who(r.rm.address()) == "two", "the new backend to serve")


def test_a_weight_changes_and_sessions_stay(running, backend, connect):
    r = running([backend(servers.echo), backend(servers.echo)], pool={"balance": "roundrobin"})
    clients = [connect(r.rm.address()) for _ in range(4)]
    for client in clients:
        tcp.exchange(client, b"before")
    address = next(line for line in r.text.splitlines() if line.startswith("backend = b2"))
    r.change(address, address + " weight=0")
    assert r.reload() == ["~ pool out: backend b2 weight 1 -> 0"]
    for client in clients:
        tcp.exchange(client, b"after")
    for _ in range(6):
        with tcp.connect(r.rm.address()) as client:
            tcp.exchange(client, b"new")
    assert r.ctl.backend("b1")["sessions"] >= 2
    assert r.ctl.backend("b2")["total"] == 2
    assert r.ctl.backend("b1")["total"] >= 8     # counters go on


def test_a_backend_leaves_with_its_last_session(running, backend, connect):
    r = running([backend(servers.echo), backend(servers.echo)], pool={"balance": "roundrobin"})
    clients = [connect(r.rm.address()) for _ in range(2)]
    for client in clients:
        tcp.exchange(client, b"x")
    line = next(line for line in r.text.splitlines() if line.startswith("backend = b2"))
    r.change(line, "")
    assert r.reload() == ["- pool out: backend b2", "  backend out/b2: 1 session goes on"]
    assert r.ctl.backend("b2")["state"] == "leaving"
    for client in clients:
        tcp.exchange(client, b"still there")
    for _ in range(4):
        with tcp.connect(r.rm.address()) as client:
            tcp.exchange(client, b"new")
    assert r.ctl.backend("b2")["total"] == 1


def test_sessions_of_a_backend_that_left_have_their_time(running, backend, connect):
    """Those of another one with its name go on."""
    r = running([backend(servers.echo)], pool={"drain_timeout": "500ms"})
    old = connect(r.rm.address())
    tcp.exchange(old, b"x")
    line = next(line for line in r.text.splitlines() if line.startswith("backend = b1"))
    r.change(line, f"backend = b1 {backend(servers.echo).text}")
    plan = r.reload()
    assert plan[0].startswith("~ pool out: backend b1 127.0.0.1:")
    assert re.fullmatch(r"  backend out/b1: 1 session drains until \d\d:\d\d:\d\d", plan[1])
    new = connect(r.rm.address())
    tcp.exchange(new, b"x")
    assert r.rm.wait_sessions(1)[0]["reason"] == "drain_timeout"
    assert r.rm.wait_line(msg="drained")["backend"] == "b1"
    tcp.exchange(new, b"goes on")


def test_a_backend_that_comes_back_keeps_its_sessions(running, backend, connect):
    r = running([backend(servers.echo), backend(servers.echo)],
                pool={"drain_timeout": "40h", "balance": "roundrobin"})
    clients = [connect(r.rm.address()) for _ in range(2)]
    for client in clients:
        tcp.exchange(client, b"x")
    before = r.text
    line = next(line for line in r.text.splitlines() if line.startswith("backend = b2"))
    r.change(line, "")
    assert re.fullmatch(r"  backend out/b2: 1 session drains until \d+-\d\d-\d\d \d\d:\d\d", r.reload()[1])
    assert 39 * 3600 * 1000 < r.ctl.backend("b2")["drain_ends_ms"] <= 40 * 3600 * 1000
    r.write(before)
    r.reload()
    row = r.ctl.backend("b2")
    assert "drain_ends_ms" not in row and row["sessions"] == 1
    for client in clients:
        tcp.exchange(client, b"still there")


def test_a_listener_comes_and_goes(running, backend, connect):
    r = running([backend(servers.echo)])
    first = connect(r.rm.address())
    tcp.exchange(first, b"x")
    r.add("\n[listener more]\nbind = 127.0.0.1:0\npool = out\n")
    assert r.reload() == ["+ listener more 127.0.0.1:0"]
    second = connect(r.address("more"))
    tcp.exchange(second, b"on the new one")
    gone = r.address("more")
    r.change("\n[listener more]\nbind = 127.0.0.1:0\npool = out\n", "")
    assert r.reload() == ["- listener more", "  listener more: 1 session goes on"]
    with pytest.raises(ConnectionError):
        tcp.connect(gone)
    tcp.exchange(second, b"goes on")
    tcp.exchange(first, b"does, too")
    second.close()
    wait_until(lambda: r.row("listener", "more") is None, "the listener to be gone")
    assert r.rm.address() == r.rm.addresses()[-1]     # its socket is the one that it had


def test_all_goes_and_comes_back(running, backend, connect):
    """A reload that removes everything that there was."""
    r = running([backend(servers.echo)])
    client = connect(r.rm.address())
    tcp.exchange(client, b"x")
    before = r.text
    r.write(before.replace("[listener in]", "[listener other]")
            .replace("pool = out", "pool = pond").replace("[pool out]", "[pool pond]"))
    assert "- listener in" in r.reload()
    tcp.exchange(client, b"still there")
    with tcp.connect(r.address("other")) as other:
        tcp.exchange(other, b"new")
    r.write(before)
    r.reload()
    tcp.exchange(client, b"and after that")
    with tcp.connect(r.rm.address()) as other:
        tcp.exchange(other, b"as before")


def test_a_pool_with_sessions_gets_another_name(running, backend, connect):
    r = running([backend(servers.echo)])
    client = connect(r.rm.address())
    tcp.exchange(client, b"x")
    r.write(r.text.replace("pool = out", "pool = pond").replace("[pool out]", "[pool pond]"))
    assert r.reload() == ["~ listener in: pool out -> pond", "+ pool pond: 1 backend", "- pool out",
                          "  backend out/b1: 1 session goes on"]
    tcp.exchange(client, b"still there")
    with tcp.connect(r.rm.address()) as other:
        tcp.exchange(other, b"new")
    client.close()
    wait_until(lambda: r.row("pool", "out") is None, "the pool to be gone")


def test_an_address_moves_to_another_listener(running, backend, connect):
    port = free_port()
    r = running([named(backend, "one")], binds=[f"127.0.0.1:{port}"])
    second = named(backend, "two")
    r.write(r.text.replace("[listener in]", "[listener moved]").replace("pool = out", "pool = two")
            + f"\n[pool two]\nbackend = c1 {second.text}\n")
    assert who(("127.0.0.1", port)) == "one"
    r.reload()
    assert who(("127.0.0.1", port)) == "two"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_wildcard_becomes_an_address_and_back(running, backend, workers):
    port = free_port()
    r = running([named(backend, "one")], binds=[f"*:{port}"], settings={"workers": workers})
    for before, after in ((f"*:{port}", f"127.0.0.1:{port}"), (f"127.0.0.1:{port}", f"*:{port}")) * 2:
        r.change(f"bind = {before}", f"bind = {after}")
        r.reload()
        assert who(("127.0.0.1", port)) == "one"
    r.settle()


def test_a_unix_socket_comes_and_goes(running, backend, workdir):
    r = running([backend(servers.echo)])
    path = os.path.join(workdir, "more.sock")
    more = f"\n[listener more]\nbind = unix:{path}\npool = out\n"
    r.add(more)
    r.reload()
    with tcp.connect(path) as client:
        tcp.exchange(client, b"x")
    r.change(more, "")
    r.reload()
    assert not os.path.exists(path)


def test_a_unix_socket_gets_another_mode(running, backend, workdir):
    path = os.path.join(workdir, "more.sock")
    r = running([backend(servers.echo)], binds=[f"unix:{path} mode=0600"])
    assert os.stat(path).st_mode & 0o777 == 0o600
    inode = os.stat(path).st_ino
    r.change("mode=0600", "mode=0660")
    assert len(r.reload()) == 2
    assert os.stat(path).st_mode & 0o777 == 0o660
    r.change(" mode=0660", "")
    r.reload()
    mask = os.umask(0)
    os.umask(mask)
    assert os.stat(path).st_mode & 0o777 == 0o777 & ~mask
    assert os.stat(path).st_ino == inode
    with tcp.connect(path) as client:
        tcp.exchange(client, b"x")


def test_the_log_gets_another_format(running, backend):
    r = running([backend(servers.echo)])
    r.change("[global]\n", "[global]\nlog_format = json\n")
    assert r.reload() == ["~ log_format logfmt -> json"]
    wait_until(lambda: '"msg":"reload","outcome":"done"' in r.rm.text(), "a line in JSON")


def test_what_was_promised_is_kept(running, backend, connect):
    """A session keeps its time-outs; a new one gets the new ones."""
    r = running([backend(servers.echo)], listener={"idle_timeout": "1h"})
    old = connect(r.rm.address())
    tcp.exchange(old, b"x")
    r.change("idle_timeout = 1h", "idle_timeout = 500ms")
    assert r.reload() == ["~ listener in: idle_timeout 1h -> 500ms"]
    new = connect(r.rm.address())
    tcp.exchange(new, b"x")
    r.rm.wait_sessions(1, reason="idle")
    tcp.exchange(old, b"still there")


def test_what_takes_a_restart_is_said(running, backend):
    r = running([backend(servers.echo)])
    r.change("workers = 2", "workers = 3")
    assert r.reload() == ["! workers 2 -> 3: takes effect at the next start"]
    assert next(r["workers"] for r in r.ctl.rows("status") if r["row"] == "process") == 2


def test_the_operators_wish_outlives_a_reload(running, backend):
    r = running([named(backend, "one"), named(backend, "two")])
    r.ctl.say("backend", "out/b1", "drain")
    line = next(line for line in r.text.splitlines() if line.startswith("backend = b1"))
    r.change(line, "")
    r.reload()
    r.add(line + "\n")
    r.reload()
    assert {who(r.rm.address()) for _ in range(10)} == {"two"}


# ---- what goes wrong ----

def test_mistakes_change_nothing(running, backend):
    r = running([named(backend, "one")])
    r.change("connect_timeout = 10s", "connect_timeout = 10 apples")
    said = r.fails()
    assert "ringmain.ini:" in said and "connect_timeout" in said and "^" in said
    assert who(r.rm.address()) == "one"
    line = r.rm.wait_line(msg="reload", outcome="failed")
    assert line["level"] == "error"
    os.unlink(r.file)
    assert "cannot be read" in r.fails()
    assert [row["outcome"] for row in r.ctl.rows("history") if row["row"] == "reload"] == ["failed"] * 2


def test_an_address_that_somebody_has_changes_nothing(running, backend):
    r = running([named(backend, "one")])
    taken = servers.Manual()
    try:
        r.add(f"\n[listener more]\nbind = 127.0.0.1:0\nbind = {taken.text}\npool = out\n")
        assert "Address already in use" in r.fails()
    finally:
        taken.close()
    assert not r.rm.lines(msg="listening", listener="more")
    r.reload()
    assert who(r.address("more", 1)) == "one"
    r.settle()


def test_two_at_once_are_done_one_after_the_other(running, backend):
    r = running([backend(servers.echo)])
    answers = [tcp.Task(r.reload) for _ in range(8)]
    assert [answer.result() for answer in answers] == [["nothing differs from what is in force"]] * 8
    assert len([row for row in r.ctl.rows("history") if row["row"] == "reload"]) == 8


def test_none_while_it_drains(running, backend, connect):
    r = running([backend(servers.echo)], settings={"drain_delay": "1h"})
    r.rm.process.send_signal(signal.SIGTERM)
    r.rm.wait_line(msg="draining")
    done = r.ctl.run("reload")
    assert (done.returncode, done.stderr) == (1, "ringmainctl: ringmain is draining\n")
    r.rm.process.send_signal(signal.SIGHUP)
    r.rm.wait_line(msg="SIGHUP: nothing is reloaded: ringmain is draining")
    r.rm.process.send_signal(signal.SIGTERM)
    assert r.rm.process.wait(10) == 0


# ---- certificates ----

class Certified:
    """A file with a chain and a key, which may change."""

    def __init__(self, workdir, pki):
        self.path = os.path.join(workdir, "server.pem")
        self.pki = pki

    def put(self, name):
        """As one does it: beside, and then in its place."""
        with open(self.path + ".new", "wb") as to:
            os.fchmod(to.fileno(), 0o600)
            with open(self.pki[f"{name}.pem"], "rb") as source:
                to.write(source.read())
        os.rename(self.path + ".new", self.path)

    def cut(self):
        os.truncate(self.path, os.path.getsize(self.path) // 2)

    def serial(self, address):
        """Of the certificate that a client sees."""
        with closing(tls.connect(address, tls.client_context(self.pki))) as client:
            tcp.exchange(client, b"x")
            return client.peer_der()


@pytest.fixture(scope="module")
def renewals(pki):
    """Two certificates of one name."""
    return [pki.make(name, "ca", "subjectAltName=DNS:db1.example.com") for name in ("renewal1", "renewal2")]


@pytest.fixture
def terminating(running, backend, workdir, pki):
    def begin(name, **options):
        file = Certified(workdir, pki)
        file.put(name)
        r = running([backend(servers.echo)],
                    listener={"tls": "terminate", "certificate": file.path, **options})
        return r, file
    return begin


@pytest.mark.parametrize("words", [(), ("certs",)])
def test_a_certificate_is_renewed(terminating, renewals, pki, words):
    r, file = terminating(renewals[0])
    before = file.serial(r.rm.address())
    with closing(tls.connect(r.rm.address(), tls.client_context(pki))) as old:
        tcp.exchange(old, b"before")
        file.put(renewals[1])
        lines = r.reload(*words)
        assert len(lines) == 1
        assert lines[0].startswith(f"~ listener in: certificate {file.path} renewed, expires 20")
        assert file.serial(r.rm.address()) != before
        tcp.exchange(old, b"after")


def test_half_a_certificate_changes_nothing(terminating, renewals):
    r, file = terminating(renewals[0])
    before = file.serial(r.rm.address())
    file.put(renewals[1])
    file.cut()
    assert file.path in r.fails("certs")
    assert file.path in r.fails()
    assert file.serial(r.rm.address()) == before


def test_certs_alone_leave_the_rest(terminating, renewals):
    r, file = terminating(renewals[0])
    r.change("connect_timeout = 10s", "connect_timeout = 11s")
    file.put(renewals[1])
    assert len(r.reload("certs")) == 1
    assert r.reload() == ["~ pool out: connect_timeout 10s -> 11s"]


def test_sessions_are_resumed_after_a_reload(terminating, renewals, pki):
    r, _ = terminating(renewals[0])
    context = tls.client_context(pki)
    with closing(tls.connect(r.rm.address(), context)) as client:
        tcp.exchange(client, b"x")
        session = client.session()
    r.reload()
    with closing(tls.connect(r.rm.address(), context, session=session)) as client:
        tcp.exchange(client, b"x")
        assert client.resumed


# ---- what changes or vanishes meanwhile ----

def test_a_folder_that_vanishes(running, backend, workdir, connect):
    folder = os.path.join(workdir, "more")
    os.mkdir(folder)
    with open(os.path.join(folder, "more.ini"), "w", encoding="utf-8") as to:
        to.write("[listener more]\nbind = 127.0.0.1:0\npool = out\n")
    r = running([backend(servers.echo)], settings={"include": folder})
    client = connect(r.address("more"))
    tcp.exchange(client, b"x")
    shutil.rmtree(folder)
    assert folder in r.fails()
    tcp.exchange(client, b"goes on")
    with tcp.connect(r.address("more")) as other:
        tcp.exchange(other, b"comes in")


def test_a_file_that_changes_while_it_is_read(running, backend, connect):
    """Each time it is one of the two, or half of one, which has to be refused; nobody is served worse for it."""
    r = running([backend(servers.echo)])
    base = r.text + "\n# end\n"
    longer = base + "".join(f"\n[pool p{n}]\nbackend = x 127.0.0.9:9\n" for n in range(200)) + "[pool"
    client, is_over = connect(r.rm.address()), []

    def rewrite():
        while not is_over:
            for text in (longer + " last]\nbackend = x 127.0.0.9:9\n", base):
                r.file.write_text(text, encoding="utf-8")

    writer = tcp.Task(rewrite)
    try:
        codes = {r.ctl.run("reload").returncode for _ in range(30)}
    finally:
        is_over.append(1)
        writer.result()
    assert codes <= {0, 1}
    r.write(base)
    r.reload()
    tcp.exchange(client, b"still there")
    assert r.row("pool", "p1") is None


def test_a_disk_that_is_full(ringmain, backend, workdir):
    """The log finds no room for its lines; reloads and sessions go on without."""
    path = os.path.join(workdir, "control.sock")
    full = ["/bin/sh", "-c", 'exec "$@" 2>/dev/full', "sh"]
    port = free_port()
    rm = ringmain(f"[global]\ncontrol = unix:{path}\n[listener in]\nbind = 127.0.0.1:{port}\npool = out\n"
                  f"[pool out]\nbackend = b1 {backend(servers.echo).text}\n", prefix=full, wait=False)
    wait_until(lambda: os.path.exists(path), "the control socket")
    Ctl(path).say("status")
    rm.fds_at_start = rm.process.fds()
    with tcp.connect(("127.0.0.1", port)) as client:
        tcp.exchange(client, b"x")
        file = rm.dir / "ringmain.ini"
        file.write_text(file.read_text(encoding="utf-8") + "connect_timeout = 3s\n", encoding="utf-8")
        assert Ctl(path).rows("reload")[0]["plan"] == "~ pool out: connect_timeout 1s -> 3s"
        tcp.exchange(client, b"goes on")


@pytest.fixture
def names(workdir):
    """names(...) gives the prefix of a process whose resolver knows these alone, from a file; and the file."""
    proc.need_root()
    unshare = proc.need("unshare", "util-linux")
    hosts, resolver = os.path.join(workdir, "hosts"), os.path.join(workdir, "resolv.conf")
    for file, text in ((hosts, ""), (resolver, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")):
        with open(file, "w", encoding="utf-8") as to:
            to.write(text)
    mounts = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'

    def know(*lines):
        with open(hosts, "w", encoding="utf-8") as to:
            to.writelines(line + "\n" for line in lines)
    return know, [unshare, "--mount", "/bin/sh", "-c", mounts, "sh", hosts, resolver]


@pytest.mark.root
def test_names_without_a_resolver(running, backend, names):
    """A name that was known keeps its address; a new one fails the reload; with the resolver back it is followed."""
    know, prefix = names
    one, two = (backend(servers.name(name), (host, 0))
                for host, name in (("127.0.0.2", b"one"), ("127.0.0.3", b"two")))
    know("127.0.0.2 db.test")
    r = running([f"db.test:{one.address[1]}"], prefix=prefix)
    assert who(r.rm.address()) == "one"
    know()
    r.change("connect_timeout = 10s", "connect_timeout = 11s")
    lines = r.reload()
    assert "~ pool out: connect_timeout 10s -> 11s" in lines
    assert any("warning" in line and "db.test" in line for line in lines), lines
    assert who(r.rm.address()) == "one"
    before = r.text
    r.add("backend = c1 other.test:1\n")
    assert "other.test" in r.fails()
    assert who(r.rm.address()) == "one"
    r.write(before.replace(f"db.test:{one.address[1]}", f"db.test:{two.address[1]}"))
    know("127.0.0.3 db.test")
    r.reload()
    assert who(r.rm.address()) == "two"


# ---- under load ----

class Load:
    """Short connections one after the other, and long transfers: what went wrong with them."""

    def __init__(self, connect, address):
        self.connect = connect
        self.address = address
        self.failed = []
        self.done = 0
        self.is_over = False
        self.threads = []

    def start(self, shorts, longs, size):
        for target, n in ((self.short, shorts), (lambda: self.long(size), longs)):
            self.threads += [threading.Thread(target=self.guard, args=(target,)) for _ in range(n)]
        for thread in self.threads:
            thread.start()

    def guard(self, work):
        while not self.is_over:
            try:
                work()
                self.done += 1
            except Exception as error:      # pylint: disable=broad-except
                self.failed.append(repr(error))
                return

    def short(self):
        with closing(self.connect(self.address)) as client:
            tcp.exchange(client, os.urandom(100))

    def long(self, size):
        """Begins before a reload and ends after many."""
        data = random.randbytes(1 << 14)
        with closing(self.connect(self.address)) as client:
            for _ in range(size):
                tcp.exchange(client, data)
                if self.is_over:
                    break
                time.sleep(0.002)

    def finish(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(30 * SCALE)
        assert not self.failed, self.failed[:5]
        return self.done


def vary(base, step, extra):
    """Another configuration in each step: weights, time-outs, backends and listeners."""
    text = base.replace("connect_total = 20s", f"connect_total = {20 + step % 7}s")
    if step % 2:
        text = text.replace("backend = b2", "backend = c2")
    if step % 3 == 0:
        text += f"backend = b3 {extra.text} weight={1 + step % 5}\n"
    if step % 4 < 2:
        text += "\n[listener more]\nbind = 127.0.0.1:0\npool = out\n"
    return text


def reload_under_load(r, extra, load, steps, each=lambda step: None):
    base = r.text
    for step in range(steps):
        r.write(vary(base, step, extra))
        each(step)
        r.reload()
    r.write(base)
    r.reload()
    done = load.finish()
    wait_until(lambda: r.row("process", None)["sessions"] == 0, "sessions to end")
    return done


@pytest.mark.threads
@pytest.mark.parametrize("workers", [1, 2])
def test_nobody_notices(running, backend, workers):
    extra = backend(servers.echo)
    r = running([backend(servers.echo), backend(servers.echo)], settings={"workers": workers})
    load = Load(tcp.connect, r.rm.address())
    load.start(shorts=4, longs=4, size=400)
    assert reload_under_load(r, extra, load, 20) > 20
    assert not r.rm.lines(level="error")


@pytest.mark.threads
def test_nobody_notices_over_tls(terminating, renewals, pki, backend):
    extra = backend(servers.echo)
    r, file = terminating(renewals[0])
    r.add(f"backend = b2 {extra.text}\n")
    r.reload()
    context = tls.client_context(pki)
    load = Load(lambda address: tls.connect(address, context), r.rm.address())
    load.start(shorts=2, longs=2, size=400)
    assert reload_under_load(r, extra, load, 20, lambda step: file.put(renewals[step % 2])) > 5


def gone(r):
    """Nothing is left of older configurations and their sessions."""
    wait_until(lambda: r.row("process", None)["sessions"] == 0, "sessions to end", timeout=60)
    wait_until(lambda: "older_configurations" not in r.row("process", None),
               "all older configurations to be gone", timeout=60)


def hammer(r, seconds, **options):
    """200 long transfers, and new connections as fast as eight clients can: who is done gives what came of it."""
    address = r.rm.address()
    return [tcp.Task(lambda task=task, more=more: load.measure(task, address, seconds=seconds, **more, **options))
            for task, more in (("pingpong", {"connections": 200, "answer": 65536}),
                               ("exchange", {"connections": 8}))]


@pytest.mark.soak
@pytest.mark.alone
@pytest.mark.parametrize("over_tls", [False, True])
def test_a_hundred_reloads_under_load(running, start, workdir, renewals, pki, over_tls):
    """Not one connection fails, not one byte is wrong, and memory is what it was."""
    serves = [start(load.Serve, workdir, number) for number in range(3)]
    file, keys, options = Certified(workdir, pki), {}, {}
    if over_tls:
        file.put(renewals[0])
        keys, options = {"tls": "terminate", "certificate": file.path}, {"tls": "1.3"}
    r = running(serves[:2], listener=keys)
    base = r.text
    for task in hammer(r, 3, **options):
        task.result(90)
    gone(r)
    before_kb = r.rm.process.rss_kb()
    tasks = hammer(r, 40, **options)
    for step in range(100):
        r.write(vary(base, step, serves[2]))
        if over_tls:
            file.put(renewals[step % 2])
        r.reload()
    assert not any(task.is_done() for task in tasks)
    r.write(base)
    r.reload()
    seen = [task.result(90) for task in tasks]
    assert [one["failures"] for one in seen] == [0, 0], seen
    gone(r)
    after_kb = r.rm.process.rss_kb()
    print(f"{seen[1]['exchanges'] / seen[1]['seconds']:.0f} connections/s, {before_kb} kB -> {after_kb} kB")
    assert after_kb < before_kb + 4096
    assert not r.rm.lines(level="error")


@pytest.mark.soak
@pytest.mark.alone
def test_a_thousand_reloads_and_one_long_session(running, backend, connect):
    extra = backend(servers.echo)
    r = running([backend(servers.echo), backend(servers.echo)])
    client = connect(r.rm.address())
    tcp.exchange(client, b"x")
    base, sizes = r.text, []
    for step in range(1000):
        r.write(vary(base, step, extra))
        r.reload()
        if step % 200 == 199:
            wait_until(lambda: r.row("process", None)["older_configurations"] == 1, "the others to be gone")
            sizes.append(r.rm.process.rss_kb())
    print(sizes)
    assert sizes[-1] < sizes[0] + 1024
    tcp.exchange(client, b"still there")


class Pings:
    """Round trips of one session, one after the other: the longest since it was asked for last."""

    def __init__(self, sock):
        self.sock = sock
        self.worst = 0
        self.n = 0
        self.is_over = False
        self.task = tcp.Task(self.run)

    def run(self):
        while not self.is_over:
            began = time.monotonic()
            tcp.exchange(self.sock, b"ping")
            self.worst = max(self.worst, time.monotonic() - began)
            self.n += 1

    def take(self):
        worst, self.worst = self.worst, 0
        return worst


def thousand(step):
    """All of them change in every step, and a hundred come and go."""
    return "".join(f"backend = x{n + 100 * (step % 2)} 127.0.{1 + n // 250}.{1 + n % 250}:9 weight=0 "
                   f"max_sessions={1 + step}\n" for n in range(1000))


@pytest.mark.alone
@pytest.mark.parametrize("workers", [1, 2])
def test_a_thousand_backends_stall_nobody(running, backend, connect, workers):
    """50 ms at the most; of some tries the best, for the machine may be busy."""
    r = running([backend(servers.echo)], settings={"workers": workers})
    base = r.text
    client = connect(r.rm.address())
    tcp.exchange(client, b"x")
    pings, worst = Pings(client), []
    try:
        for step in range(6):
            r.write(base + thousand(step))
            pings.take()
            n = pings.n
            r.reload()
            wait_until(lambda n=n: pings.n > n + 20, "more pings")
            worst.append(pings.take())
            if min(worst) < 0.05 and step > 1:
                break
    finally:
        pings.is_over = True
    pings.task.result(10)
    took = [row["took_ms"] for row in r.ctl.rows("history") if row["row"] == "reload"]
    print([f"{1000 * one:.1f}" for one in worst], took)
    assert min(worst) < 0.05


def test_many_reloads_and_one_long_session(running, backend, connect):
    """What older configurations had is given back, also while one of them is held."""
    r = running([backend(servers.echo), backend(servers.echo)])
    client = connect(r.rm.address())
    tcp.exchange(client, b"x")
    base = r.text
    for step in range(60):
        r.write(vary(base, step, backend(servers.echo)) if step % 2 else base)
        r.reload()
    tcp.exchange(client, b"still there")
    wait_until(lambda: r.row("process", None)["older_configurations"] == 1,
               "all but one of the older configurations to be gone")
    client.close()
    wait_until(lambda: "older_configurations" not in r.row("process", None),
               "all older configurations to be gone")
