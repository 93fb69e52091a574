# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the clients whose certificates are good may enter, and which pool serves them."""

import hashlib

import pytest

from kit import backend as servers
from kit import proc, tcp, tls
from kit.certificates import CA, LEAF, Certificates

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

CLIENT = LEAF + "extendedKeyUsage=clientAuth\n"
SPIFFE = "spiffe://example.com/ns/prod/sa/alice"
SUBJECT = "/O=Example/OU=R&D/OU=Ops/CN=Alice Doe"


@pytest.fixture(scope="module")
def forge(module_dir):
    proc.need("openssl", "openssl")
    made = Certificates(f"{module_dir}/forge")
    made.make("root", ext=CA + "subjectKeyIdentifier=hash\n")
    names = f"DNS:alice.example.com,DNS:ALICE.example.org,URI:{SPIFFE},IP:192.0.2.1"
    made.make("alice", "root", f"{CLIENT}subjectAltName={names}\n", subject=SUBJECT)
    made.make("bare", "root", CLIENT, subject="/O=Nobody")
    made.make("stranger", ext=CLIENT, subject=SUBJECT)
    return made


def fingerprint(forge, name):
    return hashlib.sha256(tls.der_of(forge[f"{name}.pem"])).hexdigest()


@pytest.fixture
def admitting(make_ringmain, backend, pki, forge):
    """admitting(line ...) gives a ringmain whose listener has these lines, and pools one and two."""
    def begin(*lines, verify="require", pool="one"):
        far = [backend(servers.echo), backend(servers.echo)]
        text = ("[listener in]\nbind = 127.0.0.1:0\ntls = terminate\ntls_min = 1.2\n"
                f"certificate = {pki['ecdsa.pem']}\nclient_verify = {verify}\n"
                f"client_ca = {forge.bundle('ca.pem', 'root')}\n")
        text += f"pool = {pool}\n" if pool else ""
        text += "".join(f"{line}\n" for line in lines)
        for name, server in zip(("one", "two"), far):
            text += f"[pool {name}]\nbackend = {name} {tcp.text_of(server.address)}\n"
        return make_ringmain().start(text)
    return begin


def enter(rm, pki, cert, version=tls.V13):
    """What became of it: None, or the alert."""
    try:
        sock = tls.connect(rm.address(), tls.client_context(pki, cert=cert, low=version, high=version))
        tcp.exchange(sock, b"hello")
        sock.close()
        return None
    except (OSError, AssertionError) as error:
        return str(error)


def refused(rm, said, alert="access denied"):
    """By this alert, which the packaged library cannot always send: then any end will do."""
    return said is not None and (alert in said or "WOLFSSL=system" in rm.check(None, "-V").stdout)


PRINT = "fingerprint {print}"
RULES = {
    "cn": ("cn Alice*",), "whole cn": ('cn "Alice Doe"',),
    "first ou": ("ou R&D",), "second ou": ("ou Ops",),
    "dns": ("san dns:alice.example.com",), "dns of any case": ("san dns:Alice.Example.ORG",),
    "dns below": ("san dns:*.example.com",), "uri": (f"san uri:{SPIFFE}",),
    "uri below": ("san uri:spiffe://example.com/ns/prod/*",), "fingerprint": (PRINT,),
    "one of several": ("cn Bob", "ou Dev", "san dns:alice.example.com"),
}
NOT_HERS = ("cn Alice", "cn alice*", "cn R&D", "ou R", "ou Example", "san dns:example.com",
            "san dns:*.com", "san dns:192.0.2.1", f"san uri:{SPIFFE}/x", "san uri:spiffe://example.com/ns/dev/*",
            "san uri:alice.example.com", "fingerprint " + 64 * "0")


@pytest.mark.parametrize("version", (tls.V12, tls.V13))
@pytest.mark.parametrize("case", RULES)
def test_who_is_named_may_enter(admitting, pki, forge, case, version):
    rules = [rule.format(print=fingerprint(forge, "alice")) for rule in RULES[case]]
    rm = admitting(*(f"client_allow = {rule}" for rule in rules))
    assert enter(rm, pki, forge["alice.pem"], version) is None
    line = rm.wait_sessions(1)[0]
    assert line["client_rule"] == "client_allow = " + rules[-1].replace('"', "")
    assert refused(rm, enter(rm, pki, forge["bare.pem"], version))
    rm.wait_sessions(1, reason="refused", by="ringmain", detail="the certificate fits no client_allow")


@pytest.mark.parametrize("rule", NOT_HERS)
def test_who_is_not_named_may_not(admitting, pki, forge, rule):
    rm = admitting(f"client_allow = {rule}")
    assert refused(rm, enter(rm, pki, forge["alice.pem"]))
    line = rm.wait_sessions(1, reason="refused", detail="the certificate fits no client_allow")[0]
    assert line["client_cn"] == "Alice Doe" and "client_rule" not in line


def test_rules_are_one_list_in_the_order_of_the_file(admitting, pki, forge):
    rm = admitting("client_deny = ou Ops", "client_allow = cn Alice*")
    assert refused(rm, enter(rm, pki, forge["alice.pem"]))
    rm.wait_sessions(1, reason="refused", detail="client_deny = ou Ops")
    rm = admitting("client_allow = cn Alice*", "client_deny = ou Ops")
    assert enter(rm, pki, forge["alice.pem"]) is None
    assert enter(rm, pki, forge["bare.pem"]) is None        # the last one is of deny


def test_a_rule_does_not_replace_the_ca(admitting, pki, forge):
    rm = admitting("client_allow = cn Alice*")
    assert refused(rm, enter(rm, pki, forge["stranger.pem"]), "unknown ca")
    rm.wait_sessions(1, reason="client_tls_error")


def test_who_shows_none_fits_no_rule(admitting, pki, forge):
    rm = admitting("client_allow = cn *", verify="optional")
    assert refused(rm, enter(rm, pki, None))
    assert enter(rm, pki, forge["alice.pem"]) is None
    rm = admitting("client_deny = cn Alice*", verify="optional")
    assert enter(rm, pki, None) is None
    assert refused(rm, enter(rm, pki, forge["alice.pem"]))


def test_names_lead_to_pools(admitting, pki, forge):
    rm = admitting("route = client_san dns:bob.example.com -> one",
                   "route = client_san uri:spiffe://example.com/ns/prod/* -> two", pool="one")
    assert enter(rm, pki, forge["alice.pem"]) is None
    assert rm.wait_sessions(1)[0]["backend"] == "two"
    assert enter(rm, pki, forge["bare.pem"]) is None
    assert rm.wait_sessions(2)[1]["backend"] == "one"


def test_who_fits_no_route_where_there_is_no_pool(admitting, pki, forge):
    rm = admitting("route = client_san dns:*.example.com -> one", pool=None)
    assert enter(rm, pki, forge["alice.pem"]) is None
    assert refused(rm, enter(rm, pki, forge["bare.pem"]))
    rm.wait_sessions(1, reason="refused", detail="no route for this client")


def test_the_first_route_that_fits_decides(admitting, pki, forge):
    """Although a name in the hello is known before the certificate."""
    by_name, by_san = f"route = sni {tls.NAME} -> one", "route = client_san dns:*.example.com -> two"
    for lines, served in (((by_name, by_san), "one"), ((by_san, by_name), "two")):
        rm = admitting(*lines, pool=None)
        assert enter(rm, pki, forge["alice.pem"]) is None
        assert rm.wait_sessions(1)[0]["backend"] == served
