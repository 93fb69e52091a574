# SPDX-License-Identifier: GPL-2.0-or-later
"""Another configuration for a process that runs, without a client noticing."""

import os
import pathlib
import re
import signal
import urllib.request
from contextlib import closing

import pytest

from kit import backend as servers
from kit import tcp, tls
from kit.control import Ctl
from kit.ports import free_port
from kit.reload import named, who
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("starts another process")


# ---- what changes ----

def test_a_signal_reloads_too(running, backend):
    r = running([backend(servers.echo)])
    r.change("connect_timeout = 10s", "connect_timeout = 11s")
    r.rm.process.send_signal(signal.SIGHUP)
    line = r.rm.wait_line(msg="reload", outcome="done")
    assert line["by"] == "SIGHUP"
    r.rm.wait_line(msg="reload", plan="~ pool out: connect_timeout 10s -> 11s")


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


def sticking(backend, running, **pool):
    return running([named(backend, str(n)) for n in range(4)],
                   pool={"balance": "roundrobin", "stick": "source", **pool})


def visited(r):
    return {who(r.rm.address()) for _ in range(12)}


def test_nobody_sticks_once_it_is_off(running, backend):
    r = sticking(backend, running)
    assert len(visited(r)) == 1
    r.change("stick = source", "stick = off")
    assert r.reload() == ["~ pool out: stick source -> off"]
    assert len(visited(r)) == 4
    r.change("stick = off", "stick = source/24")
    assert r.reload() == ["~ pool out: stick off -> source/24"]
    assert len(visited(r)) == 1


def test_another_table_of_those_who_stick_forgets_nobody(running, backend):
    r = sticking(backend, running, stick_table="100")
    first = visited(r)
    for before, after in (("100", "200"), ("200", "50")):
        r.change(f"stick_table = {before}", f"stick_table = {after}")
        assert r.reload() == [f"~ pool out: stick_table {before} -> {after}"]
        assert visited(r) == first


def refused(address, source):
    """Is one more from there?"""
    try:
        with tcp.connect(address, source=(source, 0)) as client:
            client.sendall(b"x")
            return client.recv(1) == b""
    except ConnectionError:
        return True


def test_what_makes_a_source_changes_at_once(running, backend, connect):
    """Sessions are counted in the new table, and those of before go on, and leave the old one."""
    r = running([backend(servers.echo)],
                listener={"max_sessions_per_source": "2", "source_table": "100"})
    clients = [connect(r.rm.address(), source=(f"127.0.0.{n}", 0)) for n in (1, 1, 2)]
    for client in clients:
        tcp.exchange(client, b"before")
    assert refused(r.rm.address(), "127.0.0.1")
    r.change("source_table = 100", "source_table = 50")
    assert r.reload() == ["~ listener in: source_table 100 -> 50"]
    assert refused(r.rm.address(), "127.0.0.1")
    r.change("max_sessions_per_source = 2", "max_sessions_per_source = 2\nsource_prefix4 = 24")
    assert r.reload() == ["~ listener in: source_prefix4 32 -> 24"]
    more = [connect(r.rm.address(), source=(f"127.0.0.{n}", 0)) for n in (1, 2)]
    for client in clients + more:
        tcp.exchange(client, b"after")
    assert refused(r.rm.address(), "127.0.0.3")
    for client in clients + more:
        client.close()
    wait_until(lambda: not refused(r.rm.address(), "127.0.0.3"), "the source to have room")


def test_addresses_in_a_file_are_read_again(running, backend, workdir):
    """A good list is in force at once; of a bad one it is said where, and the old one stays."""
    offices = pathlib.Path(workdir) / "office.list"
    offices.write_text("127.0.0.1 ; here\n", encoding="ascii")
    live = running([named(backend, "a")], listener={"allow": f"file:{offices}"})
    assert who(live.address("in")) == "a"
    offices.write_text("192.0.2.0/24\n10.0.0.300\n", encoding="ascii")
    assert f"{offices}:2:1: error: [listener in] allow: '10.0.0.300': " in live.fails()
    assert who(live.address("in")) == "a"
    offices.write_text("192.0.2.0/24\n", encoding="ascii")
    assert live.reload() == ["+ listener in: allow 192.0.2.0/24", "- listener in: allow 127.0.0.1"]
    assert tcp.knock(live.address("in")).how == "RST"
    live.settle()


