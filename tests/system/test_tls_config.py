# SPDX-License-Identifier: GPL-2.0-or-later
"""What ringmain -t says of certificates, keys and the settings of TLS: each with its line."""

import os
import re

import pytest

from kit import proc

pytestmark = pytest.mark.haproxy_cannot("reads another language")

POOL = "[pool out]\nbackend = one 127.0.0.1:9\n"

NO_COMPARISON = "it does not compare a key with its certificate"


def listener(*lines):
    """A listener that terminates TLS; lines begin with the file's fifth."""
    return "\n".join(["[listener in]", "bind = 127.0.0.1:0", "pool = out", "tls = terminate",
                      *lines, POOL])


def pool(*lines):
    """A pool that speaks TLS; lines begin with the file's eighth."""
    return ("[listener in]\nbind = 127.0.0.1:0\npool = out\n[pool out]\n"
            "backend = one 127.0.0.1:9\nbackend = two [::1]:9\ntls = yes\n" + "\n".join(lines) + "\n")


@pytest.fixture
def said(make_ringmain, pki):
    """said(text, status) gives what -t says, without places of files and lines that are shown."""
    def ask(text, status):
        rm = make_ringmain()
        done = rm.check(text, "-t")
        assert done.returncode == status, done.stderr
        assert re.fullmatch(r"(\[pool \w+\] no check: .*\n)*", done.stdout)
        lines = [line for line in done.stderr.splitlines()
                 if re.match(r"\S", line) and not line.startswith("warning: wolfSSL ")]     # the packaged one
        return [line.replace(f"{rm.dir}/ringmain.ini:", "").replace(f"{pki.dir}/", "")
                for line in lines]
    return ask


@pytest.mark.parametrize("lines", (
    ("certificate = ecdsa.pem",), ("certificate = ecdsa.crt key=ecdsa.key",),
    ("certificate = chain.pem", "certificate = rsa.pem", "certificate = ed25519.pem"),
    ("certificate = ecdsa.pem", "client_verify = require", "client_ca = ca.crt", "client_crl = ca.crl"),
    ("certificate = ecdsa.pem", "alpn = postgresql,h2", "tls_min = 1.3", "groups = P-256:X25519",
     "ciphers = TLS_AES_128_GCM_SHA256"),
    ("certificate = ecdsa.pem", "protocol = postgres", "unknown_sni = reject"),
))
def test_good_is_silent(said, pki, lines):
    assert not said(listener(*located(pki, lines)), 0)


def located(pki, lines):
    """File names become those of this run."""
    def place(match):
        return pki[match[0]] if (pki.dir / match[0]).exists() else str(pki.dir / match[0])
    return [re.sub(r"[\w-]+\.(?:pem|crt|key|crl|none)|\bkeys?31\b|\bbadkey\b", place, line)
            for line in lines]


