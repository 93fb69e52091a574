# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates, made once for a run of the tests and never kept.

tests/tls/certificates.sh makes what all tests of TLS share; here comes what only real servers need.
"""

import pathlib
import shutil

from kit import proc

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tls/certificates.sh"

NAME = "db1.example.com"                # ecdsa, rsa and ed25519 have it, and *.shard.example.com
BACKEND_NAME = "backend.example.com"    # the servers behind ringmain; also good for 127.0.0.1


class Pki:
    """A directory of PEM files. pki["ecdsa.pem"] is the path of one, as text."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        proc.run(["/bin/sh", SCRIPT, self.dir], timeout=120)
        self.make("backend", f"DNS:{BACKEND_NAME},IP:127.0.0.1")
        self.make("stranger-backend", f"DNS:{BACKEND_NAME},IP:127.0.0.1", authority="stranger-ca")
        self.make("elsewhere", "DNS:elsewhere.example.com")
        self.revoked = self._revoke("elsewhere")

    def __getitem__(self, name):
        path = self.dir / name
        assert path.exists(), f"{path} was not made: {(self.dir / 'log').read_text()[-2000:]}"
        return str(path)

    def make(self, name, names, *, authority="ca"):
        """An ECDSA certificate: NAME.crt, NAME.key, and both in NAME.pem."""
        files = {kind: self.dir / f"{name}.{kind}" for kind in ("key", "csr", "ext", "crt", "pem")}
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-keyout", files["key"], "-out", files["csr"], "-subj", f"/CN={name}")
        files["ext"].write_text(f"basicConstraints=CA:FALSE\nsubjectAltName={names}\n")
        self._openssl("x509", "-req", "-in", files["csr"], "-CA", f"{authority}.crt", "-CAkey",
                      f"{authority}.key", "-CAcreateserial", "-days", "30",
                      "-extfile", files["ext"], "-out", files["crt"])
        files["pem"].write_bytes(files["crt"].read_bytes() + files["key"].read_bytes())
        files["pem"].chmod(0o600)

    def _revoke(self, name):
        """Gives a list of revoked certificates that has this one too."""
        self._openssl("ca", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.crt",
                      "-revoke", f"{name}.crt")
        self._openssl("ca", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.crt", "-gencrl",
                      "-crldays", "30", "-out", "more.crl")
        return self["more.crl"]

    def _openssl(self, *args):
        proc.run([proc.need("openssl", "openssl"), *args], cwd=self.dir)

    def lend(self, folder, user, *names):
        """Copies files to a server's directory, for its user alone; gives their new paths."""
        copies = []
        for name in names:
            copy = pathlib.Path(folder) / name
            shutil.copy(self[name], copy)
            copy.chmod(0o600)
            if user:
                shutil.chown(copy, user)
            copies.append(copy)
        return copies
