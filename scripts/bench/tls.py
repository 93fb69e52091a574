# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS of a case: all that could differ from relay to relay is the same."""

import dataclasses
import pathlib
import sys

from processes import Trouble

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests/system"))

from kit import certificates    # noqa: E402

SUITES = {
    "1.2": "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256",
    "1.3": "TLS_AES_128_GCM_SHA256",
}

KINDS = {"ecdsa": "ec", "rsa": "rsa2048", "rsa4096": "rsa4096"}
NAME = "bench.example.com"  # the one that tests/load asks for


@dataclasses.dataclass(frozen=True)
class Tls:
    """What the clients do; tests/load/kit/secure.c keeps to the same suites and groups."""

    certificate: str = "ecdsa"
    version: str = "1.3"
    resumes: bool = False
    group: str = "X25519"

    @property
    def suites(self):
        return SUITES[self.version]

    @property
    def groups(self):
        """In 1.2 they bound the certificate's curve, too."""
        return "X25519:P-256" if (self.version, self.group) == ("1.2", "X25519") else self.group

    def client_flags(self):
        return ["--tls", self.version, "--groups", self.groups, *(["--resume"] if self.resumes else [])]

    def check(self, seen):
        """Trouble unless the clients' handshakes were of the kind that is measured."""
        expected = seen["handshakes"] if self.resumes else 0
        if seen["resumed"] != expected:
            raise Trouble(f"{seen['resumed']} of {seen['handshakes']} handshakes were resumed")


def make_certificate(directory, kind):
    """Gives the path of a PEM file with a fresh certificate and its key."""
    try:
        made = certificates.Certificates(directory)
        return made.dir / f"{made.make(kind, ext=certificates.leaf(f'DNS:{NAME}'), kind=KINDS[kind])}.pem"
    except (OSError, RuntimeError) as error:
        raise Trouble(str(error)) from None
