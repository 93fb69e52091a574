# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the log goes: a file, syslog's daemon, one over UDP; and what happens when these go away."""

import os
import re
import socket

import pytest

from kit import backend as servers
from kit import logfmt, proc, tcp
from kit.journald import Journald
from kit.ringmain import BINARY
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("has a log of its own")


@pytest.fixture
def logging(controlled, backend, workdir):
    """logging(target) gives (ringmain, Ctl) that logs there."""
    def begin(target, **settings):
        rm, ctl = controlled([backend(servers.echo)], settings={"log": target, **settings},
                             binds=(f"unix:{workdir}/in.sock",), wait=False)
        wait_until(lambda: ctl.run("status").returncode == 0, "it to run")
        rm.fds_at_start = rm.process.fds()
        return rm, ctl
    return begin


def knock(workdir):
    """A session from its beginning to its end."""
    with tcp.connect(f"{workdir}/in.sock") as sock:
        tcp.exchange(sock, b"x")


def read(path):
    """The lines of a file that may not be there."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [logfmt.parse(line) for line in file.read().splitlines()]


def sessions(path):
    return [line for line in read(path) if line["msg"] == "session"]


def test_a_file_that_is_moved_away_is_made_again(logging, workdir):
    path = f"{workdir}/ringmain.log"
    rm, ctl = logging(f"file:{path}")
    knock(workdir)
    wait_until(lambda: len(sessions(path)) == 1, "the line")
    os.rename(path, f"{path}.1")
    ctl.say("log", "reopen")
    knock(workdir)
    wait_until(lambda: len(sessions(path)) == 1, "the line in the new file")
    os.rename(path, f"{path}.2")
    ctl.say("reload")
    knock(workdir)
    wait_until(lambda: len(sessions(path)) == 1, "the line in the one after a reload")
    os.rename(path, f"{path}.3")
    with open(rm.dir / "ringmain.ini", "a", encoding="utf-8") as config:
        config.write("[nothing]\n")
    assert ctl.run("reload").returncode == 1
    knock(workdir)
    wait_until(lambda: len(sessions(path)) == 1, "the line in the one after a reload that failed")
    assert all(len(sessions(f"{path}.{n}")) == 1 for n in (1, 2, 3))


def test_a_fifo_in_the_place_of_the_file_stops_nothing(logging, workdir):
    """Nobody reads it: to open it would be to wait."""
    path = f"{workdir}/ringmain.log"
    _, ctl = logging(f"file:{path}")
    wait_until(lambda: read(path), "the first lines")
    os.rename(path, f"{path}.1")
    os.mkfifo(path)
    assert "no regular file" in ctl.run("log", "reopen").stderr
    assert "log's file stays as it was" in ctl.say("reload")
    knock(workdir)
    wait_until(lambda: sessions(f"{path}.1"), "the line in the file that was moved")
    os.rename(f"{path}.1", path)        # as it was at the start


def test_a_directory_that_vanishes_takes_nothing_but_its_file(logging, workdir):
    directory = f"{workdir}/logs"
    os.mkdir(directory)
    path = f"{directory}/ringmain.log"
    _, ctl = logging(f"file:{path}")
    wait_until(lambda: read(path), "the first lines")
    os.remove(path)
    os.rmdir(directory)
    knock(workdir)
    assert ctl.run("log", "reopen").returncode == 1
    assert "log's file stays" in ctl.say("reload")
    os.mkdir(directory)
    ctl.say("log", "reopen")
    knock(workdir)
    wait_until(lambda: sessions(path), "the line")


def test_a_file_that_was_removed_is_made_again(logging, workdir):
    path = f"{workdir}/ringmain.log"
    logging(f"file:{path}")
    wait_until(lambda: read(path), "the first lines")
    os.remove(path)

    def is_there():
        knock(workdir)
        return sessions(path)

    wait_until(is_there, "a line in a new one")


def test_a_directory_that_vanishes_is_told_on_stderr(logging, workdir):
    directory = f"{workdir}/logs"
    os.mkdir(directory)
    path = f"{directory}/ringmain.log"
    rm, _ = logging(f"file:{path}")
    wait_until(lambda: read(path), "the first lines")
    os.remove(path)
    os.rmdir(directory)

    def is_told():
        knock(workdir)
        return rm.lines(msg="lines of the log get lost", error="ENOENT")

    wait_until(is_told, "the standard error to say so")
    os.mkdir(directory)
    wait_until(lambda: knock(workdir) or sessions(path), "a line in a new one")
    assert len(rm.lines()) == 1, "once a minute"


def test_lines_for_a_directory_that_is_not_there_are_counted(logging, workdir):
    """Before the first line that is there again it is said how many are not."""
    directory = f"{workdir}/logs"
    os.mkdir(directory)
    path, status = f"{directory}/ringmain.log", f"{workdir}/status.sock"
    logging(f"file:{path}", status=f"unix:{status}")
    wait_until(lambda: read(path), "the first lines")
    os.remove(path)
    os.rmdir(directory)
    for _ in range(7):
        knock(workdir)

    wait_until(lambda: dropped(status) == 7, "all to be counted")
    os.mkdir(directory)
    wait_until(lambda: knock(workdir) or sessions(path), "a line in a new one")
    assert read(path)[0]["msg"] == "log lines dropped"
    assert int(read(path)[0]["n"]) == dropped(status)


def test_session_lines_of_another_form(logging, workdir):
    """They alone have it; a reload changes it for sessions there are."""
    path = f"{workdir}/ringmain.log"
    rm, ctl = logging(f"file:{path}", log_format='"{msg}: {bytes_up}|{by}"')

    def lines():
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()

    knock(workdir)
    wait_until(lambda: "session: 1|client" in lines(), "the line")
    with tcp.connect(f"{workdir}/in.sock") as sock:
        tcp.exchange(sock, b"x")
        file = rm.dir / "ringmain.ini"
        file.write_text(file.read_text(encoding="utf-8").replace("{bytes_up}", "{backend}"), encoding="utf-8")
        ctl.say("reload")
    wait_until(lambda: "session: b1|client" in lines(), "the line of another form")
    assert all(logfmt.parse(line) for line in lines() if not line.startswith("session: "))


def start_with(workdir, settings):
    """What ringmain says that does not start."""
    path = f"{workdir}/bad.ini"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[global]\n{settings}\n[listener a]\nbind = 127.0.0.1:0\npool = p\n"
                   "[pool p]\nbackend = b 127.0.0.1:1\n")
    done = proc.run([str(BINARY), "-c", path], check=False)
    assert done.returncode == 1
    return done.stderr


def test_a_file_that_cannot_be_made_is_told_at_once(workdir):
    said = start_with(workdir, f"log = file:{workdir}/nowhere/log")
    assert "nowhere/log: No such file or directory" in said


@pytest.mark.parametrize("target, status, said", (
    ("file:{0}/nowhere/log", 1, "[global] log: '{0}/nowhere/log' cannot be written: No such file or directory\n"
                                "    2 | log = file:{0}/nowhere/log\n"),
    ("file:{0}", 1, "[global] log: '{0}' cannot be written: Is a directory"),
    ("file:{}/new", 0, ""),
    ("syslog:{0}/nobody", 0, "[global] log: the daemon is not there: {0}/nobody: No such file or directory")))
def test_a_log_that_cannot_be_written_is_a_mistake(make_ringmain, workdir, target, status, said):
    target, said = target.format(workdir), said.format(workdir)
    done = make_ringmain().check(f"[global]\nlog = {target}\n[listener a]\nbind = 127.0.0.1:0\npool = p\n"
                                 "[pool p]\ncheck = none\nbackend = b 127.0.0.1:1\n", "-t")
    assert (done.returncode, said in done.stderr, not done.stderr) == (status, True, not said)
    assert not os.path.exists(f"{workdir}/new")


def test_syslog_over_udp(logging, workdir):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        logging(f"syslog:127.0.0.1:{daemon.getsockname()[1]}")
        knock(workdir)
        line = ""
        while "msg=session" not in line:
            line = daemon.recv(65536).decode()
    found = re.fullmatch(r"<30>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\S+) ringmain \d+ - - (.*)", line)
    assert found[1] == socket.gethostname()
    assert logfmt.parse(found[2])["bytes_up"] == "1"


def daemon_at(path):
    daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    daemon.bind(path)
    daemon.settimeout(10)
    return daemon


def receive(daemon, word):
    """The next line with a word in it."""
    while True:
        line = daemon.recv(65536).decode()
        if word in line:
            return line


def dropped(path):
    """Lines that were dropped so far, as the metrics have it."""
    with tcp.connect(path) as sock:
        sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = tcp.read_to_end(sock).data.decode()
    return int(re.search(r"^ringmain_log_lines_dropped_total (\d+)", text, re.M)[1])


def test_a_local_syslog_that_is_restarted(logging, workdir):
    path = f"{workdir}/log.sock"
    with daemon_at(path) as daemon:
        rm, _ = logging(f"syslog:{path}", status=f"unix:{workdir}/status.sock")
        knock(workdir)
        line = receive(daemon, "msg=session")
        assert re.match(r"<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ringmain\[\d+\]: level=info msg=session ", line)
    os.remove(path)
    knock(workdir)
    wait_until(lambda: dropped(f"{workdir}/status.sock") > 0, "lines to be dropped")
    assert rm.wait_line(msg="lines of the log get lost")["error"] in ("ENOENT", "ECONNREFUSED")
    with daemon_at(path) as daemon:
        knock(workdir)
        assert "n=" in receive(daemon, "log lines dropped")
        receive(daemon, "msg=session")


def test_a_local_syslog_that_reads_nothing_stops_nobody(logging, workdir):
    """Its queue holds a dozen lines; ours some thousand; then lines are dropped, and counted."""
    path = f"{workdir}/log.sock"
    with daemon_at(path) as daemon:
        rm, _ = logging(f"syslog:{path}")
        for _ in range(300):
            knock(workdir)
        receive(daemon, "msg=session")
        rm.stop()


@pytest.mark.root
def test_the_real_journald_and_one_that_is_restarted(make_ringmain, backend, workdir, cleanup):
    """Each key of a line is a field of its own, and a journald that comes back is found again."""
    journal = Journald(workdir)
    cleanup.append(journal.close)
    server = backend(servers.echo)
    rm = make_ringmain()
    rm.start(f"[global]\nlog = journald\nworkers = 1\nstatus = unix:{workdir}/status.sock\n"
             f"[listener in]\nbind = unix:{workdir}/in.sock\npool = p\n[pool p]\nbackend = b1 {server.text}\n",
             prefix=journal.inside, wait=False)

    def ended():
        return [entry for entry in journal.entries() if entry.get("RINGMAIN_MSG") == "session"]

    wait_until(lambda: any(entry.get("RINGMAIN_MSG") == "ready" for entry in journal.entries()), "it to be ready")
    rm.fds_at_start = rm.process.fds()
    knock(workdir)
    wait_until(ended, "the session in the journal")
    entry = ended()[0]
    assert (entry["RINGMAIN_BACKEND"], entry["RINGMAIN_BYTES_UP"], entry["PRIORITY"]) == ("b1", "1", "6")
    assert entry["_PID"] == str(rm.pid) and logfmt.parse(entry["MESSAGE"])["reason"] == entry["RINGMAIN_REASON"]
    journal.stop()
    knock(workdir)
    wait_until(lambda: dropped(f"{workdir}/status.sock") > 0, "a line to be dropped")
    journal.start()
    wait_until(lambda: knock(workdir) or len(ended()) > 1, "a session after it has come back", interval=0.2)
    assert any(entry.get("RINGMAIN_MSG") == "log lines dropped" for entry in journal.entries())
    rm.stop()


@pytest.mark.parametrize("form", ("json", "{client}"))
def test_journald_takes_logfmt_alone(workdir, form):
    assert "shows the fields of logfmt" in start_with(workdir, f"log = journald\nlog_format = {form}")
