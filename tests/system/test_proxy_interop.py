# SPDX-License-Identifier: GPL-2.0-or-later
"""PROXY headers between ringmain and other people's programs, and what Wireshark makes of ours.

                  as senders                      as receivers
    HAProxy       v1, v2, v2 with TLVs            v1, v2, v2 with TLVs; LOCAL of checks
    nginx         v1, the only one it sends       v1, v2, v2 with TLVs; LOCAL of checks
    hitch         v2 with TLVs                    v1 and v2, which it hands on unread
    MariaDB       sends none                      v1, v2, v2 with TLVs; LOCAL of checks
"""

import pytest

from kit import proxies, proxyhdr as ph, servers, tcp, tls, tshark
from kit.backend import echo
from kit.wait import wait_until

ACCEPT = {"proxy_protocol": "accept", "proxy_protocol_from": "127.0.0.0/8"}
FULL = {"send_proxy": "v2", "send_proxy_tlvs": "yes"}
SENT = {"v1": {"send_proxy": "v1"}, "v2": {"send_proxy": "v2"}, "v2 tlvs": FULL}
CHECKED = {"check": "tcp", "check_interval": "50ms"}
PAYLOAD = b"and then the client spoke"


# Behind others

@pytest.fixture
def relay(ringmain, backend):
    """One that believes us, before an echo server."""
    return ringmain([backend(echo)], listener=ACCEPT)


@pytest.mark.parametrize("kind, version", ((proxies.Haproxy, "v1"), (proxies.Haproxy, "v2"),
                                           (proxies.Haproxy, "v2 tlvs"), (proxies.Nginx, "v1")))
def test_behind_another_proxy(relay, start, workdir, connect, kind, version):
    front = start(kind, workdir, relay.address(), sends=version)
    client = connect(front.address, source=("127.0.0.21", 0))
    own = client.getsockname()
    tcp.exchange(client, PAYLOAD)
    client.close()
    wait_until(lambda: relay.sessions(client=tcp.text_of(own)), "the client's session")


def test_behind_hitch(relay, start, workdir, cleanup, pki):
    """Its headers carry TLVs of its own."""
    front = start(proxies.Hitch, workdir, relay.address(), certificate=pki["backend.pem"])
    client = tls.connect(front.address, tls.client_context(), source=("127.0.0.24", 0))
    cleanup.append(client.close)
    own = client.sock.getsockname()
    tcp.exchange(client, PAYLOAD)
    client.close()
    wait_until(lambda: relay.sessions(client=tcp.text_of(own)), "the client's session")


# In front of others

@pytest.mark.parametrize("kind", (proxies.Haproxy, proxies.Nginx))
@pytest.mark.parametrize("version", SENT)
def test_before_another_proxy(ringmain, start, workdir, manual, connect, kind, version):
    server = manual()
    back = start(kind, workdir, server.address, accepts=True, sends="v1")
    rm = ringmain([back], pool=SENT[version])
    client = connect(rm.address(), source=("127.0.0.22", 0))
    client.sendall(PAYLOAD)
    sock = server.accept()
    assert ph.read(sock).source == client.getsockname()
    tcp.expect(sock, PAYLOAD)
    sock.sendall(b"answer")
    tcp.expect(client, b"answer")


@pytest.mark.parametrize("kind", (proxies.Haproxy, proxies.Nginx))
@pytest.mark.parametrize("version", SENT)
def test_before_another_proxys_tls(ringmain, start, workdir, manual, connect, pki, kind, version):
    """The header goes in front of the handshake that we begin with it; checks have one, too."""
    server = manual()
    back = start(kind, workdir, server.address, accepts=True, sends="v1",
                 certificate=pki["backend.pem"])
    rm = ringmain([back], pool={**SENT[version], **CHECKED, "tls": "yes", "tls_ca": pki["ca.crt"],
                                "tls_name": "backend.example.com"})
    client = connect(rm.address(), source=("127.0.0.27", 0))
    client.sendall(PAYLOAD)
    sock = server.accept()
    assert ph.read(sock).source == client.getsockname()
    tcp.expect(sock, PAYLOAD)
    sock.sendall(b"answer")
    tcp.expect(client, b"answer")
    assert not rm.lines(msg="backend")


