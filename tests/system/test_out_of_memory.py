# SPDX-License-Identifier: GPL-2.0-or-later
"""Want of memory: every tenth allocation fails, or every fortieth. Who cannot be served is told so by
ringmain; no client and no backend is blamed for it, and when there is memory again all is as before."""

import os
import pathlib
import socket
import ssl
import struct
import time

import pytest

from kit import backend as kit_backend
from kit import pgwire, proc, tcp, tls
from kit.ringmain import VARIANT_DIR

HERE = pathlib.Path(__file__).parent / "kit"

pytestmark = [
    pytest.mark.haproxy_cannot("ends the process"),
    pytest.mark.skipif("asan" in VARIANT_DIR.name, reason="a sanitizer's malloc cannot be replaced"),
]


class Memory:
    """A switch for the allocations of a process that was started with .env."""

    def __init__(self, workdir):
        self.path = f"{workdir}/failing"
        library = f"{workdir}/failing_malloc.so"
        proc.run([proc.need("cc", "gcc"), "-O2", "-shared", "-fPIC", "-o", library,
                  HERE / "failing_malloc.c"])
        self.env = {"LD_PRELOAD": library, "FAILING_MALLOC": self.path}
        pathlib.Path(self.path).write_bytes(struct.pack("I", 0))

    def fail(self, one_of):
        """From now on; 0: no more."""
        fd = os.open(self.path, os.O_WRONLY)
        os.pwrite(fd, struct.pack("I", one_of), 0)
        os.close(fd)


@pytest.fixture
def memory(workdir):
    return Memory(workdir)


def is_served(address, context):
    """One life over TLS, or plain; False when it was broken off."""
    try:
        with tcp.connect(address) as sock:
            stream = tls.TlsSocket(sock, context) if context else sock
            tcp.exchange(stream, b"x" * 20000)
            stream.shutdown(socket.SHUT_WR)
            return tcp.read_to_end(stream).how == "FIN"
    except (OSError, ssl.SSLError, AssertionError):
        return False


def served(address, context, number):
    lives = [tcp.Task(is_served, address, context) for _ in range(number)]
    return sum(life.result() for life in lives)


CHECKED = {"check": "tcp", "check_interval": "50ms", "eject_after": 3, "eject_max_percent": 100,
           "connect_timeout": "60s", "connect_total": "60s"}    # a busy machine is not what is tested
TLS_SIDES = {"client": (True, False), "backend": (False, True), "both": (True, True)}


@pytest.mark.parametrize("one_of", (40, 10))
@pytest.mark.parametrize("sides", TLS_SIDES)
def test_nobody_is_blamed(ringmain, backend, pki, memory, one_of, sides):
    in_front, behind = TLS_SIDES[sides]
    handler = kit_backend.echo
    if behind:
        handler = tls.served(tls.server_context(pki["ecdsa.pem"]), handler, [])
    listener = {"tls": "terminate", "certificate": pki["ecdsa.pem"]} if in_front else {}
    pool = {"tls": "yes", "tls_ca": pki["ca.crt"], "tls_name": tls.NAME} if behind else {}
    rm = ringmain([backend(handler), backend(handler)], listener=listener,
                  pool={**CHECKED, **pool}, env=memory.env)
    context = tls.client_context() if in_front else None
    assert served(rm.address(), context, 20) == 20

    memory.fail(one_of)
    good = sum(served(rm.address(), context, 30) for _ in range(10))
    memory.fail(0)
    lines = rm.wait_sessions(320)
    assert served(rm.address(), context, 50) == 50, "it has not recovered"

    wanting = [line for line in lines if line["reason"] == "no_resources"]
    others = [(line["reason"], line["by"], line.get("detail")) for line in lines
              if line["reason"] not in ("no_resources", "done")]
    assert wanting and {line["by"] for line in wanting} == {"ringmain"}
    assert not others, others[:5]
    assert good <= 300 - len(wanting)
    assert not rm.lines(msg="backend"), "a backend was blamed"
    rm.stop()
    if in_front:
        assert rm.lines(msg="counters_tls")[0]["failed"] == "0", "a client was blamed"


SESSIONS = 8


def begin(address, context, stack):
    """A client of a PostgreSQL server that has begun with TLS and says nothing yet."""
    sock = tcp.connect(address)
    sock.sendall(pgwire.SSL_REQUEST)
    tcp.expect(sock, b"S")
    stack.append(sock.close)
    return tls.TlsSocket(sock, context)


def test_no_memory_to_close_a_request_to_cancel(ringmain, backend, pki, memory, cleanup):
    """TLS would say good-bye, and there is no memory for that: the session ends, once and for all."""
    def take(peer):
        peer.recv()
        memory.fail(1)

    rm = ringmain([backend(take)], settings={"workers": 1}, env=memory.env,
                  listener={"protocol": "postgres", "tls": "terminate",
                            "certificate": pki["ecdsa.pem"]})
    context = tls.client_context()
    for canceller in [begin(rm.address(), context, cleanup) for _ in range(SESSIONS)]:
        canceller.sendall(pgwire.cancel((17, b"abcd")))
        assert tcp.read_to_end(canceller).how == "RST"
        memory.fail(0)
    rm.wait_sessions(SESSIONS, reason="no_resources", by="ringmain")

    for _ in range(SESSIONS):   # these get the others' places
        begin(rm.address(), context, cleanup)
    time.sleep(1.5)             # and outlive the second that those would have had to read a good-bye
    begin(rm.address(), context, cleanup)
