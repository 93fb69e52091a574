# SPDX-License-Identifier: GPL-2.0-or-later
"""The status page in a browser, with traffic behind it. `make page` installs the browser and keeps pictures."""

import contextlib
import os
import shutil
import socket
import time

import pytest

from kit import backend as servers
from kit import tcp
from kit.chromium import Chromium
from kit.ini import ini
from kit.replicas import RedisReplica
from kit.servers import Redis
from kit.wait import wait_until
from test_status import Status

pytestmark = [
    pytest.mark.browser,
    pytest.mark.haproxy_cannot("has another page"),
    pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium: `make page` installs it"),
]

PICTURES = os.environ.get("PICTURES", "")
LIVE = "document.getElementById('live')?.hidden === false"


@pytest.fixture
def browser(workdir):
    chromium = Chromium(os.path.join(workdir, "profile"))
    yield chromium
    chromium.close()
    assert not chromium.errors


def url_of(rm):
    host, port = Status(rm).address
    return f"http://{host}:{port}/"


def row_of(name):
    """An expression: the text of a backend's row."""
    return f"[...document.querySelectorAll('.pool tbody tr')].find(r => r.cells[0].textContent === '{name}')?.innerText"


def pictures_of(browser, url, name):
    """In light, dark and on a phone; nothing is wider than the window."""
    for kind, width, dark in (("light", 1280, False), ("dark", 1280, True), ("phone", 390, False)):
        browser.open(url, width=width, height=1100, dark=dark)
        browser.wait(LIVE, "the page to draw itself")
        yield kind
        assert browser.run("document.documentElement.scrollWidth") <= width
        if PICTURES:
            browser.screenshot(os.path.join(PICTURES, f"{name}-{kind}.png"))


@pytest.fixture
def shown(ringmain, backend):
    """(ringmain, the first backend, the address of the page): two backends, checked often."""
    first = backend(servers.echo)
    rm = ringmain([first, backend(servers.echo)], settings={"status": "127.0.0.1:0"},
                  pool={"check": "tcp", "check_interval": "100ms", "check_fast_interval": "50ms", "balance": "roundrobin"})
    return rm, first, url_of(rm)


def test_the_busiest_sessions_are_there(ringmain, backend, browser, connect):
    rm = ringmain([backend(servers.echo)], settings={"status": "127.0.0.1:0", "status_sessions": "yes"})
    clients = [connect(rm.address()) for _ in range(3)]
    me = "%s:%d" % clients[1].getsockname()
    for kind in pictures_of(browser, url_of(rm), "sessions"):
        for client in clients:
            tcp.exchange(client, b"hello")
        tcp.exchange(clients[1], b"x" * 50000)
        browser.wait(f"document.getElementById('sessions').innerText.startsWith('{me}')", f"the busiest one, {kind}")


def test_a_backends_bytes_are_told(shown, browser, connect):
    """In a second, each way: it is asked for more than it is sent."""
    rm, _, url = shown
    client = connect(rm.address())
    browser.open(url)
    browser.wait(LIVE, "the page to draw itself")
    head = browser.run("[...document.querySelectorAll('.pool thead th')].map(h => h.textContent).join()")
    assert "To backend,To clients,Failed" in head
    at = "[...document.querySelectorAll('.pool tbody tr')].map(r => r.cells[%d].textContent)"
    for n in (6, 7):
        def moves(n=n):
            tcp.exchange(client, b"x" * 30000)
            return any(" kB/s" in text for text in browser.run(at % n))
        wait_until(moves, "its bytes to be shown")
    assert sum(text == "0 B/s" for text in browser.run(at % 7)) == 1      # the other one has no session


@pytest.fixture
def pair(ringmain, start, workdir):
    """(ringmain, primary, replica): the first is what the pool wants."""
    primary = start(Redis, workdir)
    replica = start(RedisReplica, primary, workdir)
    rm = ringmain([primary, replica], settings={"status": "127.0.0.1:0"}, pool={
        "check": "redis", "check_interval": "100ms", "check_fast_interval": "50ms", "role": "primary", "hold": "60s"})
    status = Status(rm)
    wait_until(lambda: [status.backend(name).get("role") for name in ("b1", "b2")] == ["primary", "replica"], "roles")
    return rm, primary, replica


