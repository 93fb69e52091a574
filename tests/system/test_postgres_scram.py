# SPDX-License-Identifier: GPL-2.0-or-later
"""SCRAM, with which PostgreSQL's clients bind a log-in to its TLS: a real server, and psql as it comes."""

import pytest

from kit import servers

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

BACKEND_NAME = "backend.example.com"
PASSWORD = "opensesame"


@pytest.fixture(scope="module")
def database(module_dir, pki):
    """One with a user whose password it wants to see in SCRAM."""
    server = servers.TlsPostgres(module_dir, pki)
    hba = server.dir / "data/pg_hba.conf"
    hba.write_text("host all scram 127.0.0.1/32 scram-sha-256\n" + hba.read_text(encoding="ascii"),
                   encoding="ascii")
    server.tool("psql", "-qc", f"create role scram login password '{PASSWORD}'",
                "-qc", "select pg_reload_conf()")
    yield server
    server.close()


@pytest.fixture
def serving(ringmain, database, pki):
    """serving(client's side, backend's side) gives a ringmain; a side is clear, tls, same, or through."""
    def begin(front, back, **listener):
        keys = {"protocol": "postgres", **listener}
        pool = {}
        if front == "through":
            keys["tls"] = "passthrough"
        elif front != "clear":
            keys.update({"tls": "terminate",
                         "certificate": pki["backend.pem" if front == "same" else "ecdsa.pem"]})
        if back == "tls":
            pool.update({"protocol": "postgres", "tls": "yes", "tls_ca": pki["ca.crt"]})
        return ringmain([database], listener=keys, pool=pool)
    return begin


@pytest.fixture
def log_in(database):
    """log_in(ringmain) runs psql with what it does by default, and keys of its conninfo."""
    def run(rm, password=PASSWORD, **keys):
        conninfo = database.conninfo(rm.address(), user="scram", password=password, **keys)
        return database.tool("psql", "-d", conninfo, "-Atc", "select 7", check=False)
    return run


def test_client_in_clear_before_a_backend_in_tls(serving, log_in):
    """The server offers what only a client in TLS can do."""
    done = log_in(serving("clear", "tls"))
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_client_that_was_let_in_without_tls(serving, log_in):
    done = log_in(serving("tls", "tls", plaintext="allow"), sslmode="disable")
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_wrong_password_is_one(serving, log_in):
    rm = serving("clear", "tls")
    assert "password authentication failed" in log_in(rm, password="wrong").stderr
    assert "detail" not in rm.wait_sessions(1)[0]


@pytest.mark.parametrize("front, back", (("through", "clear"), ("same", "tls")))
@pytest.mark.parametrize("binding", ("prefer", "require"))
def test_ways_out(serving, log_in, front, back, binding):
    """TLS that passes through, or the same certificate on both sides."""
    done = log_in(serving(front, back), host=BACKEND_NAME, sslmode="require", channel_binding=binding)
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_way_out_in_clear(serving, log_in):
    """A backend in clear has nothing to bind to."""
    assert log_in(serving("tls", "clear"), sslmode="require").stdout == "7\n"


def test_tls_on_both_sides_is_named_in_the_log(serving, log_in):
    """By the SQLSTATE, whatever language the server speaks."""
    rm = serving("tls", "tls")
    assert "channel binding check failed" in log_in(rm, sslmode="require").stderr
    detail = "channel binding failed: the backend has another certificate"
    rm.wait_sessions(1, detail=detail)
    assert log_in(rm, sslmode="require", channel_binding="disable").stdout == "7\n"
    wrong = log_in(rm, sslmode="require", channel_binding="disable", password="wrong")
    assert "password authentication failed" in wrong.stderr
    assert len(rm.wait_sessions(3)) == 3 and len(rm.sessions(detail=detail)) == 1


def test_tls_on_both_sides_is_unusual(serving, log_in):
    """Though both ends part in good order: its line is there where others are left out."""
    rm = serving("tls", "tls", log_sessions="unusual")
    assert log_in(rm, sslmode="require", channel_binding="disable").stdout == "7\n"
    assert "channel binding check failed" in log_in(rm, sslmode="require").stderr
    line = rm.wait_sessions(1, reason="done")[0]
    assert line["detail"].startswith("channel binding failed") and len(rm.sessions()) == 1


def test_tls_on_both_sides_is_warned_of(make_ringmain, pki):
    text = (f"[listener in]\nbind = 127.0.0.1:0\nprotocol = postgres\ntls = terminate\ncertificate = "
            f"{pki['ecdsa.pem']}\npool = p\n[pool p]\nbackend = b {BACKEND_NAME}:5432\n"
            f"tls = yes\nprotocol = postgres\ntls_ca = {pki['ca.crt']}\n").replace(BACKEND_NAME, "127.0.0.1")
    said = make_ringmain().check(text, "-t").stderr
    for words in ("channel binding", "tls = passthrough", "without TLS", "unless the backends have this same certificate",
                  "the backends' own certificate"):
        assert words in said
    assert "channel binding" not in make_ringmain().check(text + "tls_shared = yes\n", "-t").stderr
    assert "channel binding" not in make_ringmain().check(text.replace("tls = terminate", "tls = off"),
                                                          "-t").stderr
