# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket and ringmainctl: what the operator sees and changes while sessions run."""

import os
import re
import signal
import socket
import stat
import subprocess

import pytest

from kit import backend as servers
from kit import pgwire, proc, tcp
from kit import tls as kit_tls
from kit.control import CTL, Ctl, raw
from kit.ports import reserved_port
from kit.ringmain import VARIANT_DIR
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("has other commands")


def test_status_shows_what_there_is(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)])
    client = connect(rm.address())
    tcp.exchange(client, b"here")
    rows = ctl.rows("status")
    process = rows[0]
    assert (process["row"], process["state"], process["sessions"]) == ("process", "running", 1)
    listener = next(row for row in rows if row["row"] == "listener")
    assert (listener["listener"], listener["sessions"], listener["total"]) == ("in", 1, 1)
    assert listener["addresses"].endswith(f":{rm.address()[1]}")
    assert sum(row["sessions"] for row in rows if row["row"] == "backend") == 1
    text = ctl.say("status")
    assert "state running" in text and "\nLISTENER" in text and "\nPOOL" in text


def columns_of_backends(ctl):
    return next(line for line in ctl.say("status").splitlines() if line.startswith("POOL") and " BACKEND " in line).split()


def test_columns_stand_where_they_always_do(running, backend):
    """Whichever row is the first that has something to say there."""
    r = running([backend(servers.echo)])
    usual = columns_of_backends(r.ctl)
    primary = backend(servers.name(b"+PONG\r\n*3\r\n$6\r\nmaster\r\n:5\r\n*0\r\n"))
    r.add(f"[listener roles]\nbind = 127.0.0.1:0\n[pool roles]\ncheck = redis\nrole = primary\nbackend = c {primary.text}\n")
    r.reload()
    wait_until(lambda: "ROLE" in columns_of_backends(r.ctl), "the primary to be known")
    with_role = columns_of_backends(r.ctl)
    assert [title for title in with_role if title in usual] == usual
    assert with_role.index("SINCE") < with_role.index("ROLE") < with_role.index("WEIGHT")
    r.ctl.say("backend", "roles/c", "drain")
    with_override = columns_of_backends(r.ctl)
    assert [title for title in with_override if title in with_role] == with_role
    r.settle()


def test_a_backend_is_drained_and_comes_back_while_sessions_go_on(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)], pool={"balance": "roundrobin"})
    clients = [connect(rm.address()) for _ in range(4)]
    for client in clients:
        tcp.exchange(client, b"before")
    ctl.say("backend", "out/b1", "drain")
    assert ctl.backend("b1")["state"] == "drain" and ctl.backend("b1")["by"] == "operator"
    more = [connect(rm.address()) for _ in range(6)]
    for client in clients + more:
        tcp.exchange(client, b"meanwhile")
    assert ctl.backend("b1")["sessions"] == 2 and ctl.backend("b2")["sessions"] == 8
    ctl.say("backend", "out/b1", "ready")
    last = [connect(rm.address()) for _ in range(4)]
    for client in last:
        tcp.exchange(client, b"after")
    assert ctl.backend("b1")["sessions"] > 2 and "override" not in ctl.backend("b1")
    line = rm.wait_line(msg="control")
    assert line["command"] == "backend out/b1 drain" and line["uid"] == str(os.getuid())


def test_a_time_that_is_none_is_refused(controlled, backend):
    """Nobody who said 0 meant for ever."""
    _, ctl = controlled([backend(servers.echo)])
    for words in (("backend", "out/b1", "drain", "--for", "0"), ("backend", "out/b1", "weight", "2", "--for", "0s"),
                  ("backend", "out/b1", "drain", "--over", "0"), ("listener", "in", "pause", "--over", "0"),
                  ("follow", "--for", "0"), ("trace", "--client", "127.0.0.1", "--for", "0"),
                  ("deny", "127.0.0.1", "--for", "0")):
        done = ctl.run(*words, timeout=20)
        assert done.returncode == 2 and "--" in done.stderr, done
    assert not any("paused" in row for row in ctl.rows("status")) and ctl.backend("b1")["state"] == "ready"


def test_nothing_to_kill_is_told(controlled, backend):
    """However it is said which ones, and whether it has been confirmed or not."""
    _, ctl = controlled([backend(servers.echo)])
    for words in (("--client", "192.0.2.7"), ("--listener", "in"), ("--all",), ("999",)):
        for sure in ((), ("--yes",)):
            done = ctl.run("kill", *words, *sure)
            assert done.returncode == 3 and "there is no such session" in done.stderr, done


