# SPDX-License-Identifier: GPL-2.0-or-later
"""Mistakes of an operator, through the program: each is named with its place, and nothing starts."""

import contextlib
import os
import pathlib
import re
import socket

import pytest

from kit import backend as kit_backend
from kit import proc, tcp
from kit.ports import free_port
from kit.ringmain import BINARY

pytestmark = pytest.mark.haproxy_cannot("reads another language")

LISTENER = "[listener in]\nbind = 127.0.0.1:5432\npool = out\n"
POOL = "[pool out]\nbackend = one 127.0.0.1:9\n"
GOOD = LISTENER + POOL

TOP = pathlib.Path(__file__).resolve().parents[2]

# What is written, where the mistake is (line:column), and words of the message.
MISTAKES = {
    "unknown section": ("[listner in]\nbind = :1\npool = out\n" + POOL, "1:2", "did you mean 'listener'?"),
    "unknown key": (LISTENER + "idle_timout = 5s\n" + POOL, "4:1", "did you mean 'idle_timeout'?"),
    "unknown value": (LISTENER + "relay = splyce\n" + POOL, "4:9", "(auto, copy, splice)"),
    "unknown pool": ("[listener in]\nbind = :1\npool = uot\n" + POOL, "3:8", "[pool uot]"),
    "pool without backends": (LISTENER + "[pool out]\n", "4:2", "backend"),
    "listener without bind": ("[listener in]\npool = out\n" + POOL, "1:2", "bind"),
    "key given twice": (LISTENER + "pool = out\n" + POOL, "4:1", "ringmain.ini:3"),
    "section given twice": (GOOD + LISTENER.replace("5432", "5433"), "6:2", "ringmain.ini:1"),
    "backend given twice": (GOOD + "backend = one 127.0.0.1:10\n", "6:11", "ringmain.ini:5"),
    "address bound twice": (GOOD.replace("pool = out", "bind = 127.0.0.1:5432\npool = out", 1), "3:8", "ringmain.ini:2"),
    "port out of range": (GOOD.replace("5432", "65536"), "2:8", "1-65535"),
    "number out of range": (LISTENER + "backlog = 0\n" + POOL, "4:11", "1..65535"),
    "no unit": (LISTENER + "idle_timeout = 5\n" + POOL, "4:16", "did you mean '5s'?"),
    "duration out of range": (LISTENER + "idle_timeout = 1ms\n" + POOL, "4:16", "10ms"),
    "unknown option of a backend": (LISTENER + "[pool out]\nbackend = one 127.0.0.1:9 wait=1\n", "5:27", "weight="),
    "host without address": (LISTENER + "[pool out]\nbackend = one host.invalid:9\n", "5:15", "host.invalid"),
    "key before any section": ("workers = 1\n" + GOOD, "1:1", "section"),
    "no equals sign": ("[listener in]\nbind 127.0.0.1:1\npool = out\n" + POOL, "2:1", "key = value"),
    "section without an end": ("[listener in\nbind = :1\npool = out\n" + POOL, "1:13", "']'"),
    "NUL byte": (LISTENER + "x\0y = 1\n" + POOL, "4:2", "NUL"),
    "line too long": (LISTENER + f"relay = {'x' * 5000}\n" + POOL, "4:4097", "too long"),
    "no backend in range": (GOOD.replace(":9", ":0"), "5:15", "port"),
}


def place(done, rm, where):
    """Is there an error at this line and column?"""
    return f"{rm.dir}/ringmain.ini:{where}: error: " in done.stderr


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(make_ringmain, name):
    text, where, words = MISTAKES[name]
    rm = make_ringmain()
    done = rm.check(text, "-t")
    assert done.returncode == 1
    assert done.stdout == ""
    assert place(done, rm, where), done.stderr
    assert words in done.stderr, done.stderr
    assert "^" in done.stderr
    assert rm.check(text).returncode == 1, "starts all the same"


def test_good_is_silent(make_ringmain):
    done = make_ringmain().check(GOOD + "check = none\n", "-t")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_pool_without_check_is_named(make_ringmain):
    text = GOOD + LISTENER.replace(" in]", " two]").replace("out", "checked").replace("5432", "5433") + "[pool checked]\nbackend = one 127.0.0.1:9\ncheck = tcp\n"
    done = make_ringmain().check(text, "-t")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[pool out] no check: ") and done.stdout.count("\n") == 1


