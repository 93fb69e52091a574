# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates of every odd kind: those that other programs take are taken, the others stay refused.

The table says what a backend shows, who is trusted, and why it is refused, if it is. openssl is the
referee wherever it has an opinion.
"""

import contextlib
import dataclasses

import pytest

from kit import backend as servers
from kit import tcp, tls
from kit.forge import CA, LEAF, Forge

NAME = "db.example.com"
OTHER_NAME = "certificate is for another name"
OTHER_ADDRESS = "certificate is for another address"


@pytest.fixture(scope="module")
def forge(module_dir):
    made = Forge(f"{module_dir}/forge")
    made.make("root", ext=CA + "subjectKeyIdentifier=hash\n")
    return made


@pytest.fixture
def relayed(ringmain, start):
    """relayed(pem, pool) gives a ringmain whose pool speaks TLS to a backend that shows the PEM."""
    def begin(pem, pool, address=("127.0.0.1", 0), names=None):
        context = tls.server_context(pem)
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
    make: object                    # of a Forge: what is missing, and gives the chain's names
    detail: str = None              # why it is refused
    verify: str = NAME              # tls_name
    trusted: tuple = ("root",)
    openssl: bool = None            # what the referee says; None: the same as we
    own_only: str = ""              # why the packaged library is not tried


def leaf(ext=None, issuer="root", **options):
    """A Case's make: one certificate of the root."""
    def make(forge):
        text = "subjectAltName=DNS:db.example.com\n" if ext is None else ext
        return [forge.make("leaf", issuer, LEAF + text, **options)]
    return make


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
]


def referee(forge, case, chain):
    option = "-verify_ip" if case.verify[-1].isdigit() else "-verify_hostname"
    return forge.openssl_takes(case.trusted, chain, option, case.verify.rstrip("."))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_backend_shows(case, forge, relayed, workdir):
    chain = case.make(forge)
    expected = case.detail is None if case.openssl is None else case.openssl
    assert referee(forge, case, chain) == expected, "openssl is of another opinion"
    trusted = forge.bundle("ca.pem", *case.trusted)
    judge(relayed(forge.bundle("chain.pem", *chain, key=chain[0]),
                  {"tls_ca": trusted, "tls_name": case.verify}), case.detail)


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
