# SPDX-License-Identifier: GPL-2.0-or-later
"""ringmainctl reload certs: certificates, CAs, revocation lists and ticket keys, and nothing else."""

import hashlib
import os
import shutil
import ssl
import subprocess
from contextlib import closing

import pytest

from kit import backend as servers
from kit import proc, tcp, tls
from kit.certificates import expired, leaf
from kit.control import Ctl

pytestmark = pytest.mark.haproxy_cannot("starts another process")


class File:
    """One that others are put in the place of, as one does it."""

    def __init__(self, workdir, name):
        self.path = os.path.join(workdir, name)

    def put(self, *sources):
        with open(self.path + ".new", "wb") as to:
            os.fchmod(to.fileno(), 0o600)
            for source in sources:
                with open(source, "rb") as one:
                    shutil.copyfileobj(one, to)
        os.rename(self.path + ".new", self.path)

    def cut(self):
        os.truncate(self.path, os.path.getsize(self.path) // 2)


def gets_in(r, pki, cert=None):
    """Is this client served?"""
    context = tls.client_context(pki, cert=pki[cert] if cert else None)
    try:
        with closing(tls.connect(r.rm.address(), context)) as client:
            tcp.exchange(client, b"x")
            return True
    except OSError:
        return False


def is_served(r):
    """Does a backend's certificate suit?"""
    try:
        with closing(tcp.connect(r.rm.address())) as client:
            client.sendall(b"x")
            return client.recv(1) == b"x"
    except OSError:
        return False


# ---- listeners ----

def test_clients_cas(terminating, pki, workdir):
    ca = File(workdir, "clients.crt")
    ca.put(pki["ca.crt"])
    r, _ = terminating("ecdsa", client_verify="require", client_ca=ca.path)
    assert gets_in(r, pki, "alice.pem") and not gets_in(r, pki, "stranger.pem")
    ca.put(pki["stranger-ca.crt"])
    assert r.reload("certs") == [f"~ listener in: client_ca {ca.path}: another content"]
    assert gets_in(r, pki, "stranger.pem") and not gets_in(r, pki, "alice.pem")
    ca.cut()
    assert ca.path in r.fails("certs")
    assert gets_in(r, pki, "stranger.pem")


def test_what_vouches_for_a_certificate_is_told(running, backend, pki, workdir):
    """The certificate stays, and what is sent with it does not."""
    chain = File(workdir, "chain.crt")
    chain.put(pki["ecdsa.crt"])
    r = running([backend(servers.echo)],
                listener={"tls": "terminate", "certificate": f"{chain.path} key={pki['ecdsa.key']}"})
    chain.put(pki["ecdsa.crt"], pki["ca.crt"])
    for words in (r.plan(), r.reload("certs")):
        assert [line for line in words if line.startswith(f"~ listener in: certificate {chain.path}: another chain")]


def test_clients_revocation_list(terminating, pki, workdir):
    lists = File(workdir, "clients.crl")
    lists.put(pki["ca.crl"])
    name = pki.make("leaver", "ca")
    r, _ = terminating("ecdsa", client_verify="require", client_ca=pki["ca.crt"], client_crl=lists.path)
    assert gets_in(r, pki, f"{name}.pem")
    pki.revoke(name)
    lists.put(pki["more.crl"])
    assert r.reload("certs") == [f"~ listener in: client_crl {lists.path}: another content"]
    assert not gets_in(r, pki, f"{name}.pem")
    lists.cut()
    assert lists.path in r.fails("certs")
    assert not gets_in(r, pki, f"{name}.pem")


def test_a_key_that_is_not_the_certificates_changes_nothing(running, backend, pki, workdir):
    chain, key = File(workdir, "chain.crt"), File(workdir, "chain.key")
    chain.put(pki["ecdsa.crt"])
    key.put(pki["ecdsa.key"])
    r = running([backend(servers.echo)],
                listener={"tls": "terminate", "certificate": f"{chain.path} key={key.path}"})
    assert gets_in(r, pki)
    key.put(pki["p384.key"])        # as between the two moves of who renews both
    assert key.path in r.fails("certs")
    assert gets_in(r, pki)
    chain.put(pki["p384.crt"])
    assert r.reload("certs")[0].startswith(f"~ listener in: certificate {chain.path} renewed")


@pytest.mark.parametrize("what", [("certs",), ()])
def test_a_certificate_that_has_expired_does_not_replace_a_good_one(terminating, pki, what):
    r, file = terminating("ecdsa")
    pki.make("late", "ca", args=expired())
    file.put("late")
    said = r.fails(*what)
    assert f"certificate: {file.path}: has expired on 20" in said and "the one in force stays" in said, said
    assert gets_in(r, pki)
    row, = [row for row in r.ctl.rows("status") if row["row"] == "certificate"]
    assert row["file"] == file.path and row["days_left"] > 0
    failed = r.ctl.run("plan")
    assert failed.returncode == 1 and "has expired on" in failed.stdout


def test_a_certificate_that_has_expired_is_told(running, backend, pki, workdir):
    file = File(workdir, "server.pem")
    pki.make("late", "ca", args=expired())
    file.put(pki["late.pem"])
    r = running([backend(servers.echo)], listener={"tls": "terminate", "certificate": file.path})
    rows = [row for row in r.ctl.rows("status") if row["row"] == "certificate"]
    assert [(row["file"], row["days_left"]) for row in rows] == [(file.path, -1)]
    pki.make("late-too", "ca", args=expired())
    file.put(pki["late-too.pem"])       # no worse than what is in force
    lines = r.reload("certs")
    assert any("expired on" in line and "clients will refuse it" in line for line in lines), lines
    assert r.rm.wait_line(level="warn", msg="reload certs")
    file.put(pki["ecdsa.pem"])
    r.reload("certs")
    row, = r.ctl.rows("certs")
    assert row["days_left"] > 0


def test_a_certificate_for_other_names_is_warned_of(terminating, pki):
    r, file = terminating("ecdsa")
    was, = r.ctl.rows("certs")
    pki.make("moved", "ca", leaf("DNS:other.example.org", "DNS:*.other.example.org"))
    file.put("moved")
    lines = r.reload("certs")
    warning = (f"warning: listener in: certificate {file.path}: names {was['names']} -> "
               "other.example.org, *.other.example.org")
    assert warning in lines, lines
    assert r.rm.wait_line(level="warn", plan=warning)
    row, = r.ctl.rows("certs")
    assert row["names"] == "other.example.org, *.other.example.org" and "/CN=" in row["issuer"]
    with open(pki["moved.crt"], encoding="ascii") as crt:
        assert row["sha256"] == hashlib.sha256(ssl.PEM_cert_to_DER_cert(crt.read())).hexdigest()


# ---- pools ----

@pytest.fixture
def verifying(running, backend, pki, workdir):
    """verifying(certificate, **files of the pool) gives a ringmain in front of a TLS server."""
    def begin(certificate, **files):
        handler = tls.served(tls.server_context(pki[certificate]), servers.echo)
        return running([backend(handler)], pool={"tls": "yes", "tls_name": "db.example.com",
                                                 "tls_tickets": "no", **files})
    return begin


def test_servers_cas(verifying, pki, workdir):
    ca = File(workdir, "servers.crt")
    ca.put(pki["stranger-ca.crt"])
    pki.make("behind", "ca")
    r = verifying("behind.pem", tls_ca=ca.path)
    assert not is_served(r)
    ca.put(pki["ca.crt"])
    assert r.reload("certs") == [f"~ pool out: tls_ca {ca.path}: another content"]
    assert is_served(r)
    ca.cut()
    assert ca.path in r.fails("certs")
    assert is_served(r)


def test_servers_revocation_list(verifying, pki, workdir):
    lists = File(workdir, "servers.crl")
    lists.put(pki["ca.crl"])
    name = pki.make("closed", "ca")
    r = verifying(f"{name}.pem", tls_ca=pki["ca.crt"], tls_crl=lists.path)
    assert is_served(r)
    pki.revoke(name)
    lists.put(pki["more.crl"])
    assert r.reload("certs") == [f"~ pool out: tls_crl {lists.path}: another content"]
    assert not is_served(r)


# ---- keys of tickets ----

class PythonClient:
    """Remembers a session of TLS 1.2, with the ticket that came last: openssl s_client keeps the first."""

    def __init__(self, _workdir):
        self.context = tls.client_context(None, high=tls.V12)
        self.session = None

    def visit(self, r):
        with closing(tls.connect(r.rm.address(), self.context, session=self.session)) as sock:
            tcp.exchange(sock, b"hello")
            self.session = sock.session()
            return sock.resumed


class OpensslClient:
    """Remembers a session of TLS 1.3, for whichever node it visits."""

    def __init__(self, workdir):
        self.path = os.path.join(workdir, "session")

    def visit(self, r):
        """Gives whether it was resumed. The ticket has come before the echo."""
        has_one = os.path.exists(self.path)
        argv = [proc.need("openssl", "openssl"), "s_client", "-connect", tcp.text_of(r.rm.address()),
                "-servername", tls.NAME, "-tls1_3", "-sess_out", self.path,
                *(["-sess_in", self.path] if has_one else [])]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as client:
            client.stdin.write("hello there\n")
            client.stdin.flush()
            said = []
            while not said or said[-1] != "hello there\n":
                said.append(client.stdout.readline())
                assert said[-1], "".join(said)
            client.stdin.write("Q\n")
            client.stdin.close()
            said += client.stdout.readlines()
        return any(line.startswith("Reused, TLS") for line in said)


@pytest.fixture
def nodes(running, backend, pki, workdir):
    """Two of them, each with a file of its own, which begins with key1."""
    made = []
    for number in (1, 2):
        keys = File(workdir, f"keys{number}")
        keys.put(pki["key1"])
        r = running([backend(servers.echo)],
                    settings={"ticket_keys": keys.path, "control": f"unix:{workdir}/control{number}"},
                    listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]})
        r.ctl = Ctl(f"{workdir}/control{number}")
        made.append((r, keys))
    return made


@pytest.mark.parametrize("kind", (PythonClient, OpensslClient))
def test_ticket_keys_change_on_two_nodes_without_a_full_handshake(nodes, pki, workdir, kind):
    """In three steps: the new key opens, then seals, then the old one goes."""
    client = kind(workdir)
    assert not client.visit(nodes[0][0])
    assert all(client.visit(r) for r, _ in nodes)
    for step in (("key1", "key2"), ("key2", "key1"), ("key2",)):
        for r, keys in nodes:
            keys.put(*(pki[name] for name in step))
            assert r.reload("certs") == [f"~ ticket_keys {keys.path}: another content"]
            assert [client.visit(r) for r, _ in nodes] == [True, True], (step, keys.path)


def test_half_a_ticket_key_changes_nothing(nodes, workdir):
    (r, keys), _ = nodes
    client = OpensslClient(workdir)
    client.visit(r)
    keys.cut()
    assert keys.path in r.fails("certs")
    assert client.visit(r)