def test_the_last_sessions_of_one_that_drains_are_killed(controlled, backend, connect):
    """It ends with them, and says first how many there were."""
    rm, ctl = controlled([backend(servers.echo)], settings={"workers": 2})
    for client in [connect(rm.address()) for _ in range(3)]:
        tcp.exchange(client, b"x")
    rm.process.send_signal(signal.SIGTERM)
    rm.wait_line(msg="draining")
    wait_until(lambda: os.path.exists(ctl.path + ".draining"), "the socket to be moved")
    row, = Ctl(ctl.path + ".draining").rows("kill", "--all", "--yes")
    assert row["killed"] == 3
    assert rm.process.wait(20) == 0


def test_a_last_line_without_its_newline_is_answered(controlled, backend):
    _, ctl = controlled([backend(servers.echo)])
    with raw(ctl.path, b"help plan\nhelp log") as sock:
        sock.shutdown(socket.SHUT_WR)
        said = tcp.read_to_end(sock)[0].decode()
    assert '"command":"plan"' in said and '"command":"log"' in said, said
    assert said.count('"row":"end"') == 2


def test_an_override_ends_when_its_time_is_over(controlled, backend):
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)])
    ctl.say("backend", "out/b1", "maint", "--for", "200ms")
    rm.wait_line(msg="the operator's override has ended")
    assert ctl.backend("b1")["state"] == "ready"


def test_a_backends_sessions_end_within_a_time(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)], pool={"balance": "roundrobin"})
    clients = [connect(rm.address()) for _ in range(8)]
    for client in clients:
        tcp.exchange(client, b"before")
    ctl.say("backend", "out/b1", "drain", "--over", "1h")
    assert 0 < ctl.backend("b1")["drain_ends_ms"] <= 3600000 and ctl.backend("b1")["sessions"] == 4
    ctl.say("backend", "out/b1", "drain", "--over", "1s")
    line = rm.wait_line(msg="drained")
    assert (line["pool"], line["backend"], line["sessions"], line["ended"]) == ("out", "b1", "4", "4")
    assert len(rm.wait_sessions(4, reason="drain_timeout", backend="b1")) == 4
    assert "drain_ends_ms" not in ctl.backend("b1") and ctl.backend("b2")["sessions"] == 4
    assert ctl.run("backend", "out/b1", "ready", "--over", "1s").returncode == 2


@pytest.mark.parametrize("balance", ("roundrobin", "leastconn", "random", "maglev"))
def test_a_weight_changes_while_sessions_run(controlled, backend, connect, balance):
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)], pool={"balance": balance})
    clients = [connect(rm.address()) for _ in range(8)]
    ctl.say("backend", "out/b1", "weight", "0")
    for client in clients:
        tcp.exchange(client, b"still here")
    before = ctl.backend("b1")["total"]
    for _ in range(8):
        tcp.exchange(connect(rm.address()), b"there")
    assert ctl.backend("b1")["total"] == before and ctl.backend("b1")["weight"] == 0
    ctl.say("backend", "out/b1", "weight", "1")
    assert "override" not in ctl.backend("b1")


def test_mistakes_have_words_and_exit_codes(controlled, backend, workdir):
    _, ctl = controlled([backend(servers.echo)])
    for words, code, want in (
            (["stauts"], 3, "did you mean 'status'?"),
            (["backend", "out/b1", "drian"], 2, "did you mean 'drain'?"),
            (["backend", "otu/b1", "drain"], 3, "did you mean 'out'?"),
            (["backend", "out/b2", "drain"], 3, "did you mean 'out/b1'?"),
            (["kill", "--pool", "", "--reason", "x"], 2, "there is an empty word"),
            (["kill", "--listener=", "--yes"], 2, "--listener needs a value: LISTENER"),
            (["kill", "999", "--reason", "ticket\nkill --all --yes\n"], 2, "there is a control character"),
            ([], 2, "a command is missing")):
        done = ctl.run(*words)
        assert done.returncode == code and want in done.stderr, done
    done = Ctl(os.path.join(workdir, "nowhere")).run("status")
    assert done.returncode == 5 and "ringmain does not run" in done.stderr


