# SPDX-License-Identifier: GPL-2.0-or-later
"""What several threads share, all of it at once. `make tsan` looks here for data races.

Workers that hand sessions to each other, pools with queues, sticky clients, limits of sources, TLS
tickets, keys of cancel requests, backends that fall and rise, counters and log, and an end under load.
"""

import signal

import pytest

from kit import backend as servers
from kit import load, pgwire, tcp
from kit.ports import free_port
from kit.wait import wait_until

pytestmark = [pytest.mark.threads, pytest.mark.haproxy_cannot("has no workers of this kind")]

WORKERS = {"workers": 4, "log_level": "debug"}
SHORT = {"seconds": 1, "warmup": 0.2}


def ask_for_counters(rm, times=5):
    """SIGUSR1 again and again; waits for the reports, so that none is merged with the one before."""
    for _ in range(times):
        count = len(rm.lines(msg="counters"))
        rm.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: len(rm.lines(msg="counters")) > count, "a report of the counters")


def exchange(rm, **keys):
    """load exchange in the background; gives the task."""
    return tcp.Task(lambda: load.measure("exchange", rm.address(), **{**SHORT, **keys}))


@pytest.mark.parametrize("balance", ("leastconn", "roundrobin", "random", "maglev", "first"))
def test_queue_and_counters(ringmain, start, workdir, balance):
    """Places go from worker to worker while the counters are read."""
    both = [start(load.Serve, workdir, number) for number in (1, 2)]
    rm = ringmain([f"{one.text} max_sessions=3" for one in both], settings=WORKERS,
                  pool={"queue": 200, "queue_timeout": "2s", "balance": balance, "check": "tcp",
                        "check_interval": "100ms"})
    clients = exchange(rm, connections=60)
    ask_for_counters(rm)
    assert clients.result()["failures"] == 0


def test_sticky_sources_with_limits(ringmain, start, workdir):
    both = [start(load.Serve, workdir, number) for number in (1, 2)]
    rm = ringmain(both, settings=WORKERS,
                  listener={"max_sessions_per_source": 500, "source_table": 1000,
                            "session_rate_per_source": "100000/s", "session_rate": "100000/s"},
                  pool={"stick": "source", "stick_time": "1s"})
    clients = exchange(rm, connections=30)
    ask_for_counters(rm)
    assert clients.result()["failures"] == 0


@pytest.mark.parametrize("keys", ({}, {"resume": True}, {"resume": True, "tls": "1.2"}))
def test_tls(ringmain, start, workdir, pki, keys):
    """Tickets, certificates and handshake_rate are everybody's."""
    server = start(load.Serve, workdir)
    rm = ringmain([server], settings=WORKERS,
                  listener={"tls": "terminate", "certificate": [pki["ecdsa.pem"], pki["rsa.pem"]],
                            "handshake_rate": "10000/s"})
    clients = exchange(rm, connections=16, **{"tls": "1.3", **keys})
    ask_for_counters(rm)
    assert clients.result()["failures"] == 0


def test_tls_to_the_backend(ringmain, start, workdir, pki):
    """One ringmain encrypts for the other."""
    server = start(load.Serve, workdir)
    far = ringmain([server], settings=WORKERS,
                   listener={"tls": "terminate", "certificate": pki["backend.pem"]})
    near = ringmain([tcp.text_of(far.address())], settings=WORKERS,
                    pool={"tls": "yes", "tls_ca": pki["ca.crt"], "tls_name": "backend.example.com"})
    clients = exchange(near, connections=16)
    ask_for_counters(near)
    assert clients.result()["failures"] == 0


def test_backends_that_fall_and_rise(ringmain, start, backend, workdir):
    """Ejected by sessions of all workers, looked at by the checks."""
    steady = start(load.Serve, workdir)
    port = free_port()
    rm = ringmain([steady, f"127.0.0.1:{port}"], settings=WORKERS,
                  pool={"check": "tcp", "check_interval": "100ms", "check_fast_interval": "100ms",
                        "eject_after": 2, "eject_time": "1s", "slow_start": "1s"})
    clients = exchange(rm, connections=30, seconds=2)
    rm.wait_line(msg="backend", backend="b2")
    backend(servers.echo, ("127.0.0.1", port))
    rm.wait_line(msg="backend", backend="b2", state="ready")
    ask_for_counters(rm, 2)
    clients.result()


def test_cancel_requests(ringmain, backend, connect):
    """Keys are written and looked up by all workers."""
    def speak(peer):
        if len(peer.recv()) == 16:
            return                      # a request to cancel
        peer.sock.sendall(b"R" + bytes((0, 0, 0, 8, 0, 0, 0, 0)) +
                          b"K" + (12).to_bytes(4, "big") + peer.address[1].to_bytes(4, "big") + b"key!" +
                          b"Z" + bytes((0, 0, 0, 5)) + b"I")
        servers.sink(peer)

    server = backend(speak)
    rm = ringmain([server], settings=WORKERS, listener={"protocol": "postgres"})

    def live(number):
        for _ in range(8):
            with tcp.connect(rm.address()) as sock:
                sock.sendall(pgwire.startup(user=f"u{number}", database="d"))
                pid = tcp.recv_exactly(sock, 9 + 13 + 6)[14:18]
                with tcp.connect(rm.address()) as other:
                    other.sendall((16).to_bytes(4, "big") + (80877102).to_bytes(4, "big") + pid + b"key!")
                    tcp.read_to_end(other)

    for task in [tcp.Task(live, number) for number in range(6)]:
        task.result()


@pytest.mark.parametrize("how", ("drain", "drain_timeout", "second signal"))
def test_end_under_load(ringmain, backend, connect, how):
    """Sessions of all workers, some of them in the queue, while it stops."""
    server = backend(servers.echo)
    rm = ringmain([f"{server.text} max_sessions=20"], pool={"queue": 100, "queue_timeout": "20s"},
                  settings={**WORKERS, "drain_timeout": "500ms" if how == "drain_timeout" else "20s"})
    clients = [connect(rm.address()) for _ in range(20)]
    for client in clients:
        tcp.exchange(client, b"x")
    clients += [connect(rm.address()) for _ in range(20)]
    rm.process.send_signal(signal.SIGTERM)
    rm.wait_line(msg="draining")
    if how == "second signal":
        rm.process.send_signal(signal.SIGTERM)
    for client in clients if how == "drain" else ():
        tcp.exchange(client, b"y")
        client.close()
    assert rm.process.wait() == 0
    assert len(rm.sessions()) == 40
