# SPDX-License-Identifier: GPL-2.0-or-later
"""Resumption: across workers, restarts and nodes; never across names, certificates or policies."""

import ssl

import pytest

from kit import backend as servers
from kit import tcp, tls
from kit.ini import ini
from kit.tls import V12, V13

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

VERSIONS = pytest.mark.parametrize("version", (V12, V13))


@pytest.fixture
def node(make_ringmain, backend, pki):
    """node(keys=..., **listener) gives a ringmain in front of an echo server that is not started,
    and its configuration."""
    def make(*certificates, keys=None, workers=4, **listener):
        settings = {"workers": workers}
        if keys:
            settings["ticket_keys"] = pki[keys]
        listener = {"tls": "terminate",
                    "certificate": [pki[name] for name in certificates or ["ecdsa.pem"]], **listener}
        return make_ringmain(), ini([backend(servers.echo)], listener=listener, settings=settings)
    return make


class Client:
    """Remembers one session, as the clients of a pool do."""

    def __init__(self, version=V13, **options):
        self.context = tls.client_context(None, low=version, high=version, **options)
        self.session = None

    def settle(self, relay, name=tls.NAME):
        """Visits until it has a ticket: with TLS 1.2 a refused one is not replaced at once."""
        for _ in range(2):
            self.visit(relay, name)

    def visit(self, relay, name=tls.NAME):
        """One session; gives whether it was resumed, and remembers its ticket."""
        sock = tls.connect(relay.address(), self.context, name=name, session=self.session)
        try:
            tcp.exchange(sock, b"hello")
            self.session = sock.session() or self.session
            tcp.hang_up(sock)
            tcp.expect_end(sock, b"", "FIN")
            return sock.resumed
        finally:
            sock.close()


@pytest.mark.threads
@VERSIONS
def test_across_workers(node, version):
    relay, config = node()
    relay.start(config)
    clients = [Client(version) for _ in range(4)]
    assert not any(client.visit(relay) for client in clients)
    for _ in range(6):
        assert all(client.visit(relay) for client in clients)
    lines = relay.wait_sessions(28)
    assert [line["resumed"] for line in lines].count("yes") == 24
    assert len({line["worker"] for line in lines if line["resumed"] == "yes"}) > 1


@VERSIONS
def test_across_a_restart_with_a_key_file(node, version):
    relay, config = node(keys="key1")
    client = Client(version)
    relay.start(config)
    assert not client.visit(relay)
    relay.stop()
    relay.start(config)
    assert client.visit(relay)


@VERSIONS
def test_not_across_a_restart_without(node, version):
    relay, config = node()
    client = Client(version)
    relay.start(config)
    assert not client.visit(relay)
    relay.stop()
    relay.start(config)
    assert not client.visit(relay)      # and all the same it gets in
    client.settle(relay)
    assert client.visit(relay)


@VERSIONS
def test_across_nodes_while_keys_change(node, version):
    """The first key of a file seals, all of them open."""
    (old, old_config), (new, new_config) = node(keys="key1"), node(keys="keys31")
    (other, other_config) = node(keys="key2")
    client = Client(version)
    for relay, config in ((old, old_config), (new, new_config), (other, other_config)):
        relay.start(config)
    assert not client.visit(old)
    assert client.visit(new)            # key1 is its second
    assert version == V12 or not client.visit(old)      # the new ticket is sealed with key3
    stranger = Client(version)
    assert not stranger.visit(other) and not stranger.visit(new)


@VERSIONS
def test_not_across_names(node, version):
    """All of these names are one certificate's."""
    relay, config = node(keys="key1")
    relay.start(config)
    client = Client(version)
    for name in (tls.NAME, "a.shard.example.com", "b.shard.example.com", None):
        assert not client.visit(relay, name)
        client.settle(relay, name)
        assert client.visit(relay, name)


