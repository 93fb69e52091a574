# SPDX-License-Identifier: GPL-2.0-or-later
"""make WOLFSSL=system: a build with the distribution's wolfSSL works, and says what it costs."""

import os
import pathlib

import pytest

from kit import backend as servers
from kit import proc, tcp, tls
from kit.ini import ini
from kit.ringmain import ROOT, Ringmain
from kit.tls import V12, V13

pytestmark = [pytest.mark.haproxy_cannot("another program"),
              pytest.mark.skipif(not pathlib.Path("/usr/include/wolfssl/ssl.h").exists(),
                                 reason="needs libwolfssl-dev")]

TLS_UNITS = ("tls_library", "tls_context", "tls_stream", "tls_handshake", "tls_tickets")


def make(*args):
    """Apart from the make that may run these tests."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return proc.run(["make", "-C", ROOT, "WOLFSSL=system", "VARIANT=release", *args], env=env, timeout=600)


@pytest.fixture(scope="module")
def binary():
    """The program with that library, in a place of its own."""
    make("program")
    return ROOT / "build/release-system/ringmain"


@pytest.fixture
def other(binary, workdir, cleanup):
    """A Ringmain with the other library, not started."""
    one = Ringmain(workdir, 9, binary=binary)

    def finish():
        if one.process and one.process.alive():
            one.stop()
    cleanup.append(finish)
    return one


def terminating(server, pki):
    return ini([server], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]})


@pytest.mark.parametrize("name", TLS_UNITS)
def test_units(binary, name):       # pylint: disable=unused-argument
    assert " 0 failed" in make("unit", f"T={name}").stdout


def test_it_says_what_it_costs(other, backend, pki):
    """Where TLS is used: with -V, -t and at start-up."""
    version = other.check(None, "-V").stdout.splitlines()
    assert version[0].startswith("ringmain ") and version[1].startswith("wolfSSL ")
    cost = version[1].partition(": ")[2]
    assert "memory" in cost
    server = backend(servers.echo)
    config = terminating(server, pki)
    checked = other.check(config, "-t")
    assert checked.returncode == 0 and checked.stderr == f"warning: {version[1]}\n"
    towards = ini([server], pool={"tls": "yes", "tls_ca": pki["ca.crt"]})
    assert cost in other.check(towards, "-t").stderr
    assert other.check(ini([server]), "-t").stderr == ""
    other.start(config)
    assert other.raw_lines()[0] == f"warning: {version[1]}"


def test_ours_costs_nothing(make_ringmain):
    said = make_ringmain().check(None, "-V").stdout.splitlines()
    if "system" in str(make_ringmain().binary):
        pytest.skip("these tests run with the other library")
    assert len(said) == 3 and said[1].startswith("wolfSSL ") and ":" not in said[1]


def test_clients_over_tls_12_are_warned_of(other, backend, pki):
    """CVE-2026-2645, which only 5.8.4 and ringmain's own build have mended."""
    for lowest, warned in (("1.2", True), ("1.3", False)):
        config = ini([backend(servers.echo)], listener={
            "tls": "terminate", "certificate": pki["ecdsa.pem"], "client_verify": "require",
            "client_ca": pki["ca.crt"], "tls_min": lowest})
        checked = other.check(config, "-t")
        assert checked.returncode == 0
        assert ("client_verify: proves nothing over TLS 1.2 with this wolfSSL" in checked.stderr) == warned


@pytest.mark.parametrize("version", (V12, V13))
def test_terminate(other, backend, pki, version):
    """Bytes both ways, resumption, and what its log says."""
    other.start(terminating(backend(servers.echo), pki))
    context = tls.client_context(pki, low=version, high=version)
    session = None
    for _ in range(2):
        sock = tls.connect(other.address(), context, session=session)
        for size in (1, 16384, 300_000):
            tcp.exchange(sock, tcp.pattern(size, size))
        session = sock.session()
        tcp.hang_up(sock)
        tcp.expect_end(sock, b"", "FIN")
        sock.close()
    lines = other.wait_sessions(2, reason="done")
    assert [line["resumed"] for line in lines] == ["no", "yes"]
    assert {line["tls"] for line in lines} == {sock.version}


def test_to_a_backend(other, backend, pki):
    context = tls.server_context(pki["backend.pem"])
    server = backend(tls.served(context, servers.echo))
    pool = {"tls": "yes", "tls_ca": pki["ca.crt"], "tls_name": "backend.example.com"}
    other.start(ini([server], pool=pool))
    sock = tcp.connect(other.address())
    tcp.exchange(sock, tcp.pattern(1, 100_000))
    tcp.hang_up(sock)
    tcp.expect_end(sock, b"", "FIN")
    sock.close()
    other.wait_sessions(1, reason="done")
