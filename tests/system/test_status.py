# SPDX-License-Identifier: GPL-2.0-or-later
"""The status page and what is beside it: metrics, JSON, health; and clients that mean no good."""

import contextlib
import http.client
import json
import os
import re
import resource
import select
import shutil
import signal
import socket

import pytest

from kit import backend as servers
from kit import proc, tcp, tls
from kit.control import Ctl
from kit.ini import ini
from kit.ports import free_port, reserved_port
from kit.ringmain import ROOT, to_address
from kit.wait import wait_until
from test_counters import talk as talk_tls

pytestmark = pytest.mark.haproxy_cannot("has other pages")


class Status:
    """The status page of one ringmain."""

    def __init__(self, relay):
        self.rm = relay
        self.address = to_address(relay.wait_line(msg="status")["addr"])

    def connect(self):
        if isinstance(self.address, tuple):
            return http.client.HTTPConnection(*self.address, timeout=30)
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = tcp.connect(self.address)
        return connection

    def ask(self, path, *, method="GET", headers=None):
        """(status, headers, text)"""
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def get(self, path, **options):
        status, _, text = self.ask(path, **options)
        assert status == 200, text
        return text

    def json(self):
        return json.loads(self.get("/status.json"))

    def backend(self, name):
        return next(b for pool in self.json()["pools"] for b in pool["backends"] if b["backend"] == name)

    def metrics(self, **options):
        """{"name{labels}": value}"""
        lines = self.get("/metrics", **options).splitlines()
        return {key: float(value) for key, value in
                (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def wait_metric(self, name, value):
        wait_until(lambda: self.metrics()[name] == value, lambda: f"{name} {value}: {self.metrics().get(name)}")


@pytest.fixture
def shown(ringmain):
    """shown(backends, ...as ringmain...) gives (ringmain, Status)."""
    def begin(backends, *, settings=None, **options):
        rm = ringmain(backends, settings={"status": "127.0.0.1:0", **(settings or {})}, **options)
        return rm, Status(rm)
    return begin


def talk(rm, data=b"hello"):
    with contextlib.closing(tcp.connect(rm.address())) as client:
        tcp.exchange(client, data)
        client.shutdown(socket.SHUT_WR)
        tcp.expect_end(client, b"", "FIN")


# ---- metrics

def test_metrics_say_what_has_happened(shown, backend):
    rm, status = shown([backend(servers.echo)])
    talk(rm, b"x" * 100)
    rm.wait_sessions(1)
    status.wait_metric('ringmain_listener_sessions_ended_total{listener="in",reason="done"}', 1)
    now = status.metrics()
    assert now["ringmain_sessions_total"] == 1
    assert now['ringmain_listener_bytes_total{listener="in",direction="up"}'] == 100
    assert now['ringmain_backend_bytes_total{pool="out",backend="b1",direction="down"}'] == 100
    assert now['ringmain_backend_state{pool="out",backend="b1",state="ready"}'] == 1
    for name, label in (("listener_session_duration", 'listener="in"'), ("listener_first_byte", 'listener="in"'),
                        ("pool_connect", 'pool="out"')):
        assert now[f"ringmain_{name}_seconds_count{{{label}}}"] == 1
        assert now[f'ringmain_{name}_seconds_bucket{{{label},le="+Inf"}}'] == 1


def test_a_session_counts_for_its_backend_and_pool_while_it_lasts(shown, backend, connect):
    """Which is not the first that was tried: nobody listens there."""
    nobody = f"127.0.0.1:{free_port()}"
    rm, status = shown([nobody, backend(servers.echo)], pool={"balance": "first"})
    client = connect(rm.address())
    tcp.exchange(client, b"x" * 100)
    status.wait_metric('ringmain_backend_bytes_total{pool="out",backend="b2",direction="down"}', 100)
    tcp.exchange(client, b"x" * 11)
    status.wait_metric('ringmain_backend_bytes_total{pool="out",backend="b2",direction="up"}', 111)
    now = status.metrics()
    assert now['ringmain_pool_bytes_total{pool="out",direction="up"}'] == 111
    assert now['ringmain_pool_sessions_total{pool="out"}'] == now['ringmain_pool_sessions_open{pool="out"}'] == 1
    for key in ("retries", "connect_failures"):
        assert now[f'ringmain_backend_{key}_total{{pool="out",backend="b1"}}'] == 1
    client.close()
    status.wait_metric('ringmain_pool_sessions_ended_total{pool="out",reason="done"}', 1)


@pytest.mark.parametrize("accept", (None, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"))
def test_every_metric_of_the_table_is_there(shown, backend, pki, accept):
    rm, status = shown([backend(servers.echo)], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]})
    talk_tls(rm, tls.client_context(pki))
    rm.wait_sessions(1)
    with contextlib.closing(tcp.connect(rm.address())) as client:   # which has a detail
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        tcp.read_to_end(client)
    rm.wait_sessions(2)
    text = status.get("/metrics", headers={"Accept": accept} if accept else {})
    table = [line.split("\t") for line in
             proc.run([rm.binary, "--help-metrics"]).stdout.splitlines()]
    for name, kind, labels, *_ in table:
        if name == "-" or name.startswith("ringmain_backend_lag"):     # of replicas alone
            continue
        family = re.sub("_total$", "", name) if accept and kind == "counter" else name
        assert f"# TYPE {family} {kind}\n" in text
        line = next(line for line in text.splitlines() if re.match(name + r"(_bucket)?[{ ]", line))
        found = re.findall(r'(\w+)="', line)
        assert [one for one in found if one != "le"] == ([] if labels == "-" else labels.split(",")), line
    assert text.endswith("# EOF\n") == bool(accept)


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool (Debian: prometheus)")
def test_promtool_has_nothing_to_say(shown, backend, pki):
    rm, status = shown([backend(servers.echo)], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]})
    talk_tls(rm, tls.client_context(pki))
    rm.wait_sessions(1)
    said = proc.run(["promtool", "check", "metrics"], input=status.get("/metrics"), check=False)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_certificates_tell_when_they_expire(shown, backend, pki):
    _, status = shown([backend(servers.echo)], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]})
    name = f'ringmain_listener_certificate_expiry_seconds{{listener="in",file="{pki["ecdsa.pem"]}"}}'
    said = proc.run(["openssl", "x509", "-in", pki["ecdsa.pem"], "-noout", "-checkend", "0"]).returncode
    now = status.metrics()
    assert said == 0 and now[name] > now["ringmain_start_time_seconds"]
    listener, = status.json()["listeners"]
    assert listener["certificates"][0]["expiry_s"] == now[name]


