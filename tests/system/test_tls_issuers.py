# SPDX-License-Identifier: GPL-2.0-or-later
"""Who has issued a certificate: of several of one name the right one, while it is valid, and by its own list."""

import contextlib
import datetime

import pytest

from kit import backend as servers
from kit import proc, tcp, tls
from kit.certificates import CA, DB, KEY_ID, Certificates
from kit.wait import wait_until

NAME = "db.example.com"
CONFIG = b"[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\ndefault_md = sha256\n"


@pytest.fixture(scope="module")
def forge(module_dir):
    proc.need("openssl", "openssl")
    made = Certificates(f"{module_dir}/forge")
    made.make("root", ext=CA + KEY_ID)
    return made


@pytest.fixture
def relayed(ringmain, start):
    """relayed(pem, pool) gives a ringmain whose pool speaks TLS to a backend that shows the PEM."""
    def begin(pem, **pool):
        far = start(servers.Backend, tls.served(tls.server_context(pem), servers.echo))
        return ringmain([far], pool={"tls": "yes", "tls_name": NAME, "tls_tickets": "no", **pool})
    return begin


def refusal(rm):
    """Why the next session does not reach the backend, or None."""
    n = len(rm.sessions())
    # Who is refused may hear so before connect(2) has returned.
    with contextlib.suppress(OSError, AssertionError), tcp.connect(rm.address()) as sock:
        tcp.exchange(sock, b"hello")
    line = rm.wait_sessions(n + 1)[n]
    return line.get("detail")


def listed(forge, name, *revoked, when=None):
    """A list of what name has revoked, as PEM; openssl writes no authority key identifier into it."""
    forge.file("index.txt", b"")
    forge.file("ca.cnf", CONFIG)
    authority = ("ca", "-config", "ca.cnf", "-keyfile", f"{name}.key", "-cert", f"{name}.crt")
    for each in revoked:
        forge.openssl(*authority, "-revoke", f"{each}.crt")
    forge.openssl(*authority, "-gencrl", *(("-crl_lastupdate", when) if when else ()),
                  *(("-crl_nextupdate", "20991231235959Z") if when else ("-crldays", "30")), "-out", f"{name}.crl")
    with open(forge[f"{name}.crl"], "rb") as file:
        return file.read()


MISSING = "no revocation list of the certificate's CA"


@pytest.mark.own_library("wrong-issuer.patch")
def test_two_of_one_name_have_a_list_each(forge, relayed):
    """The list of one does not count for what the other one has issued, though a serial number is in it."""
    for name in ("a", "b"):
        forge.make(f"same-{name}", ext=CA + KEY_ID, subject="/CN=Same")
        forge.make(f"of-{name}", f"same-{name}", DB, args=("-set_serial", "77"))
        forge.make(f"other-of-{name}", f"same-{name}", DB, args=("-set_serial", "78"))
    a, b, of_a = listed(forge, "same-a"), listed(forge, "same-b"), listed(forge, "same-a", "of-a")
    for trusted in (("same-a", "same-b"), ("same-b", "same-a")):
        ca = forge.bundle("ca.pem", *trusted)
        for lists in ((of_a, b), (b, of_a)):
            crl = forge.file("all.crl", b"".join(lists))
            for name, want in (("of-a", "certificate revoked"), ("of-b", None), ("other-of-a", None)):
                assert refusal(relayed(forge[f"{name}.pem"], tls_ca=ca, tls_crl=crl)) == want
        crl = forge.file("a.crl", a)
        for name, want in (("of-a", None), ("of-b", MISSING)):
            assert refusal(relayed(forge[f"{name}.pem"], tls_ca=ca, tls_crl=crl)) == want
            assert forge.openssl_takes(trusted, (name,), "-crl_check_all", "-CRLfile", crl) == (want is None)


def test_list_that_is_not_valid_yet_is_an_error(forge, make_ringmain):
    """As openssl has it (X509_V_ERR_CRL_NOT_YET_VALID)."""
    future = listed(forge, "root", when="20980101000000Z")
    config = "[listener in]\nbind = 127.0.0.1:0\npool = out\n[pool out]\nbackend = b 127.0.0.1:1\ntls = yes\n" \
             f"tls_ca = {forge.bundle('ca.pem', 'root')}\ntls_crl = {forge.file('future.crl', future)}\n"
    done = make_ringmain().check(config, "-t")
    assert done.returncode == 1
    assert "future.crl: revocation list 1 (line 1) is not used: revocation list is not valid yet" in done.stderr