def test_one_that_is_stopped_is_told_and_does_it_later(controlled, backend):
    rm, ctl = controlled([backend(servers.echo)])
    os.kill(rm.pid, signal.SIGSTOP)
    try:
        done = ctl.run("backend", "out/b1", "drain")
    finally:
        os.kill(rm.pid, signal.SIGCONT)
    assert done.returncode == 5 and f"process {rm.pid}, is stopped" in done.stderr
    wait_until(lambda: ctl.backend("b1")["state"] == "drain", "the backend to drain")


@pytest.fixture
def complete(controlled, backend):
    """What bash offers behind the beginning of a line, whose words are cut at = and :, too."""
    _, ctl = controlled([backend(servers.echo), backend(servers.echo)])
    script = ('source etc/bash-completion/ringmainctl; compopt() { :; }; COMP_LINE=$1; shift; '
              'COMP_POINT=${#COMP_LINE}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
              '_ringmainctl; printf "%s\\n" "${COMPREPLY[@]}"')

    def complete(line, path=ctl.path):
        line = line.replace("SOCKET", path)
        words = re.findall(r"[=:]+|[^\s=:]+", line) + ([""] if line[-1] in " " else [])
        done = proc.run(["bash", "-c", script, "-", f"{CTL} {line}", str(CTL), *words], check=False,
                        cwd=VARIANT_DIR.parents[1])
        assert done.stderr == ""
        return done.stdout.split()

    return complete


def test_completion_asks_the_running_process(complete):
    assert complete("-s SOCKET stat") == ["status"]
    assert complete("-s SOCKET to") == ["top"]
    assert complete("-s SOCKET backend ") == ["--for", "--over", "out/b1", "out/b2"]
    assert complete("-s SOCKET backend out/b1 dr") == ["drain"]


def test_completion_goes_on_behind_an_equals_sign(complete, workdir):
    assert complete("--socket=SOCKET stat") == ["status"]
    assert complete("--socket=SOCKET kill --backend=out/b") == ["out/b1", "out/b2"]
    assert complete("--socket=SOCKET kill --backend=") == ["out/b1", "out/b2"]
    assert complete("-s SOCKET kill --pool=out --list") == ["--listener"]
    assert complete("-s SOCKET deny 2001:db8::/32 --listener=i") == ["in"]
    assert "control.sock" in " ".join(complete(f"--socket={workdir}/"))


def test_commands_are_told_without_a_ringmain(complete, workdir):
    nobody = Ctl(os.path.join(workdir, "nowhere"))
    told = nobody.say("help")
    assert "\nsessions [--client CIDR]" in told and "\ntop\n" in told
    assert max(len(line) for line in told.splitlines()) <= 80
    assert nobody.say("help", "plan") == "plan\n    what a reload would change; nothing is done\n"
    assert nobody.rows("help", "plan")[0]["command"] == "plan"
    done = nobody.run("help", "kil")
    assert done.returncode == 3 and "did you mean 'kill'?" in done.stderr
    assert complete("-s SOCKET stat", nobody.path) == ["status"]


def test_the_file_says_who_may_connect(controlled, backend, workdir):
    _, ctl = controlled([backend(servers.echo)])
    assert stat.S_IMODE(os.stat(ctl.path).st_mode) == 0o600
    path = os.path.join(workdir, "other.sock")
    controlled([backend(servers.echo)], settings={"control": f"unix:{path} mode=0660 group={os.getgid()}"})
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660


def test_it_is_on_where_there_is_a_runtime_directory(ringmain, backend, workdir):
    rm = ringmain([backend(servers.echo)], env={"RUNTIME_DIRECTORY": f"{workdir}:/elsewhere"})
    ctl = Ctl(os.path.join(workdir, "control.sock"))
    assert ctl.rows("status")
    rm.stop()
    assert not os.path.exists(ctl.path)


def test_it_can_be_off(ringmain, backend, workdir):
    ringmain([backend(servers.echo)], settings={"control": "off"}, env={"RUNTIME_DIRECTORY": str(workdir)})
    assert not os.path.exists(os.path.join(workdir, "control.sock"))


def test_a_path_that_cannot_be_had_is_told(make_ringmain, backend):
    rm = make_ringmain()
    rm.expected_exit = 1
    rm.start("[global]\ncontrol = unix:/nowhere/at/all\n[listener in]\nbind = 127.0.0.1:0\npool = out\n"
             "[pool out]\nbackend = b1 127.0.0.1:1\n", wait=False)
    assert rm.process.wait(10) == 1
    line = rm.wait_line(msg="cannot listen")
    assert (line["directive"], line["errno"] if "errno" in line else line["error"]) == ("control", "ENOENT")