# What is written, from line 5 on, and what is said; "warning" does not keep it from starting.
CERTIFICATES = {
    "missing": (["certificate = nowhere.none"],
                "5:15: error: [listener in] certificate: nowhere.none: cannot be read: "
                "No such file or directory"),
    "key missing": (["certificate = ecdsa.crt key=nowhere.none"],
                    "5:15: error: [listener in] certificate: nowhere.none: cannot be read: "
                    "No such file or directory"),
    "no key": (["certificate = ecdsa.crt"],
               "5:15: error: [listener in] certificate: ecdsa.crt: has no private key"),
    "no certificate": (["certificate = empty.pem key=ecdsa.key"],
                       "5:15: error: [listener in] certificate: empty.pem: has no certificate"),
    "mismatch": (["certificate = mismatch.pem"],
                 "5:15: error: [listener in] certificate: mismatch.pem: private key does not match "
                 "the certificate (db1.example.com)"),
    "expired": (["certificate = expired.pem"],
                "5:15: warning: [listener in] certificate: expired.pem: certificate 1 "
                "(old.example.com) expired on DATE: clients will refuse it"),
    "soon": (["certificate = soon.pem"],
             "5:15: warning: [listener in] certificate: soon.pem: certificate 1 "
             "(soon.example.com) expires on DATE, in N days"),
    "open to everybody": (["certificate = open.pem"],
                          "5:15: warning: [listener in] certificate: open.pem: private key is open "
                          "to everybody (mode 0644): chmod o= it"),
    "wrong order": (["certificate = wrong-order.pem"],
                    "5:15: warning: [listener in] certificate: wrong-order.pem: chain is in the "
                    "wrong order: certificate 2 (db1.example.com) did not issue certificate 1 "
                    "(other.example.com)",
                    "5:15: error: [listener in] certificate: wrong-order.pem: chain is in the "
                    "wrong order: the key belongs to certificate 2 (db1.example.com), which must "
                    "come first"),
    "wrong issuer": (["certificate = wrong-issuer.pem"],
                     "5:15: warning: [listener in] certificate: wrong-issuer.pem: chain is in the "
                     "wrong order: certificate 2 (stranger-ca) did not issue certificate 1 "
                     "(db1.example.com)"),
    "locked": (["certificate = locked.pem"],
               "5:15: error: [listener in] certificate: locked.pem: private key is encrypted, and "
               "nobody is there to type its password"),
    "the second of three": (
        ["certificate = ecdsa.pem", "certificate = mismatch.pem", "certificate = rsa.pem"],
        "6:15: error: [listener in] certificate: mismatch.pem: private key does not match the "
        "certificate (db1.example.com)"),
    "ca missing": (["certificate = ecdsa.pem", "client_verify = require"],
                   "1:2: error: [listener in] client_ca: is needed to verify clients"),
    "ca unreadable": (["certificate = ecdsa.pem", "client_verify = require",
                       "client_ca = nowhere.none"],
                      "7:13: error: [listener in] client_ca: nowhere.none: cannot be read: "
                      "No such file or directory"),
    "ca for nothing": (["certificate = ecdsa.pem", "client_ca = ca.crt"],
                       "6:13: warning: [listener in] client_ca: ca.crt: is not used: client_verify "
                       "is none"),
    "unknown suite": (
        ["certificate = ecdsa.pem", "tls_min = 1.3",
         "ciphers = TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA265"],
        "7:11: error: [listener in] ciphers: TLS_AES_128_GCM_SHA265: unknown; did you mean "
        "'TLS_AES_128_GCM_SHA256'?"),
    "no suite for a version": (
        ["certificate = ecdsa.pem", "ciphers = TLS_AES_128_GCM_SHA256"],
        "6:11: error: [listener in] ciphers: none of them is for TLS 1.2, which is allowed"),
    "unknown group": (["certificate = ecdsa.pem", "groups = X25519:P-257"],
                      "6:10: error: [listener in] groups: P-257: unknown; did you mean 'P-256'?"),
    "versions": (["certificate = ecdsa.pem", "tls_min = 1.3", "tls_max = 1.2"],
                 "6:11: error: [listener in] tls_min: is above tls_max"),
    "no certificate at all": ([], "4:7: error: [listener in] tls: terminate: needs a certificate"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
@pytest.mark.own_library(NO_COMPARISON, "mismatch")
@pytest.mark.own_library(NO_COMPARISON, "wrong order")
@pytest.mark.own_library(NO_COMPARISON, "the second of three")
def test_certificate(said, pki, name):
    lines, *want = CERTIFICATES[name]
    status = 0 if " warning: " in want[-1] else 1
    heard = said(listener(*located(pki, lines)), status)
    assert [blur(line) for line in heard] == want


def blur(line):
    """Days change."""
    return re.sub(r"in \d+ days", "in N days", re.sub(r"\d{4}-\d{2}-\d{2}", "DATE", line))


@pytest.mark.own_library(NO_COMPARISON)
def test_all_that_is_wrong_in_one_run(said, pki):
    lines = ["certificate = mismatch.pem", "certificate = nowhere.none", "groups = P-257",
             "certificate = locked.pem"]
    heard = said(listener(*located(pki, lines)) + "tls = yes\ntls_ca = /nowhere\n", 1)
    assert [line.split(": ")[0] for line in heard] == ["5:15", "6:15", "7:10", "8:15", "12:10"]


def test_unreadable_for_who_runs_it(make_ringmain, pki):
    """As a service's own user would find out."""
    user = proc.unprivileged_user()
    rm = make_ringmain()
    os.chmod(rm.dir, 0o755)
    args = rm._config_args(listener(f"certificate = {pki['ecdsa.pem']}"))
    binary = proc.for_everybody(rm.binary, rm.dir)
    done = proc.run([binary, "-t", *args], check=False, user=user)
    assert done.returncode == 1
    assert f"{pki['ecdsa.pem']}: cannot be read: Permission denied" in done.stderr


# From line 8 on.
POOLS = {
    "ca missing": (["tls_ca = nowhere.none"],
                   "8:10: error: [pool out] tls_ca: nowhere.none: cannot be read: No such file or "
                   "directory"),
    "ca without certificates": (["tls_ca = empty.pem"],
                                "8:10: error: [pool out] tls_ca: empty.pem: has no usable "
                                "certificate"),
    "crl": (["tls_ca = ca.crt", "tls_crl = ca.crt"],
            "9:11: error: [pool out] tls_crl: ca.crt: has no usable revocation list"),
    "own certificate": (["tls_ca = ca.crt", "tls_certificate = mismatch.pem"],
                        "9:19: error: [pool out] tls_certificate: mismatch.pem: private key does "
                        "not match the certificate (db1.example.com)"),
    "key alone": (["tls_ca = ca.crt", "tls_key = alice.key"],
                  "9:11: error: [pool out] tls_key: there is no tls_certificate that it could "
                  "belong to"),
    "alpn": (["tls_ca = ca.crt", "tls_alpn = a,,b"],
             "9:12: error: [pool out] tls_alpn: an id has 1 to 254 characters"),
    "not verified": (["tls_verify = no"],
                     "8:14: warning: [pool out] tls_verify: is off: whoever answers in the "
                     "backend's place is trusted"),
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.own_library(NO_COMPARISON, "own certificate")
def test_towards_backends(said, pki, name):
    lines, want = POOLS[name]
    heard = said(pool(*located(pki, lines)), 0 if " warning: " in want else 1)
    assert heard == [want]


def test_backends_may_be_addresses(said, pki):
    """Their certificate is good for the address then, and nothing needs to be said."""
    assert not said(pool(f"tls_ca = {pki['ca.crt']}"), 0)
    assert not said(pool(f"tls_ca = {pki['ca.crt']}", f"tls_certificate = {pki['alice.crt']}",
                         f"tls_key = {pki['alice.key']}"), 0)


@pytest.mark.parametrize("keys, want", (
    ("key1", None), ("keys31", None),
    ("badkey", "11:15: error: [global] ticket_keys: badkey: line 1 is not a key of 96 hexadecimal "
               "digits"),
    ("nowhere.none", "11:15: error: [global] ticket_keys: nowhere.none: cannot be read: No such "
                     "file or directory"),
))
def test_ticket_keys(said, pki, keys, want):
    text = listener(f"certificate = {pki['ecdsa.pem']}") + f"\n\n[global]\nticket_keys = {pki.dir}/{keys}\n"
    heard = said(text, 1 if want else 0)
    assert heard == ([want] if want else [])
