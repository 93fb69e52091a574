# SPDX-License-Identifier: GPL-2.0-or-later
"""The load generator as a client of TLS: what the benchmark counts is what happened."""

import pytest

from kit import backend as servers
from kit import load

SHORT = {"seconds": 0.4, "warmup": 0.1, "connections": 8}
VERSIONS = pytest.mark.parametrize("version", ("1.2", "1.3"))


@pytest.fixture
def relay(ringmain, start, workdir, pki):
    """relay(certificate, work) gives a ringmain that ends TLS in front of a load serve."""
    def begin(certificate="ecdsa.pem", work="answer"):
        server = start(load.Serve, workdir, work=work)
        return ringmain([server],
                        listener={"tls": "terminate", "certificate": pki[certificate]})
    return begin


@pytest.mark.parametrize("certificate", ("ecdsa.pem", "rsa.pem"))
@VERSIONS
def test_whole_handshakes(relay, version, certificate):
    rm = relay(certificate)
    seen = load.measure("exchange", rm.address(), tls=version, **SHORT)
    assert seen["failures"] == 0
    assert seen["handshakes"] > 10
    assert seen["resumed"] == 0
    rm.stop()
    lines = rm.sessions(reason="done")
    assert len(lines) >= seen["handshakes"]
    assert all(line["tls"] == f"TLSv{version}" for line in lines)
    assert all(line["resumed"] == "no" for line in lines)
    assert all("AES_128_GCM" in line["cipher"] for line in lines)


@VERSIONS
def test_groups(relay, version):
    rm = relay()
    seen = load.measure("exchange", rm.address(), tls=version, groups="P-256", **SHORT)
    assert seen["failures"] == 0 and seen["handshakes"] > 10
    assert rm.wait_line(msg="session", reason="done")["group"] == "P-256"


@VERSIONS
def test_resumed_handshakes(relay, version):
    """Only the first one is whole."""
    rm = relay()
    seen = load.measure("exchange", rm.address(), tls=version, resume=True, **SHORT)
    assert seen["failures"] == 0
    assert seen["resumed"] == seen["handshakes"] > 10
    rm.stop()
    lines = rm.sessions(reason="done")
    assert [line["resumed"] for line in lines].count("no") == 1


@pytest.mark.parametrize("task, work", (("down", "source"), ("up", "sink"), ("pingpong", "answer")))
@VERSIONS
def test_bytes(relay, version, task, work):
    """Every one is compared, at whichever end it arrives."""
    seen = load.measure(task, relay(work=work).address(), tls=version, **SHORT)
    assert seen["failures"] == 0
    assert seen["in_bytes"] + seen["out_bytes"] > 10000


def test_failed_handshake_is_a_failure(ringmain, backend):
    """Its own ClientHello comes back."""
    rm = ringmain([backend(servers.echo)])
    done = load.run("pingpong", rm.address(), tls="1.3", connections=2)
    assert done.returncode == 2
    why, last = done.stderr.splitlines()
    assert why.startswith("load: TLS: ") and last == "load: every connection failed"