def test_a_file_whose_name_is_no_utf8(shown, backend, pki, workdir):
    _, status = shown([backend(servers.echo)], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]},
                      settings={"control": f"unix:{workdir}/control.sock"})
    file, ctl = status.rm.dir / "ringmain.ini", Ctl(f"{workdir}/control.sock")
    name = os.fsencode(workdir) + b"/gr\xfc\xdf.pem"
    shutil.copy(pki["ecdsa.pem"], name)
    file.write_bytes(file.read_bytes().replace(os.fsencode(pki["ecdsa.pem"]), name))
    ctl.say("reload")
    assert f'ringmain_listener_certificate_expiry_seconds{{listener="in",file="{workdir}/gr\\\\xfc\\\\xdf.pem"}}' in status.metrics()


def test_a_certificate_that_is_named_twice(shown, backend, pki):
    _, status = shown([backend(servers.echo)], listener={"tls": "terminate", "certificate": [pki["ecdsa.pem"]] * 2})
    assert status.get("/metrics").count("ringmain_listener_certificate_expiry_seconds{") == 1
    listener, = status.json()["listeners"]
    assert len(listener["certificates"]) == 2


def test_workers_show_their_load(shown, backend, connect):
    rm, status = shown([backend(servers.echo)], settings={"workers": 2})
    client = connect(rm.address())
    tcp.exchange(client, b"x" * 1000)
    before = status.metrics()
    assert before["ringmain_buffers"] == sum(before[f'ringmain_worker_buffers{{worker="{n}"}}'] for n in (0, 1))
    assert sum(before[f'ringmain_worker_completions_total{{worker="{n}"}}'] for n in (0, 1)) > 3

    def cpu():
        now = status.metrics()
        return sum(now[f'ringmain_worker_cpu_seconds_total{{worker="{n}"}}'] for n in (0, 1))

    def work():
        tcp.exchange(client, b"x" * 10000)
        return cpu() > before['ringmain_worker_cpu_seconds_total{worker="0"}'] + \
            before['ringmain_worker_cpu_seconds_total{worker="1"}']

    wait_until(work, "CPU time to be spent")