def test_one_that_drains_can_still_be_asked(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo)])
    client = connect(rm.address())
    tcp.exchange(client, b"a session")
    rm.process.send_signal(signal.SIGTERM)
    rm.wait_line(msg="draining")
    assert not os.path.exists(ctl.path)
    assert Ctl(ctl.path + ".draining").rows("status")[0]["state"] == "draining"
    done = ctl.run("-j", "status")      # which finds it under the name that it had, too
    assert done.returncode == 0 and '"draining"' in done.stdout
    assert "this ringmain is ending" in done.stderr
    client.close()
    rm.process.wait(10)
    assert not os.path.exists(ctl.path + ".draining")


def test_clients_that_behave_badly_hold_up_nobody(controlled, backend, connect, cleanup):
    """Idle ones, one that never reads, half a command, a megabyte without a newline."""
    rm, ctl = controlled([backend(servers.echo)])
    client = connect(rm.address())
    held = [raw(ctl.path) for _ in range(1000)]
    held += [raw(ctl.path, b"stat"), raw(ctl.path, b"status\n" * 1000)]
    cleanup.append(lambda: [sock.close() for sock in held])
    with raw(ctl.path) as sock, pytest.raises(OSError):
        for _ in range(10000):
            sock.sendall(b"x" * 10000)
    assert ctl.rows("status")[0]["state"] == "running"
    tcp.exchange(client, b"none the worse")
    assert len(rm.process.fds()) < len(rm.fds_at_start) + 120


def test_commands_under_load(controlled, backend):
    """A backend is drained and comes back again and again; no session notices."""
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)], pool={"balance": "roundrobin"})
    over, visits = [], []

    def visit(seed):
        data = tcp.pattern(seed, 2000)
        while not over:
            with tcp.connect(rm.address()) as sock:
                tcp.exchange(sock, data)
                tcp.hang_up(sock)
                tcp.expect_end(sock, b"", "FIN")
                visits.append(1)

    visitors = [tcp.Task(visit, seed) for seed in range(4)]
    try:
        for n in range(20):
            ctl.say("backend", f"out/b{n % 2 + 1}", ("drain", "maint", "down")[n % 3])
            ctl.say("status")
            ctl.say("backend", f"out/b{n % 2 + 1}", "ready")
            before = len(visits)
            wait_until(lambda: len(visits) > before + 8, "sessions meanwhile")
    finally:
        over.append(1)
    for visitor in visitors:
        visitor.result(20)


def test_sessions_says_who_is_on_which_backend(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)], pool={"balance": "roundrobin"},
                         settings={"workers": 4})
    clients = [connect(rm.address()) for _ in range(20)]
    for client in clients:
        tcp.exchange(client, b"12345")
    rows = ctl.rows("sessions")
    assert len(rows) == 20 and {row["phase"] for row in rows} == {"relaying"}
    assert {row["client"] for row in rows} == {f"127.0.0.1:{sock.getsockname()[1]}" for sock in clients}
    assert {row["bytes_up"] for row in rows} == {5}
    assert len(ctl.rows("sessions", "--backend", "out/b2")) == 10
    assert ctl.rows("sessions", "--client", "192.0.2.0/24") == []
    assert "BACKEND" in ctl.say("sessions")


def test_sessions_of_backends_of_one_name_are_told_apart(running, backend, connect):
    """As one that got another address, and has sessions at both."""
    servers_of = [backend(servers.echo), backend(servers.echo)]
    r = running(servers_of[:1])
    tcp.exchange(connect(r.rm.address()), b"x")
    r.change(f"backend = b1 {servers_of[0].text}", f"backend = b1 {servers_of[1].text}")
    r.reload()
    tcp.exchange(connect(r.rm.address()), b"x")
    rows = r.ctl.rows("sessions")
    assert {(row["pool"], row["backend"], row["address"]) for row in rows} == \
        {("out", "b1", server.text) for server in servers_of}
    head = r.ctl.say("sessions").splitlines()[0].split()
    assert head[:6] == ["ID", "CLIENT", "LISTENER", "POOL", "BACKEND", "ADDRESS"]


