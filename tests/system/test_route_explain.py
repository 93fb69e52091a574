# SPDX-License-Identifier: GPL-2.0-or-later
"""ringmain --route and --digest: what is said must be what happens."""

import re

import pytest

from kit import backend as kit_backend
from kit import tcp
from kit.ini import ini

pytestmark = pytest.mark.haproxy_cannot("does not say")

SERVERS = 5


def route(relay, config, key):
    """Gives the names of the backends that a key gets, best first."""
    done = relay.check(config, "--route", key)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    answer = next(line for line in done.stdout.splitlines() if f": {key} gets " in line)
    return re.findall(r"(b\d+) \(", answer)


def test_sessions_go_where_it_says(ringmain, make_ringmain, backend):
    servers = [backend(kit_backend.name(b"%d" % number)) for number in range(1, SERVERS + 1)]
    config = ini(servers, pool={"balance": "maglev", "hash": "source/31"})
    rm, asked = ringmain(config), make_ringmain()
    seen = set()
    for number in range(2, 42):
        client = f"127.0.0.{number}"
        with tcp.connect(rm.address(), source=(client, 0)) as sock:
            got = tcp.read_to_end(sock).data.decode()
        wanted = route(asked, config, client)
        assert f"b{got}" == wanted[0]
        assert len(set(wanted)) == len(wanted) == 4
        seen.add(got)
    assert len(seen) == SERVERS, "hardly by chance"


def test_next_one_is_the_next_one(ringmain, make_ringmain, backend):
    servers = [backend(kit_backend.name(b"%d" % number)) for number in range(1, SERVERS + 1)]
    config = ini(servers, pool={"balance": "maglev"})
    rm = ringmain(config)
    wanted = route(make_ringmain(), config, "127.0.0.1")
    servers[int(wanted[0][1:]) - 1].close()
    with tcp.connect(rm.address()) as sock:
        assert f"b{tcp.read_to_end(sock).data.decode()}" == wanted[1]


def test_digest_is_the_same_on_every_node(make_ringmain):
    backends = [f"192.0.2.{number}:80" for number in range(1, 6)]
    rm = make_ringmain()
    one = rm.check(ini(backends, pool={"balance": "maglev"}), "--digest")
    text = ini(backends, pool={"balance": "maglev"})
    lines = [line for line in text.splitlines() if not line.startswith("backend")]
    lines += [line for line in reversed(text.splitlines()) if line.startswith("backend")]
    two = rm.check("\n".join(lines) + "\n", "--digest")
    three = rm.check(ini(backends[:4], pool={"balance": "maglev"}), "--digest")
    assert re.fullmatch(r"out 65537 [0-9a-f]{16}\n\* 1 [0-9a-f]{16}\n", one.stdout)
    assert one.stdout == two.stdout != three.stdout


def test_key_that_nothing_depends_on(make_ringmain):
    """A name, where no listener reads names."""
    done = make_ringmain().check(ini(["192.0.2.1:80"]), "--route", "db.example.com")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("ringmain: --route: nothing depends on 'db.example.com' here")


def test_who_is_denied_goes_nowhere(make_ringmain, backend, ringmain):
    """The word of --route, and what happens."""
    config = ini([backend(kit_backend.name(b"1"))], listener={"deny": "127.0.0.9"},
                 pool={"balance": "maglev"})
    asked = make_ringmain()
    said = asked.check(config, "--route", "127.0.0.9").stdout
    assert "[listener in]: 127.0.0.9 is denied: deny = 127.0.0.9" in said
    assert "[pool out]: 127.0.0.9 gets no backend: no listener that leads here lets it in" in said
    assert route(asked, config, "127.0.0.8") == ["b1"]
    rm = ringmain(config)
    assert tcp.knock(rm.address(), source=("127.0.0.9", 0)) == (b"", "RST")
    with tcp.connect(rm.address(), source=("127.0.0.8", 0)) as sock:
        assert tcp.read_to_end(sock).data == b"1"


def test_bad_configuration_has_no_routes(make_ringmain):
    done = make_ringmain().check("[listener in]\n", "--route", "192.0.2.9")
    assert (done.returncode, done.stdout) == (1, "")
    assert "ringmain.ini:1:2: error: " in done.stderr
