# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS of a case: all that could differ from relay to relay is the same."""

import dataclasses
import subprocess

from processes import Trouble

SUITES = {
    "1.2": "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
    "1.3": "TLS_AES_128_GCM_SHA256",
}
GROUPS = {"1.2": "X25519:P-256", "1.3": "X25519"}  # in 1.2 they bound the certificate's curve, too

KEYS = {
    "ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
    "rsa4096": ["-newkey", "rsa:4096"],
}
NAME = "bench.example.com"  # the one that tests/load asks for


@dataclasses.dataclass(frozen=True)
class Tls:
    """What the clients do; tests/load/kit/secure.c keeps to the same suites and groups."""

    certificate: str = "ecdsa"
    version: str = "1.3"
    resumes: bool = False

    @property
    def suites(self):
        return SUITES[self.version]

    @property
    def groups(self):
        return GROUPS[self.version]

    def client_flags(self):
        return ["--tls", self.version, *(["--resume"] if self.resumes else [])]

    def check(self, seen):
        """Trouble unless the clients' handshakes were of the kind that is measured."""
        expected = seen["handshakes"] if self.resumes else 0
        if seen["resumed"] != expected:
            raise Trouble(f"{seen['resumed']} of {seen['handshakes']} handshakes were resumed")


def make_certificate(directory, kind):
    """Gives the path of a PEM file with a fresh certificate and its key."""
    key, certificate, both = (directory / f"{kind}.{end}" for end in ("key", "crt", "pem"))
    argv = ["openssl", "req", "-x509", *KEYS[kind], "-nodes", "-days", "30", "-keyout", key]
    argv += ["-out", certificate, "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    try:
        ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Trouble(str(error)) from None
    if ran.returncode:
        raise Trouble(f"openssl req: {ran.stderr.strip()}")
    both.touch(mode=0o600)
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    return both