def test_haproxy_reads_our_tlvs(ringmain, start, workdir, backend, cleanup, pki):
    """It verifies the checksum, too: with a wrong one it would not let the session in."""
    back = start(proxies.Haproxy, workdir, backend(echo).address, accepts=True)
    rm = ringmain([back], pool=FULL,
                  listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]})
    client = tls.connect(rm.address(), tls.client_context(pki), source=("127.0.0.25", 0))
    cleanup.append(client.close)
    own = tcp.text_of(client.sock.getsockname())
    tcp.exchange(client, PAYLOAD)
    client.close()
    said = wait_until(lambda: [line for line in back.log.read_text().splitlines()
                               if f"client={own} " in line], "its line")[0]
    words = dict(word.split("=", 1) for word in said.split())
    assert words["to"] == tcp.text_of(rm.address()) and words["name"] == tls.NAME
    assert words["id"] not in ("", "-")


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_before_hitch(ringmain, start, workdir, manual, connect, pki, version):
    server = manual()
    back = start(proxies.Hitch, workdir, server.address, certificate=pki["backend.pem"],
                 passes_on=True)
    rm = ringmain([back], pool=SENT[version])
    sock = connect(rm.address(), source=("127.0.0.26", 0))
    client = tls.TlsSocket(sock, tls.client_context(), name=tls.NAME)
    client.sendall(PAYLOAD)
    peer = server.accept()
    header = ph.read(peer)
    assert header.version == int(version[1])
    assert header.source == sock.getsockname() and header.destination == rm.address()
    tcp.expect(peer, PAYLOAD)


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_ringmain_behind_ringmain(ringmain, manual, connect, version):
    server = manual()
    inner = ringmain([server], listener=ACCEPT, pool=FULL)
    outer = ringmain([tcp.text_of(inner.address())], pool={"send_proxy": version})
    client = connect(outer.address(), source=("127.0.0.23", 0))
    client.sendall(PAYLOAD)
    sock = server.accept()
    header = ph.read(sock)
    assert header.source == client.getsockname() and header.destination == outer.address()
    tcp.expect(sock, PAYLOAD)
    sock.close()
    client.close()
    for rm in (inner, outer):
        line = rm.wait_sessions(1)[0]
        assert line["client"] == tcp.text_of(header.source) and line["bytes_up"] == str(len(PAYLOAD))


# Before MariaDB

DIALER = "127.0.0.99"       # the only address whose headers MariaDB believes
WHO = "select user(), host from information_schema.processlist where id = connection_id()"


@pytest.fixture(scope="module")
def mariadb(module_dir):
    server = servers.MariaDB(module_dir, options=[f"--proxy-protocol-networks={DIALER}",
                                                  "--log-warnings=9"])
    yield server
    server.close()


def visit(mariadb, rm):
    """What MariaDB calls a client of rm: (user, HOST:PORT)."""
    said = mariadb.tool("mariadb", "-Ne", WHO, address=rm.address(), user="tester").stdout
    return said.split()


@pytest.mark.parametrize("version", SENT)
@pytest.mark.parametrize("host, bind", (("127.0.0.1", "127.0.0.1:0"), ("::1", "[::1]:0")))
def test_mariadb_sees_the_client(ringmain, mariadb, version, host, bind):
    rm = ringmain([mariadb], pool={"source": DIALER, **SENT[version]}, binds=(bind,))
    user, seen = visit(mariadb, rm)
    assert user == f"tester@{host}"
    own = rm.wait_sessions(1)[0]["client"]
    assert seen == own.replace("[", "").replace("]", "")


def test_mariadb_without_a_header_sees_ringmain(ringmain, mariadb):
    rm = ringmain([mariadb], pool={"source": DIALER})
    assert visit(mariadb, rm)[0] == f"tester@{DIALER}"


def test_mariadb_sees_who_a_proxy_introduced(ringmain, mariadb):
    """Two ringmains in a row; the inner one's own client is the outer one."""
    inner = ringmain([mariadb], listener=ACCEPT, pool={"source": DIALER, **FULL})
    outer = ringmain([tcp.text_of(inner.address())],
                     pool={"source": "127.0.0.98", "send_proxy": "v2"})
    user, seen = visit(mariadb, outer)
    assert user == "tester@127.0.0.1" and seen == outer.wait_sessions(1)[0]["client"]


# What checks say of themselves

def visits(log, start_of_test, word):
    """How often word is in what a log got since the test began."""
    return log.read_text(errors="replace")[start_of_test:].count(word)


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_mariadb_takes_checks_for_what_they_are(ringmain, mariadb, version):
    """They come from the host they come from, and leave without having logged in."""
    start = len(mariadb.log.read_text(errors="replace"))
    rm = ringmain([mariadb], pool={"source": DIALER, **SENT[version], **CHECKED})
    # What is missing is a packet behind the header, which was believed; a refused one ends sooner.
    wait_until(lambda: visits(mariadb.log, start, "Could not read packet") >= 5, "five checks")
    assert visits(mariadb.log, start, f"host: '{DIALER}'") >= 5
    assert version == "v1" or not visits(mariadb.log, start, "real ip"), "LOCAL tells of nobody"
    assert not rm.lines(msg="backend")


def told(server):
    """The clients that HAProxy or nginx has logged, as it knows them."""
    log = server.access if isinstance(server, proxies.Nginx) else server.log
    return [line.split("client=")[1].split()[0]
            for line in log.read_text(errors="replace").splitlines() if "client=" in line]


