# SPDX-License-Identifier: GPL-2.0-or-later
"""Reloads while files change or vanish, the disk is full, or the resolver is away."""

import os
import re
import shutil
import socket

import pytest

from kit import backend as servers
from kit import proc, tcp
from kit.control import Ctl
from kit.ports import free_port, reserved_port
from kit.reload import who
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("starts another process")


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
    """It is refused, unless the writer is kept from writing for a while; nobody is served worse for it."""
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
        codes = {r.ctl.run("reload").returncode for _ in range(5)}
    finally:
        is_over.append(1)
        writer.result()
    assert codes <= {0, 1}
    r.write(base)
    r.reload()
    tcp.exchange(client, b"still there")
    wait_until(lambda: r.row("pool", "p1") is None, "the pools of the other one to be gone")


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


@pytest.mark.root
def test_certificates_do_not_wait_for_a_resolver(running, backend, names, workdir, cleanup):
    """A reload that waits for a name is told at once, and what to do."""
    _, prefix = names
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    cleanup.append(silent.close)
    silent.bind(("127.0.0.253", 53))
    r = running([backend(servers.echo)], prefix=prefix)
    with open(os.path.join(workdir, "resolv.conf"), "w", encoding="utf-8") as to:
        to.write("nameserver 127.0.0.253\noptions timeout:7 attempts:1\n")
    r.add("backend = c1 nobody.test:1\n")
    slow = tcp.Task(lambda: r.ctl.run("reload", timeout=120))
    silent.settimeout(60)
    assert b"nobody" in silent.recv(500)
    waiting = r.ctl.run("reload", "certs")
    assert waiting.returncode == 1 and "waits for names" in waiting.stdout + waiting.stderr, waiting
    at_once = r.ctl.run("reload", "certs")
    assert at_once.returncode == 1 and "waits for names" in at_once.stderr, at_once
    assert not [row for row in r.ctl.rows("history") if row["row"] == "reload"]      # it waits still
    assert slow.result(120).returncode == 1
    assert r.reload("certs") == ["nothing differs from what is in force"]


@pytest.mark.parametrize("what", ("bind", "control", "status"))
def test_an_address_that_cannot_be_had_has_its_line(running, backend, workdir, what):
    """As other mistakes do: file, line, column, and what stands there."""
    r = running([backend(servers.echo)])
    taken = servers.Manual()
    try:
        if what == "bind":
            r.add(f"\n[listener more]\nbind = {taken.text}\npool = out\n")
        elif what == "control":
            r.change(f"unix:{workdir}/control.sock", f"unix:{workdir}/none/control.sock")
        else:
            r.change("[global]\n", f"[global]\nstatus = {taken.text}\n")
        said = r.fails()
    finally:
        taken.close()
    number, line = next((n, line) for n, line in enumerate(r.text.splitlines(), 1)
                        if line.startswith(f"{what} = ") and ("none" in line or taken.text in line))
    column = len(what) + 4
    assert f"ringmain.ini:{number}:{column}: error: [" in said
    assert re.search(rf"^ +{number} \| {re.escape(line)}$", said, re.M), said
    assert re.search(r"^ +\| +\^~", said, re.M), said


def test_who_waits_in_a_pool_that_left_has_its_time(running, backend, connect):
    """Its backends have no session that could be drained."""
    gone, port = reserved_port()
    r = running([f"127.0.0.1:{port}"], pool={"hold": "1h", "drain_timeout": "500ms", "check": "tcp",
                                             "check_interval": "100ms", "check_fall": 1})
    wait_until(lambda: r.ctl.backend("b1")["state"] == "down", "the backend to be down")
    connect(r.rm.address())
    wait_until(lambda: r.row("pool", "out").get("held") == 1, "the client to be held")
    r.write(r.text.replace("pool = out", "pool = other").replace("[pool out]", "[pool other]"))
    lines = r.reload()
    assert re.fullmatch(r"  pool out, waiting: 1 session drains until \d\d:\d\d:\d\d UTC", lines[-1]), lines
    assert r.rm.wait_sessions(1)[0]["reason"] == "drain_timeout"
    gone.close()