def test_a_reload_and_its_outcome(shown, backend, workdir):
    rm, status = shown([backend(servers.echo)], settings={"control": f"unix:{workdir}/control.sock"})
    file, ctl = rm.dir / "ringmain.ini", Ctl(f"{workdir}/control.sock")
    text = file.read_text(encoding="utf-8")
    start = status.metrics()
    assert start["ringmain_last_reload_success"] == 1 and start["ringmain_generations"] == 1
    file.write_text(text + "[nonsense\n", encoding="utf-8")
    assert ctl.run("reload").returncode == 1
    status.wait_metric("ringmain_last_reload_success", 0)
    assert status.metrics()['ringmain_reloads_total{outcome="failed"}'] == 1
    row = ctl.rows("status")[0]
    assert row["reload_outcome"] == "failed"
    assert "ringmain.ini:" in row["reload_error"] and ": error: " in row["reload_error"]
    assert status.json()["last_reload_error"] == row["reload_error"]
    file.write_text(text, encoding="utf-8")
    ctl.say("reload")
    status.wait_metric("ringmain_last_reload_success", 1)
    now = status.metrics()
    assert "reload_error" not in ctl.rows("status")[0] and "last_reload_error" not in status.json()
    assert now['ringmain_reloads_total{outcome="failed"}'] == 1
    assert [now[f'ringmain_reloads_total{{outcome="{word}"}}'] for word in ("done", "unchanged")] == [0, 1]
    assert re.fullmatch(r"[^^]*\[nonsense[^^]*", "".join(line.get("plan", "") for line in rm.lines(msg="reload")))
    assert now["ringmain_last_reload_seconds"] >= start["ringmain_last_reload_seconds"]
    assert json.loads(status.get("/status.json"))["last_reload_success"] == 1


def test_a_paused_listener(shown, backend, workdir):
    _, status = shown([backend(servers.echo)], settings={"control": f"unix:{workdir}/control.sock"})
    ctl = Ctl(f"{workdir}/control.sock")
    name = 'ringmain_listener_paused{listener="in"}'
    assert status.metrics()[name] == 0
    ctl.say("listener", "in", "pause")
    status.wait_metric(name, 1)
    ctl.say("listener", "in", "resume")
    status.wait_metric(name, 0)


# ---- what comes along for Prometheus and Grafana

def metrics_of_table(rm):
    rows = [line.split("\t") for line in proc.run([rm.binary, "--help-metrics"]).stdout.splitlines()]
    return {row[0]: row[1] for row in rows if row[0] != "-"}


@pytest.mark.parametrize("path", ("prometheus/ringmain.rules.yml", "prometheus/ringmain.rules.test.yml",
                                  "grafana/ringmain.json"))
def test_only_metrics_that_there_are_are_asked_for(make_ringmain, path):
    table = metrics_of_table(make_ringmain())
    known = {name for name, kind in table.items() if kind != "histogram"}
    known |= {name + end for name, kind in table.items() if kind == "histogram" for end in ("_bucket", "_sum", "_count")}
    text = (ROOT / "etc" / path).read_text(encoding="utf-8")
    asked = set(re.findall(r"\bringmain_\w+", text))
    assert asked and asked <= known, asked - known