def test_what_takes_a_restart_is_said(running, backend):
    r = running([backend(servers.echo)])
    r.change("workers = 2", "workers = 3")
    assert r.reload() == ["! workers 2 -> 3: takes effect at the next start"]
    assert r.plan() == ["! workers 2 -> 3: takes effect at the next start"]
    assert r.row("process", None)["wants_restart"] == "workers 2 -> 3"
    assert next(r["workers"] for r in r.ctl.rows("status") if r["row"] == "process") == 2


@pytest.mark.parametrize("full", ("backend", "listener"))
def test_who_waits_gets_the_room_that_a_reload_makes(running, backend, connect, full):
    address = backend(servers.echo).text
    r = running([f"{address} max_sessions=1" if full == "backend" else address],
                listener={"max_sessions": "1"} if full == "listener" else {},
                pool={"queue": "10"} if full == "backend" else {})
    first = connect(r.rm.address())
    tcp.exchange(first, b"x")
    second = connect(r.rm.address())
    second.sendall(b"waits")
    if full == "backend":
        wait_until(lambda: r.row("pool", "out")["queued"] == 1, "the second one to wait")
        r.change("max_sessions=1", "max_sessions=2")
        assert r.reload() == ["~ pool out: backend b1 max_sessions 1 -> 2"]
    else:
        r.change("max_sessions = 1", "max_sessions = 2")
        assert r.reload() == ["~ listener in: max_sessions 1 -> 2"]
    assert tcp.recv_exactly(second, 5) == b"waits"
    tcp.exchange(first, b"y")


def test_the_operators_override_outlives_a_reload(running, backend):
    r = running([named(backend, "one"), named(backend, "two")])
    r.ctl.say("backend", "out/b1", "drain")
    line = next(line for line in r.text.splitlines() if line.startswith("backend = b1"))
    r.change(line, "")
    r.reload()
    r.add(line + "\n")
    assert r.reload()[1:] == ["  backend out/b1: the operator's override holds again: drain"]
    assert {who(r.rm.address()) for _ in range(10)} == {"two"}


def test_status_says_who_has_an_older_configuration(running, backend, connect):
    r = running([backend(servers.echo)])
    old = [connect(r.rm.address()) for _ in range(3)]
    for client in old:
        tcp.exchange(client, b"x")
    known = {row["id"]: row for row in r.ctl.rows("sessions")}
    r.change("connect_timeout = 10s", "connect_timeout = 11s")
    r.reload()
    new = connect(r.rm.address())
    tcp.exchange(new, b"x")
    r.change("connect_timeout = 11s", "connect_timeout = 12s")
    r.reload()

    def alive():
        return [row for row in r.ctl.rows("status") if row["row"] == "configuration"]
    rows = alive()
    assert [(row["generation"], row["held_by"], row["sessions"], row["listeners"]) for row in rows] == [
        (2, "sessions", 1, "in 1"), (1, "sessions", 3, "in 3")]
    oldest = known[rows[1]["oldest_id"]]
    assert rows[1]["oldest_client"] == oldest["client"]
    assert rows[1]["oldest_ms"] >= max(row["age_ms"] for row in known.values())
    assert rows[0]["replaced_ms"] <= rows[1]["replaced_ms"]
    for client in old:
        client.close()
    wait_until(lambda: [row["generation"] for row in alive()] == [2], "the first to be gone")
    new.close()
    wait_until(lambda: not alive(), "the second one to be gone")


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


# ---- control and status ----