def text_of(name):
    return f"document.getElementById('{name}').innerText"


def test_roles_are_told(pair, browser):
    rm, primary, replica = pair
    browser.open(url_of(rm))
    browser.wait(f"{row_of('b1')}?.includes('ready primary')", "the primary to be called one")
    browser.wait(f"{row_of('b2')}.includes('has another role: replica')", "the replica to be told why")
    assert "● 1 ready, 1 standby" in browser.run(text_of("pools"))
    assert browser.run(text_of("notes")) == ""
    assert "<td>ready</td><td>primary</td>" in Status(rm).get("/")

    replica.cli("REPLICAOF", "NO", "ONE")
    browser.wait(f"{text_of('notes')}.includes('2 servers of out claim to be primary')", "two primaries")
    assert "b2: one of several primaries" in browser.run(text_of("notes"))
    primary.cli("REPLICAOF", *map(str, replica.address))
    browser.wait(f"{row_of('b2')}.includes('ready primary')", "the other one to be primary")
    browser.wait(f"{text_of('changes')}.startsWith('0 s ago') || {text_of('changes')}.startsWith('1 s ago')", "the change")
    for name in ("out / b1", "out / b2"):
        assert name in browser.run(text_of("changes"))


def test_who_is_held_is_not_one_of_too_many(pair, browser, connect):
    rm, primary, replica = pair
    primary.cli("REPLICAOF", *map(str, replica.address))
    wait_until(lambda: Status(rm).json()["pools"][0]["ready"] == 0, "nobody to be primary")
    connect(rm.address())
    browser.open(url_of(rm))
    browser.wait(f"{LIVE} && {text_of('pools')}.includes('1 held: no backend')", "who is held")
    notes = browser.run(text_of("notes"))
    assert "Pool out has no backend" in notes and "1 are held" in notes
    assert "every backend is full" not in notes
    assert "waiting: all are full" not in browser.run(text_of("pools"))


def test_who_waits_for_room_is_told(ringmain, backend, browser, connect):
    rm = ringmain([f"{backend(servers.echo).text} max_sessions=1"], settings={"status": "127.0.0.1:0"}, pool={"queue": 10, "queue_timeout": "60s"})
    tcp.exchange(connect(rm.address()), b"x")
    connect(rm.address())
    browser.open(url_of(rm))
    browser.wait(f"{LIVE} && {text_of('notes')}.includes('every backend is full, 1 of them')", "who waits")
    assert "1 waiting: all are full" in browser.run(text_of("pools"))


@pytest.fixture
def commanded(controlled, backend):
    """(ringmain, the address of the page, Ctl)"""
    rm, ctl = controlled([backend(servers.echo)], settings={"status": "127.0.0.1:0", "status_sessions": "yes"},
                         listener={"max_sessions": 2})
    return rm, url_of(rm), ctl


LISTENER = "document.querySelector('#listeners tr').innerText"


def test_a_paused_listener_and_a_failed_reload_are_seen(commanded, browser):
    rm, url, ctl = commanded
    browser.open(url)
    browser.wait(f"{LIVE} && {text_of('changes')}.includes('None since the start')", "the page to draw itself")
    assert browser.run(text_of("notes")) == "" and "paused" not in browser.run(LISTENER)
    ctl.say("listener", "in", "pause")
    file = rm.dir / "ringmain.ini"
    file.write_text(file.read_text(encoding="utf-8") + "bogus = 1\n", encoding="utf-8")
    assert ctl.run("reload").returncode == 1
    browser.wait(f"{text_of('notes')}.startsWith('✖ The last reload failed') && {text_of('notes')}.includes('▲ Listener in is paused')", "both notes")
    assert "■ paused" in browser.run(LISTENER)
    assert "bogus" in browser.run(text_of("notes"))
    assert "reload" in browser.run(text_of("changes")) and "✖ failed" in browser.run(text_of("changes"))
    assert browser.run("document.title").startswith("▲ 2 ")


