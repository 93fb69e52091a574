# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates of every odd kind: those that other programs take are taken, the others stay refused.

The table says what a backend shows, who is trusted, and why it is refused, if it is. openssl is the
referee wherever it has an opinion.
"""

import contextlib
import dataclasses

import pytest

from kit import backend as servers
from kit import proc, tcp, tls
from kit.certificates import CA, DB, LEAF, Certificates, expired
from kit.ringmain import Ringmain

NAME = "db.example.com"
OTHER_NAME = "certificate is for another name"
OTHER_ADDRESS = "certificate is for another address"
OUTDATED = "certificate is signed with an outdated hash"
SHA1 = ("-sha1",)
KEY_ID = "subjectKeyIdentifier=hash\n"
UNKNOWN = "unknown CA"
SIGNATURE = "certificate's signature is wrong"
SAN = "subjectAltName=DNS:db.example.com\n"


@pytest.fixture(scope="module")
def forge(module_dir):
    proc.need("openssl", "openssl")
    made = Certificates(f"{module_dir}/forge")
    made.make("root", ext=CA + "subjectKeyIdentifier=hash\n")
    return made


@pytest.fixture
def relayed(ringmain, start):
    """relayed(pem, pool) gives a ringmain whose pool speaks TLS to a backend that shows the PEM."""
    def begin(pem, pool, address=("127.0.0.1", 0), names=None, is_weak=False):
        context = tls.server_context(pem, ciphers="DEFAULT:@SECLEVEL=0" if is_weak else None)
        if names is not None:
            context.sni_callback = lambda sock, name, _: names.append(name)
        far = start(servers.Backend, tls.served(context, servers.echo), address)
        return ringmain([far], pool={"tls": "yes", **pool})
    return begin


def judge(rm, detail):
    """The session works, or ends for this reason."""
    if detail is None:
        with tcp.connect(rm.address()) as sock:
            tcp.exchange(sock, b"hello")
        return
    assert tcp.knock(rm.address()) == (b"", "RST")
    line = rm.wait_sessions(1)[0]
    assert (line["reason"], line["detail"]) == ("backend_tls_error", detail)


@dataclasses.dataclass
class Case:
    """What the backend shows, leaf first, and what becomes of it."""
    name: str
    make: object                    # of Certificates: what is missing, and gives the chain's names
    detail: str = None              # why it is refused
    verify: str = NAME              # tls_name
    trusted: tuple = ("root",)
    openssl: bool = None            # what the referee says; None: the same as we
    is_weak: bool = False           # openssl serves it only if it is told not to mind
    needs: str = None               # of ringmain's own build of the library: the packaged one cannot do it


def leaf(ext=None, issuer="root", **options):
    """A Case's make: one certificate of the root."""
    def make(forge):
        return [forge.make("leaf", issuer, LEAF + (SAN if ext is None else ext), **options)]
    return make


def by_serial(issuer):
    """A leaf whose authority key identifier is its issuer's issuer and serial number."""
    def make(forge):
        ca = CA + "subjectKeyIdentifier=none\n"
        for name, subject in (("bare", "/CN=Bare"), ("same-a", "/CN=Same"), ("same-b", "/CN=Same")):
            forge.make(name, ext=ca, subject=subject)
        forge.make("bare-int", "bare", ca + "authorityKeyIdentifier=issuer:always\n")
        forge.make("leaf", issuer, LEAF + SAN + "authorityKeyIdentifier=issuer:always\n")
        return ["leaf", "bare-int"] if issuer == "bare-int" else ["leaf"]
    return make


def odd_issuer(forge):
    forge.make("odd", ext=CA, subject="/O=o+OU=p/CN=Odd")
    return leaf(issuer="odd")(forge)


def version_1(forge):
    """Without extensions, so the common name is the name."""
    return [forge.make("leaf", "root", None, subject=f"/CN={NAME}")]


def critical_issuer(forge):
    forge.make("int", "root", CA + "certificatePolicies=critical,2.5.29.32.0\n")
    return [*leaf(issuer="int")(forge), "int"]


