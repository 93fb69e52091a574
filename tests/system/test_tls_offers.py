# SPDX-License-Identifier: GPL-2.0-or-later
"""What a ClientHello must offer (RFC 8446, 9.2 and 4.2.7; RFC 8422, 5.1): else the right alert, never a guess."""

import pytest

from kit import hello, tls
from kit.hello import ECDSA_P256, P256, P384, X25519

pytestmark = [pytest.mark.haproxy_cannot("its translation has no TLS"),
              *(pytest.mark.own_library("legacy-version.patch", case) for case in (
                  "a version of old that is odd", "1.2, a version that is odd",
                  "1.3 in the list, a version of old that is 1.0's", "1.3 in the list, a version of old that is 1.1's",
                  "1.2 in the list, a version of old that is 1.0's"))]

UNKNOWN_GROUP, GREASE = 0x6399, 0x2a2a
SHARE = hello.shares((X25519, hello.public_x25519()))
V13, GROUPS, SCHEMES = hello.versions(0x0304), hello.groups(X25519, P256), hello.schemes(ECDSA_P256)
SUITES_12 = hello.AES_ECDSA

CASES = {
    "all of it": (hello.client_hello(V13, GROUPS, SCHEMES, SHARE), "ServerHello"),
    "no schemes": (hello.client_hello(V13, GROUPS, SHARE), "missing_extension"),
    "no groups": (hello.client_hello(V13, SCHEMES, SHARE), "missing_extension"),
    "no shares": (hello.client_hello(V13, GROUPS, SCHEMES), "missing_extension"),
    "neither": (hello.client_hello(V13, SCHEMES), "missing_extension"),
    "an empty list of shares": (hello.client_hello(V13, GROUPS, SCHEMES, hello.shares()), "HelloRetryRequest"),
    "no group of ours": (hello.client_hello(V13, hello.groups(UNKNOWN_GROUP, GREASE), SCHEMES,
                                            hello.shares((UNKNOWN_GROUP, bytes(32)))), "handshake_failure"),
    "a share that no group stands for": (hello.client_hello(V13, hello.groups(UNKNOWN_GROUP), SCHEMES, SHARE),
                                         ("handshake_failure", "illegal_parameter")),
    "no scheme of ours": (hello.client_hello(V13, GROUPS, hello.schemes(0x0101), SHARE), "handshake_failure"),
    "1.2, no group of ours": (hello.hello12(offered=(UNKNOWN_GROUP,), suites=SUITES_12), "handshake_failure"),
    "1.2, no groups": (hello.client_hello(SCHEMES, suites=SUITES_12), "ServerHello"),
    "1.2 asked for, 1.3 not in the list": (hello.client_hello(hello.versions(0x0303), GROUPS, SCHEMES,
                                                              suites=SUITES_12), "ServerHello"),
    "a version of old that is odd": (hello.client_hello(V13, GROUPS, SCHEMES, SHARE, version=0x0401), "ServerHello"),
    "a version of old that is none": (hello.client_hello(V13, GROUPS, SCHEMES, SHARE, version=0x7f12),
                                      "ServerHello"),
    "1.2, a version that is odd": (hello.client_hello(GROUPS, SCHEMES, suites=SUITES_12, version=0x0401),
                                   "ServerHello"),
    "1.3 in the list, a version of old that is 1.0's": (hello.client_hello(V13, GROUPS, SCHEMES, SHARE,
                                                                           version=0x0301), "ServerHello"),
    "1.3 in the list, a version of old that is 1.1's": (hello.client_hello(V13, GROUPS, SCHEMES, SHARE,
                                                                           version=0x0302), "ServerHello"),
    "1.3 in the list, SSL 3's number": (hello.client_hello(V13, GROUPS, SCHEMES, SHARE, version=0x0300),
                                        "protocol_version"),
    "1.2 in the list, a version of old that is 1.0's": (hello.client_hello(
        hello.versions(0x0303), GROUPS, SCHEMES, suites=SUITES_12, version=0x0301), "ServerHello"),
    "1.1 and no list": (hello.client_hello(GROUPS, SCHEMES, suites=SUITES_12, version=0x0302), "protocol_version"),
    "1.1 alone in the list": (hello.client_hello(hello.versions(0x0302), GROUPS, SCHEMES, suites=SUITES_12),
                              "protocol_version"),
    "a pre-shared key without modes": (hello.client_hello(V13, GROUPS, SCHEMES, SHARE, hello.pre_shared_key()),
                                       "missing_extension"),
    "SSL 2's number": (hello.client_hello(GROUPS, SCHEMES, suites=SUITES_12, version=0x0200), "protocol_version"),
}


