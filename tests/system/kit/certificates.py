# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates of every kind, made by openssl for those that ask for them and never kept.

common() gives what all tests of TLS share: tests/tls/certificates.sh makes it, for tests in C as
well. What else a test needs it makes itself. Without pytest, for scripts/ that measure.
"""

import datetime
import functools
import pathlib
import shutil
import subprocess

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tls/certificates.sh"

NAME = "db1.example.com"                # ecdsa, rsa and ed25519 have it, and *.shard.example.com
BACKEND_NAME = "backend.example.com"    # the servers behind ringmain; also good for 127.0.0.1

CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n"
LEAF = "basicConstraints=CA:FALSE\n"
KEY_ID = "subjectKeyIdentifier=hash\n"
NO_KEY_USAGE = "basicConstraints=critical,CA:TRUE\n"
DB = LEAF + "subjectAltName=DNS:db.example.com\n"
SHA1 = ("-sha1",)
PSS = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
KINDS = {"ec": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
         "p384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
         "k1": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
         "pss": ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
         **{f"rsa{bits}": ("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")
            for bits in (1024, 2041, 2047, 2048, 4096)}}


def leaf(*names):
    """The extensions of one for these names, as openssl writes them: "DNS:x", "IP:127.0.0.1"."""
    return f"{LEAF}subjectAltName={','.join(names)}\n"


def common(folder):
    """Those of tests/tls/certificates.sh, and of servers behind ringmain."""
    made = Certificates(folder)
    _run(["/bin/sh", SCRIPT, made.dir])
    names = f"DNS:{BACKEND_NAME}", "IP:127.0.0.1"
    made.make("backend", "ca", leaf(*names))
    made.make("stranger-backend", "stranger-ca", leaf(*names))
    made.make("elsewhere", "ca", leaf("DNS:elsewhere.example.com"))
    made.revoke("elsewhere")
    return made


class Certificates:
    """A directory. NAME.crt is a certificate there, NAME.key its key, and NAME.pem both.

    certificates["ca.crt"] is the path of a file, as text.
    """

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.dir.mkdir(exist_ok=True)

    def __getitem__(self, name):
        path = self.dir / name
        assert path.exists(), f"{path} was not made"
        return str(path)

    def make(self, name, issuer=None, ext=DB, *, key=None, subject=None, kind="ec", args=()):
        """Gives name. issuer None: it signs itself. ext None: of X.509 version 1.
        key: another certificate's. args: more of openssl x509's."""
        if not key:
            self.openssl("genpkey", *KINDS[kind], "-out", f"{name}.key")
        elif key != name:
            self.file(f"{name}.key", self._read(f"{key}.key"))
        (self.dir / f"{name}.key").chmod(0o600)
        self.openssl("req", "-new", "-key", f"{name}.key", "-out", f"{name}.csr",
                     "-subj", subject or f"/CN={name}")
        if not any(arg in args for arg in ("-days", "-not_after")):
            args = (*args, "-days", "30")
        if not ext and _has("req", "-x509v1"):
            self._make_version_1(name, issuer, args)
        else:
            self._sign(name, issuer, ext, args)
        self.bundle(f"{name}.pem", name, key=name)
        return name

    def _sign(self, name, issuer, ext, args):
        signer = ("-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key", "-CAcreateserial") if issuer \
            else ("-signkey", f"{name}.key")
        (self.dir / f"{name}.ext").write_text(ext or "")
        extensions = ("-extfile", f"{name}.ext") if ext else ()
        self.openssl("x509", "-req", "-in", f"{name}.csr", *signer, *extensions, *args,
                     "-out", f"{name}.crt")

    def _make_version_1(self, name, issuer, args):
        """OpenSSL 3.0 leaves the version at 1 where there are no extensions, 3.5 has to be asked."""
        (self.dir / "plain.cnf").write_text("[req]\ndistinguished_name = dn\n[dn]\n")
        signer = ("-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key") if issuer \
            else ("-key", f"{name}.key")
        self.openssl("req", "-x509v1", "-config", "plain.cnf", "-in", f"{name}.csr", *signer, *args,
                     "-out", f"{name}.crt")

    def end(self, name, issuer, when):
        """Lets a certificate expire then, to the second: openssl 3.0 thinks in days."""
        text = dict(line.split("=", 1) for line in
                    self.openssl("x509", "-in", f"{name}.crt", "-noout", "-dates").stdout.splitlines())["notAfter"]
        old = datetime.datetime.strptime(text, "%b %d %H:%M:%S %Y %Z")
        self.rewrite(name, issuer, *(f"{time:%y%m%d%H%M%S}Z".encode() for time in (old, when)))

    def rewrite(self, name, issuer, old, new):
        """Puts bytes into a certificate in place of as many others, as openssl never would, and signs it again."""
        whole = subprocess.run(["openssl", "x509", "-in", f"{name}.crt", "-outform", "DER"], cwd=self.dir,
                               stdout=subprocess.PIPE, check=True).stdout
        body = whole[4:8 + int.from_bytes(whole[6:8], "big")]       # with a head of four bytes, as the whole
        assert len(old) == len(new) and body.count(old) == 1, body
        algorithm = whole[4 + len(body):][:12]
        self.file(f"{name}.tbs", body.replace(old, new))
        self.openssl("dgst", "-sha256", "-sign", f"{issuer}.key", "-out", f"{name}.sig", f"{name}.tbs")
        signature = self._read(f"{name}.sig")
        rest = (body.replace(old, new) + algorithm +
                b"\x03" + bytes([len(signature) + 1]) + b"\0" + signature)
        self.file(f"{name}.der", b"\x30\x82" + len(rest).to_bytes(2, "big") + rest)
        self.openssl("x509", "-inform", "DER", "-in", f"{name}.der", "-out", f"{name}.crt")
        self.bundle(f"{name}.pem", name, key=name)
        return name

    def revoke(self, name):
        """Makes more.crl: what common() has revoked, and this one."""
        authority = ("ca", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.crt")
        self.openssl(*authority, "-revoke", f"{name}.crt")
        self.openssl(*authority, "-gencrl", "-crldays", "30", "-out", "more.crl")

    def openssl(self, *args):
        return _run(["openssl", *args], cwd=self.dir)

    def openssl_takes(self, trusted, chain, *options):
        """The referee: does openssl believe the first certificate of the chain?"""
        args = ["-trusted", self.bundle("trusted.pem", *trusted), "-no-CApath"]
        if chain[1:]:
            args += ["-untrusted", self.bundle("untrusted.pem", *chain[1:])]
        done = _run(["openssl", "verify", *args, *options, f"{chain[0]}.crt"], cwd=self.dir, check=False)
        return done.returncode == 0

    # Files

    def _read(self, file):
        return (self.dir / file).read_bytes()

    def pem(self, name):
        return self._read(f"{name}.crt")

    def file(self, name, data):
        """A file with these bytes; gives its path, as text."""
        path = self.dir / name
        path.touch(mode=0o600)
        path.write_bytes(data)
        path.chmod(0o600)
        return str(path)

    def bundle(self, name, *certificates, key=None):
        """A file of certificates one behind the other, and perhaps a key."""
        return self.file(name, b"".join(map(self.pem, certificates)) + (self._read(f"{key}.key") if key else b""))

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


def expired():
    """What to give as args; OpenSSL 3.5 refuses an end before the start, 3.0 knows no start but now."""
    if _has("x509", "-not_before"):
        return ("-not_before", "20200101000000Z", "-not_after", "20210101000000Z")
    return ("-days", "-1")


@functools.cache
def _has(command, option):
    return option in _run(["openssl", command, "-help"]).stderr


def _run(argv, *, cwd=None, check=True):
    """RuntimeError with what it said, if it fails."""
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr[-2000:]}")
    return done