def chain(*names, **certificates):
    """A Case's make: these behind the leaf, which the first of them (or issuer) has signed."""
    issuer = certificates.pop("issuer", names[0] if names else "root")

    def make(forge):
        for name, options in certificates.items():
            forge.make(name.replace("_", "-"), *options[:2], **(options[2] if len(options) > 2 else {}))
        return [forge.make("leaf", issuer, LEAF + SAN), *names]
    return make


def cross_signed(args=tuple):
    """An intermediate of "new", and "new" as "old", which nobody trusts any more, has signed it."""
    def make(forge):
        forge.make("old", ext=CA)
        forge.make("new", ext=CA + KEY_ID)
        forge.make("crossed", "old", CA + KEY_ID, key="new", subject="/CN=new", args=args())
        forge.make("int", "new", CA + KEY_ID)
        return [forge.make("leaf", "int", LEAF + SAN), "int", "crossed"]
    return make


def expired_intermediate(forge):
    forge.make("int", "root", CA, args=expired())
    return [forge.make("leaf", "int", LEAF + SAN), "int"]


def missing_intermediate(forge):
    forge.make("gone", "root", CA + KEY_ID)
    return [forge.make("leaf", "gone", LEAF + SAN)]


def wrongly_signed(forge):
    """An intermediate that says it is the root's, signed by another of that name."""
    forge.make("pretender", ext=CA, subject="/CN=root")
    forge.make("int", "pretender", CA)
    return [forge.make("leaf", "int", LEAF + SAN), "int"]


ADDRESSES = leaf("subjectAltName=IP:::1,IP:127.0.0.1,IP:2001:db8::5\n")