@pytest.mark.parametrize("kind", (proxies.Haproxy, proxies.Nginx))
@pytest.mark.parametrize("version", ("v1", "v2"))
def test_proxies_take_checks_for_what_they_are(ringmain, start, workdir, backend, connect, kind,
                                               version):
    back = start(kind, workdir, backend(echo).address, accepts=True)
    connect(back.address, source=("127.0.0.96", 0)).sendall(b"this is not a header\r\n")
    wait_until(lambda: "header" in back.log.read_text(), "it to say what it does not like")
    before = back.log.read_text().count("header")
    rm = ringmain([back], pool={"source": "127.0.0.97", **SENT[version], **CHECKED})
    wait_until(lambda: len(told(back)) >= 6, "five checks")
    assert {client.rpartition(":")[0] for client in told(back)} - {"127.0.0.96"} == {"127.0.0.97"}
    assert back.log.read_text().count("header") == before and not rm.lines(msg="backend")
    tcp.exchange(connect(rm.address()), PAYLOAD)


# What Wireshark says

@pytest.fixture
def witness(workdir):
    """witness(header) gives what tshark decodes, and no complaint."""
    def ask(header):
        said = tshark.decode(header.raw, workdir)
        for trouble in ("bad_format", "header.length_too_small", "v2.unknown", "_ws.malformed",
                        "_ws.expert.message"):
            assert trouble not in said, said
        return said
    return ask


def ends(said):
    """(source, destination) of what tshark said."""
    family = "ipv6" if "src.ipv6" in said else "ipv4"
    return ((said[f"src.{family}"][0], int(said["srcport"][0])),
            (said[f"dst.{family}"][0], int(said["dstport"][0])))


@pytest.mark.parametrize("version", SENT)
@pytest.mark.parametrize("bind", ("127.0.0.1:0", "[::1]:0"))
def test_wireshark_reads_our_addresses(ringmain, manual, connect, witness, version, bind):
    server = manual()
    rm = ringmain([server], pool=SENT[version], binds=(bind,))
    client = connect(rm.address())
    said = witness(ph.read(server.accept()))
    assert ends(said) == (client.getsockname()[:2], rm.address())
    if version == "v1":
        assert said["v1.proto"] == ["TCP4" if bind.startswith("127") else "TCP6"]
    else:
        assert said["v2.cmd"] == ["1"]
        assert int(said["v2.addr_family_protocol"][0], 0) == \
               (ph.TCP4 if bind.startswith("127") else ph.TCP6)


def test_wireshark_reads_our_tlvs(ringmain, manual, cleanup, witness, pki):
    """It may not look at the last 16 bytes of a header (4.0 does not), where the checksum is; that is
    verified by ph.read(), and above by HAProxy."""
    server = manual()
    rm = ringmain([server], pool=FULL, listener={
        "tls": "terminate", "certificate": pki["ecdsa.pem"], "alpn": "h2,http/1.1",
        "client_verify": "require", "client_ca": pki["ca.crt"]})
    context = tls.client_context(pki, alpn=["http/1.1"])
    context.load_cert_chain(pki["alice.crt"], pki["alice.key"])
    client = tls.connect(rm.address(), context)
    cleanup.append(client.close)
    client.sendall(PAYLOAD)
    header = ph.read(server.accept())
    said = witness(header)
    found = tshark.tlvs(said)
    assert set(found) - {ph.CRC32C} == {ph.ALPN, ph.AUTHORITY, ph.UNIQUE_ID, ph.TLS,
                                        ph.TLS_VERSION, ph.TLS_CN, ph.TLS_CIPHER}
    assert ph.CRC32C in header.tlvs
    assert found[ph.ALPN] == b"http/1.1" and found[ph.AUTHORITY] == tls.NAME.encode()
    assert found[ph.UNIQUE_ID] == header.tlvs[ph.UNIQUE_ID]
    assert int(said["v2.tlv.ssl.client"][0], 0) == 7 and \
           int(said["v2.tlv.ssl.verify"][0], 0) == 0
    assert said["v2.tlv.ssl.version"] == ["TLSv1.3"] and said["v2.tlv.ssl.cn"] == ["alice"]
    assert said["v2.tlv.ssl.cipher"] == [client.cipher]
    assert ends(said)[0] == client.sock.getsockname()


def test_wireshark_reads_a_header_of_nobody(ringmain, manual, connect, witness, workdir):
    """A client of a unix socket has no address. (Version 1 says "PROXY UNKNOWN" then, which the
    protocol allows and Wireshark does not know without something behind it.)"""
    server = manual()
    rm = ringmain([server], pool={"send_proxy": "v2"}, binds=(f"unix:{workdir}/in",))
    connect(rm.address())
    said = witness(ph.read(server.accept()))
    assert int(said["v2.addr_family_protocol"][0], 0) == ph.UNIX and "srcport" not in said


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_wireshark_reads_a_check(ringmain, manual, witness, version):
    server = manual()
    ringmain([server], pool={**SENT[version], **CHECKED})
    sock = server.accept()
    said = witness(ph.read(sock))
    if version == "v1":
        assert ends(said) == (sock.getpeername(), server.address)
    else:
        assert said["v2.cmd"] == ["0"]
