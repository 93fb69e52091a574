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
from kit.certificates import CA, KEY_ID, LEAF, NO_KEY_USAGE, PSS, SHA1, Certificates, expired
from kit.ringmain import Ringmain

NAME = "db.example.com"
OTHER_NAME = "certificate is for another name"
OTHER_ADDRESS = "certificate is for another address"
OUTDATED = "certificate is signed with an outdated hash"
UNKNOWN = "unknown CA"
NO_CA = "not a certificate of a CA"
SIGNATURE = "certificate's signature is wrong"
EXPIRED = "certificate expired"
BAD_NAMES = "certificate has more than 1024 names, or a URI among them that is not absolute"
TOO_LONG = "certificate chain is longer than its CA allows"
BREAKS = "certificate breaks a CA's name constraint"
PURPOSE = "certificate is not meant for this side of TLS"
SAN = "subjectAltName=DNS:db.example.com\n"
ELSEWHERE = "nameConstraints=critical,permitted;DNS:elsewhere.example\n"
CA_ALONE = CA + "subjectKeyIdentifier=none\n"
PATHLEN_0 = CA.replace("CA:TRUE", "CA:TRUE,pathlen:0")


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


def chain(*names, issuer=None, ext=LEAF + SAN, subject=None, **certificates):
    """A Case's make: these behind the leaf, which the first of them (or issuer) has signed.
    Options that can be called are, when they are needed."""
    def make(forge):
        for name, (by, extensions, *options) in certificates.items():
            options = {key: value() if callable(value) else value
                       for more in options for key, value in more.items()}
            forge.make(name.replace("_", "-"), by, extensions, **options)
        return [forge.make("leaf", issuer or (names or ("root",))[0], ext, subject=subject), *names]
    return make


def twins(name, issuer, ext, *, bad_first=None, needs="any-chain.patch", is_weak=False, **options):
    """An intermediate and, before or behind it, another of its name and key that is no good.
    bad_first: openssl's opinion where that comes first."""
    certificates = {"int": ("root", CA), "pretender": (None, CA, {"subject": "/CN=root"}),
                    "twin": (issuer, ext, {"key": "int", "subject": "/CN=int", **options})}
    return [Case(f"intermediate, its twin is {name}{where}", chain(*order, issuer="int", **certificates),
                 openssl=opinion, needs=needs, is_weak=is_weak)
            for where, order, opinion in (("", ("int", "twin"), None), (" and first", ("twin", "int"), bad_first))]


def constrained(constraints, names, detail=None, *, subject=None, **options):
    """An intermediate with name constraints, and a leaf for these names."""
    ext = LEAF + (f"subjectAltName={names}\n" if names else "")
    return Case(f"{constraints} and {names or subject}",
                chain("int", ext=ext, subject=subject, int=("root", CA + f"nameConstraints=critical,{constraints}\n")),
                detail, **{"needs": "name-constraints.patch", **options})


def purpose(of_int, of_root=None, detail=None, **options):
    """An extended key usage of an intermediate with another one below it, or of the root."""
    def usage(value):
        return CA + (f"extendedKeyUsage={value}\n" if value else "")
    return Case(f"purpose {of_int} of {of_root or 'any'} root",
                chain("int-b", "int-a", top=(None, usage(of_root)), int_a=("top", usage(of_int)), int_b=("int-a", CA)),
                detail, trusted=("top",), **{"needs": "whole-path.patch", **options})


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


def signed_by_pss(where, *digest):
    """SHA-1 is what parameters mean that name no digest, and as openssl writes it (RFC 4055, 3.1)."""
    def make(forge):
        forge.make("rsa-root", ext=CA, kind="rsa2048")
        args = {where: (*digest, *PSS)}
        forge.make("int", "rsa-root", CA, kind="rsa2048", args=args.get("int", ()))
        return [forge.make("leaf", "int", LEAF + SAN, args=args.get("leaf", ())), "int"]
    return make


