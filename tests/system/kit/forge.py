# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates of every odd kind, made by openssl for the test that asks for them."""

import pathlib

from kit import proc

CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n"
LEAF = "basicConstraints=CA:FALSE\n"
DB = LEAF + "subjectAltName=DNS:db.example.com\n"
KINDS = {"ec": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
         "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
         "rsa1024": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")}


class Forge:
    """A directory; a certificate NAME is NAME.crt there, and its key NAME.key."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.dir.mkdir(exist_ok=True)

    def make(self, name, issuer=None, ext=DB, *, key=None, subject=None, kind="ec", args=()):
        """issuer None: it signs itself. key: another certificate's. args: more of openssl x509's."""
        subject = subject or f"/CN={name}"
        if not key:
            self.openssl("genpkey", *KINDS[kind], "-out", f"{name}.key")
        elif key != name:
            (self.dir / f"{name}.key").write_bytes((self.dir / f"{key}.key").read_bytes())
        (self.dir / f"{name}.key").chmod(0o600)
        self.openssl("req", "-new", "-key", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        (self.dir / f"{name}.ext").write_text(ext or "")
        signer = ("-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key", "-CAcreateserial") if issuer \
            else ("-signkey", f"{name}.key")
        if not any(arg in args for arg in ("-days", "-not_after")):
            args = (*args, "-days", "30")
        if not ext and self.has("req", "-x509v1"):
            return self._make_version_1(name, issuer)
        extensions = ("-extfile", f"{name}.ext") if ext else ()
        self.openssl("x509", "-req", "-in", f"{name}.csr", *signer, *extensions, *args,
                     "-out", f"{name}.crt")
        return name

    def _make_version_1(self, name, issuer):
        """OpenSSL 3.0 leaves the version at 1 where there are no extensions, 3.5 has to be asked."""
        (self.dir / "plain.cnf").write_text("[req]\ndistinguished_name = dn\n[dn]\n")
        signer = ("-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key") if issuer \
            else ("-key", f"{name}.key")
        self.openssl("req", "-x509v1", "-config", "plain.cnf", "-in", f"{name}.csr", *signer,
                     "-days", "30", "-out", f"{name}.crt")
        return name

    def has(self, command, option):
        return option in proc.run([proc.need("openssl", "openssl"), command, "-help"]).stderr

    def expired(self):
        """What to give as args; OpenSSL 3.5 refuses an end before the start, 3.0 knows no start but now."""
        if self.has("x509", "-not_before"):
            return ("-not_before", "20200101000000Z", "-not_after", "20210101000000Z")
        return ("-days", "-1")

    def openssl(self, *args):
        return proc.run([proc.need("openssl", "openssl"), *args], cwd=self.dir)

    def pem(self, name):
        return (self.dir / f"{name}.crt").read_bytes()

    def file(self, name, data):
        """A file with these bytes; gives its path, as text."""
        path = self.dir / name
        path.write_bytes(data)
        path.chmod(0o600)
        return str(path)

    def bundle(self, name, *certificates, key=None):
        """A file of certificates one behind the other, and perhaps a key."""
        data = b"".join(map(self.pem, certificates))
        return self.file(name, data + ((self.dir / f"{key}.key").read_bytes() if key else b""))

    def openssl_takes(self, trusted, chain, *options):
        """The referee: does openssl believe the first certificate of the chain?"""
        args = ["-trusted", self.bundle("trusted.pem", *trusted), "-no-CApath"]
        if chain[1:]:
            args += ["-untrusted", self.bundle("untrusted.pem", *chain[1:])]
        done = proc.run([proc.need("openssl", "openssl"), "verify", *args, *options, f"{chain[0]}.crt"],
                        cwd=self.dir, check=False)
        return done.returncode == 0