@pytest.mark.own_library("wrong-issuer.patch")
def test_authority_that_expires_is_not_trusted_any_more(forge, relayed):
    """Although it was loaded while it was valid."""
    forge.make("soon", ext=CA + KEY_ID)
    forge.make("of-soon", "soon")
    ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=6)
    forge.end("soon", "soon", ends)
    rm = relayed(forge["of-soon.pem"], tls_ca=forge.bundle("ca.pem", "soon"))
    assert refusal(rm) is None
    wait_until(lambda: refusal(rm) == "certificate expired", "the authority has expired", 60, interval=0.5)
    assert datetime.datetime.now(datetime.timezone.utc) > ends


# Lists that cannot be used as they are

def der(tag, *values):
    body = b"".join(values)
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (size if len(body) < 128 else bytes([0x80 + len(size)]) + size) + body


def extension(number, value, critical=True):
    """Of id-ce; None is one that nobody knows."""
    oid = b"\x2a\x03\x04" if number is None else bytes([0x55, 29, number])
    return der(0x30, der(6, oid), der(1, b"\xff") if critical else b"", der(4, value))


def forged_list(forge, extensions=(), of_entry=()):
    """The root's, as openssl never would write it; it revokes the certificate 9."""
    algorithm = der(0x30, der(6, bytes.fromhex("2a8648ce3d040302")))
    issuer = der(0x30, der(0x31, der(0x30, der(6, b"\x55\x04\x03"), der(0x0c, b"root"))))
    entry = der(0x30, der(2, b"\x09"), der(0x17, b"240101000000Z"), der(0x30, *of_entry) if of_entry else b"")
    body = der(0x30, der(2, b"\x01"), algorithm, issuer, der(0x17, b"240101000000Z"), der(0x17, b"491231235959Z"),
               der(0x30, entry), der(0xa0, der(0x30, extension(20, b"\x02\x01\x05", False), *extensions)))
    forge.file("list.tbs", body)
    forge.openssl("dgst", "-sha256", "-sign", "root.key", "-out", "list.sig", "list.tbs")
    with open(forge["list.sig"], "rb") as file:
        forge.file("list.der", der(0x30, body, algorithm, der(3, b"\0" + file.read())))
    forge.openssl("crl", "-inform", "DER", "-in", "list.der", "-out", "list.crl")
    return forge["list.crl"]


DELTA = "it is a delta list, which has only what is new"
PARTIAL = "it may be a partial list: it has an issuing distribution point"
REASON, DATE = (21, b"\x0a\x01\x01"), (24, der(0x18, b"20240101000000Z"))


@pytest.mark.parametrize("list_has, entry_has, said", (
    ((), (), None),
    ((), (REASON, DATE), None),
    ((35, der(0x30)), (), None),
    ((), ((None, b"\x05\0"),), "an entry of it has an unknown critical extension"),
    ((), (REASON, (29, der(0x30, der(0xa4, der(0x30))))), "an entry of it has an unknown critical extension"),
    ((), ((None, b"\x05\0", False),), None),
    ((None, b"\x05\0"), (), "it has an unknown critical extension"),
    ((None, b"\x05\0", False), (), None),
    ((27, b"\x02\x01\x03"), (), DELTA),
    ((27, b"\x02\x01\x03", False), (), DELTA),
    ((28, der(0x30, der(0x81, b"\xff"))), (), PARTIAL),
    ((28, der(0x30, der(0x82, b"\xff")), False), (), PARTIAL),
), ids=("plain", "reason and date", "authority key", "unknown in an entry", "issuer of an entry", "unknown but not critical in an entry",
        "unknown", "unknown but not critical", "delta", "delta not critical", "partial", "partial not critical"))
def test_list_with_extensions(forge, make_ringmain, list_has, entry_has, said):
    """RFC 5280, 5.2 and 5.3: what is critical must be known; and lists that leave something out would let in who is revoked."""
    crl = forged_list(forge, (extension(*list_has),) if list_has else (), [extension(*each) for each in entry_has])
    config = "[listener in]\nbind = 127.0.0.1:0\npool = out\n[pool out]\nbackend = b 127.0.0.1:1\ntls = yes\n" \
             f"tls_ca = {forge.bundle('ca.pem', 'root')}\ntls_crl = {crl}\n"
    done = make_ringmain().check(config, "-t")
    assert (done.returncode == 0) == (said is None), done.stderr
    if said:
        assert f"list.crl: revocation list 1 (line 1) is not used: {said}" in done.stderr


def test_list_with_a_harmless_critical_extension_revokes(forge, relayed):
    forge.make("leaf", "root", DB, args=("-set_serial", "9"))
    forge.make("other", "root", DB, args=("-set_serial", "10"))
    crl = forged_list(forge, of_entry=(extension(*REASON),))
    ca = forge.bundle("ca.pem", "root")
    for name, want in (("leaf", "certificate revoked"), ("other", None)):
        assert refusal(relayed(forge[f"{name}.pem"], tls_ca=ca, tls_crl=crl)) == want
