# SPDX-License-Identifier: GPL-2.0-or-later
"""What health checks say to real servers of Redis, HTTP, mail, messages, directories and shells,
and what those write in their logs about it."""

import http.server
import json
import os
import re
import threading

import pytest

from kit import replicas, servers, services
from kit.ports import free_port
from kit.probe import probe
from kit.wait import wait_steady, wait_until

pytestmark = pytest.mark.haproxy_cannot("no relay takes part")

PIECES = pytest.mark.parametrize("piece", (65536, 1))


# Redis

@pytest.fixture(scope="module")
def redis(module_dir):
    primary = servers.Redis(module_dir)
    replica = None
    try:
        replica = replicas.RedisReplica(primary, module_dir)
        yield primary, replica
    finally:
        for server in filter(None, (replica, primary)):
            server.close()


@PIECES
def test_redis_primary_and_replica_tell_who_they_are(redis, piece):
    primary, replica = redis
    primary.cli("SET", "key", "x" * 1000)
    ahead = probe("redis", primary.address, piece=piece)
    assert (ahead["verdict"], ahead["role"], ahead["position"] > 1000) == ("passed", "primary", True)
    wait_until(lambda: probe("redis", replica.address, piece=piece)["position"] >= ahead["position"],
               "the replica to have it")
    behind = probe("redis", replica.address, piece=piece)
    assert (behind["role"], behind["detached"]) == ("replica", False)


def test_redis_users(redis):
    server = redis[0]
    server.cli("ACL", "SETUSER", "alice", "on", ">wonder", "+role", "+ping")
    server.cli("ACL", "SETUSER", "bob", "on", ">wonder", "+ping")
    try:
        assert probe("redis", server.address, user="alice", password="wonder", verified=True)["role"] == "primary"
        told = probe("redis", server.address, user="bob", password="wonder", verified=True)
        assert (told["verdict"], told["role"]) == ("passed", "unknown")
        assert "NOPERM" in told["words"]
        for wrong in ({"user": "alice", "password": "x"}, {"password": "x"}):
            assert probe("redis", server.address, verified=True, **wrong)["verdict"] == "own fault"
    finally:
        server.cli("ACL", "DELUSER", "alice", "bob")


def test_redis_with_a_password(redis):
    server = redis[1]
    server.cli("CONFIG", "SET", "requirepass", "se same")
    try:
        assert probe("redis", server.address, password="se same", verified=True)["role"] == "replica"
        assert probe("redis", server.address)["verdict"] == "passed"
        assert "WRONGPASS" in probe("redis", server.address, password="x", verified=True)["words"]
    finally:
        server.cli("-a", "se same", "CONFIG", "SET", "requirepass", "")


def test_redis_without_its_primary(redis):
    replica = redis[1]
    replica.cli("REPLICAOF", "127.0.0.1", free_port())
    try:
        assert probe("redis", replica.address)["detached"]
        replica.cli("CONFIG", "SET", "replica-serve-stale-data", "no")
        told = probe("redis", replica.address)
        assert told["verdict"] == "not ready"
        assert told["words"].startswith("MASTERDOWN")
        replica.cli("REPLICAOF", "NO", "ONE")
        assert probe("redis", replica.address)["role"] == "primary"
    finally:
        replica.cli("CONFIG", "SET", "replica-serve-stale-data", "yes")
        replica.follow()


def test_redis_that_cannot_save_is_read_only(workdir, start):
    server = start(servers.Redis, workdir)
    os.mkdir(server.dir / "dump.rdb")       # where the file would go
    server.cli("SET", "a", "b")
    server.cli("CONFIG", "SET", "save", "1 1")
    server.cli("BGSAVE")
    try:
        wait_until(lambda: probe("redis", server.address)["read_only"], "the failed save")
        assert probe("redis", server.address)["verdict"] == "passed"
    finally:
        server.cli("CONFIG", "SET", "save", "")     # else it does not end


def test_redis_that_is_full(redis, connect):
    server = redis[0]
    held = connect(server.address)
    held.sendall(b"PING\r\n")
    assert held.recv(7)
    limit = server.cli("CONFIG", "GET", "maxclients").split()[-1]
    server.cli("CONFIG", "SET", "maxclients", "2")          # this one and the replica
    try:
        told = probe("redis", server.address)
    finally:
        held.close()
        wait_until(lambda: "OK" in server.cli("CONFIG", "SET", "maxclients", limit), "room")
    assert told["verdict"] == "full"


# The presets

