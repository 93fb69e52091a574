# SPDX-License-Identifier: GPL-2.0-or-later
"""Where it listens: files of unix sockets, precise addresses beside wildcards, addresses that are elsewhere."""

import grp
import os
import pwd
import signal
import socket
import stat

import pytest

from kit import backend as kit_backend
from kit import netns, proc, tcp
from kit.ports import free_port
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("its own words and files")


def config(binds, server, **listener):
    """A listener for each list of binds, l0, l1, ..., each with a backend of its own."""
    text = ""
    for number, (lines, address) in enumerate(zip(binds, server)):
        text += f"[listener l{number}]\n" + "".join(f"bind = {line}\n" for line in lines)
        text += "".join(f"{key} = {value}\n" for key, value in listener.items())
        text += f"pool = p{number}\n[pool p{number}]\nbackend = b {address}\n"
    return text


# Unix sockets

def inode(path):
    return os.stat(path).st_ino


def test_a_draining_process_leaves_its_successors_socket_alone(make_ringmain, backend, connect, workdir):
    path = f"{workdir}/front.sock"
    server = backend(kit_backend.echo)
    first, second = make_ringmain(), make_ringmain()
    text = config([[f"unix:{path}"]], [server.text])
    first.start(text)
    kept = connect(path)
    tcp.exchange(kept, b"before")
    first.process.send_signal(signal.SIGTERM)
    first.wait_line(msg="draining")
    wait_until(lambda: not os.path.exists(path), "the drained socket's file to be gone")
    second.start(text)
    successor = inode(path)
    tcp.exchange(kept, b"while the first is draining")
    kept.close()
    assert first.process.wait() == 0
    assert inode(path) == successor
    tcp.exchange(connect(path), b"the second")


def test_a_socket_that_another_has_put_in_its_place_stays(make_ringmain, backend, workdir):
    """The file was taken away by hand, and somebody else listens there now."""
    path = f"{workdir}/front.sock"
    rm = make_ringmain()
    rm.start(config([[f"unix:{path}"]], [backend(kit_backend.echo).text]))
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        rm.stop()
        assert os.path.exists(path)


def test_a_socket_in_use_is_told_without_a_connection(make_ringmain, workdir):
    """Another server that is busy: its backlog is small, and it accepts nothing."""
    path = f"{workdir}/busy.sock"
    rm = make_ringmain()
    rm.expected_exit = 1
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen(2)
        rm.start(config([[f"unix:{path}"]], ["127.0.0.1:1"]), wait=False)
        assert rm.process.wait(20) == 1
        assert rm.lines(level="error")[0]["error"] == "EADDRINUSE"
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_the_socket_of_a_killed_process_is_replaced(make_ringmain, backend, connect, workdir):
    path = f"{workdir}/front.sock"
    text = config([[f"unix:{path}"]], [backend(kit_backend.echo).text])
    rm = make_ringmain()
    rm.start(text)
    rm.process.send_signal(signal.SIGKILL)
    rm.process.wait()
    assert os.path.exists(path)
    rm.start(text)
    tcp.exchange(connect(path), b"x")


def test_mode_owner_and_group(make_ringmain, backend, connect, workdir):
    path = f"{workdir}/front.sock"
    owner, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    if os.geteuid() == 0:
        owner, group = "nobody", str(pwd.getpwnam("nobody").pw_gid)
    rm = make_ringmain()
    before = os.umask(0o077)
    try:
        rm.start(config([[f"unix:{path} mode=0660 owner={owner} group={group}"]],
                        [backend(kit_backend.echo).text]))
    finally:
        os.umask(before)
    st = os.stat(path)
    assert stat.S_IMODE(st.st_mode) == 0o660
    assert pwd.getpwuid(st.st_uid).pw_name == owner
    assert group in (str(st.st_gid), grp.getgrgid(st.st_gid).gr_name)
    tcp.exchange(connect(path), b"x")


@pytest.mark.parametrize("options,where,words", (
    ("mode=0660 owner=no-such-user", "2:34", "no user 'no-such-user'"),
    ("group=no-such-group", "2:24", "no group 'no-such-group'"),
    ("mode=rw", "2:23", "not a mode in octal"), ("mode=0999", "2:23", "not a mode in octal"),
    ("mode=0", "2:23", "out of range"), ("mod=0660", "2:18", "did you mean 'mode'?"),
    ("freebind", "2:8", "freebind is for IP addresses"),
))
def test_mistakes_in_options_of_a_bind(make_ringmain, options, where, words):
    rm = make_ringmain()
    done = rm.check(config([[f"/x/y.sock {options}"]], ["127.0.0.1:1"]), "-t")
    assert done.returncode == 1
    assert f"ringmain.ini:{where}: error: " in done.stderr and words in done.stderr, done.stderr


def test_only_a_path_has_a_mode(make_ringmain):
    for bind in ("127.0.0.1:80", "unix:@name"):
        done = make_ringmain().check(config([[f"{bind} mode=0660"]], ["127.0.0.1:1"]), "-t")
        assert done.returncode == 1 and "unix sockets that have a path" in done.stderr


def test_options_of_a_bind_are_dumped(make_ringmain):
    binds = ["unix:/run/x.sock mode=0660 owner=0 group=0", "192.0.2.1:80 freebind", ":81"]
    rm = make_ringmain()
    once = rm.check(config([binds], ["127.0.0.1:1"]), "--dump").stdout
    assert "bind = unix:/run/x.sock mode=0660 owner=0 group=0\n" in once
    assert "bind = 192.0.2.1:80 freebind\nbind = *:81\n" in once
    assert rm.check(once, "--dump").stdout == once


