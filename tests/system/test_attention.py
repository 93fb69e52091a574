# SPDX-License-Identifier: GPL-2.0-or-later
"""What needs attention, in the same words and order in JSON, on the page for everybody, and in status."""

import html
import re
import shutil
import socket

import pytest

from kit import backend as servers
from kit import tcp
from kit.ports import reserved_port
from kit.wait import wait_until
from test_status import Status

pytestmark = pytest.mark.haproxy_cannot("has other pages")

QUICK = {"check": "tcp", "check_interval": "100ms", "check_fast_interval": "50ms"}


@pytest.fixture
def shown(controlled):
    """shown(backends, ...as controlled...) gives (ringmain, Status, Ctl)."""
    def begin(backends, *, settings=None, **options):
        rm, ctl = controlled(backends, settings={"status": "127.0.0.1:0", **(settings or {})}, **options)
        return rm, Status(rm), ctl
    return begin


@pytest.fixture
def dead():
    """The address of nobody, while the test lasts."""
    held, port = reserved_port()
    yield f"127.0.0.1:{port}"
    held.close()


def whats(status):
    return [note["what"] for note in status.json()["attention"]]


def wait_whats(status, *want):
    wait_until(lambda: whats(status) == list(want), lambda: f"{want}: {whats(status)}")


def plain(status):
    """The page without JavaScript: what stands between its tags."""
    text = status.get("/").partition('<div id="plain">')[2].partition('<div id="live"')[0]
    return html.unescape(re.sub(r"<[^>]*>", "|", text))


def test_a_paused_listener_and_a_reload_that_failed(shown, backend):
    rm, status, ctl = shown([backend(servers.echo)])
    assert whats(status) == [] and status.json()["changes"] == []
    ctl.say("listener", "in", "pause")
    wait_whats(status, "Listener in is paused")
    assert status.json()["listeners"][0]["pause"] == "refuse"
    file = rm.dir / "ringmain.ini"
    good = file.read_text(encoding="utf-8")
    file.write_text(good + "bogus = 1\n", encoding="utf-8")
    assert ctl.run("reload").returncode == 1
    wait_whats(status, "The last reload failed", "Listener in is paused")
    failed = status.json()["attention"][0]
    assert failed["severity"] == "bad" and "bogus" in failed["why"] and failed["now"].endswith(" ago")
    change = status.json()["changes"][0]
    assert (change["what"], change["state"]) == ("reload", "failed") and "bogus" in change["why"]

    text = plain(status)
    assert "✖ The last reload failed" in text and "▲ Listener in is paused" in text
    assert text.index("The last reload") < text.index("Listener in is paused") < text.index("Listeners")
    assert "|in||paused: new clients are refused|" in text
    assert re.search(r"Last changes\|.*\|reload\|\|failed\|", text, re.S)
    rows = [row for row in ctl.rows("status") if row["row"] == "attention"]
    assert [row["attention"] for row in rows] == whats(status) and rows[0]["severity"] == "bad"
    assert "The last reload failed" in ctl.say("status")

    file.write_text(good, encoding="utf-8")
    ctl.say("reload")
    ctl.say("listener", "in", "resume")
    wait_whats(status)
    assert status.json()["changes"][0]["state"] in ("unchanged", "done")


