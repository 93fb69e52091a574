# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates of clients: which are asked for, and what each is judged by."""

import contextlib

import pytest

from kit import backend as servers
from kit import hello, proc, tcp, tls, tls13
from kit.certificates import CA, LEAF, Certificates

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

CLIENT = LEAF + "extendedKeyUsage=clientAuth\n"


@pytest.fixture(scope="module")
def forge(module_dir):
    proc.need("openssl", "openssl")
    made = Certificates(f"{module_dir}/forge")
    made.make("root", ext=CA + "subjectKeyIdentifier=hash\n")
    made.make("int", "root", CA + "subjectKeyIdentifier=hash\n")
    made.make("alice", "int", CLIENT)
    return made


@pytest.fixture
def verifying(ringmain, backend, pki, forge):
    """verifying(**listener): clients have to show a certificate of the root."""
    def begin(**listener):
        return ringmain([backend(servers.echo)],
                        listener={"tls": "terminate", "certificate": pki["ecdsa.pem"],
                                  "client_verify": "require", "client_ca": forge.bundle("ca.pem", "root"),
                                  **listener}, settings={"workers": 1})
    return begin


def talks(rm, pki, pem, **versions):
    """Does a client with this certificate get through?"""
    try:
        sock = tls.connect(rm.address(), tls.client_context(pki, cert=pem, **versions))
        tcp.exchange(sock, b"hello")
        sock.close()
        return True
    except (OSError, AssertionError):
        return False


@pytest.mark.parametrize("version", (tls.V12, tls.V13))
@pytest.mark.own_library("own-intermediates.patch")
def test_one_clients_chain_does_not_vouch_for_another(verifying, pki, forge, version):
    """An intermediate that one has sent is not known when the next one does not send it."""
    rm = verifying(tls_min="1.2")
    whole = forge.bundle("whole.pem", "alice", "int", key="alice")
    alone = forge["alice.pem"]
    assert not talks(rm, pki, alone, low=version, high=version)
    assert talks(rm, pki, whole, low=version, high=version)
    assert not talks(rm, pki, alone, low=version, high=version)
    assert rm.wait_sessions(2, reason="client_tls_error")[1]["detail"] == "unknown CA"


@pytest.mark.own_library("own-intermediates.patch")
def test_one_backends_chain_does_not_vouch_for_another(ringmain, start, forge):
    """The same of servers."""
    names = LEAF + "subjectAltName=DNS:db.example.com\n"
    forge.make("db", "int", names)
    pool = {"tls": "yes", "tls_ca": forge.bundle("ca.pem", "root"), "tls_name": "db.example.com",
            "balance": "roundrobin", "eject_after": "0", "connect_tries": "1"}
    shown = [forge.bundle("db-whole.pem", "db", "int", key="db"), forge["db.pem"]]
    far = [start(servers.Backend, tls.served(tls.server_context(pem), servers.echo)) for pem in shown]
    rm = ringmain(far, pool=pool, settings={"workers": 1})
    for _ in range(6):      # a session each: who is refused may hear so before connect(2) has returned
        with contextlib.suppress(OSError, AssertionError), tcp.connect(rm.address()) as sock:
            tcp.exchange(sock, b"hello")
    lines = rm.wait_sessions(6)
    assert len([line for line in lines if line["reason"] == "backend_tls_error"]) == 3
    assert {line["detail"] for line in lines if "detail" in line} == {"unknown CA"}


@pytest.mark.parametrize("own", ("ecdsa.pem", "rsa.pem"))
@pytest.mark.own_library("certificate-types.patch")
def test_every_type_is_asked_for(verifying, pki, own):
    """TLS 1.2 (RFC 5246, 7.4.4): whatever the key of ours; of both kinds of schemes, too."""
    rm = verifying(certificate=pki[own], tls_min="1.2")
    with tcp.connect(rm.address()) as sock:
        hello.send(sock, hello.hello12())
        asked = hello.receive_messages(sock, hello.DONE)[hello.REQUEST]
    types, rest = asked[1:1 + asked[0]], asked[1 + asked[0]:]
    schemes = [int.from_bytes(rest[at:at + 2], "big")
               for at in range(2, 2 + int.from_bytes(rest[:2], "big"), 2)]
    assert sorted(types) == [1, 64]             # rsa_sign, ecdsa_sign
    assert {hello.ECDSA_P256, hello.ECDSA_P384, hello.PSS_RSAE, hello.PKCS1} <= set(schemes)
    assert not {0x0809, 0x080a, 0x080b} & set(schemes)      # rsa_pss_pss: not verified