def test_the_dashboard_is_whole():
    board = json.loads((ROOT / "etc/grafana/ringmain.json").read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 20
    taken = [(x, y) for at in (panel["gridPos"] for panel in panels)
             for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    assert len(taken) == len(set(taken)) and max(taken)[0] < 24


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool (Debian: prometheus)")
def test_every_alert_is_seen_to_fire():
    folder = ROOT / "etc/prometheus"
    for what, file in (("check", "ringmain.rules.yml"), ("test", "ringmain.rules.test.yml")):
        said = proc.run(["promtool", what, "rules", str(folder / file)], check=False)
        assert said.returncode == 0, said.stdout + said.stderr
    alerts = re.findall(r"- alert: (\w+)", (folder / "ringmain.rules.yml").read_text(encoding="utf-8"))
    tests = (folder / "ringmain.rules.test.yml").read_text(encoding="utf-8")
    assert [alert for alert in alerts if not re.search(rf"alertname: {alert}\n", tests)] == []


# ---- JSON, page, health

def test_json_says_why_a_backend_is_down(shown, backend):
    held, port = reserved_port()
    _, status = shown([backend(servers.echo), f"127.0.0.1:{port}"],
                      pool={"check": "tcp", "check_interval": "50ms", "check_fast_interval": "50ms"})
    wait_until(lambda: status.backend("b2")["state"] == "down", "b2 to be down")
    found = status.backend("b2")
    held.close()
    assert (found["by"], found["why"]) == ("checks", "connection refused")
    assert found["checks_failed"] >= 1 and status.backend("b1")["state"] == "ready"


def test_the_busiest_sessions_are_shown_where_that_is_wanted(shown, backend, connect, workdir):
    rm, status = shown([backend(servers.echo)], settings={"status_sessions": "yes", "workers": 2,
                                                          "control": f"unix:{workdir}/control.sock"})
    clients = [connect(rm.address()) for _ in range(25)]
    for n, client in enumerate(clients):
        tcp.exchange(client, b"x" * (n + 1))
    busy = clients[7]
    me = "%s:%d" % busy.getsockname()

    def found():
        tcp.exchange(busy, b"x" * 10000)
        return status.json()["busiest"]

    wait_until(lambda: (found() or [{"client": ""}])[0]["client"] == me, "the busiest one to be the first")
    wait_until(lambda: found()[0]["bytes_up_per_s"] > 0, "a rate")
    rows = found()
    assert len(rows) == 20 and rows[0]["backend"] == "b1" and rows[0]["bytes_up"] >= 20000
    assert f"<th scope=row>{me}</th>" in status.get("/")
    file = rm.dir / "ringmain.ini"
    file.write_text(file.read_text(encoding="utf-8").replace("status_sessions = yes", "status_sessions = no"),
                    encoding="utf-8")
    Ctl(f"{workdir}/control.sock").say("reload")
    wait_until(lambda: "busiest" not in status.json(), "no sessions any more")
    wait_until(lambda: me not in status.get("/"), "the page without it")


def test_the_page_is_one_document_with_a_table(shown, backend):
    _, status = shown([backend(servers.echo)])
    code, headers, text = status.ask("/")
    assert code == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "<th scope=row>b1</th>" in text and "<td>ready</td>" in text
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", text)


def test_the_table_has_pools_and_certificates(shown, backend, pki):
    """For who has no JavaScript: what needs attention, and ages as people say them."""
    _, status = shown([backend(servers.echo)], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]})
    text = status.get("/")
    assert '<th scope=row>out</th><td>serves</td><td class=n>1</td><td class=n>0</td><td class=n>1</td>' in text
    assert re.search(r"<td>in</td><th scope=row>[^<]*</th><td>\d{4}-\d\d-\d\d, in \d+d", text), text
    assert re.search(r"<td class=n>\d+(ms|s)</td><td></td><td></td>", text), text
    wait_until(lambda: re.search(r"<td class=n>[1-9]\d*s</td>", status.get("/")), "an age of a second")