def directory(constraint, subject, detail=None, tag=None, **options):
    """An intermediate with a constraint of the names of directories, and a leaf's subject, perhaps of a type of
    string that has this tag."""
    kind, *lines = constraint.split()
    text = "\n".join(line.replace("_", " ") for line in lines)

    def make(forge):
        forge.make("int", "root", CA + f"nameConstraints=critical,{kind};dirName:dn\n[dn]\n{text}\n")
        forge.make("leaf", "int", LEAF + SAN, subject="/O=" + "x" * len(subject) + "/CN=x" if tag else subject)
        if tag:
            forge.rewrite("leaf", "int", bytes([0x0c, len(subject)]) + b"x" * len(subject), bytes([tag, len(subject)]) + subject)
        return ["leaf", "int"]
    return Case(f"directory {constraint} and {subject}", make, detail, **{"needs": "directory-names.patch", **options})


NO_ADDRESS = ("permitted;DNS:example.com,excluded;IP:0.0.0.0/0.0.0.0,"
              "excluded;IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0")     # of a CA for DNS names alone
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
    Case("host name of one label", leaf("subjectAltName=DNS:db\n"), verify="db"),
    *(Case(f"star: {pattern} for {name}", leaf(f"subjectAltName=DNS:{pattern}\n"), detail, name, openssl=opinion)
      for detail, opinion, rows in (
          (None, None, ("*.example.com", NAME, "*.Example.COM", NAME, "*.example.com", "xn--bcher-kva.example.com")),
          (OTHER_NAME, None, ("*", "localhost", "*.com", "example.com", "*.*", "db.example", "*.example.com", "a.db.example.com",
                              "*.*.com", NAME, "db.*.com", NAME, "*.example.*", NAME, "**.example.com", NAME, "d*b.example.com", NAME,
                              "*.example.com", "example.com", "x*.example.com", "xn--bcher-kva.example.com")),
          (OTHER_NAME, True, ("d*.example.com", NAME, "*b.example.com", NAME)))     # Go refuses these, too
      for pattern, name in zip(rows[::2], rows[1::2])),
    *(Case(f"star: {name} alone", leaf("", subject=f"/CN={name}"), detail) for name, detail in (("*.example.com", None), ("db.*.com", OTHER_NAME))),
    Case("final dot in tls_name", leaf(), verify="db.example.com."),
    Case("final dot and another name", leaf(), OTHER_NAME, verify="other.example.com."),

    Case("issuer by name and serial", by_serial("bare"), trusted=("bare",), needs="authority-name.patch"),
    Case("intermediate by name and serial", by_serial("bare-int"), trusted=("bare",), needs="authority-name.patch"),
    Case("issuer by serial, but not its signature", by_serial("same-b"), SIGNATURE, trusted=("same-a",), needs="authority-name.patch"),

    Case("several attributes in an RDN", leaf(subject="/O=o/CN=x+UID=u1"), needs="multi-valued-rdn.patch"),
    Case("several attributes in the first RDN", leaf(subject="/O=o+OU=p+L=q/CN=x"), needs="multi-valued-rdn.patch"),
    Case("several attributes in the issuer", odd_issuer, trusted=("odd",), needs="multi-valued-rdn.patch"),
    Case("serial number 0", leaf(args=("-set_serial", "0")), needs="zero-serial.patch"),
    Case("critical policies", leaf(SAN + "certificatePolicies=critical,2.23.140.1.2.1\n"), needs="WOLFSSL_DUP_CERTPOL"),
    Case("three critical policies", leaf(SAN + "certificatePolicies=critical,1.2.3.1,1.2.3.2,1.2.3.3\n"),
         needs="WOLFSSL_DUP_CERTPOL"),
    Case("critical policies of the issuer", critical_issuer, needs="WOLFSSL_DUP_CERTPOL"),
    Case("unknown critical extension", leaf(SAN + "1.2.3.4=critical,ASN1:NULL\n"),
         "certificate has an unknown critical extension"),
    Case("1000 names", leaf("subjectAltName=" + ",".join(f"DNS:n{i}.example.com" for i in range(999))
                            + ",DNS:db.example.com\n"), needs="WOLFSSL_MAX_ALT_NAMES"),
    Case("1025 names", leaf(SAN[:-1] + ",DNS:n" * 1024 + "\n"), BAD_NAMES, openssl=True, needs="WOLFSSL_MAX_ALT_NAMES"),
    *(Case(f"{n} certificates", chain(*["root"] * (n - 1)), detail, openssl=True)
      for n, detail in ((9, None), (10, "more than 9 certificates in the chain"))),
    Case("relative URI", leaf(SAN[:-1] + ",URI:/a\n"), BAD_NAMES, openssl=True),

    Case("chain of three", chain("int-b", "int-a", int_a=("root", CA), int_b=("int-a", CA))),
    Case("chain with its root", chain("int", "root", int=("root", CA))),
    Case("cross-signed root", cross_signed(), trusted=("new",), needs="WOLFSSL_ALT_CERT_CHAINS"),
    Case("expired cross-signed root", cross_signed(expired), trusted=("new",), needs="WOLFSSL_ALT_CERT_CHAINS"),
    Case("both of its roots", cross_signed(), trusted=("new", "old"), needs="WOLFSSL_ALT_CERT_CHAINS"),
    Case("only its old root", cross_signed(), trusted=("old",)),
    Case("unrelated CA behind", chain("int", "alien", int=("root", CA), alien=(None, CA)), needs="WOLFSSL_ALT_CERT_CHAINS"),
    Case("unrelated CA between", chain("alien", "int", int=("root", CA), alien=(None, CA), issuer="int"), needs="WOLFSSL_ALT_CERT_CHAINS"),
    *(Case(f"unrelated CA, and a root with {name}",
           chain("alien", "bare", alien=(None, CA),
                 bare=(None, CA + ids + "authorityKeyIdentifier=none\n"), issuer="bare"),
           trusted=("bare",), needs="any-chain.patch")
      for name, ids in (("a key identifier", KEY_ID), ("none", "subjectKeyIdentifier=none\n"))),
    Case("unrelated leaf behind", chain("int", "alien", int=("root", CA), alien=(None, LEAF)), needs="any-chain.patch"),
    Case("out of order", chain("int-a", "int-b", int_a=("root", CA), int_b=("int-a", CA), issuer="int-b"), needs="any-chain.patch"),
    Case("root first", chain("root", "int", int=("root", CA), issuer="int")),
    Case("expired cross-signed root and both roots trusted", cross_signed(expired), trusted=("new", "old"), needs="any-chain.patch"),
    *twins("expired", "root", CA, args=expired),
    *twins("of another root", "pretender", CA + "authorityKeyIdentifier=none\n", bad_first=False),
    *twins("signed with SHA-1", "root", CA, args=SHA1, is_weak=True),
    *twins("critical beyond knowledge", "root", CA + "1.2.3.4=critical,ASN1:NULL\n", bad_first=False),
    *twins("not for signing", "root", NO_KEY_USAGE + "keyUsage=digitalSignature\n", bad_first=False),
    *twins("for clients", "root", CA + "extendedKeyUsage=clientAuth\n", bad_first=False, needs="whole-path.patch"),
    *twins("for other names", "root", CA + ELSEWHERE, bad_first=False, needs="wrong-issuer.patch"),
    *(Case(f"two of one name and key that are trusted, {name}",
           chain(issuer="top", top=(None, CA), odd=(None, ext, {"key": "top", "subject": "/CN=top"})), trusted=order,
           openssl=opinion, needs="wrong-issuer.patch")
      for name, ext, order, opinion in (
          ("one for other names", CA + ELSEWHERE, ("top", "odd"), True), ("first for other names", CA + ELSEWHERE, ("odd", "top"), False),
          ("one for clients", CA + "extendedKeyUsage=clientAuth\n", ("top", "odd"), True),
          ("first for clients", CA + "extendedKeyUsage=clientAuth\n", ("odd", "top"), False))),
    *(Case(f"two of one name that are trusted, {order[0]} first",
           chain(issuer="same-a", same_a=(None, CA_ALONE, {"subject": "/CN=Same"}), same_b=(None, CA_ALONE, {"subject": "/CN=Same"}),
                 ext=LEAF + SAN + "authorityKeyIdentifier=none\n"), trusted=order, openssl=opinion,
           needs="wrong-issuer.patch")
      for order, opinion in ((("same-a", "same-b"), True), (("same-b", "same-a"), False))),
    Case("RSA of 1024 bits beside the path",
         chain("int", "beside", int=("root", CA), beside=("root", CA, {"kind": "rsa1024"})), is_weak=True,
         needs="any-chain.patch"),
    Case("over the path length beside the path", chain("int", "beside", int=("root", PATHLEN_0), beside=("int", CA)), needs="any-chain.patch"),
    Case("expired intermediate", expired_intermediate, EXPIRED),
    Case("expired intermediate, and an unrelated CA",
         chain("int", "alien", int=("root", CA, {"args": expired}), alien=(None, CA)), EXPIRED),
    Case("expired at the top", chain("int-b", "int-a", int_a=("root", CA, {"args": expired}), int_b=("int-a", CA)), EXPIRED),
    Case("expired at the top, and the same twice", chain("int-b", "int-b", "int-a", "int-a", "int-b",
         int_a=("root", CA, {"args": expired}), int_b=("int-a", CA)), EXPIRED),
    Case("unrelated CA, expired, of an unknown one",
         chain("int", "beside", alien=(None, CA), int=("alien", CA), beside=("root", CA, {"args": expired})), UNKNOWN,
         needs="any-chain.patch"),
    Case("RSA of 1024 bits in the intermediate", chain("int", int=("root", CA, {"kind": "rsa1024"})), "RSA key too short",
         openssl=True, is_weak=True),
    Case("unknown critical extension of the intermediate",
         chain("int", int=("root", CA + "1.2.3.4=critical,ASN1:NULL\n")),
         "certificate has an unknown critical extension"),
    Case("wrongly signed intermediate", wrongly_signed, UNKNOWN),
    Case("intermediate that is no CA", chain("int", int=("root", LEAF)), UNKNOWN),
    Case("intermediate that may not sign",
         chain("int", int=("root", "basicConstraints=critical,CA:TRUE\nkeyUsage=digitalSignature\n")),
         "not a certificate of a CA"),
    Case("intermediate without a key usage", chain("int", int=("root", NO_KEY_USAGE)), needs="absent-key-usage.patch"),
    Case("intermediate without a key usage that is no CA", chain("int", int=("root", KEY_ID)), UNKNOWN),
    *(Case(f"over the path length{name}", chain("int-b", "int-a", int_a=("root", PATHLEN_0), int_b=("int-a", ext)), TOO_LONG)
      for name, ext in (("", CA), (" without a key usage", NO_KEY_USAGE))),
    Case("over the path length and out of order",
         chain("int-a", "int-b", int_a=("root", PATHLEN_0), int_b=("int-a", CA), issuer="int-b"), TOO_LONG,
         needs="any-chain.patch"),
    Case("over the path length behind an issuer of itself",
         chain("int-c", "int-b", "int-a", int_a=("root", PATHLEN_0, {"subject": "/CN=self"}),
               int_b=("int-a", CA, {"subject": "/CN=self"}), int_c=("int-b", CA)), TOO_LONG, needs="whole-path.patch"),

    purpose("serverAuth"),
    purpose("clientAuth", detail=PURPOSE),
    purpose("emailProtection", detail=PURPOSE),
    purpose("emailProtection,serverAuth"),
    purpose("anyExtendedKeyUsage", openssl=False),      # Go takes it
    purpose("1.2.3.4", detail=PURPOSE),
    purpose("", "serverAuth"),
    purpose("", "clientAuth", PURPOSE),

    constrained("permitted;DNS:elsewhere.example", "DNS:db.example.com", BREAKS),
    constrained("permitted;DNS:example.com", "DNS:db.example.com"),
    constrained("permitted;DNS:xample.com", "DNS:db.example.com", BREAKS),
    constrained("excluded;DNS:xample.com", "DNS:db.example.com"),
    constrained("excluded;DNS:db.example.com", "DNS:*.example.com", BREAKS, openssl=True),   # which takes no heed
    constrained("excluded;DNS:x.db.example.com", "DNS:*.example.com"),
    constrained("permitted;IP:127.0.0.0/255.0.0.0", "IP:127.0.0.1", verify="127.0.0.1"),
    constrained("permitted;IP:127.0.0.0/255.0.0.0", "DNS:db.example.com"),
    constrained("permitted;IP:10.0.0.0/255.0.0.0", "DNS:db.example.com,IP:127.0.0.1", BREAKS),
    constrained("excluded;IP:127.0.0.0/255.0.0.0", "DNS:db.example.com,IP:127.0.0.1", BREAKS),
    constrained("excluded;IP:10.0.0.0/255.0.0.0", "DNS:db.example.com,IP:127.0.0.1"),
    constrained("permitted;IP:2001:db8::/ffff:ffff::", "IP:2001:db8::5", verify="2001:db8::5"),
    constrained("permitted;IP:2001:db8::/ffff:ffff::", "IP:2001:db9::5", BREAKS, verify="2001:db9::5"),
    constrained("permitted;IP:2001:db8::/ffff:ffff::", "IP:127.0.0.1", BREAKS, verify="127.0.0.1"),
    constrained(NO_ADDRESS, "DNS:db.example.com"),
    constrained(NO_ADDRESS, "DNS:db.example.com,IP:127.0.0.1", BREAKS),
    constrained(NO_ADDRESS, "DNS:db.example.com,IP:::1", BREAKS),
    constrained("permitted;DNS:example.com", "IP:127.0.0.1", verify="127.0.0.1"),
    constrained("permitted;URI:example.com", "DNS:db.example.com,URI:spiffe://example.com/db"),
    constrained("permitted;URI:.example.com", "DNS:db.example.com,URI:spiffe://a.example.com:1/db"),
    constrained("permitted;URI:example.com", "DNS:db.example.com"),
    constrained("permitted;URI:example.com", "DNS:db.example.com,URI:spiffe://a.example.com/db", BREAKS),
    constrained("permitted;URI:example.com", "DNS:db.example.com,URI:spiffe://example.com@evil.example/db", BREAKS),
    constrained("permitted;URI:example.com", "DNS:db.example.com,URI:urn:db", BREAKS),
    constrained("permitted;URI:example.com", "DNS:db.example.com,URI:spiffe://10.0.0.1/db", BREAKS),
    constrained("excluded;URI:example.com", "DNS:db.example.com,URI:spiffe://example.com/db", BREAKS),
    constrained("excluded;URI:example.com", "DNS:db.example.com,URI:spiffe://example.org/db"),
    constrained("excluded;email:example.com", "DNS:db.example.com,email:a@example.com", BREAKS),
    constrained("permitted;email:example.com", "DNS:db.example.com,email:a@example.co", BREAKS),
    constrained("permitted;email:example.com", "DNS:db.example.com,email:a@example.com"),
    constrained("permitted;RID:1.2.3.4", "DNS:db.example.com,RID:1.2.3.5", BREAKS),     # a form that nobody reads
    constrained("permitted;RID:1.2.3.4", "DNS:db.example.com"),
    constrained("permitted;DNS:elsewhere.example", "", BREAKS, subject=f"/CN={NAME}"),
    constrained("permitted;DNS:example.com", "", subject=f"/CN={NAME}"),
    constrained("permitted;DNS:example.com", "", BREAKS, subject="/CN=db", verify="db", openssl=True,
                needs="whole-path.patch"),      # which thinks of names with a dot alone
    constrained("permitted;DNS:example.com", "DNS:db.example.com", subject="/CN=Our database"),
    *(Case(f"name constraint further up and {name}",
           chain(*order, int_a=("root", CA + f"nameConstraints=critical,{constraint}\n"),
                 int_b=("int-a", CA, {"subject": subject}), issuer="int-b"), detail, needs="whole-path.patch")
      for name, order, constraint, subject, detail in (
          ("kept", ("int-b", "int-a"), "permitted;DNS:example.com", "/CN=int-b", None),
          ("broken", ("int-b", "int-a"), "permitted;DNS:elsewhere.example", "/O=int-b", BREAKS),
          ("broken out of order", ("int-a", "int-b"), "permitted;DNS:elsewhere.example", "/O=int-b", BREAKS),
          ("broken below its name", ("int-b", "int-a"), "excluded;DNS:example.com", "/CN=int-b", BREAKS))),
    Case("name constraint of the root", chain("int", top=(None, CA + "nameConstraints=critical,permitted;DNS:a.example\n"),
                                              int=("top", CA, {"subject": "/O=int"})), BREAKS, trusted=("top",),
         needs="whole-path.patch"),
    constrained("permitted;DNS:example.com", "", BREAKS, subject=f"/CN=db.example.org/CN={NAME}", needs="whole-path.patch"),
    constrained("permitted;DNS:example.com", "", BREAKS, subject=f"/CN={NAME}/CN=db.example.org", verify="db.example.org",
                needs="whole-path.patch"),
    constrained("permitted;DNS:example.com", "", subject=f"/CN=Our database/CN={NAME}", needs="whole-path.patch"),
    directory("excluded O=Evil_Corp", "/O=EVIL corp/CN=x", BREAKS),
    directory("excluded O=Evil_Corp", "/O= Evil   Corp /CN=x", BREAKS),
    directory("excluded O=Evil_Corp", b"Evil Corp", BREAKS, tag=0x13),
    directory("excluded O=Evil_Corp", "Evil Corp".encode("utf-16-be"), BREAKS, tag=0x1e),
    directory("excluded O=Evil_Corp", "/O=Evil Corps/CN=x"),
    directory("excluded O=Evil_Corp", "/CN=x/O=Evil Corp"),
    directory("excluded O=Evil +OU=R", "/O=evil+OU=r/CN=x", BREAKS),
    directory("excluded O=Evil +OU=R", "/O=Evil/CN=x"),
    directory("permitted O=Good_Corp OU=R", "/O=GOOD corp/OU=r/CN=x"),
    directory("permitted O=Good_Corp OU=R", b"Good Corp", BREAKS, tag=0x13),
    directory("permitted O=Good_Corp", b"Good Corp", tag=0x13),
    directory("permitted O=Good_Corp", "/O=Goods/CN=x", BREAKS),
    *(Case(f"{n} names that are permitted and excluded", chain("int", int=("root", CA + "nameConstraints=critical," + ",".join(
        [f"{kind};DNS:n{i}.example" for kind in ("permitted", "excluded") for i in range(n - 1)]
        + ["permitted;DNS:example.com", "excluded;DNS:example.org\n"]))), detail, openssl=True, needs="many-constraints.patch")
      for n, detail in ((128, None), (129, "certificate has more than 128 name constraints"))),
    Case("authority that is brought along", chain("alien", alien=(None, CA)), UNKNOWN),
    Case("missing intermediate", missing_intermediate, UNKNOWN),
    Case("intermediate of nobody", chain("int", "alien", alien=(None, CA), int=("alien", CA)), UNKNOWN),

    Case("X.509 version 1", version_1),
    Case("RSA of 1024 bits", leaf(kind="rsa1024"), "RSA key too short", openssl=True, is_weak=True),
    Case("SHA-1 under the leaf", leaf(args=SHA1), OUTDATED, openssl=True, is_weak=True),
    Case("SHA-1 under the intermediate", chain("int", int=("root", CA, {"args": SHA1})), OUTDATED,
         openssl=True, is_weak=True),
    *(Case(f"RSA of {bits} bits{name}", make, "RSA key too short", openssl=True, is_weak=True, needs=needs)
      for bits in (2041, 2047)
      for name, make, needs in (("", leaf(kind=f"rsa{bits}"), None),
                                (" in the intermediate", chain("int", int=("root", CA, {"kind": f"rsa{bits}"})),
                                 "rsa-bits.patch"))),
    *(Case(f"RSASSA-PSS with {digest} under the {where}", signed_by_pss(where, f"-{digest}"), detail,
           openssl=True, is_weak=True, trusted=("rsa-root",), needs="any-chain.patch")
      for digest, detail in (("sha1", OUTDATED), ("sha256", None)) for where in ("leaf", "int")),
    Case("trusted itself", lambda forge: [forge.make("own", ext=LEAF + SAN)], trusted=("own",)),
    Case("trusted itself without basicConstraints", lambda forge: [forge.make("own", ext=SAN)], trusted=("own",)),
    *(Case(f"below a trusted one {name}", chain(issuer="own", own=(None, ext)), detail, trusted=("own",),
           needs="wrong-issuer.patch")
      for name, ext, detail in (("that is no CA", LEAF, NO_CA), ("without basicConstraints", SAN, NO_CA),
                                ("that may not sign", NO_KEY_USAGE + "keyUsage=digitalSignature\n", NO_CA),
                                ("of version 1", None, None))),
    Case("SHA-1 under the root alone", chain("old", old=(None, CA, {"args": SHA1})), trusted=("old",), is_weak=True),
    Case("SHA-1 under what is not on the path",
         chain("int", "alien", int=("root", CA), alien=("root", CA, {"args": SHA1})), is_weak=True,
         needs="WOLFSSL_ALT_CERT_CHAINS"),
]