CASES = [
    Case("IPv6 address", ADDRESSES, verify="::1"),
    Case("IPv6 address, written otherwise", ADDRESSES, verify="2001:0DB8:0:0::5"),
    Case("another IPv6 address", ADDRESSES, OTHER_ADDRESS, verify="::2"),
    Case("IPv4 address", ADDRESSES, verify="127.0.0.1"),
    Case("address in no SAN", leaf(""), OTHER_ADDRESS, verify="127.0.0.1"),
    Case("address as a DNS name", leaf("subjectAltName=DNS:127.0.0.1\n"), OTHER_ADDRESS, verify="127.0.0.1"),
    Case("IPv6 address as a DNS name", leaf("subjectAltName=DNS:\\:\\:1\n"), OTHER_ADDRESS, verify="::1"),
    Case("address as a common name", leaf("", subject="/CN=127.0.0.1"), OTHER_ADDRESS, verify="127.0.0.1"),
    Case("address under a star", leaf("subjectAltName=DNS:*.0.0.1\n"), OTHER_ADDRESS, verify="127.0.0.1"),
    Case("final dot in tls_name", leaf(), verify="db.example.com."),
    Case("final dot and another name", leaf(), OTHER_NAME, verify="other.example.com."),

    Case("issuer by name and serial", by_serial("bare"), trusted=("bare",), needs="authority-name.patch"),
    Case("intermediate by name and serial", by_serial("bare-int"), trusted=("bare",), needs="authority-name.patch"),
    Case("issuer by serial, but not its signature", by_serial("same-b"), SIGNATURE, trusted=("same-a",),
         needs="authority-name.patch"),

    Case("several attributes in an RDN", leaf(subject="/O=o/CN=x+UID=u1"), needs="multi-valued-rdn.patch"),
    Case("several attributes in the first RDN", leaf(subject="/O=o+OU=p+L=q/CN=x"), needs="multi-valued-rdn.patch"),
    Case("several attributes in the issuer", odd_issuer, trusted=("odd",), needs="multi-valued-rdn.patch"),
    Case("critical policies", leaf(SAN + "certificatePolicies=critical,2.23.140.1.2.1\n"), needs="WOLFSSL_DUP_CERTPOL"),
    Case("three critical policies", leaf(SAN + "certificatePolicies=critical,1.2.3.1,1.2.3.2,1.2.3.3\n"),
         needs="WOLFSSL_DUP_CERTPOL"),
    Case("critical policies of the issuer", critical_issuer, needs="WOLFSSL_DUP_CERTPOL"),
    Case("unknown critical extension", leaf(SAN + "1.2.3.4=critical,ASN1:NULL\n"),
         "certificate has an unknown critical extension"),
    Case("1000 names", leaf("subjectAltName=" + ",".join(f"DNS:n{i}.example.com" for i in range(999))
                            + ",DNS:db.example.com\n"), needs="WOLFSSL_MAX_ALT_NAMES"),

    Case("chain of three", chain("int-b", "int-a", int_a=("root", CA), int_b=("int-a", CA))),
    Case("chain with its root", chain("int", "root", int=("root", CA))),
    Case("cross-signed root", cross_signed(), trusted=("new",), needs="WOLFSSL_ALT_CERT_CHAINS"),
    Case("expired cross-signed root", cross_signed(expired), trusted=("new",),
         needs="WOLFSSL_ALT_CERT_CHAINS"),
    Case("both of its roots", cross_signed(), trusted=("new", "old"), needs="WOLFSSL_ALT_CERT_CHAINS"),
    Case("only its old root", cross_signed(), trusted=("old",)),
    Case("unrelated CA behind", chain("int", "alien", int=("root", CA), alien=(None, CA)),
         needs="WOLFSSL_ALT_CERT_CHAINS"),
    Case("unrelated CA between", chain("alien", "int", int=("root", CA), alien=(None, CA), issuer="int"),
         needs="WOLFSSL_ALT_CERT_CHAINS"),
    *(Case(f"unrelated CA, and a root with {name}",
           chain("alien", "bare", alien=(None, CA),
                 bare=(None, CA + ids + "authorityKeyIdentifier=none\n"), issuer="bare"),
           trusted=("bare",), needs="any-chain.patch")
      for name, ids in (("a key identifier", KEY_ID), ("none", "subjectKeyIdentifier=none\n"))),
    Case("unrelated leaf behind", chain("int", "alien", int=("root", CA), alien=(None, LEAF)), needs="any-chain.patch"),
    Case("out of order", chain("int-a", "int-b", int_a=("root", CA), int_b=("int-a", CA), issuer="int-b"),
         needs="any-chain.patch"),
    Case("root first", chain("root", "int", int=("root", CA), issuer="int")),
    Case("expired intermediate", expired_intermediate, "certificate expired"),
    Case("wrongly signed intermediate", wrongly_signed, UNKNOWN),
    Case("intermediate that is no CA", chain("int", int=("root", LEAF)), UNKNOWN),
    Case("intermediate that may not sign",
         chain("int", int=("root", "basicConstraints=critical,CA:TRUE\nkeyUsage=digitalSignature\n")),
         "not a certificate of a CA"),
    Case("over the path length",
         chain("int-b", "int-a", int_a=("root", CA.replace("CA:TRUE", "CA:TRUE,pathlen:0")), int_b=("int-a", CA)),
         "certificate chain is longer than its CA allows"),
    Case("outside a name constraint",
         chain("int", int=("root", CA + "nameConstraints=critical,permitted;DNS:elsewhere.example\n")),
         "certificate breaks a CA's name constraint"),
    Case("over the path length and out of order",
         chain("int-a", "int-b", int_a=("root", CA.replace("CA:TRUE", "CA:TRUE,pathlen:0")), int_b=("int-a", CA),
               issuer="int-b"),
         "certificate chain is longer than its CA allows", needs="any-chain.patch"),
    Case("outside a name constraint and out of order",
         chain("int-a", "int-b", int_a=("root", CA + "nameConstraints=critical,permitted;DNS:elsewhere.example\n"),
               int_b=("int-a", CA), issuer="int-b"),
         "certificate breaks a CA's name constraint", needs="any-chain.patch"),
    Case("authority that is brought along", chain("alien", alien=(None, CA)), UNKNOWN),
    Case("missing intermediate", missing_intermediate, UNKNOWN),
    Case("intermediate of nobody", chain("int", "alien", alien=(None, CA), int=("alien", CA)), UNKNOWN),

    Case("X.509 version 1", version_1),
    Case("RSA of 1024 bits", leaf(kind="rsa1024"), "RSA key too short", openssl=True, is_weak=True),
    Case("SHA-1 under the leaf", leaf(args=SHA1), OUTDATED, openssl=True, is_weak=True),
    Case("SHA-1 under the intermediate", chain("int", int=("root", CA, {"args": SHA1})), OUTDATED,
         openssl=True, is_weak=True),
    Case("SHA-1 under the root alone", chain("old", old=(None, CA, {"args": SHA1})), trusted=("old",), is_weak=True),
    Case("SHA-1 under what is not on the path",
         chain("int", "alien", int=("root", CA), alien=("root", CA, {"args": SHA1})), is_weak=True,
         needs="WOLFSSL_ALT_CERT_CHAINS"),
]


