# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates of clients: which are asked for, and what each is judged by."""

import contextlib
import functools

import pytest

from kit import backend as servers
from kit import hello, proc, tcp, tls, tls12, tls13
from kit.certificates import CA, LEAF, Certificates, expired

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

CLIENT = LEAF + "extendedKeyUsage=clientAuth\n"
UNKNOWN_TO_ALL = "1.2.3.4=critical,ASN1:NULL\n"
MANY_NAMES = "subjectAltName=" + ",".join(f"DNS:n{n}" for n in range(1025)) + "\n"


@pytest.fixture(scope="module")
def forge(module_dir):
    proc.need("openssl", "openssl")
    made = Certificates(f"{module_dir}/forge")
    made.make("root", ext=CA + "subjectKeyIdentifier=hash\n")
    made.make("int", "root", CA + "subjectKeyIdentifier=hash\n")
    made.make("alice", "int", CLIENT)
    made.make("db", "int")
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


@pytest.mark.parametrize("version", (tls.V12, tls.V13))
@pytest.mark.parametrize("options", (
    {"issuer": None}, {"args": expired}, {"ext": LEAF + "keyUsage=keyEncipherment\n"}, {"ext": CLIENT + UNKNOWN_TO_ALL},
    {"ext": CLIENT + MANY_NAMES}), ids=("stranger", "expired", "not for signing", "critical", "many names"))
def test_log_says_who_was_refused(verifying, pki, forge, options, version):
    """By the common name that it gave itself, as of those who are admitted; bounded, and nothing breaks a line."""
    options = {"issuer": "root", "ext": CLIENT, **options}
    options["args"] = options["args"]() if "args" in options else ()
    forge.make("odd", subject="/CN=odd \\\"x\\\"\nmsg\\=y", **options)
    rm = verifying(tls_min="1.2")
    assert not talks(rm, pki, forge["odd.pem"], low=version, high=version)
    line = rm.wait_sessions(1, reason="client_tls_error")[0]
    assert line["client_cn"].startswith("odd") and "\n" not in line["client_cn"]


@pytest.mark.own_library("own-intermediates.patch")
def test_one_backends_chain_does_not_vouch_for_another(ringmain, start, forge):
    """The same of servers."""
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


PSS = ("-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1")
ALERT = ("illegal_parameter", "decrypt_error", "unsupported_certificate", "bad_certificate")
SCHEMES = {     # key, scheme, how it signs, is it good?
    "its own": ("ec", hello.ECDSA_P256, ("-sha256",), True),
    "of another curve": ("p384", hello.ECDSA_P256, ("-sha256",), False),
    "of another hash": ("ec", hello.ECDSA_P384, ("-sha384",), False),
    "of another kind": ("ec", hello.PSS_RSAE, ("-sha256",), False),
    "rsae of RSA": ("rsa2048", hello.PSS_RSAE, PSS, True),
    "pss of RSA": ("rsa2048", hello.PSS_PSS, PSS, False),
    "PKCS 1 of RSA": ("rsa2048", hello.PKCS1, ("-sha256",), False),
    "rsae of PSS": ("pss", hello.PSS_RSAE, PSS, False),
    "pss of PSS": ("pss", hello.PSS_PSS, PSS, False),
}


def prove(end, forge, case):
    """Shows a certificate and signs with its key. RFC 8446, 4.2.3: a scheme names the curve, or the kind of key."""
    key, scheme, how, _ = SCHEMES[case]
    name = forge.make(f"carol-{key}", "root", kind=key)
    end.tell(hello.CERTIFICATE, certificate(tls.der_of(forge[f"{name}.pem"])))
    signature = proc.run([proc.need("openssl", "openssl"), "dgst", *how, "-sign", forge.dir / f"{name}.key"],
                         input=end.to_sign(), text=False).stdout
    end.tell(15, hello.numbers(scheme) + hello.counted(signature))


@pytest.mark.parametrize("case", SCHEMES)
@pytest.mark.own_library("signature-schemes.patch", "of another curve")
@pytest.mark.own_library("signature-schemes.patch", "of another hash")
def test_a_clients_scheme_fits_its_key(verifying, forge, cleanup, case):
    rm = verifying(ciphers=tls13.CIPHERS)
    client = tls13.Handmade(rm.address()).shake()
    cleanup.append(client.close)
    assert 13 in client.messages
    prove(client, forge, case)
    client.finish()
    if SCHEMES[case][-1]:
        client.send(tls13.DATA, b"hello")
        client.expect(b"hello")
    else:
        assert client.end() in ALERT
        rm.wait_sessions(1, reason="client_tls_error")


@pytest.mark.parametrize("case", SCHEMES)
@pytest.mark.own_library("signature-schemes.patch", "of another curve")
@pytest.mark.own_library("signature-schemes.patch", "of another hash")
def test_a_backends_scheme_fits_its_key(ringmain, manual, forge, cleanup, case):
    server = manual()
    rm = ringmain([server], pool={"tls": "yes", "tls_ca": forge.bundle("ca.pem", "root"),
                                  "tls_name": "db.example.com", "eject_after": "0", "connect_tries": "1"})
    with tcp.connect(rm.address()):
        peer = tls13.HandmadeServer(server.accept())
        cleanup.append(peer.close)
        prove(peer, forge, case)
        peer.tell_finished()
        if SCHEMES[case][-1]:
            kind, content = peer.read()
            assert (kind, content[0]) == (tls13.HANDSHAKE, 20)
        else:
            assert peer.end() in (*ALERT, "RST")
            rm.wait_sessions(1, reason="backend_tls_error")