def referee(forge, case, chain):
    option = "-verify_ip" if case.verify[-1].isdigit() else "-verify_hostname"
    return forge.openssl_takes(case.trusted, chain, "-purpose", "sslserver", option, case.verify.rstrip("."))


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
    ({"kind": "rsa2041"}, "RSA key too short"),
    ({"issuer": "rsa-root", "args": (*SHA1, *PSS)}, OUTDATED),
    ({"issuer": "rsa-root", "args": PSS}, None),
    ({"ext": None}, "certificate is of an old version of X.509"),
), ids=("good", "keyEncipherment", "SHA-1", "RSA_1024", "RSA_2041", "PSS_with_SHA-1", "PSS", "version_1"))
def test_client_shows(forge, ringmain, backend, options, detail, version):
    forge.make("rsa-root", ext=CA, kind="rsa2048")
    forge.make("client", **{"issuer": "root", **options})
    root = forge.bundle("ca.pem", "root", "rsa-root")
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


def below(names="", subject="/CN=alice", usage="", constraints="permitted;DNS:example.com"):
    """A client's chain: its intermediate is for DNS names alone, and has perhaps a purpose."""
    ext = CA + (f"nameConstraints=critical,{constraints}\n" if constraints else "") + \
        (f"extendedKeyUsage={usage}\n" if usage else "")
    return chain("int", ext=LEAF + (f"subjectAltName={names}\n" if names else ""), subject=subject, int=("root", ext))


