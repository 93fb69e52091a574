# SPDX-License-Identifier: GPL-2.0-or-later
"""Where connections to backends come from: addresses of our own, or the client's."""

import collections
import itertools
import re

import pytest

from kit import backend as servers
from kit import proc, proxyhdr, tcp
from kit.ini import ini
from kit.netns import Netns
from kit.ringmain import ROOT
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("says it in other words")

FEW_PORTS = "40000 40009"       # ten, towards each address and port
V4, V6 = ("127.0.0.81", "127.0.0.82", "127.0.0.83"), ("fd00::81", "fd00::82", "fd00::83")
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
OURS = {4: V4, 6: V6}


@pytest.fixture
def space(start, workdir):
    """A network namespace with addresses of both families to connect from."""
    made = start(Netns, workdir)
    for host in V6:
        made.run("ip", "address", "add", f"{host}/128", "dev", "lo", "nodad")
    return made


@pytest.fixture
def inside(space, ringmain, cleanup):
    """inside(backends, ...as ringmain...) starts one there; inside.echo(host) a server."""
    def begin(backends, **options):
        return ringmain(backends, prefix=space.prefix, **options)

    def echo(host, port=0):
        server = space.inside(servers.Backend, servers.echo, (host, port))
        cleanup.append(server.close)
        return server

    begin.echo = echo
    return begin


def hosts_of(server):
    return [peer.address[0] for peer in server.peers]


# Addresses of our own

def test_addresses_to_dial_from_in_turns(ringmain, backend, connect):
    server = backend(servers.echo)
    rm = ringmain([server], pool={"source": [V4[0], " ".join(V4[1:])]}, settings={"workers": 1})
    for _ in range(12):
        tcp.exchange(connect(rm.address()), b"x")
    hosts = hosts_of(server)
    assert collections.Counter(hosts) == {host: 4 for host in V4}
    assert all(len(set(three)) == 3 for three in itertools.zip_longest(*[iter(hosts)] * 3))


@pytest.mark.root
def test_ipv6_addresses_in_turns(space, inside, cleanup):
    server = inside.echo("::1")
    rm = inside([server], pool={"source": " ".join(V6)}, settings={"workers": 1})
    for _ in range(12):
        client = space.inside(tcp.connect, rm.address())
        cleanup.append(client.close)
        tcp.exchange(client, b"x")
    assert collections.Counter(hosts_of(server)) == {host: 4 for host in V6}


@pytest.mark.root
def test_each_family_has_its_own(space, inside, cleanup):
    four, six = inside.echo("127.0.0.1"), inside.echo("::1")
    rm = inside([four, six], pool={"source": [V4[0], *V6[:2]], "balance": "roundrobin"},
                settings={"workers": 1})
    for _ in range(12):
        client = space.inside(tcp.connect, rm.address())
        cleanup.append(client.close)
        tcp.exchange(client, b"x")
    assert collections.Counter(hosts_of(four)) == {V4[0]: 6}
    assert collections.Counter(hosts_of(six)) == {host: 3 for host in V6[:2]}


def test_address_that_is_not_ours_is_not_the_backends_fault(ringmain, backend):
    server = backend(servers.echo)
    rm = ringmain([server], pool={"source": "192.0.2.1", "eject_after": 1})
    for _ in range(4):
        assert tcp.knock(rm.address()) == (b"", "RST")
    rm.wait_sessions(4, reason="no_resources")
    assert not rm.lines(backend="b1", change="ejected") and not server.peers


def test_checks_come_from_there_too(ringmain, manual):
    server = manual()
    ringmain([server], pool={"source": V4[0], "check": "tcp", "check_interval": "50ms",
                             "send_proxy": "v1"})      # without it the server does not see them
    assert server.accept().getpeername()[0] == V4[0]


# Want of ports

def come(space, rm, cleanup, number):
    """Gives a client's socket when it was served, else None; its own port is out of the range."""
    try:
        client = space.inside(tcp.connect, rm.address(), source=("127.0.0.1", 50000 + number))
        cleanup.append(client.close)
        client.sendall(b"x")
        tcp.expect(client, b"x")
        return client
    except ConnectionResetError:
        return None