# Made by hand

def certificate(der):
    """A Certificate message of TLS 1.3."""
    return b"\0" + hello.counted(hello.counted(der, 3) + b"\0\0", 3)


@pytest.mark.own_library("unasked-certificate.patch")
def test_a_certificate_that_nobody_asked_for_is_not_read(ringmain, backend, pki, forge):
    """TLS 1.3 and 1.2: unexpected_message, whatever is in it."""
    rm = ringmain([backend(servers.echo)], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"],
                                                     "ciphers": f"{tls13.CIPHERS}:ECDHE-ECDSA-AES128-GCM-SHA256"})
    der = tls.der_of(forge["alice.pem"])
    for content in (der, b"\x30\x80nonsense"):
        client = tls13.Handmade(rm.address()).shake()
        assert hello.REQUEST not in client.messages
        client.tell(hello.CERTIFICATE, certificate(content))
        assert client.end() == "unexpected_message"
        client.close()
        with tcp.connect(rm.address()) as sock:
            hello.send(sock, hello.hello12(suites=hello.AES_ECDSA))
            assert hello.REQUEST not in hello.receive_messages(sock, hello.DONE)
            hello.send(sock, hello.message(hello.CERTIFICATE, hello.counted(hello.counted(content, 3), 3)))
            assert hello.receive_record(sock) == (tls.RECORD_ALERT, b"\x02\x0a")


SCHEMES = {
    "its own": ("P-256", hello.ECDSA_P256, "-sha256", None),
    "of another curve": ("P-384", hello.ECDSA_P256, "-sha256", "illegal_parameter"),
    "of another hash": ("P-256", hello.ECDSA_P384, "-sha384", "illegal_parameter"),
}


@pytest.mark.parametrize("case", SCHEMES)
@pytest.mark.own_library("signature-schemes.patch", "of another curve")
@pytest.mark.own_library("signature-schemes.patch", "of another hash")
def test_a_scheme_names_a_curve(verifying, forge, case):
    """RFC 8446, 4.2.3: ecdsa_secp256r1_sha256 is for keys on P-256 alone."""
    curve, scheme, digest, alert = SCHEMES[case]
    rm = verifying(ciphers=tls13.CIPHERS)
    name = f"carol-{curve}"
    forge.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}",
                  "-out", f"{name}-key.key")
    forge.make(name, "root", CLIENT, key=f"{name}-key")
    client = tls13.Handmade(rm.address()).shake()
    assert 13 in client.messages
    client.tell(hello.CERTIFICATE, certificate(tls.der_of(forge[f"{name}.pem"])))
    signature = proc.run([proc.need("openssl", "openssl"), "dgst", digest, "-sign",
                          forge.dir / f"{name}.key"], input=client.to_sign(), text=False).stdout
    client.tell(15, hello.numbers(scheme) + hello.counted(signature))
    client.finish()
    if alert:
        assert client.end() == alert
    else:
        client.send(tls13.DATA, b"hello")
        client.expect(b"hello")
    client.close()


def test_a_key_that_is_for_pss_alone_is_refused(verifying, pki, forge):
    """rsa_pss_pss is not offered, and rsa_pss_rsae is for other keys (RFC 8446, 4.2.3)."""
    forge.openssl("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "pss-key.key")
    forge.make("pss", "root", CLIENT, key="pss-key")
    rm = verifying(tls_min="1.2")
    for version in (tls.V12, tls.V13):
        assert not talks(rm, pki, forge["pss.pem"], low=version, high=version)