def referee(forge, case, chain):
    option = "-verify_ip" if case.verify[-1].isdigit() else "-verify_hostname"
    return forge.openssl_takes(case.trusted, chain, option, case.verify.rstrip("."))


@pytest.fixture(scope="module")
def is_packaged(module_dir):
    """Only ringmain's own build of the library is without a remark (ringmain -V)."""
    return "WOLFSSL=system" in proc.run([Ringmain(module_dir, 8).binary, "-V"]).stdout


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_backend_shows(case, forge, relayed, is_packaged):
    if is_packaged and (case.needs or case.detail not in (None, OTHER_NAME, OTHER_ADDRESS, OUTDATED)):
        pytest.skip("only with ringmain's own build of wolfSSL; the packaged one has other words")
    chain = case.make(forge)
    expected = case.detail is None if case.openssl is None else case.openssl
    assert referee(forge, case, chain) == expected, "openssl is of another opinion"
    trusted = forge.bundle("ca.pem", *case.trusted)
    judge(relayed(forge.bundle("chain.pem", *chain, key=chain[0]),
                  {"tls_ca": trusted, "tls_name": case.verify}, is_weak=case.is_weak), case.detail)


@pytest.mark.own_library("authority-by-serial.patch")
def test_issuers_of_one_name(forge, relayed):
    """Their serial numbers tell them apart."""
    for name in ("same-a", "same-b"):
        forge.make(name, ext=CA + "subjectKeyIdentifier=none\n", subject="/CN=Same")
        forge.make(f"of-{name}", name, LEAF + SAN + "authorityKeyIdentifier=issuer:always\n")
    trusted = forge.bundle("ca.pem", "same-a", "same-b")
    for name in ("of-same-a", "of-same-b"):
        judge(relayed(forge[f"{name}.pem"], {"tls_ca": trusted, "tls_name": NAME}), None)


# Clients

@pytest.mark.parametrize("version", (tls.V12, tls.V13), ids=("1.2", "1.3"))
@pytest.mark.parametrize("options, detail", (
    ({"ext": LEAF + "keyUsage=digitalSignature\n"}, None),
    ({"ext": LEAF + "keyUsage=keyEncipherment\n"}, "certificate is not meant for signing"),
    ({"args": SHA1}, OUTDATED),
    ({"kind": "rsa1024"}, "RSA key too short"),
    ({"ext": None}, "certificate is of an old version of X.509"),
), ids=("good", "keyEncipherment", "SHA-1", "RSA_1024", "version_1"))
def test_client_shows(forge, ringmain, backend, options, detail, version):
    forge.make("client", "root", **options)
    root = forge.bundle("ca.pem", "root")
    forge.make("own", "root")
    rm = ringmain([backend(servers.echo)],
                  listener={"tls": "terminate", "certificate": forge.bundle("own.pem", "own", key="own"),
                            "client_verify": "require", "client_ca": root, "tls_min": "1.2"})
    context = tls.client_context({"ca.crt": root}, low=version, high=version, ciphers="DEFAULT:@SECLEVEL=0",
                                 cert=forge.bundle("client.pem", "client", key="client"))
    try:
        with contextlib.closing(tls.connect(rm.address(), context, name=NAME)) as sock:
            tcp.exchange(sock, b"hello")
            assert detail is None
    except OSError:
        line = rm.wait_sessions(1)[0]
        assert (line["reason"], line["detail"]) == ("client_tls_error", detail)


# Our own