def test_a_full_listener_and_nobody_who_is_busy(commanded, browser, connect):
    rm, url, _ = commanded
    browser.open(url)
    browser.wait(f"{LIVE} && {text_of('sessions')}.includes('None')", "no session to be said")
    for _ in range(2):
        tcp.exchange(connect(rm.address()), b"x")
    browser.wait(f"{text_of('notes')}.includes('Listener in is full')", "the note")
    assert "▲ full" in browser.run(LISTENER) and "2 / 2" in browser.run(LISTENER)


def test_notes_are_in_order_and_the_rest_is_opened(ringmain, backend, browser):
    live = backend(servers.echo).text
    with contextlib.closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        dead = "127.0.0.1:%d" % held.getsockname()[1]
        text = ini([live], settings={"status": "127.0.0.1:0"})
        for n in range(9):
            rest = f"backend = up {live}\n" if n < 8 else ""
            text += f"[pool p{n}]\ncheck = tcp\ncheck_interval = 100ms\ncheck_fast_interval = 50ms\n{rest}"
            text += "".join(f"backend = d{i} {dead}\n" for i in range(3))
        browser.open(url_of(ringmain(text)))
        browser.wait(f"{LIVE} && {text_of('notes')}.startsWith('✖ Pool p8 has no backend') && document.querySelectorAll('#other-notes li').length === 3", "nine notes")
    assert browser.run("document.querySelectorAll('#notes li').length") == 6
    assert "p0: 3 of 4 backends are down — by checks: connection refused" in browser.run(text_of("notes"))
    assert browser.run("document.querySelector('#more-notes summary').innerText") == "and 3 more"
    assert browser.run("document.querySelector('#other-notes li').checkVisibility()") is False
    browser.run("document.querySelector('#more-notes summary').click()")
    browser.wait(f"{text_of('other-notes')}.includes('p7: 3 of 4 backends are down')", "the rest")


def test_the_operators_override_is_seen_where_down_hides_it(controlled, backend, browser):
    gone = backend(servers.echo)
    rm, ctl = controlled([gone], settings={"status": "127.0.0.1:0"}, pool={"check": "tcp", "check_interval": "100ms"})
    browser.open(url_of(rm))
    gone.stop_listening()
    ctl.say("backend", "out/b1", "drain")
    ctl.say("backend", "out/b1", "weight", "3")
    browser.wait(f"{LIVE} && {row_of('b1')}.includes(\"connection refused; the operator's override: drain, weight 3\")", "both")


def test_changes_are_flat_on_a_phone(shown, browser):
    """The reason has a line of its own, not a narrow column beside the others."""
    _, first, url = shown
    first.stop_listening()
    browser.open(url, width=390)
    browser.wait(f"{LIVE} && {text_of('changes')}.includes('down')", "the change")
    assert browser.run("document.querySelector('#changes td.why').offsetWidth") > 250


def test_a_killed_backend_is_told_within_two_seconds(shown, browser):
    rm, first, url = shown
    browser.open(url)
    browser.wait(LIVE, "the page to draw itself")
    for _ in range(10):
        with contextlib.closing(tcp.connect(rm.address())) as client:
            tcp.exchange(client, b"hello")
    browser.wait(f"{row_of('b1')}.includes('ready')", "b1 to be ready")
    first.stop_listening()
    rm.wait_line(msg="backend", backend="b1", state="down")
    began = time.monotonic()
    browser.wait(f"{row_of('b1')}.includes('down')", "b1 to be down")
    took = time.monotonic() - began
    assert browser.run("document.getElementById('notes').innerText").startswith("✖ out / b1 is down")
    assert "connection refused" in browser.run(row_of("b1"))
    assert "out / b1" in browser.run("document.getElementById('changes').innerText")
    assert took < 2 * float(os.environ.get("TEST_TIME_SCALE", "1")) + 3, took   # a busy machine may be late