def show(forge, ringmain, backend, names, detail):
    """A client with this chain enters, or does not for this reason."""
    root = forge.bundle("ca.pem", "root")
    forge.make("own", "root")
    rm = ringmain([backend(servers.echo)],
                  listener={"tls": "terminate", "certificate": forge.bundle("own.pem", "own", key="own"),
                            "client_verify": "require", "client_ca": root})
    context = tls.client_context({"ca.crt": root}, cert=forge.bundle("client.pem", *names, key=names[0]))
    try:
        with contextlib.closing(tls.connect(rm.address(), context, name=NAME)) as sock:
            tcp.exchange(sock, b"hello")
            assert detail is None
    except OSError:
        line = rm.wait_sessions(1)[0]
        assert (line["reason"], line["detail"]) == ("client_tls_error", detail)


@pytest.mark.own_library("any-chain.patch, name-constraints.patch, whole-path.patch")
@pytest.mark.parametrize("make, detail", (
    *((case.make, None) for case in twins("expired", "root", CA, args=expired)),
    (chain("int", int=("root", NO_KEY_USAGE)), None),
    (expired_intermediate, EXPIRED),
    (below(), None),
    (below("URI:spiffe://example.org/alice"), None),
    (below("email:alice@example.org", "/O=alice"), None),
    (below(subject="/CN=alice.example.com"), None),
    (below(subject="/CN=alice.example.org"), BREAKS),
    (below("DNS:alice.example.org"), BREAKS),
    (below("URI:spiffe://example.org/alice", constraints="permitted;URI:example.com"), BREAKS),
    (below(subject="/CN=alice.example.org/CN=alice"), BREAKS),
    (below(subject="/CN=alice/CN=alice.example.org"), BREAKS),
    (below(subject="/CN=alice.example.org+UID=u1/CN=alice"), BREAKS),
    (below(subject="/CN=alice.example.com/CN=alice"), None),
    (below(usage="clientAuth"), None),
    (below(usage="serverAuth"), PURPOSE),
), ids=("expired twin", "expired twin first", "no key usage", "expired", "name", "URI", "mail", "host inside",
        "host outside", "DNS outside", "URI outside", "host outside first", "host outside last", "host outside in an RDN of two",
        "host inside first", "for clients", "for servers"))