def test_health_follows_the_process_and_its_pools(ringmain, backend, connect):
    held, port = reserved_port()
    rm = ringmain(ini([backend(servers.echo)], settings={"status": "127.0.0.1:0"}) +
                  f"[pool none]\nbackend = x 127.0.0.1:{port}\ncheck = tcp\ncheck_interval = 50ms\n")
    status = Status(rm)
    assert status.ask("/healthz")[::2] == (200, "ready\n")
    assert status.ask("/healthz?pool=out")[::2] == (200, "ready\n")
    assert status.ask("/healthz?pool=nowhere")[0] == 404
    wait_until(lambda: status.ask("/healthz?pool=none")[::2] == (503, "no backend\n"), "pool none to be down")
    held.close()
    client = connect(rm.address())
    tcp.exchange(client, b"here")
    rm.process.send_signal(signal.SIGTERM)
    wait_until(lambda: status.ask("/healthz")[::2] == (503, "draining\n"), "draining")
    assert status.metrics()["ringmain_draining"] == 1
    client.close()


def test_a_pool_that_a_reload_removes(ringmain, backend, connect, workdir):
    server = backend(servers.echo)
    text = ini([server], settings={"status": "127.0.0.1:0", "control": f"unix:{workdir}/control.sock"})
    held, port = reserved_port()
    rm = ringmain(text + f"[listener other]\nbind = 127.0.0.1:0\npool = old\n[pool old]\nbackend = x {server.text}\n"
                  f"backend = y 127.0.0.1:{port}\ncheck = tcp\ncheck_interval = 50ms\n")
    status, ctl = Status(rm), Ctl(f"{workdir}/control.sock")
    client = connect(rm.address("other"))
    tcp.exchange(client, b"here")
    wait_until(lambda: status.backend("y")["state"] == "down", "y to be down")
    (rm.dir / "ringmain.ini").write_text(text, encoding="utf-8")
    ctl.say("reload")
    assert status.ask("/healthz?pool=old")[::2] == (404, "no such pool\n")
    wait_until(lambda: status.backend("y")["state"] == "leaving", "y to leave")
    now = status.metrics()
    assert 'ringmain_pool_backends_ready{pool="old"}' not in now
    assert now['ringmain_backend_state{pool="old",backend="y",state="down"}'] == 0
    assert now['ringmain_backend_sessions{pool="old",backend="x"}'] == 1
    tcp.exchange(client, b"still")
    held.close()
    client.close()
    wait_until(lambda: 'ringmain_pool_sessions_open{pool="old"}' not in status.metrics(), "the pool to be gone")


def test_other_paths_and_methods(shown, backend):
    _, status = shown([backend(servers.echo)])
    assert status.ask("/etc/passwd")[0] == 404
    code, headers, _ = status.ask("/metrics", method="POST")
    assert (code, headers["Allow"]) == (405, "GET, HEAD")
    code, headers, text = status.ask("/metrics", method="HEAD")
    assert (code, text) == (200, "") and int(headers["Content-Length"]) > 1000