@pytest.mark.parametrize("options, text, status", (
    ({"ext": DB + "tlsfeature=status_request\n"}, "warning: [listener in] certificate: {}: demands stapled OCSP", 0),
    ({"ext": None}, "warning: [listener in] certificate: {}: is of X.509 version 1", 0),
    ({"kind": "rsa1024"}, "error: [listener in] certificate: {}: RSA key has 1024 bits", 1),
    ({"kind": "pss"}, "error: [listener in] certificate: {}: key is of an unknown kind", 1),
), ids=("must-staple", "version_1", "RSA_1024", "PSS"))
def test_own_certificate_is_warned_of(forge, make_ringmain, options, text, status):
    forge.make("own", "root", **options)
    pem = forge.bundle("own.pem", "own", key="own")
    done = make_ringmain().check("[listener in]\nbind = 127.0.0.1:0\npool = out\ntls = terminate\n"
                                 f"certificate = {pem}\n[pool out]\nbackend = b 127.0.0.1:1\n", "-t")
    assert text.format(pem) in done.stderr
    assert done.returncode == status


# How files are written

BOM = b"\xef\xbb\xbf"
JOINS = {
    "no newline between": lambda a, b: a.rstrip() + b,
    "byte order marks": lambda a, b: BOM + a + BOM + b,
    "CR LF": lambda a, b: (a + b).replace(b"\n", b"\r\n"),
    "CR": lambda a, b: (a + b).replace(b"\n", b"\r"),
    "blanks": lambda a, b: (a + b).replace(b"\n", b" \n\t"),
}


@pytest.mark.parametrize("join", JOINS.values(), ids=(name.replace(" ", "_") for name in JOINS))
def test_every_certificate_of_a_file_is_read(forge, relayed, join):
    """Both of the authorities, and both of a chain with its key."""
    forge.make("other-root", ext=CA)
    forge.make("int", "root", CA)
    for root, chain in (("other-root", ("leaf",)), ("root", ("leaf", "int"))):
        forge.make("leaf", "int" if "int" in chain else root)
        pool = {"tls_ca": forge.file("ca.pem", join(forge.pem("root"), forge.pem("other-root"))),
                "tls_name": NAME}
        judge(relayed(forge.bundle("chain.pem", *chain, key="leaf"), pool), None)


@pytest.mark.parametrize("join", JOINS.values(), ids=(name.replace(" ", "_") for name in JOINS))
def test_every_certificate_of_our_own_chain_is_sent(forge, ringmain, backend, join):
    forge.make("int", "root", CA)
    forge.make("leaf", "int")
    chain = forge.file("own.pem", join(forge.pem("leaf"), forge.pem("int")))
    rm = ringmain([backend(servers.echo)],
                  listener={"tls": "terminate", "certificate": f"{chain} key={forge.dir}/leaf.key"})
    context = tls.client_context({"ca.crt": forge.bundle("ca.pem", "root")})
    with contextlib.closing(tls.connect(rm.address(), context, name=NAME)) as sock:
        tcp.exchange(sock, b"hello")


def test_spoiled_file_is_an_error_with_a_line(forge, make_ringmain):
    text = forge.pem("root").replace(b"-----END", b"----END") + forge.pem("root")
    line = text[:text.index(b"----END")].count(b"\n") + 1
    config = "[listener in]\nbind = 127.0.0.1:0\npool = out\n[pool out]\nbackend = b 127.0.0.1:1\n" \
             f"tls = yes\ntls_ca = {forge.file('ca.pem', text)}\n"
    done = make_ringmain().check(config)
    assert done.returncode == 1
    assert f"ca.pem: line {line}: looks like the end of a block" in done.stderr


# How a backend is written

def test_backend_at_an_ipv6_address(forge, relayed):
    names = []
    pem = forge.bundle("chain.pem", *ADDRESSES(forge), key="leaf")
    judge(relayed(pem, {"tls_ca": forge.bundle("ca.pem", "root")}, ("::1", 0), names=names), None)
    assert names == [None]


@pytest.mark.parametrize("pool, want", (
    ({"tls_name": "db.example.com."}, NAME), ({"tls_sni": "wish.example.com."}, "wish.example.com")))
def test_final_dot_is_not_asked_for(forge, relayed, pool, want):
    """RFC 6066, section 3: SNI is without it."""
    names = []
    pool = {"tls_ca": forge.bundle("ca.pem", "root"), "tls_name": NAME, **pool}
    judge(relayed(forge.bundle("chain.pem", *leaf()(forge), key="leaf"), pool, names=names), None)
    assert names == [want]