@pytest.mark.parametrize("tls", (False, True), ids=("clear", "tls"))
def test_sessions_tells_whose_they_are(controlled, backend, manual, connect, pki, tls):
    keys = {"tls": "terminate", "certificate": pki["ecdsa.pem"]} if tls else {}
    server = manual()
    rm, ctl = controlled([server], listener={"protocol": "postgres", **keys})
    client = connect(rm.address())
    if tls:
        client.sendall(pgwire.SSL_REQUEST)
        tcp.expect(client, b"S")
        client = kit_tls.TlsSocket(client, kit_tls.client_context(pki), name=kit_tls.NAME)
    client.sendall(pgwire.startup(user="alice", database="d" * 100))
    server.accept()
    row = ctl.rows("sessions")[0]
    assert (row["user"], row["database"]) == ("alice", "d" * 63)
    assert (row.get("sni"), "tls" in row) == ((kit_tls.NAME, True) if tls else (None, False))
    rates = ctl.rows("sessions", "--rates")[0]
    assert rates["bytes_up_per_s"] == rates["bytes_down_per_s"] == 0


def test_names_that_turn_the_direction_around_are_harmless(controlled, manual, connect):
    """U+202E makes a terminal write the rest of the line backwards."""
    server = manual()
    rm, ctl = controlled([server], listener={"protocol": "postgres"})
    client = connect(rm.address())
    client.sendall(pgwire.startup(user="a\u202eb", database="c\u200bd\x9b"))
    held = server.accept()
    assert ctl.rows("sessions")[0]["user"] == "a\u202eb"
    assert "\\u202e" in ctl.say("-j", "sessions")
    table = ctl.say("sessions")
    assert "a?b" in table and "c?d?" in table and "\u202e" not in table
    tcp.reset(client)
    held.close()
    rm.wait_sessions(1)
    assert r'user="a\xe2\x80\xaeb"' in rm.log.read_text(encoding="utf-8")


def test_more_than_one_is_asked_for_on_a_terminal(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo)])
    clients = [connect(rm.address()) for _ in range(2)]
    for client in clients:
        tcp.exchange(client, b"x")
    for answer, status, ended in ((b"n\n", 4, 0), (b"y\n", 0, 2)):
        terminal, ours = os.openpty()
        os.write(terminal, answer)
        done = subprocess.run([str(CTL), "-s", ctl.path, "kill", "--all"], check=False, stdin=ours,
                              capture_output=True, text=True, timeout=60)
        os.close(ours)
        os.close(terminal)
        assert done.returncode == status and "2 sessions would be ended. Go on?" in done.stderr
        rm.wait_sessions(ended, reason="killed")


def test_kill_ends_just_what_it_is_told(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo)])
    clients = [connect(rm.address()) for _ in range(3)]
    for client in clients:
        tcp.exchange(client, b"x")
    port = clients[1].getsockname()[1]
    one = next(row["id"] for row in ctl.rows("sessions") if row["client"].endswith(f":{port}"))
    assert ctl.rows("kill", str(one), "--reason", "a test")[0]["killed"] == 1
    tcp.expect_end(clients[1], b"", "RST")
    line = rm.wait_sessions(1)[0]
    assert (line["id"], line["reason"], line["by"]) == (str(one), "killed", "ringmain")
    assert rm.lines(msg="control")[0]["command"] == f'kill {one} --reason "a test"'
    tcp.exchange(clients[0], b"still here")
    ctl.say("kill", "--listener", "in")     # no terminal: nobody to ask
    rm.wait_sessions(3, reason="killed")


def test_sessions_and_kill_under_load(controlled, backend):
    """Looks at all sessions, again and again, while they come and go: none of them notices."""
    rm, ctl = controlled([backend(servers.echo)], settings={"workers": 2})
    over, visits = [], []

    def visit(seed):
        data = tcp.pattern(seed, 2000)
        while not over:
            with tcp.connect(rm.address()) as sock:
                tcp.exchange(sock, data)
                tcp.hang_up(sock)
                tcp.expect_end(sock, b"", "FIN")
                visits.append(1)

    visitors = [tcp.Task(visit, seed) for seed in range(4)]
    try:
        for _ in range(20):
            before = len(visits)
            ctl.rows("sessions", "--sort", "age")
            assert ctl.run("kill", "1").returncode in (0, 3)
            wait_until(lambda: len(visits) > before + 4, "sessions meanwhile")
    finally:
        over.append(1)
    for visitor in visitors:
        visitor.result(20)


def test_the_level_of_the_log_changes(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo)], settings={"log_level": "info"})
    ctl.say("log", "level", "warn")
    for level in ("warn", "info"):
        assert ctl.run("log", "level", level[::-1] + "x").returncode == 2
        ctl.say("log", "level", level)
        client = connect(rm.address())
        tcp.exchange(client, b"x")
        client.close()
        wait_until(lambda: not ctl.rows("sessions"), "its end")
    rm.wait_sessions(1)     # of the second one alone
    rm.wait_line(msg="control")
    assert [line["command"] for line in rm.lines(msg="control")] == ["log level warn"]


