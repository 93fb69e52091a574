# SPDX-License-Identifier: GPL-2.0-or-later
"""Two real Redis servers behind one port."""

import pytest

from kit import proc, servers, tcp
from kit.wait import wait_until


@pytest.fixture(scope="module")
def redis(module_dir):
    pair = servers.two(servers.Redis, module_dir)
    yield pair
    for server in pair:
        server.close()


def cli(address, *args, **kwargs):
    host, port = address
    return proc.run([proc.need("redis-cli", "redis-tools"), "-h", host, "-p", str(port), *args],
                    **kwargs).stdout


def test_sessions_go_to_both(ringmain, redis):
    rm = ringmain(redis, pool={"balance": "roundrobin"})
    ports = [line.split(":")[1].strip() for _ in range(10)
             for line in cli(rm.address(), "info", "server").splitlines()
             if line.startswith("tcp_port")]
    assert sorted(ports) == sorted([str(server.port) for server in redis] * 5)


@pytest.mark.parametrize("relay", ("copy", "splice", "auto"))
def test_pipelined_benchmark(ringmain, redis, relay):
    rm = ringmain(redis, listener={"relay": relay})
    host, port = rm.address()
    done = proc.run([proc.need("redis-benchmark", "redis-tools"), "-h", host, "-p", str(port),
                     "-P", "16", "-n", "50000", "-c", "50", "-d", "64", "-t", "ping,set,get,lpush", "-q"])
    assert "rror" not in done.stdout + done.stderr
    assert done.stdout.count("requests per second") >= 4


def test_mass_insertion(ringmain, redis):
    """redis-cli --pipe counts a reply for each of its commands."""
    rm = ringmain(redis[:1])
    commands = "".join(f"SET key:{number} {'v' * (number % 200 + 1)}\r\n" for number in range(100_000))
    out = cli(rm.address(), "--pipe", input=commands)
    assert "errors: 0, replies: 100000" in out
    assert cli(rm.address(), "strlen", "key:99999").strip() == "200"


def test_large_values(ringmain, redis):
    rm = ringmain(redis[:1])
    value = tcp.pattern("large", 4 << 20).hex()
    assert cli(rm.address(), "-x", "set", "large", input=value).strip() == "OK"
    assert cli(rm.address(), "get", "large").strip() == value


def test_publish_reaches_subscribers(ringmain, redis, connect):
    """Sessions in which the server speaks when it likes."""
    rm = ringmain(redis[:1])
    subscribers = [connect(rm.address()) for _ in range(20)]
    for sock in subscribers:
        sock.sendall(b"SUBSCRIBE news\r\n")
        tcp.expect(sock, b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")
    for number in range(10):
        assert cli(rm.address(), "publish", "news", f"item{number}").strip() == "20"
        for sock in subscribers:
            tcp.expect(sock, b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nitem%d\r\n" % number)


def test_server_that_dies_is_replaced(ringmain, workdir, start):
    one, two = (start(servers.Redis, workdir, number) for number in (1, 2))
    rm = ringmain([one, two])
    one.process.kill()
    for _ in range(10):
        assert cli(rm.address(), "ping").strip() == "PONG"


def test_blocking_pop_waits(ringmain, redis, connect):
    rm = ringmain(redis[:1])
    waiter = connect(rm.address())
    waiter.sendall(b"BLPOP queue 20\r\n")
    wait_until(lambda: "blocked_clients:1" in cli(redis[0].address, "info", "clients"), "the wait")
    cli(rm.address(), "lpush", "queue", "job")
    tcp.expect(waiter, b"*2\r\n$5\r\nqueue\r\n$3\r\njob\r\n")
