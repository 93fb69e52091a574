# SPDX-License-Identifier: GPL-2.0-or-later
"""What PostgreSQL's clients log in to and as leads to pools: in clear, and inside TLS that ends here."""

import pytest

from kit import pgwire, servers, tcp, tls
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("it knows nothing of PostgreSQL")

PORT = "select inet_server_port()"
NO_ROUTE = "no route for this database and this user"
ROUTES = ("database shop* -> second", "user ana -> second", "database bench -> first")


@pytest.fixture(scope="module")
def databases(module_dir):
    pair = [servers.Postgres(module_dir, number) for number in (1, 2)]
    for server in pair:
        for name in ("shop_eu", "ana"):
            server.tool("createdb", name)
        server.tool("psql", "-qc", "create role ana login superuser")
    yield pair
    for server in pair:
        server.close()


@pytest.fixture(params=("off", "terminate"))
def routing(request, make_ringmain, databases, pki):
    """routing(routes, **keys) gives a ringmain whose listener has these routes, and no pool of its own."""
    def begin(routes, **keys):
        if request.param == "terminate":
            keys = {"certificate": pki["ecdsa.pem"], **keys}
        lines = [f"{key} = {value}" for key, value in keys.items()]
        lines += [f"route = {route}" for route in routes]
        text = (f"[listener in]\nbind = 127.0.0.1:0\nprotocol = postgres\ntls = {request.param}\n"
                + "\n".join(lines) + "\n")
        for name, server in zip(("first", "second"), databases):
            text += f"[pool {name}]\nbackend = {name} {server.text}\n"
        return make_ringmain().start(text)
    begin.mode = request.param
    return begin


def psql(server, rm, mode, sql=PORT, **keys):
    host, port = rm.address()
    keys = {"host": host, "port": port, "user": "tester", "dbname": "bench",
            "sslmode": "disable" if mode == "off" else "require", **keys}
    conninfo = " ".join(f"{key}={value}" for key, value in keys.items())
    return server.tool("psql", "-d", conninfo, "-Atc", sql, check=False)


@pytest.mark.parametrize("keys, number", (
    ({"dbname": "shop_eu"}, 1), ({"dbname": "bench"}, 0), ({"dbname": "bench", "user": "ana"}, 1),
    ({"dbname": "ana", "user": "ana"}, 1), ({"dbname": "bench", "options": "-cwork_mem=1MB"}, 0)))
def test_names_lead_to_pools(routing, databases, keys, number):
    rm = routing(ROUTES)
    done = psql(databases[0], rm, routing.mode, **keys)
    assert done.stdout.strip() == str(databases[number].port), done.stderr
    line = rm.wait_sessions(1, reason="done")[0]
    assert line["backend"] == ("first", "second")[number]
    assert (line["user"], line["database"]) == (keys.get("user", "tester"), keys["dbname"])


def test_names_are_compared_as_postgres_does(routing, databases):
    """It keeps 63 bytes of a name, at its creation as at each log-in."""
    long = "x" * 63
    for server in databases:
        server.tool("createdb", long, check=False)
    rm = routing((f"database {long} -> second", "database bench -> first"))
    for name in (long, long + "y", long + "y" * 300):
        done = psql(databases[0], rm, routing.mode, sql=PORT + ", current_database()", dbname=name)
        assert done.stdout.strip() == f"{databases[1].port}|{long}", done.stderr
    assert {line["database"] for line in rm.wait_sessions(3)} == {long}


def test_who_fits_none_is_told(routing, databases):
    rm = routing(ROUTES)
    done = psql(databases[0], rm, routing.mode, dbname="postgres")
    assert f"FATAL:  {NO_ROUTE}" in done.stderr
    rm.wait_sessions(1, reason="refused", by="ringmain", detail=NO_ROUTE)


def test_who_fits_none_goes_to_the_listeners_pool(routing, databases):
    rm = routing(ROUTES, pool="first")
    done = psql(databases[0], rm, routing.mode, dbname="postgres")
    assert done.stdout.strip() == str(databases[0].port), done.stderr


def runs(server):
    return "pg_sleep" in server.tool(
        "psql", "-Atc", "select query from pg_stat_activity where state = 'active' and "
        "datname = 'shop_eu'").stdout


def test_cancel_finds_its_session_in_any_pool(routing, databases, connect, pki):
    rm = routing(ROUTES)

    def dial():
        sock = connect(rm.address())
        if routing.mode == "off":
            return sock
        sock.sendall(pgwire.SSL_REQUEST)
        tcp.expect(sock, b"S")
        return tls.TlsSocket(sock, tls.client_context(pki), name=tls.NAME)

    session = pgwire.Session(dial(), database="shop_eu")
    session.ask("select pg_sleep(60)")
    wait_until(lambda: runs(databases[1]), "it to sleep: who is idle ignores a request to cancel")
    other = dial()
    other.sendall(pgwire.cancel(session.key))
    tcp.expect_end(other, b"", "FIN")
    assert session.result()["C"] == pgwire.CANCELED
    session.close()
    unknown = dial()
    unknown.sendall(pgwire.cancel((77, b"none")))
    tcp.expect_end(unknown, b"", "FIN")
    rm.wait_sessions(1, detail="cancel request of an unknown key, sent to all backends")


def test_a_name_in_tls_and_a_log_in_are_one_list(make_ringmain, databases, connect, pki):
    """The first in the order of the file that fits, whatever was known first."""
    def port(rm, **startup):
        sock = connect(rm.address())
        sock.sendall(pgwire.SSL_REQUEST)
        tcp.expect(sock, b"S")
        session = pgwire.Session(tls.TlsSocket(sock, tls.client_context(pki), name=tls.NAME), **startup)
        value = session.query(PORT)[0]
        session.close()
        return int(value)

    pools = "".join(f"[pool {name}]\nbackend = {name} {server.text}\n"
                    for name, server in zip(("first", "second"), databases))
    head = ("[listener in]\nbind = 127.0.0.1:0\nprotocol = postgres\ntls = terminate\n"
            f"certificate = {pki['ecdsa.pem']}\n")
    by_name, by_login = f"route = sni {tls.NAME} -> first\n", "route = database shop* -> second\n"
    rm = make_ringmain().start(head + by_name + by_login + pools)
    assert port(rm, database="shop_eu") == databases[0].port
    rm = make_ringmain().start(head + by_login + by_name + pools)
    assert port(rm, database="shop_eu") == databases[1].port
    assert port(rm, database="bench") == databases[0].port