@pytest.mark.parametrize("proxied", (False, True), ids=("direct", "behind a proxy"))
def test_a_client_is_banned_for_a_while(controlled, backend, proxied):
    """The others, and those who have a session, do not notice."""
    rm, ctl = controlled([backend(servers.echo)],
                         listener={"proxy_protocol": "accept", "proxy_protocol_from": "127.0.0.0/8"} if proxied else {})

    def visit(host):
        sock = tcp.connect(rm.address(), source=None if proxied else (host, 0))
        if proxied:
            sock.sendall(f"PROXY TCP4 {host} 127.0.0.1 1234 5678\r\n".encode())
        tcp.exchange(sock, b"x")
        return sock

    with visit("127.0.0.2") as before:
        ctl.say("deny", "127.0.0.2", "--for", "1h")
        with pytest.raises((ConnectionError, AssertionError)):
            visit("127.0.0.2")
        visit("127.0.0.3").close()
        tcp.exchange(before, b"not me")
    assert ctl.rows("deny")[0]["client"] == "127.0.0.2"
    ctl.say("deny", "127.0.0.2", "--undo")
    visit("127.0.0.2").close()
    rm.wait_line(msg="rejected", reason="denied")


def test_certificates_have_days_left(controlled, backend, pki):
    _, ctl = controlled([backend(servers.echo)],
                        listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]})
    row, = ctl.rows("certs")
    assert (row["listener"], row["file"]) == ("in", str(pki["ecdsa.pem"])) and row["days_left"] > 0
    assert row["names"] and row["issuer"] and len(row["sha256"]) == 64
    short, = [row for row in ctl.rows("status") if row["row"] == "certificate"]
    assert short.items() <= row.items()


def test_route_says_who_gets_a_client_now(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)],
                         pool={"balance": "maglev", "stick": "source"})
    before, after = ctl.rows("route", "127.0.0.1")
    assert (before["by"], before["backend"]) == ("stick", "(no entry)")
    assert after["by"] == "hash" and after["backend"] == after["home"]
    tcp.exchange(connect(rm.address()), b"x")
    assert ctl.rows("route", "127.0.0.1")[0]["backend"] == after["backend"]
    ctl.say("backend", f"out/{after['backend']}", "drain")
    other = ctl.rows("route", "127.0.0.1")[1]
    assert other["home"] == after["home"] != other["backend"] and other["steps"] > 0
    assert ctl.run("route", "no/name").returncode == 2
    assert ctl.run("route", "db.example").returncode == 3


def test_the_log_can_be_moved_away(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo)])
    address = rm.address()
    os.rename(rm.log, f"{rm.log}.1")
    ctl.say("log", "reopen")
    client = connect(address)
    tcp.exchange(client, b"x")
    client.close()
    rm.wait_sessions(1)
    with open(f"{rm.log}.1", "a+", encoding="utf-8") as old, open(rm.log, encoding="utf-8") as new:
        old.write(new.read())       # what is asked at the end of every test looks at all of it
        old.seek(0)
        assert "msg=ready" in old.read()
    os.rename(f"{rm.log}.1", rm.log)
    ctl.say("log", "reopen")


def test_errors_are_the_last_sessions_that_went_wrong(controlled, backend, connect, cleanup):
    held, port = reserved_port()
    cleanup.append(held.close)
    rm, ctl = controlled([f"127.0.0.1:{port}"], pool={"connect_total": "1s"}, settings={"workers": 3})
    for _ in range(130):
        tcp.knock(rm.address())
    rm.wait_sessions(130)
    rows = ctl.rows("errors")
    assert len(rows) == 100
    assert {(row["reason"], row["by"]) for row in rows} <= {
        (line["reason"], line["by"]) for line in rm.sessions()}
    assert [row["ago_ms"] for row in rows] == sorted(row["ago_ms"] for row in rows)
    assert "REASON" in ctl.say("errors")


def test_ends_of_every_day_are_no_errors(controlled, backend):
    rm, ctl = controlled([backend(servers.echo)])
    with tcp.connect(rm.address()) as sock:
        tcp.exchange(sock, b"x")
    rm.wait_sessions(1)
    assert ctl.rows("errors") == []