@pytest.mark.parametrize("case", CASES)
def test_offer(ringmain, manual, pki, case):
    rm = ringmain([manual()], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]})
    first, said = CASES[case]
    got = hello.answer(rm.address(), first)
    assert got in ((said,) if isinstance(said, str) else said)


@pytest.mark.parametrize("case", [case for case, (_, said) in CASES.items() if case.startswith("1.")])
def test_offer_of_tls_12(ringmain, manual, pki, case):
    """The same where there is no TLS 1.3: the list of versions counts, if there is one (RFC 8446, 4.2.1)."""
    rm = ringmain([manual()], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"], "tls_max": "1.2"})
    first, said = CASES[case]
    assert hello.answer(rm.address(), first) == ("protocol_version" if case.startswith("1.3") else said)


def test_a_retry_asks_for_what_was_offered(ringmain, manual, pki):
    """HelloRetryRequest names a group of the client's list, whatever comes first in ours."""
    rm = ringmain([manual()], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"],
                                        "groups": "X25519:P-256:P-384"})
    first = hello.client_hello(V13, hello.groups(P384, UNKNOWN_GROUP), SCHEMES,
                               hello.shares((UNKNOWN_GROUP, bytes(32))))
    with hello.tcp.connect(rm.address()) as sock:
        hello.send(sock, first)
        kind, body = hello.receive_record(sock)
    assert kind == tls.RECORD_HANDSHAKE and body[6:38] == hello.RETRY
    assert body.endswith(hello.numbers(51, 2, P384)) or hello.numbers(51, 2, P384) in body


UNSIGNABLE = "no signature scheme in common for the certificate's key"
OTHER_CURVE = "client does not take the curve of the certificate's key"
X25519_ALONE = hello.hello12(offered=(hello.X25519,))
UNFIT = {
    "1.3, schemes of another key": (["ecdsa.pem"], hello.hello13(schemes_offered=(hello.PSS_RSAE,)), UNSIGNABLE),
    "1.3, another curve's scheme": (["ecdsa.pem"], hello.hello13(schemes_offered=(hello.ECDSA_P384,)), UNSIGNABLE),
    "1.2, schemes of another key": (["ecdsa.pem"], hello.client_hello(
        GROUPS, hello.schemes(hello.PKCS1), hello.MASTER_SECRET, suites=SUITES_12), UNSIGNABLE),
    "1.2, not its curve": (["ecdsa.pem"], X25519_ALONE, OTHER_CURVE),
    "1.2, not its curve, but another certificate": (["ecdsa.pem", "rsa.pem"], X25519_ALONE, None),
    "1.3, not its curve as a group": (["ecdsa.pem"], hello.client_hello(
        V13, hello.groups(hello.X25519), SCHEMES, SHARE), None),
    "1.2, no groups at all": (["ecdsa.pem"], hello.client_hello(SCHEMES, hello.MASTER_SECRET, suites=SUITES_12), None),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_certificate_that_the_client_cannot_take(ringmain, manual, pki, case):
    """RFC 8422, 5.1: in TLS 1.2 the key's curve is one of the client's; RFC 8446, 4.4.2.2: so are the schemes."""
    certificates, first, detail = UNFIT[case]
    rm = ringmain([manual()], listener={"tls": "terminate", "certificate": [pki[one] for one in certificates],
                                        "tls_min": "1.2"})
    assert hello.answer(rm.address(), first) == ("handshake_failure" if detail else "ServerHello")
    if detail:
        assert rm.wait_sessions(1, reason="client_tls_error")[0]["detail"] == detail
