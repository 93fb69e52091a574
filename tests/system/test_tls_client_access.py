# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the clients whose certificates are good may enter, and which pool serves them."""

import hashlib

import pytest

from kit import backend as servers
from kit import hello, proc, tcp, tls
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
    line = rm.wait_sessions(1, reason="client_tls_error")[0]
    assert line["client_cn"] == "Alice Doe"     # what it called itself


def test_who_shows_none_fits_no_rule(admitting, pki, forge):
    rm = admitting("client_allow = cn *", verify="optional")
    assert refused(rm, enter(rm, pki, None))
    rm.wait_sessions(1, reason="refused", detail="the client has sent no certificate")
    assert enter(rm, pki, forge["alice.pem"]) is None
    rm = admitting("client_deny = cn Alice*", verify="optional")
    assert enter(rm, pki, None) is None
    assert refused(rm, enter(rm, pki, forge["alice.pem"]))


NAME_16 = "evil-sixteen-ltr"
UTF8, TELETEX, PRINTABLE, IA5, UNIVERSAL, BMP = 12, 20, 19, 22, 28, 30

# How a name of 16 bytes is written (RFC 5280, 4.1.2.4; X.690), and what it says; None: nothing that can be read.
# What OpenSSL does not take, test_directory_string.c has.
SPELLINGS = {
    "UTF8String": (UTF8, NAME_16.encode(), NAME_16), "PrintableString": (PRINTABLE, NAME_16.encode(), NAME_16),
    "IA5String": (IA5, NAME_16.encode(), NAME_16), "TeletexString": (TELETEX, NAME_16.encode(), NAME_16),
    "BMPString": (BMP, "evil-bmp".encode("utf-16-be"), "evil-bmp"),
    "BMPString beyond ASCII": (BMP, "\xdcn\xef-\u20ac€9-".encode("utf-16-be"), "\xdcn\xef-\u20ac€9-"),
    "UniversalString": (UNIVERSAL, "evil".encode("utf-32-be"), "evil"),
    "UniversalString beyond 16 bits": (UNIVERSAL, "a\U0001f512\xfcb".encode("utf-32-be"), "a\U0001f512\xfcb"),
    "TeletexString beyond ASCII": (TELETEX, "\xfcbel-sixteen-ltr".encode("latin-1"), None),
    "IA5String beyond ASCII": (IA5, "\xfcbel-sixteen-ltr".encode("latin-1"), None),
    "a zero in it": (UTF8, b"evil\0sixteen-ltr", None),
    "a zero in a BMPString": (BMP, "evil\0bmp".encode("utf-16-be"), None),
}


@pytest.mark.parametrize("case", SPELLINGS)
def test_names_of_every_spelling(admitting, pki, forge, case):
    """What is denied does not enter by another spelling; what cannot be read fits no rule of its kind."""
    tag, written, said = SPELLINGS[case]
    placeholder = b"\x06\x03\x55\x04\x03\x0c\x10" + b"x" * 16      # a common name
    forge.make("spelled", "root", CLIENT, subject="/OU=Ops/CN=" + "x" * 16)
    forge.rewrite("spelled", "root", placeholder, placeholder[:5] + bytes([tag]) + b"\x10" + written)
    cert = forge["spelled.pem"]
    denied = f'cn "{said or "somebody"}"'
    rm = admitting(f"client_deny = {denied}")
    assert refused(rm, enter(rm, pki, cert))
    why = "client_deny = " + denied.replace('"', "") if said else "the certificate has a cn that cannot be read"
    rm.wait_sessions(1, reason="refused", detail=why)
    rm = admitting(f"client_allow = {denied}")
    came = enter(rm, pki, cert)
    assert came is None if said else refused(rm, came)
    rm = admitting("client_deny = ou Dev")      # no rule asks for it
    assert enter(rm, pki, cert) is None
    rm = admitting(f"client_allow = {denied}", "client_allow = ou Ops")
    assert enter(rm, pki, cert) is None


@pytest.mark.parametrize("old, new, rule, why", (
    (b"alice.example.com", b"alice.exam\0le.com", "san dns:bob.example.com", "san dns"),
    (b"alice.example.com", b"alic\xe9.example.com", "san dns:bob.example.com", "san dns"),
    (b"sa/alice", b"sa/al\0ce", "san uri:spiffe://example.com/ns/dev", "san uri")))
def test_alternative_names_that_cannot_be_read(admitting, pki, forge, old, new, rule, why):
    forge.make("spelled", "root", f"{CLIENT}subjectAltName=DNS:alice.example.com,URI:{SPIFFE}\n")
    forge.rewrite("spelled", "root", old, new)
    rm = admitting(f"client_deny = {rule}")
    assert enter(rm, pki, forge["spelled.pem"])
    line = rm.wait_sessions(1)[0]
    assert line["reason"] == "client_tls_error" or line["detail"] == f"the certificate has a {why} that cannot be read"


@pytest.mark.parametrize("rule", ("san dns:dot.example.com", "san dns:dot.example.com.", "san dns:*.example.com"))
@pytest.mark.parametrize("name", ("dot.example.com", "dot.example.com."))
def test_a_final_dot_changes_nothing(admitting, pki, forge, rule, name):
    forge.make("dotted", "root", f"{CLIENT}subjectAltName=DNS:{name}\n")
    rm = admitting(f"client_allow = {rule}", "route = client_san " + rule[4:] + " -> two")
    assert enter(rm, pki, forge["dotted.pem"]) is None
    assert rm.wait_sessions(1)[0]["backend"] == "two"
    rm = admitting(f"client_deny = {rule}")
    assert refused(rm, enter(rm, pki, forge["dotted.pem"]))


def test_a_fingerprint_keeps_nobody_out(make_ringmain, admitting, pki, forge, cleanup):
    """The certificate is as good with the negative of the s in its signature, and has another: -t warns of it."""
    rule = f"client_deny = fingerprint {fingerprint(forge, 'alice')}"
    rm = admitting(rule)
    assert refused(rm, enter(rm, pki, forge["alice.pem"]))
    forge.file("twin.der", negated(tls.der_of(forge["alice.pem"])))
    forge.openssl("x509", "-inform", "DER", "-in", "twin.der", "-out", "twin.crt")
    assert enter(rm, pki, forge.bundle("twin.pem", "twin", key="alice")) is None
    warnings = rm.text()
    assert "[listener in] client_deny: fingerprint: who has the certificate can give it another one" in warnings
    assert "client_deny: fingerprint" not in admitting(rule.replace("deny", "allow")).text()


ORDER_P256 = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551


def negated(der):
    """An ECDSA certificate of P-256, with n - s in place of the s at its end (SEC 1, 4.1.4)."""
    signature = 8 + int.from_bytes(der[6:8], "big") + 12        # behind what is signed, and how
    r = der[signature + 5:][:2 + der[signature + 6]]
    s = ORDER_P256 - int.from_bytes(der[signature + 5 + len(r) + 2:], "big")
    pair = r + b"\x02" + hello.counted(s.to_bytes(s.bit_length() // 8 + 1, "big"), 1)
    rest = der[4:signature] + b"\x03" + bytes([len(pair) + 3]) + b"\0\x30" + hello.counted(pair, 1)
    return b"\x30\x82" + hello.counted(rest)


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