@pytest.mark.root
@pytest.mark.parametrize("family", (4, 6))
def test_more_addresses_are_more_ports(space, inside, cleanup, family):
    """Three times ten. What is missing then is ours, and the backend stays in."""
    space.sysctl("net.ipv4.ip_local_port_range", FEW_PORTS)
    server = inside.echo(LOOPBACK[family], 2001)
    rm = inside([server], binds=["127.0.0.1:2000"],
                pool={"source": " ".join(OURS[family]), "eject_after": 1, "eject_max_percent": 100})
    clients = [come(space, rm, cleanup, number) for number in range(33)]
    assert [client is not None for client in clients] == [True] * 30 + [False] * 3
    lines = rm.wait_sessions(3, reason="no_resources")
    assert {line["detail"] for line in lines} == {"EADDRNOTAVAIL"}
    assert collections.Counter(hosts_of(server)) == {host: 10 for host in OURS[family]}
    assert not rm.lines(backend="b1", change="ejected")


@pytest.mark.root
def test_each_backend_has_all_ports(space, inside, cleanup):
    """Of one address (IP_BIND_ADDRESS_NO_PORT): what one backend has taken, another has still."""
    space.sysctl("net.ipv4.ip_local_port_range", FEW_PORTS)
    pair = [inside.echo(host, 2001) for host in ("127.0.0.1", "127.0.0.2")]
    rm = inside(pair, binds=["127.0.0.1:2000"], pool={"source": V4[0], "balance": "roundrobin"})
    assert all(come(space, rm, cleanup, number) for number in range(20))
    assert [hosts_of(server) for server in pair] == [[V4[0]] * 10] * 2


@pytest.mark.root
def test_a_port_that_becomes_free_is_found(space, inside, cleanup):
    """At whichever address it is, although all take turns."""
    space.sysctl("net.ipv4.ip_local_port_range", FEW_PORTS)
    server = inside.echo("127.0.0.1", 2001)
    rm = inside([server], binds=["127.0.0.1:2000"], pool={"source": " ".join(V4)})
    clients = [come(space, rm, cleanup, number) for number in range(30)]
    of_one = [number for number, host in enumerate(hosts_of(server)) if host == V4[1]]
    for number in of_one[:4]:
        tcp.reset(clients[number])      # leaves no TIME_WAIT behind
    rm.wait_sessions(4)
    for number in range(30, 34):
        assert come(space, rm, cleanup, number)
    assert hosts_of(server)[30:] == [V4[1]] * 4
    assert not rm.sessions(reason="no_resources")


@pytest.mark.root
def test_checks_without_a_port_say_nothing(space, inside):
    """They come so often that all ports wait for their last segments, which takes a second."""
    space.sysctl("net.ipv4.ip_local_port_range", FEW_PORTS)
    server = inside.echo("127.0.0.1", 2001)
    rm = inside([server], binds=["127.0.0.1:2000"],
                pool={"check": "tcp", "check_interval": "10ms", "check_fall": 1, "send_proxy": "v1"})
    wait_until(lambda: len(server.peers) >= 25, "checks that had to wait for ports", 20)
    assert not rm.lines(msg="backend")


# Connections with oneself

@pytest.mark.root
def test_a_dead_backend_on_a_port_of_ours_refuses(space, inside, cleanup):
    """Of ten ports to connect from one is the backend's own; nobody gets his own words back."""
    space.sysctl("net.ipv4.ip_local_port_range", FEW_PORTS)
    port = int(FEW_PORTS.split()[0]) + 4
    rm = inside([f"127.0.0.1:{port}"], binds=["127.0.0.1:2000"])
    for number in range(60):
        assert come(space, rm, cleanup, number) is None
    rm.wait_sessions(60, reason="connect_refused", by="ringmain")


# The client's own

@pytest.mark.root
def test_transparent(make_ringmain, start, cleanup, workdir):
    """The backend sees an address that is not this machine's, and its answers come back."""
    space = start(Netns, workdir)
    space.run("ip", "route", "add", "local", "default", "dev", "lo", "table", "100")
    space.run("ip", "rule", "add", "to", "192.0.2.0/24", "lookup", "100")
    server = space.inside(servers.Backend, servers.echo)
    cleanup.append(server.close)
    rm = make_ringmain().start(ini([server], pool={"transparent": "yes"}, listener={
        "proxy_protocol": "accept", "proxy_protocol_from": "127.0.0.1"}), prefix=space.prefix)
    client = space.inside(tcp.connect, rm.address())
    cleanup.append(client.close)
    client.sendall(proxyhdr.v2(("192.0.2.77", 40001), ("198.51.100.9", 443)))
    tcp.exchange(client, b"who am I")
    assert hosts_of(server) == ["192.0.2.77"]


