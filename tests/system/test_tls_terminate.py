# SPDX-License-Identifier: GPL-2.0-or-later
"""tls = terminate: versions, certificates, names, protocols, clients that are verified."""

import re
import ssl

import pytest

from kit import backend as servers
from kit import hello, proc, tcp, tls
from kit.tls import V12, V13

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

ECHO = b"hello"


@pytest.fixture
def terminating(ringmain, backend, pki):
    """terminating("ecdsa.pem", ..., key=value) ends TLS in front of an echo server."""
    def begin(*certificates, **listener):
        keys = {"tls": "terminate", "certificate": [pki[name] for name in certificates or ["ecdsa.pem"]]}
        return ringmain([backend(servers.echo)], listener={**keys, **listener})
    return begin


@pytest.fixture
def shake(cleanup, pki):
    """shake(ringmain, ...as kit.tls.client_context...) gives a TlsSocket that has echoed once."""
    def begin(relay, name=tls.NAME, **options):
        sock = tls.connect(relay.address(), tls.client_context(options.pop("trust", pki), **options),
                           name=name)
        cleanup.append(sock.close)
        tcp.exchange(sock, ECHO)
        return sock
    return begin


def alert_to(relay, name=tls.NAME, **options):
    """Shakes hands in vain; gives the library's words for the alert that it was sent."""
    with pytest.raises(ssl.SSLError) as caught:
        sock = tls.connect(relay.address(), tls.client_context(None, **options), name=name)
        try:
            tcp.exchange(sock, ECHO)    # a TLS 1.3 client learns of some refusals only now
        finally:
            sock.close()
    return str(caught.value)


# Versions and keys

@pytest.mark.parametrize("version, want", ((V12, "TLSv1.2"), (V13, "TLSv1.3")))
@pytest.mark.parametrize("certificate", ("ecdsa.pem", "rsa.pem", "ed25519.pem", "p384.pem"))
def test_versions_and_kinds_of_keys(terminating, shake, certificate, version, want, pki):
    rm = terminating(certificate)
    name = "p384.example.com" if certificate == "p384.pem" else tls.NAME
    sock = shake(rm, name, low=version, high=version)
    assert sock.version == want
    assert sock.peer_der() == tls.der_of(pki[certificate])
    tcp.exchange(sock, tcp.pattern(1, 300_000))
    tcp.hang_up(sock)
    tcp.expect_end(sock, b"", "FIN")
    line = rm.wait_sessions(1, reason="done", by="client")[0]
    assert line["tls"] == want and line["sni"] == name and line["resumed"] == "no"
    assert line["cipher"].startswith("TLS_") and line["bytes_up"] == line["bytes_down"] == "300005"


@pytest.mark.parametrize("version", ("TLSv1", "TLSv1_1"))
def test_old_versions_are_refused_in_words(terminating, version):
    rm = terminating()
    old = ssl.TLSVersion[version]
    assert "protocol version" in alert_to(rm, low=old, high=old)
    line = rm.wait_sessions(1, reason="client_tls_error", by="client")[0]
    assert line["detail"] == "client offers only " + {"TLSv1": "TLS 1.0", "TLSv1_1": "TLS 1.1"}[version]
    assert line["sni"] == tls.NAME


def test_tls_min_and_tls_max(terminating, shake):
    newest = terminating(tls_min="1.3")
    assert shake(newest).version == "TLSv1.3"
    assert "protocol version" in alert_to(newest, high=V12)
    line = newest.wait_sessions(1, reason="client_tls_error")[0]
    assert line["detail"] == "client offers only TLS 1.2"
    older = terminating(tls_max="1.2")
    assert shake(older).version == "TLSv1.2"
    assert "protocol version" in alert_to(older, low=V13)
    line = older.wait_sessions(1, reason="client_tls_error")[0]
    assert line["detail"] == "client offers only TLS 1.3"