@VERSIONS
@pytest.mark.parametrize("certificate, listener", (
    ("rsa.pem", {}), ("ecdsa.pem", {"alpn": "other"}),
    ("ecdsa.pem", {"ciphers": "TLS13-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"})))
def test_not_across_certificates_or_policies(node, version, certificate, listener):
    relay, config = node(keys="key1")
    other, other_config = node(certificate, keys="key1", **listener)
    relay.start(config)
    other.start(other_config)
    client = Client(version)
    assert not client.visit(relay)
    assert not client.visit(other)
    client.settle(other)
    assert client.visit(other)


@VERSIONS
@pytest.mark.parametrize("cert", (None, "alice.pem"))
def test_tickets_of_another_server_do_no_harm(node, start, pki, version, cert):
    """Long ones, too: OpenSSL puts the client's certificate into its tickets."""
    context = tls.server_context(pki["ecdsa.pem"], client_ca=pki["ca.crt"] if cert else None)
    server = start(servers.Backend, tls.served(context, servers.echo))
    client = Client(version, cert=pki[cert] if cert else None)
    client.visit(Elsewhere(server))
    assert client.visit(Elsewhere(server))
    relay, config = node()
    relay.start(config)
    assert not client.visit(relay)
    client.settle(relay)
    assert client.visit(relay)


def test_long_ticket_does_not_open_a_listener_that_verifies(node, start, pki):
    context = tls.server_context(pki["ecdsa.pem"])
    server = start(servers.Backend, tls.served(context, servers.echo))
    client = Client(V12)
    client.visit(Elsewhere(server))
    strict, config = node(client_verify="require", client_ca=pki["ca.crt"], tls_min="1.2")
    strict.start(config)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        client.visit(strict)
    line = strict.wait_sessions(1, reason="client_tls_error")[0]
    assert line["detail"] == "peer sent no certificate"


class Elsewhere:
    """A server in a relay's place."""

    def __init__(self, server):
        self.address = lambda: server.address


def test_ticket_does_not_open_a_listener_that_verifies(node, pki):
    """Who got in without a certificate there has to show one here."""
    relay, config = node(keys="key1", tls_min="1.3")
    strict, strict_config = node(keys="key1", client_verify="require", client_ca=pki["ca.crt"])
    relay.start(config)
    strict.start(strict_config)
    client = Client()
    client.visit(relay)
    with pytest.raises(ssl.SSLError):
        client.visit(strict)
    line = strict.wait_sessions(1, reason="client_tls_error")[0]
    assert line["detail"] == "peer sent no certificate"


@VERSIONS
def test_verified_clients_get_no_tickets(node, pki, version):
    relay, config = node(client_verify="require", client_ca=pki["ca.crt"], tls_min="1.2")
    relay.start(config)
    client = Client(version, cert=pki["alice.pem"])
    for _ in range(3):
        assert not client.visit(relay)
    for line in relay.wait_sessions(3):
        assert line["resumed"] == "no" and line["client_cn"] == "alice"


@VERSIONS
def test_no_tickets(node, version):
    """A listener that gives out none takes none of another, either, and everybody gets in."""
    relay, config = node(keys="key1")
    without, other_config = node(keys="key1", tickets="no")
    relay.start(config)
    without.start(other_config)
    client = Client(version)
    client.settle(relay)
    assert client.visit(relay)
    assert not client.visit(without)
    assert Client(version).visit(without) is False
    fresh = Client(version)
    fresh.settle(without)
    assert fresh.session is None or not fresh.session.has_ticket
    assert not fresh.visit(without)


def test_unreadable_key_files_are_mistakes(node, pki):
    relay, config = node(keys="badkey")
    done = relay.check(config, "-t")
    assert done.returncode == 1 and "line 1 is not a key of 96 hexadecimal digits" in done.stderr
    done = relay.check(config.replace(pki["badkey"], "/nowhere"), "-t")
    assert done.returncode == 1 and "ticket_keys: /nowhere: " in done.stderr