def test_the_control_socket_moves(running, backend, workdir):
    """Who asks for it gets an answer, and clients that there are stay."""
    r = running([backend(servers.echo)])
    before, after = f"{workdir}/control.sock", f"{workdir}/moved.sock"
    with tcp.connect(before) as client:
        client.sendall(b"status\n")
        assert client.recv(1)
        r.change(f"unix:{before}", f"unix:{after} mode=0660")
        assert r.reload() == [f"~ control unix:{before} -> unix:{after} mode=0660"]
        wait_until(lambda: not os.path.exists(before), "the old file to be gone")
        assert os.stat(after).st_mode & 0o777 == 0o660
        r.ctl = Ctl(after)
        assert r.row("process", None)["state"] == "running"
        client.sendall(b"plan\n")
        seen = b""
        while b"nothing would change" not in seen:
            seen += client.recv(65536)
    r.change("mode=0660", "mode=0600")
    r.reload()
    assert os.stat(after).st_mode & 0o777 == 0o600
    os.chmod(after, 0o666)  # by hand: what the file says is so again
    r.reload()
    assert os.stat(after).st_mode & 0o777 == 0o600
    r.change(f"unix:{after} mode=0600", f"unix:{before}")
    r.reload()
    r.ctl = Ctl(before)
    assert r.row("process", None)["state"] == "running" and not os.path.exists(after)
    r.settle()


def test_a_control_socket_that_cannot_be_had_changes_nothing(running, backend, workdir):
    r = running([named(backend, "one")])
    before = r.text
    r.change(f"unix:{workdir}/control.sock", f"unix:{workdir}/none/control.sock")
    assert "[global] control: cannot listen on unix:" in r.fails()
    taken = servers.Manual()
    try:
        r.write(before.replace("[listener in]", f"[listener in]\nbind = {taken.text}").replace(
            f"unix:{workdir}/control.sock", f"unix:{workdir}/other.sock"))
        assert "Address already in use" in r.fails()
        assert not os.path.exists(f"{workdir}/other.sock")
        r.change(f"unix:{workdir}/other.sock", f"unix:{workdir}/none/control.sock")
        said = r.fails()
        assert "[global] control: cannot listen on" in said and "[listener in] bind: cannot listen on" in said
    finally:
        taken.close()
    r.write(before)
    assert r.reload() == ["nothing differs from what is in force"]


def test_the_control_socket_can_be_turned_off(running, backend, workdir):
    r = running([backend(servers.echo)])
    r.change(f"control = unix:{workdir}/control.sock", "control = off")
    r.rm.process.send_signal(signal.SIGHUP)
    r.rm.wait_line(msg="reload", outcome="done")
    wait_until(lambda: not os.path.exists(f"{workdir}/control.sock"), "its file to be gone")
    r.change("control = off", f"control = unix:{workdir}/control.sock")
    r.rm.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(r.rm.lines(msg="reload", outcome="done")) == 2, "the other reload")
    assert r.row("process", None)["state"] == "running"
    r.settle()


def healthz(address):
    with urllib.request.urlopen("http://%s:%d/healthz" % address, timeout=10) as answer:
        return answer.status


def test_the_status_page_moves(running, backend):
    r = running([backend(servers.echo)], settings={"status": "off"})
    addresses = [("127.0.0.1", free_port()) for _ in range(2)]
    were = "off"
    for address in addresses:
        is_now = "%s:%d" % address
        r.change(f"status = {were}", f"status = {is_now}")
        assert r.reload() == [f"~ status {were} -> {is_now}"]
        assert healthz(address) == 200
        were = is_now

    def is_closed(address):
        try:
            tcp.connect(address).close()
        except ConnectionRefusedError:
            return True
        return False
    wait_until(lambda: is_closed(addresses[0]), "the first one to be closed")
    taken = servers.Manual()
    try:
        r.change(f"status = {were}", f"status = {taken.text}")
        assert "[global] status: cannot listen on 127.0.0.1:" in r.fails()
    finally:
        taken.close()
    assert healthz(addresses[1]) == 200
    r.change(f"status = {taken.text}", "status = off")
    r.reload()
    wait_until(lambda: is_closed(addresses[1]), "the other one to be closed")
    r.settle()


# ---- certificates ----

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
    for words in (("certs",), ()):
        said = r.fails(*words)
        assert f"| certificate = {file.path}\n" in said and re.search(r"\n +\| +\^~+\n", said), said
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
