# SPDX-License-Identifier: GPL-2.0-or-later
"""Names that are no host names (SNI): what clients take from their users, such as mosquitto_pub -h ::1.

Nobody has such a name: no certificate, no route, whatever it looks like.
"""

import pytest

from kit import backend as servers
from kit import hello, proc, tcp, tls

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

ODD = ("::1", "db1.example.com:443", "*.shard.example.com", "a b.shard.example.com", "b\xfccher.example.com",
       "a..b", "a" * 300, "a\0.shard.example.com")


def shown(name):
    """As the log shows it: printable, and no longer than a name may be."""
    return "".join(c if " " < c < "\x7f" else "?" for c in name)[:255]


@pytest.mark.parametrize("unknown, said", (("default", "ServerHello"), ("reject", "unrecognized_name")))
def test_terminated(ringmain, manual, pki, unknown, said):
    """unknown_sni decides; the certificate has *.shard.example.com."""
    rm = ringmain([manual()], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"],
                                        "unknown_sni": unknown})
    for name in ODD:
        assert hello.answer(rm.address(), hello.hello13(hello.name(name))) == said, name
    lines = rm.wait_sessions(len(ODD))
    assert sorted(line["sni"] for line in lines) == sorted(shown(name) for name in ODD)
    if unknown == "reject":
        assert {line["detail"] for line in lines} == {"no certificate has this name"}


def test_openssl_with_an_address_for_a_name(ringmain, backend, pki):
    """As mosquitto_pub -h ::1, and curl of old."""
    rm = ringmain([backend(servers.echo)], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]})
    done = proc.run([proc.need("openssl", "openssl"), "s_client", "-connect", tcp.text_of(rm.address()),
                     "-servername", "::1", "-CAfile", pki["ca.crt"], "-verify_return_error", "-brief"])
    assert "CONNECTION ESTABLISHED" in done.stderr


def test_passed_through(ringmain, manual):
    """Never refused: routes that it looks like do not have it, the pool gets it."""
    for listener in ({}, {"no_sni": "reject"}):
        server = manual()
        rm = ringmain([server], listener={"tls": "passthrough", **listener})
        for name in ODD:
            first = tls.record(22, hello.hello13(hello.name(name)))
            with tcp.connect(rm.address()) as sock:
                sock.sendall(first)
                tcp.expect(server.accept(), first)


def test_routes_do_not_have_it(ringmain, manual):
    listed, rest = manual(), manual()
    rm = ringmain(f"""
[listener in]
bind = 127.0.0.1:0
tls = passthrough
route = sni *.shard.example.com -> listed
pool = rest
[pool listed]
backend = b {listed.text}
[pool rest]
backend = b {rest.text}
""")
    for name, server in ((ODD[2], rest), (ODD[3], rest), ("x.shard.example.com", listed)):
        first = tls.record(22, hello.hello13(hello.name(name)))
        with tcp.connect(rm.address()) as sock:
            sock.sendall(first)
            tcp.expect(server.accept(), first)


@pytest.mark.parametrize("listener", ({}, {"no_sni": "reject"}))
def test_no_name_where_tls_is_terminated(ringmain, manual, pki, listener):
    rm = ringmain([manual()], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"], **listener})
    said = hello.answer(rm.address(), hello.hello13())
    assert said == ("unrecognized_name" if listener else "ServerHello")
    if listener:
        assert rm.wait_sessions(1, reason="refused")[0]["detail"] == "no server name (SNI)"
    assert hello.answer(rm.address(), hello.hello13(hello.name(tls.NAME))) == "ServerHello"
