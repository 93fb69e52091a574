# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of certificates: what is warned of, and what is read of them however they are written."""

import base64
import contextlib

import pytest

from kit import backend as servers
from kit import proc, tcp, tls
from kit.certificates import CA, DB, KEY_ID, LEAF, NO_KEY_USAGE, PSS, SHA1, Certificates, expired

NAME = "db.example.com"


@pytest.fixture(scope="module")
def forge(module_dir):
    proc.need("openssl", "openssl")
    made = Certificates(f"{module_dir}/forge")
    made.make("root", ext=CA + KEY_ID)
    made.make("rsa-root", ext=CA, kind="rsa2048")
    return made


# Our own

@pytest.mark.parametrize("options, text, status", (
    ({"ext": DB + "tlsfeature=status_request\n"}, "warning: [listener in] certificate: {}: demands stapled OCSP", 0),
    ({"ext": None}, "warning: [listener in] certificate: {}: is of X.509 version 1", 0),
    ({"kind": "rsa1024"}, "error: [listener in] certificate: {}: RSA key has 1024 bits", 1),
    ({"kind": "rsa2047"}, "error: [listener in] certificate: {}: RSA key has 2047 bits", 1),
    ({"kind": "pss"}, "error: [listener in] certificate: {}: key is of an unknown kind", 1),
    ({"args": SHA1}, "warning: [listener in] certificate: {}: certificate 1 (own) is signed with SHA-1", 0),
    ({"issuer": "rsa-root", "args": (*SHA1, *PSS)},
     "warning: [listener in] certificate: {}: certificate 1 (own) is signed with SHA-1", 0),
    ({"ext": DB[:-1] + ",DNS:n" * 1024 + "\n"}, "error: [listener in] certificate: {}: certificate 1 (line 1) cannot be read: "
     "certificate has more than 1024 names", 1),
    ({"ext": DB + "keyUsage=keyEncipherment\n"}, "warning: [listener in] certificate: {}: its keyUsage lacks digitalSignature", 0),
), ids=("must-staple", "version_1", "RSA_1024", "RSA_2047", "PSS", "SHA-1", "PSS with SHA-1", "1025 names", "keyEncipherment"))
def test_own_certificate_is_warned_of(forge, make_ringmain, options, text, status):
    forge.make("own", **{"issuer": "root", **options})
    pem = forge.bundle("own.pem", "own", key="own")
    done = make_ringmain().check("[listener in]\nbind = 127.0.0.1:0\npool = out\ntls = terminate\n"
                                 f"certificate = {pem}\n[pool out]\nbackend = b 127.0.0.1:1\n", "-t")
    assert text.format(pem) in done.stderr
    assert done.returncode == status


@pytest.mark.parametrize("options, text", (
    ({"args": expired}, "certificate 1 (own) expired on"), ({"ext": None}, "is of X.509 version 1"),
    ({"ext": LEAF}, None), ({"ext": LEAF + "tlsfeature=status_request\n"}, None)),
    ids=("expired", "version 1", "without a DNS name", "must-staple"))
def test_certificate_for_backends_is_not_for_clients(forge, make_ringmain, options, text):
    options = {**options, "args": options["args"]() if "args" in options else ()}
    forge.make("own", "root", **options)
    done = make_ringmain().check("[listener in]\nbind = 127.0.0.1:0\npool = out\n[pool out]\nbackend = b 127.0.0.1:1\ntls = yes\n"
                                 f"tls_ca = {forge['root.crt']}\ntls_certificate = {forge['own.pem']}\n", "-t")
    assert done.returncode == 0 and "clients" not in done.stderr
    if text:
        assert f"tls_certificate: {forge['own.pem']}: {text}" in done.stderr and "backends" in done.stderr
    else:
        assert "tls_certificate" not in done.stderr


def test_bytes_behind_our_own_certificate_are_an_error(forge, make_ringmain):
    """All clients but a few would refuse it."""
    forge.make("own", "root")
    der = base64.encodebytes(tls.der_of(forge["own.pem"]) + b"xx")
    pem = forge.file("own.pem", b"-----BEGIN CERTIFICATE-----\n" + der + b"-----END CERTIFICATE-----\n")
    done = make_ringmain().check("[listener in]\nbind = 127.0.0.1:0\npool = out\ntls = terminate\n"
                                 f"certificate = {pem} key={forge['own.key']}\n[pool out]\nbackend = b 127.0.0.1:1\n", "-t")
    assert f"{pem}: certificate 1 (line 1) cannot be read: bytes behind a certificate" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("options, text, status", (
    ({"issuer": "root"}, "not an authority's: what has signed it belongs here", 1),
    ({"issuer": "root", "ext": None}, "not an authority's: what has signed it belongs here", 1),
    ({"issuer": "root", "ext": NO_KEY_USAGE + "keyUsage=digitalSignature\n"}, "its keyUsage lacks keyCertSign", 1),
    ({"ext": CA, "kind": "rsa2041"}, "RSA key too short", 1),
    ({"issuer": "root", "ext": CA}, None, 0),
    ({"ext": None}, None, 0),
    ({}, None, 0),
), ids=("leaf", "leaf of version 1", "not for signing", "RSA 2041", "intermediate", "root of version 1", "its own"))
def test_authority_that_is_none_is_not_used(forge, make_ringmain, options, text, status):
    forge.make("odd", **options)
    pem = forge.bundle("ca.pem", "odd")
    config = "[listener in]\nbind = 127.0.0.1:0\npool = out\n[pool out]\nbackend = b 127.0.0.1:1\ntls = yes\n" \
             f"tls_ca = {pem}\n"
    done = make_ringmain().check(config, "-t")
    assert done.returncode == status
    if text:
        assert f"warning: [pool out] tls_ca: {pem}: certificate 1 (line 1, odd) is not used: {text}" in done.stderr
    else:
        assert "is not used" not in done.stderr
    forge.bundle("ca.pem", "odd", "root")       # with another one it is no error
    assert make_ringmain().check(config, "-t").returncode == 0


# How files are written

BOM = b"\xef\xbb\xbf"
JOINS = {
    "no newline between": lambda a, b: a.rstrip() + b,
    "byte order marks": lambda a, b: BOM + a + BOM + b,
    "CR LF": lambda a, b: (a + b).replace(b"\n", b"\r\n"),
    "CR": lambda a, b: (a + b).replace(b"\n", b"\r"),
    "blanks": lambda a, b: (a + b).replace(b"\n", b" \n\t"),
}


def reaches_a_backend(forge, start, ringmain, pem):
    far = start(servers.Backend, tls.served(tls.server_context(pem), servers.echo))
    rm = ringmain([far], pool={"tls": "yes", "tls_ca": forge["ca.pem"], "tls_name": NAME})
    with tcp.connect(rm.address()) as sock:
        tcp.exchange(sock, b"hello")


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


@pytest.mark.parametrize("join", JOINS.values(), ids=(name.replace(" ", "_") for name in JOINS))
def test_every_certificate_of_a_file_is_read(forge, start, ringmain, join):
    """Both of the authorities, and both of a chain with its key."""
    forge.make("other-root", ext=CA)
    forge.make("int", "root", CA)
    for root, chain in (("other-root", ("leaf",)), ("root", ("leaf", "int"))):
        forge.make("leaf", "int" if "int" in chain else root)
        forge.file("ca.pem", join(forge.pem("root"), forge.pem("other-root")))
        reaches_a_backend(forge, start, ringmain, forge.bundle("chain.pem", *chain, key="leaf"))