@pytest.mark.parametrize("request_text", (
    b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET HTTP://x:80/healthz?pool=out HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
def test_requests_that_few_write(shown, backend, connect, request_text):
    _, status = shown([backend(servers.echo)])
    client = connect(status.address)
    client.sendall(request_text)
    wait_until(lambda: client.recv(4096, socket.MSG_PEEK).endswith(b"ready\n"), "an answer")
    assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("accept, is_open", (
    ("application/openmetrics-text;version=1.0.0;q=0.75,text/plain;q=0.5", True),
    ("Application/OpenMetrics-Text", True), ("application/openmetrics-text;q=0, text/plain", False),
    ("application/openmetrics-text; version=1.0.0; q=0.000", False), ("text/plain;q=0.5", False)))
def test_who_gets_openmetrics(shown, backend, accept, is_open):
    _, status = shown([backend(servers.echo)])
    assert status.get("/metrics", headers={"Accept": accept}).endswith("# EOF\n") == is_open


# ---- where, and for whom

def test_who_may_ask(shown, backend):
    _, status = shown([backend(servers.echo)], settings={"status_allow": "192.0.2.0/24 127.0.0.2"})
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        status.ask("/healthz")
    client = tcp.connect(status.address, source=("127.0.0.2", 0))
    client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert tcp.read_to_end(client).data.endswith(b"ready\n")
    client.close()


def test_a_reload_says_who_may_ask(shown, backend, workdir):
    """The list is that of the newest configuration, the socket that of the start."""
    rm, status = shown([backend(servers.echo)], settings={
        "status_allow": "192.0.2.1", "control": f"unix:{workdir}/control.sock"})
    file, ctl = rm.dir / "ringmain.ini", Ctl(f"{workdir}/control.sock")
    text = file.read_text(encoding="utf-8")

    def reload_with(block):
        file.write_text(text.replace("192.0.2.1", block), encoding="utf-8")
        ctl.say("reload")

    for block in ("192.0.2.2", "192.0.2.3"):
        reload_with(block)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            status.ask("/healthz")
    reload_with("127.0.0.1")
    assert status.get("/healthz") == "ready\n"


def test_a_reload_closes_who_may_ask_no_more(shown, backend, connect, workdir):
    rm, status = shown([backend(servers.echo)], settings={"control": f"unix:{workdir}/control.sock"})
    file = rm.dir / "ringmain.ini"
    client, idle = connect(status.address), connect(status.address)
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: b"ready" in client.recv(1000, socket.MSG_PEEK), "an answer")
    file.write_text(file.read_text(encoding="utf-8").replace("[global]\n", "[global]\nstatus_allow = 192.0.2.1\n"),
                    encoding="utf-8")
    Ctl(f"{workdir}/control.sock").say("reload")
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"ringmain_" not in tcp.read_to_end(client).data
    assert tcp.read_to_end(idle).data == b""


def test_a_unix_socket_is_removed_after_reloads(shown, backend, workdir):
    path = f"{workdir}/status.sock"
    rm, status = shown([backend(servers.echo)], settings={
        "status": f"unix:{path}", "control": f"unix:{workdir}/control.sock"})
    for _ in range(3):
        Ctl(f"{workdir}/control.sock").say("reload")
        assert status.get("/healthz") == "ready\n"
    rm.stop()
    assert not os.path.exists(path)


def test_a_unix_socket(shown, backend, workdir):
    _, status = shown([backend(servers.echo)], settings={"status": f"unix:{workdir}/status.sock mode=0600"})
    assert status.get("/healthz") == "ready\n"


def test_an_address_in_use_is_waited_for(ringmain, backend):
    holder = socket.create_server(("127.0.0.1", 0))
    rm = ringmain([backend(servers.echo)], settings={"status": f"127.0.0.1:{holder.getsockname()[1]}"})
    assert rm.wait_line(msg="cannot listen")["directive"] == "status"
    talk(rm)
    holder.close()
    assert Status(rm).get("/healthz") == "ready\n"
    rm.fds_at_start = rm.process.fds()      # it has one socket more since


@pytest.mark.parametrize("text, said", (
    ("status = 9180", "did you mean"), ("status = nowhere.invalid:1", "[global] status"),
    ("status = off\nstatus_allow = 10.0.0.1/8", "status_allow")))
def test_mistakes(make_ringmain, text, said):
    rm = make_ringmain()
    done = rm.check(f"[global]\n{text}\n[listener in]\nbind = 127.0.0.1:0\npool = out\n"
                    "[pool out]\nbackend = b1 127.0.0.1:1\n", "-t")
    assert done.returncode == 1 and said in done.stderr, done.stderr


# ---- clients that mean no good

def relays_on(rm, status):
    """Sessions are served, and so is who asks for the state, while others misbehave."""
    for _ in range(5):
        talk(rm)
    assert status.get("/healthz") == "ready\n"


def test_idle_clients_disturb_nobody(shown, backend, connect):
    """More than there may be of one address: the oldest are let go."""
    rm, status = shown([backend(servers.echo)])
    idle = [connect(status.address) for _ in range(300)]
    talk(rm)
    for client in idle[:-1]:
        client.close()
    relays_on(rm, status)


def test_who_asks_is_answered_though_all_places_are_taken(shown, connect):
    """The longest idle one goes, not who has come: two for each place at once would wait for ten seconds."""
    _, status = shown(["127.0.0.1:9"])
    idle = [connect(status.address, source=(f"127.0.0.{2 + n % 2}", 0)) for n in range(256)]
    for client in idle:
        client.sendall(b"GET / HTTP/1.1\r\nX:")
    assert status.get("/healthz") == "ready\n"
    assert 1 <= sum(ended(client) for client in idle) < 100
    assert ended(idle[0]) or ended(idle[1])


def ended(client):
    with contextlib.suppress(ConnectionError):
        return bool(select.select([client], [], [], 0)[0]) and not client.recv(1)
    return True


def test_refusals_cost_little(shown, connect):
    """When too much waits to be read: no answer is made that nobody gets."""
    rm, status = shown(["127.0.0.1:9"] * 1000)

    def refused():
        client = connect(status.address, rcvbuf=4096)
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        return tcp.recv_exactly(client, 12) == b"HTTP/1.1 503"

    def cpu_s():
        with open(f"/proc/{rm.pid}/task/{rm.pid}/stat", encoding="ascii") as file:
            return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    wait_until(refused, "too much to wait", interval=0.25)
    before = cpu_s()
    codes = [status.ask("/metrics")[0] for _ in range(200)]
    assert codes.count(503) >= 190 and cpu_s() - before < 0.5


def test_a_client_that_never_reads(shown, connect):
    rm, status = shown(["127.0.0.1:9"] * 40)
    clients = [connect(status.address, rcvbuf=4096) for _ in range(20)]
    for client in clients:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
    assert status.get("/healthz") == "ready\n"
    assert len(status.metrics()) > 500
    assert len(status.backend("b40")["state"]) > 0 and rm.process.alive()


def test_huge_lines_and_half_requests(shown, backend, connect):
    rm, status = shown([backend(servers.echo)])
    half = connect(status.address)
    half.sendall(b"GET /metr")
    huge = connect(status.address)
    with contextlib.suppress(ConnectionError):
        huge.sendall(b"GET /" + b"a" * 1_000_000)
    many = connect(status.address)
    with contextlib.suppress(ConnectionError):
        many.sendall(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100_000)
    noise = connect(status.address)
    with contextlib.suppress(ConnectionError):
        noise.sendall(bytes(range(256)) * 100)
    relays_on(rm, status)


def test_it_answers_again_when_there_are_files_again(shown, backend, connect):
    rm, status = shown([backend(servers.echo)])
    allowed = resource.prlimit(rm.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(rm.pid, resource.RLIMIT_NOFILE, (max(map(int, os.listdir(f"/proc/{rm.pid}/fd"))) + 2, allowed[1]))
    clients = [connect(status.address) for _ in range(4)]       # one file is left
    for client in clients:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    wait_until(lambda: select.select(clients, [], [], 0.1)[0], "one of them to be answered")
    resource.prlimit(rm.pid, resource.RLIMIT_NOFILE, allowed)
    for client in clients:
        assert tcp.read_to_end(client).data.endswith(b"ready\n")
    relays_on(rm, status)


def test_pipelined_requests_are_all_answered(shown, backend, connect):
    rm, status = shown([backend(servers.echo)])
    client = connect(status.address)
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 99 +
                   b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert tcp.read_to_end(client).data.count(b"HTTP/1.1 200") == 100
    relays_on(rm, status)


def test_a_post_with_a_body_is_refused_at_once(shown, backend, connect):
    rm, status = shown([backend(servers.echo)])
    client = connect(status.address)
    client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc")
    assert tcp.recv_exactly(client, 12) == b"HTTP/1.1 405"
    relays_on(rm, status)