def test_what_it_looks_like(shown, browser):
    rm, _, url = shown
    clients = [tcp.connect(rm.address()) for _ in range(20)]
    for kind in pictures_of(browser, url, "small"):
        for client in clients:
            tcp.exchange(client, b"x" * 1000)
        browser.wait("document.getElementById('tiles').innerText.includes('20')", f"twenty sessions, {kind}")
    for client in clients:
        client.close()


def test_many_listeners_and_backends(ringmain, browser):
    """200 backends and 20 listeners: the first twelve of a pool, the rest is asked for."""
    text = "[global]\nstatus = 127.0.0.1:0\n" + ini(["127.0.0.1:9"] * 180).partition("[global]\n")[2]
    for n in range(19):
        text += f"[listener l{n}]\nbind = 127.0.0.1:0\npool = p{n}\n[pool p{n}]\nbackend = x{n} 127.0.0.1:9\n"
    rm = ringmain(text)
    for _ in pictures_of(browser, url_of(rm), "many"):
        assert browser.run("document.querySelectorAll('#listeners tr').length") == 20
        assert browser.run("document.querySelectorAll('.pool').length") == 20
        browser.run("document.querySelector('.pool').open = true")
        assert browser.run("document.querySelectorAll('.pool')[0].querySelectorAll('tbody tr').length") == 12
        browser.run("document.querySelector('.more button').click()")
        assert browser.run("document.querySelectorAll('.pool')[0].querySelectorAll('tbody tr').length") == 180
        browser.run("document.querySelector('.more button').click()")


def test_it_is_used_with_the_keyboard(shown, browser):
    _, _, url = shown
    browser.open(url)
    browser.wait(LIVE, "the page to draw itself")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="/", text="/")
    assert browser.run("document.activeElement.id") == "find"
    browser.call("Input.insertText", text="b2")
    browser.wait(f"{row_of('b1')} === undefined && {row_of('b2')} !== undefined", "b2 alone to be shown")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="Escape")
    browser.wait(f"{row_of('b1')} !== undefined", "both to be shown again")
    # Everything that can be reached by Tab has a name.
    names = browser.run("[...document.querySelectorAll('a, button, input, summary, [tabindex]')].map(e => "
                        "e.innerText || e.ariaLabel || document.querySelector(`label[for=${e.id}]`)?.innerText || '')")
    assert names and all(names)


def test_colours_have_contrast(shown, browser):
    """WCAG AA, 4.5 to 1, of each text against what is behind it, in light and dark."""
    _, first, url = shown
    first.stop_listening()
    script = """(() => {
        const part = c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
        const rgb = t => t.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
        const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
            if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
        const poor = [];
        for (const e of document.querySelectorAll('body *')) {
            if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.offsetParent || /SCRIPT|STYLE/.test(e.tagName)) continue;
            const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
            if ((a + .05) / (b + .05) < 4.5) poor.push(e.outerHTML.slice(0, 80));
        }
        return poor; })()"""
    for dark in (False, True):
        browser.open(url, dark=dark)
        browser.wait(f"{LIVE} && {row_of('b1')}.includes('down')", "b1 to be down")
        time.sleep(0.5)         # colours change slowly
        assert browser.run(script) == []


def test_without_javascript_it_is_a_table(shown, browser):
    _, _, url = shown
    browser.open(url, width=800, script=False)

    def text():
        root = browser.call("DOM.getDocument", depth=-1)["root"]
        return browser.call("DOM.getOuterHTML", nodeId=root["nodeId"])["outerHTML"]
    browser.call("DOM.enable")
    wait_until(lambda: "<th scope=\"row\">b2</th>" in text(), "the table")
    assert browser.call("Page.getLayoutMetrics")["cssContentSize"]["width"] <= 800


def test_it_says_when_nobody_answers(shown, browser):
    rm, _, url = shown
    browser.open(url)
    browser.wait(LIVE, "the page to draw itself")
    rm.stop()
    browser.wait("document.getElementById('state').textContent.includes('no answer')", "the page to notice")
    browser.errors.clear()      # which says that it could not connect, too