def test_client_shows_a_chain(forge, ringmain, backend, make, detail):
    names = make(forge)
    assert forge.openssl_takes(("root",), names, "-purpose", "sslclient") == (detail is None), "openssl is of another opinion"
    show(forge, ringmain, backend, names, detail)


@pytest.mark.own_library("whole-path.patch")
@pytest.mark.parametrize("names, openssl", ((None, False), (("DNS:alice.example.com",), True)), ids=("alone", "beside DNS"))
@pytest.mark.parametrize("tag, coded", ((0x1e, "utf-16-be"), (0x1c, "utf-32-be")), ids=("BMPString", "UniversalString"))
def test_client_has_a_common_name_of_another_spelling(forge, ringmain, backend, tag, coded, names, openssl):
    """Whom rules would know by it: within the constraints, however it is written, and whatever else there is."""
    forge.make("int", "root", CA + "nameConstraints=critical,permitted;DNS:example.com\n")
    ext = LEAF + (f"subjectAltName={','.join(names)}\n" if names else "")
    for host, detail in (("a.org", BREAKS), ("a.example.com", None)):
        written = host.encode(coded)
        forge.make("leaf", "int", ext, subject=f"/CN={'x' * len(written)}/CN=alice")
        forge.rewrite("leaf", "int", b"\x0c" + bytes([len(written)]) + b"x" * len(written),
                      bytes([tag, len(written)]) + written)
        assert forge.openssl_takes(("root",), ("leaf", "int"), "-purpose", "sslclient") == (openssl or detail is None)
        show(forge, ringmain, backend, ("leaf", "int"), detail)


