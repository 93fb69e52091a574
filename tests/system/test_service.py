# SPDX-License-Identifier: GPL-2.0-or-later
"""The units of etc/, their whole sandbox included, under a real systemd (kit.systemd)."""

import os
import signal

import pytest

from kit import backend as servers
from kit import tcp
from kit.ports import free_port
from kit.ringmain import ROOT, VARIANT_DIR
from kit.systemd import DIRECTORY, Systemd
from kit.wait import wait_until

pytestmark = [pytest.mark.haproxy_cannot("has units of its own"), pytest.mark.root,
              pytest.mark.skipif(VARIANT_DIR.name != "release", reason="sanitizers do not live in the unit's sandbox")]

SERVICE = "ringmain.service"


def config_of(server, *ports, drain="10s"):
    return (f"[global]\ndrain_timeout = {drain}\n" +
            "".join(f"[listener in{n}]\nbind = 127.0.0.1:{port}\npool = out\n" for n, port in enumerate(ports)) +
            f"[pool out]\nbackend = b1 {server.text}\ncheck = tcp\n")


@pytest.fixture
def systemd(start, workdir):
    """systemd(config, name=drop-in text) gives one that knows both units; nothing is started yet."""
    def begin(config, service="", socket=""):
        manager = start(Systemd, workdir)
        for name, more in ((SERVICE, service), ("ringmain.socket", socket)):
            manager.unit(name, (ROOT / "etc" / name).read_text("utf-8"))
            manager.unit(f"{name}.d/test.conf", more)
        manager.unit(f"{SERVICE}.d/config.conf", f"[Service]\nEnvironment=CONFIG={DIRECTORY}/ringmain.ini\n")
        (manager.source / "ringmain.ini").write_text(config, "utf-8")
        manager.begin()
        return manager
    return begin


def test_it_is_started_reloaded_and_stopped(systemd, backend, connect):
    server, first, second = backend(servers.echo), free_port(), free_port()
    manager = systemd(config_of(server, first))
    manager.say("start", SERVICE)
    client = connect(("127.0.0.1", first))
    tcp.exchange(client, b"before")
    assert manager.show(SERVICE, "StatusText").startswith("running, ")

    manager.file("ringmain.ini").write_text(config_of(server, first, second), "utf-8")
    manager.say("reload", SERVICE)
    with tcp.connect(("127.0.0.1", second)) as other:
        tcp.exchange(other, b"a new listener")
    tcp.exchange(client, b"after")

    manager.file("ringmain.ini").write_text("[listner x]\n", "utf-8")
    assert manager.ask("reload", SERVICE).returncode != 0
    assert manager.show(SERVICE, "ActiveState") == "active"
    tcp.exchange(client, b"a bad configuration changes nothing")

    stop = tcp.Task(manager.say, "stop", SERVICE)
    wait_until(lambda: manager.show(SERVICE, "StatusText").startswith("draining, "), "it to drain")
    tcp.exchange(client, b"while it drains")
    client.close()
    stop.result()
    assert (manager.show(SERVICE, "Result"), manager.show(SERVICE, "ActiveState")) == ("success", "inactive")


def test_one_that_is_killed_is_started_again(systemd, backend, connect):
    port = free_port()
    manager = systemd(config_of(backend(servers.echo), port))
    manager.say("start", SERVICE)
    os.kill(manager.main_pid(SERVICE), signal.SIGKILL)
    wait_until(lambda: manager.show(SERVICE, "NRestarts") == "1" and
               manager.show(SERVICE, "ActiveState") == "active", "it to be started again")
    tcp.exchange(connect(("127.0.0.1", port)), b"x")


def test_one_that_hangs_is_started_again(systemd, backend, connect):
    port = free_port()
    manager = systemd(config_of(backend(servers.echo), port), service="[Service]\nWatchdogSec=1s\n")
    manager.say("start", SERVICE)
    os.kill(manager.main_pid(SERVICE), signal.SIGSTOP)
    wait_until(lambda: manager.show(SERVICE, "NRestarts") == "1" and
               manager.show(SERVICE, "ActiveState") == "active", "the watchdog to have it started again", 30)
    tcp.exchange(connect(("127.0.0.1", port)), b"x")


def test_clients_wait_in_the_socket_unit_while_it_is_restarted(systemd, backend):
    port = free_port()
    manager = systemd(config_of(backend(servers.echo), port),
                      socket=f"[Socket]\nFileDescriptorName=in0\nListenStream=\nListenStream=127.0.0.1:{port}\n")

    def be_served():
        with tcp.connect(("127.0.0.1", port)) as client:
            tcp.exchange(client, b"patience")

    manager.say("start", "ringmain.socket")
    be_served()         # the first client starts it
    restart, served = tcp.Task(manager.say, "restart", SERVICE), 0
    while not restart.is_done() or served < 20:
        be_served()
        served += 1
    restart.result()
    assert manager.show(SERVICE, "ActiveState") == "active"
