# SPDX-License-Identifier: GPL-2.0-or-later
"""Can everybody use the status page? What screen readers are told of it, by the browser's own tree, and what keys reach.

No checker of this kind is in Debian, so these are the rules of WCAG 2.1 AA that one would look for; contrast of text
is in test_status_page.py.
"""

import collections

import pytest

from kit.wait import wait_until
from test_status_page import LIVE, browser, pytestmark as of_page, row_of, shown    # noqa: F401  pylint: disable=unused-import

pytestmark = of_page

NAMED = {"link", "button", "searchbox", "textbox", "table", "region", "heading", "columnheader", "rowheader",
         "DisclosureTriangle", "image", "list", "RootWebArea"}
KINDS = {"light": {}, "dark": {"dark": True}, "phone": {"width": 390}, "narrow": {"width": 320},
         "without a script": {"script": False}}


class Tree:
    """What an assistive program is told: nodes that are not left out, with role, name and children."""

    def __init__(self, page):
        self.nodes = {node["nodeId"]: node for node in page.call("Accessibility.getFullAXTree")["nodes"]}

    def all(self, *roles):
        return [node for node in self.nodes.values() if not node["ignored"] and self.role(node) in roles]

    @staticmethod
    def role(node):
        return node.get("role", {}).get("value", "")

    @staticmethod
    def name(node):
        return node.get("name", {}).get("value", "").strip()

    @staticmethod
    def property(node, name):
        return next((one["value"].get("value") for one in node.get("properties", []) if one["name"] == name), None)

    def below(self, node, *roles):
        found = []
        for child in (self.nodes[one] for one in node.get("childIds", []) if one in self.nodes):
            found += [child] if not child["ignored"] and self.role(child) in roles else []
            found += self.below(child, *roles)
        return found


@pytest.fixture(name="seen", params=KINDS)
def _seen(request, shown, browser):
    """The page with one backend that is away, in each of its forms."""
    rm, first, url = shown
    first.stop_listening()
    rm.wait_line(msg="backend", backend="b1", state="down")
    kind = KINDS[request.param]
    browser.call("Accessibility.enable")
    browser.open(url, **kind)
    if kind.get("script", True):
        browser.wait(f"{LIVE} && {row_of('b1')}.includes('down')", "b1 to be down")
    else:
        wait_until(lambda: Tree(browser).all("table"), "the tables")
    return browser


def test_everything_has_a_name_and_a_place(seen):
    tree = Tree(seen)
    nameless = [Tree.role(node) for node in tree.all(*NAMED) if not Tree.name(node)]
    assert not nameless
    levels = [int(Tree.property(node, "level")) for node in tree.all("heading")]
    assert levels[0] == 1 and levels.count(1) == 1, levels
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), levels
    assert len(tree.all("main")) == 1 and len(tree.all("banner")) == 1


def test_tables_have_heads(seen):
    tree = Tree(seen)
    tables = tree.all("table")
    assert tables
    for table in tables:
        rows = tree.below(table, "row")
        heads = tree.below(rows[0], "columnheader")
        assert heads and not tree.below(rows[0], "cell", "gridcell"), Tree.name(table)
        for row in rows[1:]:
            cells = tree.below(row, "cell", "gridcell", "rowheader")
            assert len(cells) == 1 or tree.below(row, "rowheader"), [Tree.name(cell) for cell in cells]


RULES = """(() => { const wrong = [];
    if (!document.documentElement.lang) wrong.push("no lang");
    if (/user-scalable|maximum-scale/.test(document.querySelector("meta[name=viewport]").content)) wrong.push("no zoom");
    for (const e of document.querySelectorAll("[tabindex]")) if (e.tabIndex > 0) wrong.push("an order of its own: " + e.outerHTML.slice(0, 80));
    const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
    if (new Set(ids).size < ids.length) wrong.push("an id twice");
    for (const e of document.querySelectorAll("[aria-labelledby]")) if (!document.getElementById(e.getAttribute("aria-labelledby"))) wrong.push("labelled by nothing");
    if (document.documentElement.scrollWidth > innerWidth) wrong.push("wider than the window: " + document.documentElement.scrollWidth);
    return wrong; })()"""


@pytest.mark.parametrize("width", (1280, 640, 320))
def test_the_document_follows_the_rules(shown, browser, width):
    """At 640 it is what somebody sees who has enlarged it to 200 %, at 320 to 400 %."""
    browser.open(shown[2], width=width)
    browser.wait(LIVE, "the page to draw itself")
    assert browser.run(RULES) == []


FOCUSED = """(() => { const e = document.activeElement, s = getComputedStyle(e);
    return [e.tagName + " " + (e.id || e.innerText || "").slice(0, 30), s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2]; })()"""
REACHABLE = """[...document.querySelectorAll("a[href], button, input, summary, [tabindex='0']")].filter(e => e.offsetParent).length"""


def test_keys_reach_everything_and_it_is_seen_where_they_are(shown, browser):
    browser.open(shown[2])
    browser.wait(f"{LIVE} && {row_of('b2')}.includes('ready')", "the page to draw itself")
    reached = collections.OrderedDict()
    for _ in range(40):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        what, is_seen = browser.run(FOCUSED)
        if what in reached or what.startswith("BODY"):
            break
        reached[what] = is_seen
    assert len(reached) == browser.run(REACHABLE), reached
    assert all(reached.values()), reached
    # A pool is folded and unfolded.
    browser.run("document.querySelector('.pool summary').focus()")
    for is_open in (False, True):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r" if kind == "keyDown" else "",
                         windowsVirtualKeyCode=13)
        browser.wait(f"document.querySelector('.pool').open === {str(is_open).lower()}", "the pool to be folded")


LATER = "new Promise(done => setTimeout(() => done(told()), 2500))"
TOLD = """const told = () => { const copy = document.getElementById('notes').cloneNode(true);
    copy.querySelectorAll('[aria-hidden=true]').forEach(e => e.remove()); return copy.textContent; };"""


def test_what_is_read_aloud_by_itself_is_news(shown, browser):
    """Of what needs attention, that it does: not each second for how long by now."""
    _, first, url = shown
    first.stop_listening()
    browser.open(url)
    browser.wait(f"{LIVE} && document.getElementById('notes').innerText.includes('b1 is down')", "the news")
    before, after = browser.run(f"(async () => {{ {TOLD} return [told(), await {LATER}]; }})()")
    assert "b1 is down" in before and before == after


CONTROLS = """(() => { const part = c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
    const light = t => { const [r, g, b] = t.match(/[\\d.]+/g).map(Number); return .2126 * part(r) + .7152 * part(g) + .0722 * part(b); };
    const ratio = (a, b) => { [a, b] = [light(a), light(b)].sort((x, y) => y - x); return (a + .05) / (b + .05); };
    const find = document.getElementById("find"), style = getComputedStyle(find);
    return [ratio(style.borderTopColor, getComputedStyle(document.body).backgroundColor),
            ratio(getComputedStyle(find, "::placeholder").color, style.backgroundColor)]; })()"""


@pytest.mark.parametrize("dark", (False, True))
def test_a_field_is_seen_to_be_one(shown, browser, dark):
    browser.open(shown[2], dark=dark)
    browser.wait(LIVE, "the page to draw itself")
    border, placeholder = browser.run(CONTROLS)
    assert border >= 3 and placeholder >= 4.5
