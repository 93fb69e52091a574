# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates that are wrong in themselves: refused from backends and clients, in words that say what is wrong."""

import contextlib

import pytest

from kit import backend as servers
from kit import proc, tcp, tls
from kit.certificates import CA, Certificates

NAME = "db.example.com"
VERSION = "certificate is of an old version of X.509"
ALGORITHM = "certificate's signature algorithm is unknown, or it names two"
CURVE = "certificate has a key on an unknown curve, or an extension twice"


@pytest.fixture(scope="module")
def forge(module_dir):
    proc.need("openssl", "openssl")
    made = Certificates(f"{module_dir}/forge")
    made.make("root", ext=CA)
    made.make("own", "root")
    return made


def rewritten(old, new):
    """What makes a leaf in which these bytes stand in place of others."""
    def make(forge):
        forge.make("leaf", "root")
        forge.rewrite("leaf", "root", bytes.fromhex(old), bytes.fromhex(new))
        return ["leaf"]
    return make


def below_one_with_an_extension_twice(forge):
    forge.make("int", "root", CA + "subjectAltName=DNS:a.example.com\nissuerAltName=DNS:b.example.com\n")
    forge.rewrite("int", "root", bytes.fromhex("0603551d12"), bytes.fromhex("0603551d11"))
    return [forge.make("leaf", "int"), "int"]


def below_another_curve(forge):
    forge.make("int", "root", CA, kind="k1")
    return [forge.make("leaf", "int"), "int"]


ODD = (
    ("version 2 with extensions", rewritten("a003020102", "a003020101"), VERSION),
    ("two algorithms", rewritten("06082a8648ce3d040302", "06082a8648ce3d040303"), ALGORITHM),
    ("an intermediate with an extension twice", below_one_with_an_extension_twice, CURVE),
    ("an intermediate on another curve", below_another_curve, CURVE),
)
odd = pytest.mark.parametrize("make, detail", [row[1:] for row in ODD], ids=[row[0] for row in ODD])


@odd
@pytest.mark.own_library("any-chain.patch")
def test_backend_shows(forge, ringmain, start, make, detail):
    names = make(forge)
    context = tls.server_context(forge.bundle("chain.pem", *names, key="leaf"), ciphers="DEFAULT:@SECLEVEL=0")
    far = start(servers.Backend, tls.served(context, servers.echo))
    rm = ringmain([far], pool={"tls": "yes", "tls_name": NAME, "tls_ca": forge.bundle("ca.pem", "root")})
    assert tcp.knock(rm.address()) == (b"", "RST")
    line = rm.wait_sessions(1)[0]
    assert (line["reason"], line["detail"]) == ("backend_tls_error", detail)


@odd
@pytest.mark.own_library("any-chain.patch")
@pytest.mark.parametrize("version", (tls.V12, tls.V13), ids=("1.2", "1.3"))
def test_client_shows(forge, ringmain, backend, make, detail, version):
    names = make(forge)
    root = forge.bundle("ca.pem", "root")
    rm = ringmain([backend(servers.echo)],
                  listener={"tls": "terminate", "certificate": forge.bundle("own.pem", "own", key="own"),
                            "client_verify": "require", "client_ca": root, "tls_min": "1.2"})
    context = tls.client_context({"ca.crt": root}, low=version, high=version, ciphers="DEFAULT:@SECLEVEL=0",
                                 cert=forge.bundle("client.pem", *names, key="leaf"))
    with pytest.raises(OSError), contextlib.closing(tls.connect(rm.address(), context, name=NAME)) as sock:
        tcp.exchange(sock, b"hello")
    line = rm.wait_sessions(1)[0]
    assert (line["reason"], line["detail"]) == ("client_tls_error", detail)