def test_a_status_page_without_its_address(controlled, backend):
    """Who cannot look at the page is told by ringmainctl."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        rm, ctl = controlled([backend(servers.echo)],
                             settings={"status": f"127.0.0.1:{holder.getsockname()[1]}"})
        note, = [row for row in ctl.rows("status") if row["row"] == "attention"]
        assert (note["attention"], note["severity"]) == ("The status page cannot be had", "bad")
    wait_until(lambda: not [row for row in ctl.rows("status") if row["row"] == "attention"], "it to be had")
    rm.fds_at_start = rm.process.fds()      # it has one socket more since


def test_certificates_that_failed_are_told_until_they_are_good(shown, backend, pki, tmp_path):
    """A reload of the certificates alone; one of everything that is good ends it as well."""
    file = tmp_path / "server.pem"
    shutil.copy(pki["ecdsa.pem"], file)
    _, status, ctl = shown([backend(servers.echo)], listener={"tls": "terminate", "certificate": file})
    file.write_text("none", encoding="utf-8")
    assert ctl.run("reload", "certs").returncode == 1
    wait_whats(status, "The last reload failed")
    shutil.copy(pki["ecdsa.pem"], file)
    ctl.say("reload", "certs")
    wait_whats(status)


def test_the_gravest_is_first_and_a_pool_is_one_note(shown, backend, dead):
    """Of many: the pool that serves nobody, then those that have lost the most of their backends."""
    live = backend(servers.echo)
    rm, status, ctl = shown([live])
    text = (rm.dir / "ringmain.ini").read_text(encoding="utf-8")
    checks = "".join(f"{key} = {value}\n" for key, value in QUICK.items())
    for n, (up, down) in enumerate([(3, 1), (1, 3), (2, 2), (3, 1), (3, 1), (3, 1), (3, 1), (0, 4)]):
        text += f"[pool p{n}]\n{checks}"
        text += "".join(f"backend = u{i} {live.text}\n" for i in range(up))
        text += "".join(f"backend = d{i} {dead}\n" for i in range(down))
    (rm.dir / "ringmain.ini").write_text(text, encoding="utf-8")
    ctl.say("reload")
    want = ["Pool p7 has no backend", "p1: 3 of 4 backends are down", "p2: 2 of 4 backends are down",
            *(f"p{n} / d0 is down" for n in (0, 3, 4, 5, 6))]
    wait_whats(status, *want)
    first, second = status.json()["attention"][:2]
    assert first["why"] == "its clients are turned away or held; 4 of 4 backends are down: by checks: connection refused"
    assert second["why"] == "by checks: connection refused"
    # For everybody: the first six, the others where they are asked for.
    page = plain(status)
    places = [page.index(what) for what in want]
    assert places == sorted(places)
    assert page.index(want[5]) < page.index("and 2 more") < page.index(want[6])
    assert [row["attention"] for row in ctl.rows("status") if row["row"] == "attention"] == want


def test_a_full_listener_is_told(shown, backend, connect):
    rm, status, _ = shown([backend(servers.echo)], listener={"max_sessions": 1})
    tcp.exchange(connect(rm.address()), b"x")
    connect(rm.address())
    wait_whats(status, "Listener in is full")
    text = plain(status)
    assert "|in||full: new clients wait||out||1 / 1|" in text


def test_what_the_operator_has_set_is_told_though_it_is_hidden(shown, dead):
    _, status, ctl = shown([dead], pool=QUICK)
    wait_until(lambda: status.backend("b1")["state"] == "down", "it to be down")
    ctl.say("backend", "out/b1", "drain")
    ctl.say("backend", "out/b1", "weight", "3")
    wait_until(lambda: status.backend("b1").get("override") == "drain, weight 3", "the override")
    found = status.backend("b1")
    assert (found["state"], found["weight"]) == ("down", 3)
    wait_until(lambda: "|drain, weight 3|" in plain(status), "the page to have it")


def test_an_expired_certificate_is_told(shown, backend, pki):
    _, status, _ = shown([backend(servers.echo)], listener={"tls": "terminate", "certificate": pki["expired.pem"]})
    note = status.json()["attention"][0]
    assert (note["kind"], note["severity"]) == ("expired", "bad")
    assert note["what"].startswith("Expired: ") and note["why"] == "a certificate of in"


def test_without_javascript_it_is_asked_for_again(shown, backend):
    _, status, _ = shown([backend(servers.echo)], settings={"status_sessions": "yes"})
    text = status.get("/")
    assert re.search(r'<noscript><meta http-equiv="refresh" content="\d+"></noscript>', text.partition("</head>")[0])
    assert "|No sessions.|" in plain(status) and "Busiest" not in plain(status)