def test_all_mistakes_of_all_files_in_one_run(make_ringmain):
    rm = make_ringmain()
    done = rm.check({"10-in.ini": LISTENER + "relay = splyce\nbacklog = many\n",
                     "20-out.ini": "[pool out]\nbackend = one 127.0.0.1\nblance = x\n",
                     "30-in.ini": LISTENER,
                     "not-read.txt": "nonsense"}, "-t")
    assert done.returncode == 1
    for place_ in ("10-in.ini:4:9:", "10-in.ini:5:11:", "20-out.ini:2:15:", "20-out.ini:3:1:",
                   "30-in.ini:1:2:"):
        assert f"{rm.dir}/conf.d/{place_} error: " in done.stderr, done.stderr
    assert "nonsense" not in done.stderr


def test_a_file_for_each_listener(ringmain, backend, connect):
    """A directory: sections may stand in any file."""
    server = backend(kit_backend.echo)
    rm = ringmain({"b.ini": "[listener one]\nbind = 127.0.0.1:0\npool = p\n",
                   "c.ini": "[listener two]\nbind = 127.0.0.1:0\npool = p\n",
                   "a.ini": f"[pool p]\nbackend = x {server.text}\n"})
    for name in ("one", "two"):
        tcp.exchange(connect(rm.address(name)), b"hello")


@pytest.mark.parametrize("what,words", (
    ("missing", "No such file"), ("directory in a directory", "Is a directory"),
    ("empty file", "no section"), ("empty directory", "*.ini"), ("binary", "NUL"),
    ("unreadable", "Permission denied"),
))
def test_files_that_are_none(workdir, what, words):
    path = f"{workdir}/it"
    user = None
    if what == "directory in a directory":
        proc.run(["mkdir", "-p", f"{path}/x.ini"])
    elif what == "empty directory":
        proc.run(["mkdir", path])
    elif what != "missing":
        with open(path, "wb") as file:
            file.write({"binary": b"[listener \0in]\n", "unreadable": GOOD.encode()}.get(what, b""))
    if what == "unreadable":
        proc.run(["chmod", "0", path])
        user = proc.unprivileged_user()
    binary = proc.for_everybody(BINARY, workdir)
    done = proc.run([binary, "-t", "-c", path], check=False, user=user)
    assert done.returncode == 1
    assert path in done.stderr and "error: " in done.stderr and words in done.stderr, done.stderr


def strange_file(path, kind):
    """What is there is no regular file; gives what keeps it there."""
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "device":
        os.symlink("/dev/zero", path)
    else:
        held = socket.socket(socket.AF_UNIX)
        held.bind(str(path))
        return held
    return contextlib.nullcontext()


@pytest.mark.parametrize("kind", ("FIFO", "device", "socket"))
def test_a_file_of_a_directory_is_a_regular_one(make_ringmain, kind):
    """Opening a FIFO would wait for somebody to write to it."""
    rm = make_ringmain()
    rm.check({"a.ini": GOOD}, "-t")
    with strange_file(rm.dir / "conf.d" / "x.ini", kind):
        done = proc.run([BINARY, "-t", "-c", str(rm.dir / "conf.d")], check=False)
    assert done.returncode == 1
    assert f"x.ini: error: cannot be read: it is a {kind}, not a regular file\n" in done.stderr


FILES = {
    "certificate": "[listener in]\nbind = :0\npool = out\ntls = terminate\ncertificate = {0}\n" + POOL,
    "key": "[listener in]\nbind = :0\npool = out\ntls = terminate\ncertificate = {1} key={0}\n" + POOL,
    "client_ca": "[listener in]\nbind = :0\npool = out\ntls = terminate\ncertificate = {1}\n"
                 "client_verify = require\nclient_ca = {0}\n" + POOL,
    "tls_ca": LISTENER + POOL + "tls = yes\ntls_ca = {0}\n",
    "tls_certificate": LISTENER + POOL + "tls = yes\ntls_verify = no\ntls_certificate = {0}\n",
    "ticket_keys": "[listener in]\nbind = :0\npool = out\ntls = terminate\ncertificate = {1}\n" + POOL +
                   "[global]\nticket_keys = {0}\n",
}


@pytest.mark.parametrize("kind", ("FIFO", "socket"))
@pytest.mark.parametrize("what", FILES)
def test_a_named_file_is_a_regular_one(make_ringmain, workdir, pki, what, kind):
    path = f"{workdir}/strange"
    with strange_file(path, kind):
        done = make_ringmain().check(FILES[what].format(path, pki["ecdsa.pem"]), "-t")
    assert done.returncode == 1
    assert f"{path}: cannot be read: it is a {kind}, not a regular file\n" in done.stderr


def test_the_configuration_may_come_through_a_pipe():
    done = proc.run([BINARY, "-t", "-c", "/dev/stdin"], check=False, input=GOOD)
    assert (done.returncode, done.stderr) == (0, "")