@pytest.mark.root
def test_transparent_without_the_right(ringmain, backend):
    """It is said, and not held against the backend."""
    server = backend(servers.echo)
    rm = ringmain([server], pool={"transparent": "yes", "eject_after": 1, "eject_max_percent": 100},
                  prefix=[proc.need("setpriv", "util-linux"), "--bounding-set=-net_admin,-net_raw"])
    for _ in range(3):
        assert tcp.knock(rm.address()) == (b"", "RST")
    lines = rm.wait_sessions(3, reason="no_resources")
    assert {line["detail"] for line in lines} == {"EPERM"}
    assert not rm.lines(msg="backend") and not server.peers


def test_transparent_means_nothing_to_unix_sockets(ringmain, backend, connect, workdir):
    """Neither where the backend alone is one, nor where the client is, too."""
    server = backend(servers.echo, f"{workdir}/server")
    rm = ringmain([server], binds=("127.0.0.1:0", f"unix:{workdir}/in"),
                  pool={"transparent": "yes"})
    for address in rm.addresses():
        tcp.exchange(connect(address), b"hello")


def routing_of_the_manual():
    """The commands that ringmain.ini(5) gives for the directive transparent."""
    page = (ROOT / "etc/ringmain.ini.5").read_text(encoding="utf-8")
    block = re.search(r"^\.It Ic transparent$.*?^\.Bd [^\n]*\n(.*?)^\.Ed$", page, re.S | re.M)[1]
    return block.replace("\\e", "\\")


CLIENT, FRONT = {4: "10.1.0.1", 6: "fd01::1"}, {4: "10.1.0.2", 6: "fd01::2"}
BEHIND, SERVER = {4: "10.2.0.2", 6: "fd02::2"}, {4: "10.2.0.1", 6: "fd02::1"}
BITS = {4: 24, 6: 64}


@pytest.fixture
def wired(start, workdir):
    """Three machines in a row: client, ringmain, backend, whose gateway is ringmain's."""
    client, middle, server = (start(Netns, workdir, number) for number in (1, 2, 3))
    middle.link(client, "front", "out")
    middle.link(server, "behind", "out")
    for family, bits in BITS.items():
        client.address("out", f"{CLIENT[family]}/{bits}")
        middle.address("front", f"{FRONT[family]}/{bits}")
        middle.address("behind", f"{BEHIND[family]}/{bits}")
        server.address("out", f"{SERVER[family]}/{bits}")
        server.run("ip", f"-{family}", "route", "add", "default", "via", BEHIND[family])
    middle.run("/bin/sh", "-e", "-c", routing_of_the_manual())
    return client, middle, server


@pytest.mark.root
@pytest.mark.parametrize("transparent", ("yes", "no"))
@pytest.mark.parametrize("to", (4, 6))
@pytest.mark.parametrize("of", (4, 6))
def test_transparent_across_wires(wired, ringmain, cleanup, transparent, of, to):
    """Whom the backend sees, and ten connections' bytes in both directions."""
    outside, middle, behind = wired
    server = behind.inside(servers.Backend, servers.echo, (SERVER[to], 0))
    cleanup.append(server.close)
    rm = ringmain([server], binds=[f"{FRONT[4]}:0", f"[{FRONT[6]}]:0"], prefix=middle.prefix,
                  pool={"transparent": transparent, "connect_timeout": "5s"})
    for number in range(10):
        client = outside.inside(tcp.connect, rm.addresses()[of == 6])
        cleanup.append(client.close)
        data = tcp.pattern(number, 1 << 17)
        task = tcp.send_in_background(client, data)
        tcp.expect(client, data)
        task.result()
    seen = CLIENT[of] if transparent == "yes" and of == to else BEHIND[to]
    assert hosts_of(server) == [seen] * 10