@pytest.mark.own_library("whole-path.patch")
def test_revoked_authority_is_not_hidden_behind_another(forge, relayed):
    """An intermediate of tls_ca that has been revoked: whatever else the backend shows, it counts for nothing."""
    forge.make("int", "root", CA + KEY_ID)
    forge.make("leaf", "int", LEAF + SAN)
    forge.make("alien", ext=CA)
    forge.file("index.txt", b"")
    forge.file("ca.cnf", b"[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ndefault_md = sha256\n")
    for name, revoked in (("int", ()), ("root", ("int",))):
        authority = ("ca", "-config", "ca.cnf", "-keyfile", f"{name}.key", "-cert", f"{name}.crt")
        for each in revoked:
            forge.openssl(*authority, "-revoke", f"{each}.crt")
        forge.openssl(*authority, "-gencrl", "-crldays", "30", "-out", f"{name}.crl")
    lists = b"".join(open(forge[f"{name}.crl"], "rb").read() for name in ("root", "int"))
    pool = {"tls_ca": forge.bundle("ca.pem", "root", "int"), "tls_crl": forge.file("all.crl", lists), "tls_name": NAME}
    for behind in ((), ("alien",), ("int",), ("int", "alien")):
        judge(relayed(forge.bundle("chain.pem", "leaf", *behind, key="leaf"), pool), "certificate revoked")


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