def test_port_in_use(make_ringmain):
    """Found when it starts; the log line names listener, address and place."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        rm = make_ringmain()
        rm.expected_exit = 1
        rm.start(GOOD.replace("5432", str(taken.getsockname()[1])), wait=False)
        assert rm.process.wait() == 1
    line = rm.lines(level="error")[0]
    assert line["listener"] == "in" and line["error"] == "EADDRINUSE"
    assert line["file"].endswith("ringmain.ini") and line["line"] == "2"
    assert not rm.lines(msg="ready")


def test_second_ringmain_does_not_steal_the_port(ringmain, make_ringmain, backend, connect):
    """SO_REUSEPORT must not let two of them share an address by mistake."""
    server = backend(kit_backend.echo)
    config = GOOD.replace("5432", str(free_port())).replace("127.0.0.1:9", server.text)
    first = ringmain(config)
    second = make_ringmain()
    second.expected_exit = 1
    second.start(config, wait=False)
    assert second.process.wait() == 1
    assert second.lines(level="error")[0]["error"] == "EADDRINUSE"
    for _ in range(10):
        tcp.exchange(connect(first.address()), b"x")


def test_port_ranges(ringmain, backend, connect):
    server = backend(kit_backend.echo)
    first = free_port_run(3)
    rm = ringmain([server], binds=[f"127.0.0.1:{first}-{first + 2}"])
    assert [address[1] for address in rm.addresses()] == [first, first + 1, first + 2]
    for address in rm.addresses():
        tcp.exchange(connect(address), b"x")


def free_port_run(count):
    """Gives the first of so many free ports in a row."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + count):
                with socket.socket() as sock:
                    sock.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue


def test_dump_is_a_configuration_that_dumps_the_same(make_ringmain):
    rm = make_ringmain()
    text = GOOD + "backend = two 127.0.0.1:10 weight=3 max_sessions=7\nconnect_timeout = 250ms\n"
    once = rm.check(text, "--dump")
    assert once.returncode == 0
    assert "weight=3" in once.stdout and "250ms" in once.stdout and "idle_timeout = 1h" in once.stdout
    twice = rm.check(once.stdout, "--dump")
    assert twice.stdout == once.stdout, twice.stderr
    assert rm.check(once.stdout, "-t").returncode == 0


def test_comments_blanks_and_indents(make_ringmain):
    text = ("\ufeff; a comment\n# another\n\n  [listener in]   ; here too\n\tbind=127.0.0.1:5432\n"
            "   pool   =   out   ; the pool\n\n[pool out]\nbackend = one 127.0.0.1:9\r\n")
    done = make_ringmain().check(text, "-t")
    assert (done.returncode, done.stderr) == (0, "")


def cpu_seconds(pid):
    """What a process has used; a busy machine does not make it more."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_thousand_backends_and_two_hundred_listeners_load_in_a_second(make_ringmain):
    balancers = ("roundrobin", "leastconn", "random", "maglev", "first")
    text = "[global]\nworkers = 4\n"
    text += "".join(f"[listener l{i}]\nbind = 127.0.0.1:0\npool = p{i // 2}\n" for i in range(200))
    for i in range(100):
        text += f"[pool p{i}]\nbalance = {balancers[i % 5]}\n"
        text += "".join(f"backend = b{k} 127.0.{i}.{k}:9\n" for k in range(1, 11))
    rm = make_ringmain()
    before = os.times()
    assert rm.check(text, "-t").returncode == 0
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1
    rm.start(text)
    assert cpu_seconds(rm.process.pid) < 1
    assert len(rm.lines(msg="listening")) == 200


@pytest.mark.parametrize("args,code,words", (
    (["-V"], 0, "ringmain "), (["-h"], 0, "Usage:"), (["--help"], 0, "drain_timeout"),
    (["--help-config"], 0, "idle_timeout"), (["--nonsense"], 1, ""), (["extra"], 1, "extra"),
    (["-c"], 1, ""),
))
def test_command_line(args, code, words):
    done = proc.run([str(BINARY), *args], check=False)
    assert done.returncode == code
    assert words in done.stdout + done.stderr
    assert (done.stdout == "") == (code != 0)


def test_the_readme_shows_configurations_that_are_good(make_ringmain, pki):
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"```ini\n(.*?)```", readme, re.S)
    assert len(shown) == 2
    for text in shown:
        done = make_ringmain().check(text.replace("/etc/ringmain/tls/db.pem", str(pki["ecdsa.pem"])), "-t")
        assert (done.returncode, done.stderr) == (0, "")