# A precise address beside a wildcard

def speak(name):
    """A server that says its name."""
    return lambda peer: peer.sock.sendall(name)


@pytest.mark.parametrize("workers", (1, 4))
@pytest.mark.parametrize("order", ("precise first", "wildcard first"))
@pytest.mark.parametrize("wildcard,precise,others", (
    ("0.0.0.0", "127.0.0.2", "127.0.0.1"), ("*", "127.0.0.2", "127.0.0.1"), ("", "[::1]", "127.0.0.1"),
    ("[::]", "[::1]", None), ("*", "[::1]", "127.0.0.1"),
))
def test_a_precise_address_wins_over_a_wildcard(ringmain, backend, connect, wildcard, precise, others,
                                                order, workers):
    port = free_port()
    servers = {name: backend(speak(name)) for name in (b"wide", b"tiny")}
    lists = [([f"{wildcard}:{port}"], servers[b"wide"].text), ([f"{precise}:{port}"], servers[b"tiny"].text)]
    if order == "precise first":
        lists.reverse()
    text = config(*zip(*lists)) + f"[global]\nworkers = {workers}\n"
    rm = ringmain(text)
    for _ in range(8):
        tcp.expect(connect((precise.strip("[]"), port)), b"tiny")
        if others:
            tcp.expect(connect((others, port)), b"wide")
    addresses = [line["addr"] for line in rm.lines(msg="listening")]
    assert (f"{precise}:{port}" == addresses[0]) == (order == "precise first"), addresses


def test_a_precise_address_within_a_range_of_a_wildcard(ringmain, backend, connect):
    port = free_port()
    servers = {name: backend(speak(name)) for name in (b"wide", b"tiny")}
    ringmain(config([[f"127.0.0.1:{port}"], [f"0.0.0.0:{port}-{port}"]],
                    [servers[b"tiny"].text, servers[b"wide"].text]))
    tcp.expect(connect(("127.0.0.1", port)), b"tiny")
    tcp.expect(connect(("127.0.0.3", port)), b"wide")


def test_beside_a_wildcard_a_second_ringmain_is_refused_all_the_same(ringmain, make_ringmain, backend):
    port = free_port()
    text = config([[f":{port}"], [f"127.0.0.1:{port}"]], [backend(kit_backend.echo).text] * 2)
    ringmain(text)
    for bind in (f":{port}", f"127.0.0.1:{port}", f"127.0.0.9:{port}"):
        second = make_ringmain()
        second.expected_exit = 1
        second.start(config([[bind]], ["127.0.0.1:1"]), wait=False)
        assert second.process.wait(20) == 1
        assert second.lines(level="error")[0]["error"] == "EADDRINUSE"


# Addresses that are elsewhere

def test_an_address_that_is_elsewhere_names_the_cure(make_ringmain):
    for address, sysctl in (("192.0.2.1", "net.ipv4.ip_nonlocal_bind"),
                            ("[2001:db8::1]", "net.ipv6.ip_nonlocal_bind")):
        rm = make_ringmain()
        rm.expected_exit = 1
        rm.start(config([[f"{address}:80"]], ["127.0.0.1:1"]), wait=False)
        assert rm.process.wait(20) == 1
        line = rm.lines(level="error")[0]
        assert line["error"] == "EADDRNOTAVAIL"
        assert all(word in line["hint"] for word in (sysctl, "freebind", "bind = :PORT")), line


@pytest.mark.root
@pytest.mark.parametrize("address", ("192.0.2.1", "2001:db8::1"))
def test_an_address_that_comes_later(start, workdir, make_ringmain, address):
    """A VRRP address on the standby: bound while it is elsewhere, served once it is here."""
    space = start(netns.Netns, workdir)
    server = space.inside(lambda: start(kit_backend.Backend, kit_backend.echo))
    text = f"[{address}]" if ":" in address else address
    rm = make_ringmain()
    rm.start(config([[f"{text}:8080 freebind"]], [server.text]), prefix=space.prefix)
    with pytest.raises(OSError):
        space.inside(tcp.connect, (address, 8080))
    space.run(proc.need("ip", "iproute2"), "address", "add", f"{address}/{128 if ':' in address else 32}",
              "dev", "lo", *(("nodad",) if ":" in address else ()))

    def connected():
        try:
            return space.inside(tcp.connect, (address, 8080))
        except OSError:     # the kernel's route to it may come a moment later
            return None

    with wait_until(connected, "the address") as client:
        tcp.exchange(client, b"it is here now")


@pytest.mark.parametrize("text,where", (
    ("[listener l]\nbind = [fe80::1]:80\npool = p\n[pool p]\nbackend = b 127.0.0.1:1\n", "2:8"),
    ("[listener l]\nbind = :0\npool = p\n[pool p]\nbackend = b [fe80::1]:1\n", "5:13"),
    ("[listener l]\nbind = :0\npool = p\n[pool p]\nsource = fe80::1\nbackend = b [2001:db8::1]:1\n", "5:10"),
))
def test_a_link_local_address_needs_its_interface(make_ringmain, text, where):
    rm = make_ringmain()
    done = rm.check(text, "-t")
    assert done.returncode == 1
    assert f"ringmain.ini:{where}: error: " in done.stderr and "fe80::1%eth0" in done.stderr, done.stderr
    assert done.stderr.count("error: ") == 1, done.stderr
    done = rm.check(text.replace("fe80::1", "fe80::1%lo"), "-t")
    assert "error: " not in done.stderr, done.stderr