def test_ciphers_are_those_of_the_list(terminating, shake):
    rm = terminating(ciphers="TLS13-CHACHA20-POLY1305-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
    assert shake(rm).cipher == "TLS_CHACHA20_POLY1305_SHA256"
    assert shake(rm, high=V12).cipher == "ECDHE-ECDSA-AES256-GCM-SHA384"
    assert "handshake failure" in alert_to(rm, high=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
    assert rm.wait_sessions(1, reason="client_tls_error")[0]["detail"] == "no cipher suite in common"


def test_no_suite_without_forward_secrecy_or_aead(terminating):
    rm = terminating("rsa.pem")
    for ciphers in ("AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"):
        assert "handshake failure" in alert_to(rm, high=V12, ciphers=ciphers)
    rm.wait_sessions(3, reason="client_tls_error")


def s_client(relay, *args, name=tls.NAME, send="Q\n", check=True):
    """Runs openssl s_client; gives what it says."""
    host, port = relay.address()
    done = proc.run([proc.need("openssl", "openssl"), "s_client", "-connect", f"{host}:{port}",
                     "-servername", name, *args], input=send, check=False)
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize("offered, want", (
    ("X25519", "X25519"), ("P-256", "prime256v1"), ("P-384", "secp384r1"), ("P-521", "secp521r1"),
    ("X448:P-384:P-256", "prime256v1")))    # 1.3: a second hello, with a share of a group of ours
@pytest.mark.parametrize("version", ("-tls1_2", "-tls1_3"))
def test_groups(terminating, offered, want, version):
    rm = terminating("rsa.pem")
    assert group_of(s_client(rm, "-groups", offered, version)) == want


def test_groups_of_the_list(terminating):
    rm = terminating("rsa.pem", groups="P-384:X25519")
    assert group_of(s_client(rm, "-groups", "P-256:P-384")) == "secp384r1"
    rm.wait_line(msg="session", group="P-384")
    s_client(rm, "-groups", "P-256", check=False)
    line = rm.wait_sessions(1, reason="client_tls_error")[0]
    assert line["detail"] == "no key exchange group in common"


def test_a_post_quantum_group_is_offered_where_both_libraries_have_it(terminating):
    """By OpenSSL 3.5 and wolfSSL 5.9; a client that does not know it gets the next one."""
    name = "X25519MLKEM768"
    rm = terminating()
    if name not in rm.check(None, "-V").stdout:
        pytest.skip(f"ringmain's TLS library has no {name}")
    assert group_of(s_client(rm, "-groups", "X25519")) == "X25519"
    known = proc.run([proc.need("openssl", "openssl"), "list", "-tls-groups"], check=False).stdout
    if name not in known:
        pytest.skip(f"openssl has no {name}")
    assert name in s_client(rm)
    rm.wait_line(msg="session", group=name)
    assert name in proc.run([proc.need("sslscan", "sslscan"), "--no-colour", tcp.text_of(rm.address())]).stdout


def group_of(said):
    """OpenSSL 3.0 says "Server Temp Key: ECDH, prime256v1, 256 bits", 3.5 "Peer Temp Key"."""
    return re.search(r"^(?:Server|Peer) Temp Key: (?:ECDH, )?(\w+), ", said, re.M)[1]


def signature_of(said):
    """OpenSSL 3.0 says "RSA-PSS", 3.5 "rsa_pss_rsae_sha256"."""
    kind = re.search(r"^Peer signature type: (ECDSA|RSA.PSS)", said, re.M | re.I)[1]
    return kind.upper().replace("_", "-")


@pytest.mark.parametrize("number", (1, 100))
@pytest.mark.own_library("WOLFSSL_MAX_SIGALGO", 100)
def test_the_last_of_many_signature_schemes_counts(terminating, number):
    rm = terminating()
    schemes = [*range(0xe000, 0xe000 + number - 1), hello.ECDSA_P256]
    said = hello.answer(rm.address(), hello.hello13(schemes_offered=schemes, key=b"\x09" + bytes(31)))
    assert said == "ServerHello"


# Certificates and names

@pytest.mark.parametrize("order", (("rsa.pem", "ecdsa.pem"), ("ecdsa.pem", "rsa.pem")))
@pytest.mark.parametrize("version", ("-tls1_2", "-tls1_3"))
def test_rsa_beside_ecdsa_by_the_clients_algorithms(terminating, order, version):
    """Whoever can has the cheaper one."""
    rm = terminating(*order)
    for name in (tls.NAME, "unknown.example.com"):
        for offered, want in (((), "ECDSA"), (("-sigalgs", "ecdsa_secp256r1_sha256"), "ECDSA"),
                              (("-sigalgs", "rsa_pss_rsae_sha256:rsa_pkcs1_sha256"), "RSA-PSS")):
            assert signature_of(s_client(rm, version, *offered, name=name)) == want


def test_names_choose_certificates(terminating, shake, pki):
    """An exact name before a wildcard, a wildcard before the default; of any case."""
    rm = terminating("p384.pem", "ecdsa.pem", "other.pem", "plain.pem")
    wanted = {"db1.example.com": "ecdsa.pem", "x.shard.example.com": "ecdsa.pem",
              "a.shard.example.com": "other.pem", "A.SHARD.example.com": "other.pem",
              "other.example.com": "other.pem", "plain.example.com": "plain.pem",
              "unknown.example.com": "p384.pem", "a.b.shard.example.com": "p384.pem",
              "shard.example.com": "p384.pem", None: "p384.pem"}
    for name, certificate in wanted.items():
        sock = shake(rm, name, trust=None)
        assert sock.peer_der() == tls.der_of(pki[certificate]), name
        sock.close()
    lines = rm.wait_sessions(len(wanted))
    assert [line for line in lines if "sni" not in line] and \
        {line["sni"] for line in lines if "sni" in line} == {name.lower() for name in wanted if name}


def test_unknown_name_is_rejected_when_so_configured(terminating, shake, pki):
    rm = terminating("ecdsa.pem", "other.pem", unknown_sni="reject")
    assert shake(rm, "x.shard.example.com").peer_der() == tls.der_of(pki["ecdsa.pem"])
    assert shake(rm, None, trust=None).peer_der() == tls.der_of(pki["ecdsa.pem"])
    for name in ("unknown.example.com", "shard.example.com", "xdb1.example.com"):
        assert "unrecognized name" in alert_to(rm, name)
    for line in rm.wait_sessions(3, reason="refused"):
        assert line["detail"] == "no certificate has this name" and "backend" not in line


def test_certificate_and_key_in_two_files(terminating, shake, pki):
    rm = terminating(certificate=f"{pki['rsa.crt']} key={pki['rsa.key']}")
    assert shake(rm).peer_der() == tls.der_of(pki["rsa.pem"])


def test_chain_is_sent(terminating):
    said = s_client(terminating("chain.pem"), "-showcerts")
    assert said.count("BEGIN CERTIFICATE") == 2


def test_expired_certificate_is_served_and_warned_of(terminating, shake, pki):
    rm = terminating("expired.pem")
    assert "expired on" in rm.text() and "clients will refuse it" in rm.text()
    assert shake(rm, "old.example.com", trust=None).peer_der() == tls.der_of(pki["expired.pem"])
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(rm, "old.example.com")
    line = rm.wait_sessions(1, reason="client_tls_error")[0]
    assert line["detail"] == "client sent the alert: certificate expired"


def test_client_that_does_not_know_the_ca(terminating, pki):
    rm = terminating()
    strangers = tls.client_context(None)
    strangers.load_verify_locations(pki["stranger-ca.crt"])
    strangers.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(ssl.SSLCertVerificationError):
        tls.connect(rm.address(), strangers)
    line = rm.wait_sessions(1, reason="client_tls_error")[0]
    assert line["detail"] == "client sent the alert: unknown CA"


@pytest.mark.parametrize("file, words", (
    ("missing.pem", ("error", "No such file")), ("empty.pem", ("error", "has no certificate")),
    ("broken.pem", ("error", "cannot be read")), ("mismatch.pem", ("error", "does not match")),
    ("wrong-order.pem", ("error", "wrong order")), ("locked.pem", ("error", "encrypted")),
    ("wrong-issuer.pem", ("warning", "wrong order")), ("expired.pem", ("warning", "expired on")),
    ("soon.pem", ("warning", "expires on")), ("open.pem", ("warning", "open to everybody")),
    ("ca.crt", ("error", "has no private key"))))
@pytest.mark.own_library("it does not compare a key with its certificate", "mismatch.pem")
@pytest.mark.own_library("it does not compare a key with its certificate", "wrong-order.pem")
def test_dash_t_finds_what_is_wrong_with_a_certificate(make_ringmain, pki, file, words):
    config = ("[listener in]\nbind = 127.0.0.1:0\ntls = terminate\n"
              f"certificate = {pki.dir}/{file}\npool = out\n[pool out]\nbackend = b1 127.0.0.1:1\n")
    done = make_ringmain().check(config, "-t")
    said = done.stdout + done.stderr
    assert f":4:15: {words[0]}: [listener in] certificate: {pki.dir}/{file}: " in said, said
    assert words[1] in said
    assert done.returncode == (1 if words[0] == "error" else 0)


def test_dash_t_checks_every_cipher_and_group(make_ringmain, pki):
    config = ("[listener in]\nbind = 127.0.0.1:0\ntls = terminate\npool = out\n"
              f"certificate = {pki['ecdsa.pem']}\n"
              "ciphers = TLS13-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA265:AES128-SHA\n"
              "groups = X25519:P256\n[pool out]\nbackend = b1 127.0.0.1:1\n")
    done = make_ringmain().check(config, "-t")
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "did you mean 'ECDHE-RSA-AES128-GCM-SHA256'?" in said
    assert "AES128-SHA" in said and "did you mean 'P-256'?" in said


# ALPN

def test_alpn_is_the_servers_choice(terminating, shake):
    rm = terminating(alpn="second,first")
    assert shake(rm, alpn=("first", "other", "second")).alpn == "second"
    assert shake(rm, alpn=("first", "other")).alpn == "first"
    assert shake(rm).alpn is None
    assert "no application protocol" in alert_to(rm, alpn=("other",))
    line = rm.wait_sessions(1, reason="client_tls_error")[0]
    assert line["detail"] == "no application protocol (ALPN) in common" and line["alpn"] == "other"


def test_without_alpn_a_client_may_offer_what_it_likes(terminating, shake, pki):
    """The log has what was agreed on, or what was offered where it did not come to that."""
    rm = terminating(client_verify="optional", client_ca=pki["ca.crt"])
    sock = shake(rm, alpn=("h2", "postgresql"))
    assert sock.alpn is None
    sock.close()
    assert "alpn" not in rm.wait_sessions(1)[0]
    assert alert_to(rm, alpn=("h2", "postgresql"), cert=pki["stranger.pem"])
    assert rm.wait_sessions(1, reason="client_tls_error")[0]["alpn"] == "h2"


# Clients that are verified

def test_verified_clients(terminating, shake, pki):
    rm = terminating(client_verify="require", client_ca=pki["ca.crt"])
    sock = shake(rm, cert=pki["alice.pem"])
    assert sock.version == "TLSv1.3"
    sock.close()
    assert rm.wait_sessions(1)[0]["client_cn"] == "alice"
    for cert, detail in ((None, "peer sent no certificate"), (pki["stranger.pem"], "unknown CA"),
                         (pki["expired.pem"], "certificate expired")):
        assert alert_to(rm, cert=cert)
        rm.wait_line(msg="session", reason="client_tls_error", detail=detail)


def test_verified_clients_speak_tls13_unless_told_otherwise(terminating, shake, pki):
    rm = terminating(client_verify="require", client_ca=pki["ca.crt"])
    assert "protocol version" in alert_to(rm, cert=pki["alice.pem"], high=V12)
    older = terminating(client_verify="require", client_ca=pki["ca.crt"], tls_min="1.2")
    assert shake(older, cert=pki["alice.pem"], high=V12).version == "TLSv1.2"
    assert alert_to(older, high=V12)
    assert alert_to(older, cert=pki["stranger.pem"], high=V12)


@pytest.mark.parametrize("version", (V12, V13))
def test_clients_that_may_have_a_certificate(terminating, shake, pki, version):
    rm = terminating(client_verify="optional", client_ca=pki["ca.crt"], tls_min="1.2")
    shake(rm, low=version, high=version).close()
    shake(rm, low=version, high=version, cert=pki["alice.pem"]).close()
    lines = rm.wait_sessions(2)
    assert sorted(line.get("client_cn", "") for line in lines) == ["", "alice"]
    assert alert_to(rm, low=version, high=version, cert=pki["stranger.pem"])


def test_certificate_is_not_asked_for_without_need(terminating):
    assert "Acceptable client certificate CA names" not in s_client(terminating())


@pytest.mark.parametrize("version", (V12, V13))
def test_revoked_clients(terminating, shake, pki, version):
    """They hear what it is (RFC 8446, section 6.2)."""
    rm = terminating(client_verify="require", client_ca=pki["ca.crt"], client_crl=pki["ca.crl"], tls_min="1.2")
    shake(rm, cert=pki["alice.pem"], high=version)
    assert "alert certificate revoked" in alert_to(rm, cert=pki["mallory.pem"], high=version)
    rm.wait_line(msg="session", reason="client_tls_error", detail="certificate revoked")
    unlisted = terminating(client_verify="require", client_ca=pki["ca.crt"])
    shake(unlisted, cert=pki["mallory.pem"])