def test_a_key_that_is_for_pss_alone_is_refused(verifying, pki, forge):
    """rsa_pss_pss is not offered, and rsa_pss_rsae is for other keys (RFC 8446, 4.2.3)."""
    forge.make("pss", "root", CLIENT, kind="pss")
    rm = verifying(tls_min="1.2")
    for version in (tls.V12, tls.V13):
        assert not talks(rm, pki, forge["pss.pem"], low=version, high=version)


@pytest.fixture
def large(forge, ringmain, start):
    """large(version, bytes) gives a ringmain, and a client's context: its certificate and the backend's have so many bytes of names."""
    def begin(version, size):
        names = ",".join(f"DNS:{i:03}.{'x' * (size // 1000 - 18)}.example.com" for i in range(1000))
        forge.make("large", "root", LEAF + f"subjectAltName={names},DNS:db.example.com\n")
        root, pem = forge.bundle("ca.pem", "root"), forge.bundle("large-chain.pem", "large", key="large")
        far = start(servers.Backend, tls.served(tls.server_context(pem, low=version, high=version), servers.echo))
        rm = ringmain([far], pool={"tls": "yes", "tls_ca": root, "tls_name": "db.example.com"},
                      listener={"tls": "terminate", "certificate": pem, "tls_min": "1.2", "client_verify": "optional",
                                "client_ca": root})
        return rm, functools.partial(tls.client_context, {"ca.crt": root}, low=version, high=version), pem
    return begin


@pytest.mark.parametrize("version", (tls.V12, tls.V13))
@pytest.mark.own_library("MAX_CERTIFICATE_SZ")
def test_large_certificates_of_both_peers(large, version):
    """Of 36 kB each, which OpenSSL and Go send and take; more than 64 kB is too much, and said to be."""
    rm, context, pem = large(version, 36_000)
    with contextlib.closing(tls.connect(rm.address(), context(cert=pem), name="db.example.com")) as sock:
        tcp.exchange(sock, b"hello")
    rm, context, pem = large(version, 70_000)
    with contextlib.suppress(OSError), contextlib.closing(tls.connect(rm.address(), context(), name="db.example.com")) as sock:
        sock.recv()
    rm.wait_sessions(1, reason="backend_tls_error", detail="handshake message of more than 64 kB")
    with contextlib.suppress(OSError), contextlib.closing(tls.connect(rm.address(), context(cert=pem), name="db.example.com")) as sock:
        sock.recv()
    rm.wait_sessions(1, reason="client_tls_error", detail="handshake message of more than 64 kB")


# Bytes behind a certificate, in its entry of the list: no fingerprint would know it again.

def listed(forge, name, behind, *, is_13):
    """A Certificate message of this one's chain, with something behind the one or the other."""
    entries = [tls.der_of(forge[f"{one}.pem"]) + b"xx" * (one == behind) for one in (name, "int")]
    if not is_13:
        return tls12.certificates(*entries)
    return b"\0" + hello.counted(b"".join(hello.counted(entry, 3) + b"\0\0" for entry in entries), 3)


def check_refusal(rm, peer, alert, reason):
    assert alert == "bad_certificate"
    assert rm.wait_sessions(1, reason=reason)[0]["detail"] == "bytes behind a certificate"
    peer.close()


@pytest.mark.parametrize("behind", ("alice", "int"))
def test_bytes_behind_a_clients_certificate(verifying, forge, behind):
    rm = verifying(ciphers=f"{tls13.CIPHERS}:{tls12.CIPHERS}", tls_min="1.2")
    client = tls13.Handmade(rm.address()).shake()
    client.tell(hello.CERTIFICATE, listed(forge, "alice", behind, is_13=True))
    check_refusal(rm, client, client.end(), "client_tls_error")
    rm = verifying(ciphers=tls12.CIPHERS, tls_min="1.2", tls_max="1.2")
    client = tls12.Client(rm.address())
    client.tell(hello.CERTIFICATE, listed(forge, "alice", behind, is_13=False))
    check_refusal(rm, client, client.end(), "client_tls_error")


@pytest.mark.parametrize("behind", ("db", "int"))
@pytest.mark.parametrize("end", (tls12.Server, tls13.HandmadeServer))
def test_bytes_behind_a_backends_certificate(ringmain, manual, forge, behind, end):
    server = manual()
    rm = ringmain([server], pool={"tls": "yes", "tls_ca": forge.bundle("ca.pem", "root"), "tls_name": "db.example.com",
                                  "eject_after": "0", "connect_tries": "1"})
    with tcp.connect(rm.address()):
        peer = end(server.accept())
        if end is tls12.Server:
            peer.answer()
        peer.tell(hello.CERTIFICATE, listed(forge, "db", behind, is_13=end is tls13.HandmadeServer))
        check_refusal(rm, peer, peer.end(), "backend_tls_error")