# Of each what its log may say, and how the last line of these ends.
SERVERS = {
    "mqtt": (services.Mosquitto, r"New connection|connected|will message|CONNACK|DISCONNECT",
             r" disconnected\.$"),
    "ldap": (services.Slapd, r"ACCEPT|BIND|RESULT tag=97 err=0|UNBIND|closed", r" closed$"),
    "imap": (services.Dovecot, r"(Aborted login by logging out|Login aborted: Logged out)", r" session=<.*>$"),
    "smtp": (services.Postfix, r"smtpd\[\d+\]: (connect from|disconnect from .* quit=1 commands=1)",
             r" commands=1$"),
    "ssh": (servers.Sshd, r"(Received disconnect|Disconnected) from .* \[preauth\]$",
            r"Disconnected from .*$"),
}


@pytest.fixture(scope="module", params=sorted(SERVERS))
def preset(request, module_dir):
    server = SERVERS[request.param][0](module_dir)
    yield request.param, server
    server.close()


def lines_of_check(name, server, piece):
    """Checks once, and waits for the last line that this leaves; gives all that came by then."""
    last = re.compile(SERVERS[name][2], re.MULTILINE)

    def text():
        return server.log.read_text(encoding="utf-8") if server.log.exists() else ""
    before = text()
    assert probe(name, server.address, piece=piece)["verdict"] == "passed"
    wait_until(lambda: len(last.findall(text())) > len(last.findall(before)), "the log")
    return text()[len(before):]


@PIECES
def test_presets(preset, piece):
    name, server = preset
    lines_of_check(name, server, piece)
    # What came before, when it was seen to start, is told by now, too.
    wait_steady(lambda: server.log.stat().st_size, "the log to be quiet", quiet=1)
    told = lines_of_check(name, server, piece)
    assert all(re.search(SERVERS[name][1], line) for line in told.splitlines()), told


@PIECES
@pytest.mark.parametrize("name, kind, keys", (("ldap", services.SlapdForMembers, {}),
                                              ("mqtt", services.Mosquitto, {"anonymous": False})))
def test_servers_that_let_in_nobody_are_well(workdir, start, name, kind, keys, piece):
    server = start(kind, workdir, **keys)
    assert probe(name, server.address, piece=piece)["verdict"] == "passed"


def test_one_protocol_is_not_another(redis):
    for name in ("smtp", "imap", "ssh", "mqtt", "ldap", "postgres", "mysql", "http"):
        told = probe(name, redis[0].address, timeout=0.3)
        assert told["verdict"] == "failed", (name, told)


# HTTP

class Agent(http.server.BaseHTTPRequestHandler):
    """Answers as Patroni's REST API does (its documentation, "Patroni REST API"), and some more."""

    protocol_version = "HTTP/1.1"
    state = {"state": "running", "role": "replica", "server_version": 150018, "timeline": 5,
             "xlog": {"received_location": 67419584, "replayed_location": 67419584, "paused": False},
             "database_system_identifier": "7012345678901234567", "patroni": {"version": "3.0.2"}}

    def do_GET(self):       # pylint: disable=invalid-name
        path = self.path.split("?")[0]
        status = {"/primary": 503, "/replica": 200, "/health": 200, "/members": 401}.get(path, 404)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        body = json.dumps(self.state).encode()
        if self.path.endswith("chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for i in range(0, len(body), 7):
                piece = body[i:i + 7]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_OPTIONS = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def agent():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Agent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address
    server.shutdown()
    server.server_close()


@PIECES
@pytest.mark.parametrize("keys, verdict, words", (
    ({"path": "/replica?lag=10MB"}, "passed", "answered 200"),
    ({"path": "/primary"}, "not ready", "answered 503 Service Unavailable"),
    ({"path": "/primary", "status": 503}, "passed", "answered 503"),
    ({"path": "/members"}, "own fault", "answered 401 Unauthorized"),
    ({"path": "/health", "body": '"role": "replica"'}, "passed", "answered 200"),
    ({"path": "/health", "body": '"role": "leader"'}, "failed",
     "answered 200, but its body does not match"),
    ({"path": "/health?chunked", "body": '"timeline": ?,'}, "passed", "answered 200"),
    ({"path": "/health?chunked", "body": "7012345678*patroni*3.0.2"}, "passed", "answered 200"),
    ({"path": "/health?chunked", "body": '"timeline": ??,'}, "failed",
     "answered 200, but its body does not match"),
    ({"path": "/health", "header": "content-TYPE", "value": "^application/json"}, "passed", "answered 200"),
    ({"path": "/health", "header": "X-Other"}, "failed", "answered 200, but not with the right X-Other"),
))
def test_http_agent_in_patronis_form(agent, keys, verdict, words, piece):
    told = probe("http", agent, piece=piece, **keys)
    assert (told["verdict"], told["words"]) == (verdict, words)


def test_http_from_a_real_server(workdir, start):
    server = start(services.Nginx, workdir)
    (server.dir / "alive").write_text("yes\n" * 100, encoding="ascii")
    assert probe("http", server.address, path="/alive", body="yes\nyes")["verdict"] == "passed"
    assert probe("http", server.address, path="/none")["words"] == "answered 404 Not Found"
