# SPDX-License-Identifier: GPL-2.0-or-later
"""What -t answers to lines of HAProxy's and nginx's is what ringmain-recipes(7) says they are called here."""

import pathlib
import re

import pytest

from kit import proc
from kit.ringmain import BINARY

pytestmark = pytest.mark.haproxy_cannot("it is what they come from")

MANUAL = pathlib.Path(__file__).resolve().parents[2] / "etc/ringmain-recipes.7"

G, L, P = "global", "listener", "pool"      # where somebody would write the line

# For each row of the manual, lines of its words, and which of its words is to be in the answer.
HAPROXY = {
    "frontend, listen": [(G, "frontend web", "[listener NAME]"), (G, "listen web", "[listener NAME]")],
    "backend": [(G, "backend app", "[pool NAME]")],
    "defaults": [(G, "defaults", "[defaults listener]")],
    "from NAME": [(P, "from = p", "like")],
    "default_backend": [(L, "default_backend p", "pool")],
    "use_backend ... if { req.ssl_sni }": [
        (L, "use_backend p if { req.ssl_sni -i a.example }", "route"),
        (L, "use_backend p if is_app", "route")],
    "server": [
        (P, "server s1 10.0.0.1:80", "backend"),
        (P, "server s1 10.0.0.1:80 check inter 2s weight 5", "backend")],
    "bind": [(L, "bind *:5432", "bind"), (G, "bind :5432", "bind")],
    "bind ... transparent": [
        (L, "bind = :0 transparent", "freebind"), (L, "bind :5432 transparent", "freebind")],
    "bind ... ssl crt FILE": [
        (L, "bind = :0 ssl crt /x.pem", "certificate"), (L, "bind :443 ssl crt /x.pem", "certificate"),
        (L, "crt = /x.pem", "certificate"), (L, "ssl = on", "tls")],
    "bind ... verify required ca-file": [
        (L, "bind = :0 verify required", "client_verify"), (L, "bind = :0 ca-file /x.pem", "client_ca"),
        (L, "verify = required", "client_verify"), (L, "ca-file = /x.pem", "client_ca")],
    "bind ... accept-proxy": [
        (L, "bind = :0 accept-proxy", "proxy_protocol"), (L, "bind :5432 accept-proxy", "proxy_protocol"),
        (L, "accept-proxy = yes", "proxy_protocol")],
    "bind ... tcp-ut": [
        (L, "bind = :0 tcp-ut 5s", "user_timeout"), (L, "bind :5432 tcp-ut 5s", "user_timeout"),
        (L, "tcp-ut = 5s", "user_timeout")],
    "maxconn": [
        (G, "maxconn 1000", "max_sessions"), (L, "maxconn 1000", "max_sessions"),
        (L, "maxconn = 1000", "max_sessions")],
    "server ... maxconn": [
        (P, "server s1 10.0.0.1:80 maxconn 10", "max_sessions"),
        (P, "backend = s1 10.0.0.1:80 maxconn=10", "max_sessions"), (P, "maxconn = 10", "max_sessions")],
    "server ... weight, backup, disabled": [
        (P, "server s1 10.0.0.1:80 weight 7", "weight"), (P, "server s1 10.0.0.1:80 backup", "backup"),
        (P, "server s1 10.0.0.1:80 disabled", "weight"), (P, "backend = s1 10.0.0.1:80 disabled", "weight")],
    "server ... ssl verify ca-file sni": [
        (P, "server s1 10.0.0.1:443 ssl verify required ca-file /x.pem sni str(a.example)", "tls_ca"),
        (P, "server s1 10.0.0.1:443 ssl verify none", "tls_verify"),
        (P, "backend = s1 10.0.0.1:443 ssl", "tls"),
        (P, "server s1 10.0.0.1:443 ssl sni str(a.example)", "tls_sni"), (P, "ssl = on", "tls"),
        (P, "verify = none", "tls_verify"), (P, "ca-file = /x", "tls_ca"), (P, "sni = a", "tls_sni")],
    "server ... send-proxy, send-proxy-v2": [
        (P, "server s1 10.0.0.1:80 send-proxy", "send_proxy"),
        (P, "backend = s1 10.0.0.1:80 send-proxy-v2", "send_proxy")],
    "server ... slowstart": [
        (P, "server s1 10.0.0.1:80 slowstart 30s", "slow_start"), (P, "slowstart = 30s", "slow_start")],
    "server ... inter, fastinter, fall, rise": [
        (P, "server s1 10.0.0.1:80 check inter 2000 fastinter 500 fall 3 rise 2", "check_interval"),
        (P, "server s1 10.0.0.1:80 check fastinter 500", "check_fast_interval"),
        (P, "fall = 3", "check_fall"), (P, "rise = 2", "check_rise"), (P, "inter = 2s", "check_interval"),
        (P, "fastinter = 1s", "check_fast_interval"),
        (P, "default-server inter 2s fall 3", "check_interval")],
    "server ... check port": [
        (P, "server s1 10.0.0.1:80 check port 81", "check_port"),
        (P, "backend = s1 10.0.0.1:80 port=81", "check_port")],
    "server ... observe layer4, on-error": [
        (P, "server s1 10.0.0.1:80 observe layer4 error-limit 10", "eject_after"),
        (P, "observe = layer4", "eject_after"), (P, "backend = s1 10.0.0.1:80 observe=layer4", "eject_after"),
        (P, "on-error = mark-down", "eject_after")],
    "server ... on-marked-down": [
        (P, "server s1 10.0.0.1:80 on-marked-down shutdown-sessions", "on_down"),
        (P, "on-marked-down = shutdown-sessions", "on_down"),
        (P, "backend = s1 10.0.0.1:80 on-marked-down", "on_down")],
    "maxqueue, timeout queue": [
        (P, "maxqueue = 10", "queue"), (P, "timeout queue 5s", "queue_timeout"),
        (P, "server s1 10.0.0.1:80 maxqueue 10", "queue")],
    "balance roundrobin, leastconn, first": [
        (P, "balance roundrobin", "balance"), (P, "balance leastconn", "balance")],
    "balance random": [(P, "balance random", "random"), (P, "balance random(2)", "random")],
    "balance source, hash-type consistent": [
        (P, "balance source", "maglev"), (P, "balance = source", "maglev"),
        (P, "hash-type consistent", "maglev"), (P, "balance hash src", "maglev"),
        (P, "hash-type = consistent", "maglev")],
    "hash-balance-factor": [
        (P, "hash-balance-factor 150", "hash_balance"), (P, "hash-balance-factor = 150", "hash_balance")],
    "stick on src": [
        (P, "stick on src", "stick"), (P, "stick-table type ip size 200k expire 30m", "stick_table"),
        (P, "stick-table = type ip size 200k", "stick_table")],
    "option tcp-check": [(P, "option tcp-check", "check"), (P, "option = tcp-check", "check")],
    "tcp-check send, expect": [
        (P, "tcp-check expect string +PONG", "check_step"), (P, "tcp-check send PING", "check_step"),
        (P, "tcp-check connect", "check")],
    "option httpchk, http-check": [
        (P, "option httpchk GET /health", "check"), (P, "http-check expect status 200", "check"),
        (P, "http-check = expect status 200", "check")],
    "option pgsql-check, mysql-check": [
        (P, "option pgsql-check user ha", "check"), (P, "option mysql-check user ha", "check")],
    "option smtpchk, ldap-check, ssl-hello-chk": [
        (P, "option smtpchk", "check"), (P, "option ldap-check", "check"),
        (P, "option ssl-hello-chk", "check")],
    "timeout connect": [
        (P, "timeout connect 5s", "connect_timeout"), (G, "timeout connect 5000", "connect_timeout")],
    "timeout client, server, tunnel": [
        (L, "timeout client 1m", "idle_timeout"), (P, "timeout server 1m", "idle_timeout"),
        (L, "timeout tunnel 1h", "idle_timeout"), (L, "timeout client 50000", "idle_timeout"),
        (L, "timeout = 5s", "idle_timeout")],
    "timeout client-fin, server-fin": [
        (L, "timeout client-fin 30s", "half_close_timeout"),
        (P, "timeout server-fin 30s", "half_close_timeout")],
    "tcp-request inspect-delay": [
        (L, "tcp-request inspect-delay 5s", "handshake_timeout"),
        (L, "tcp-request inspect-delay 5000", "handshake_timeout")],
    "retries, option redispatch": [
        (P, "retries 3", "connect_tries"), (P, "option redispatch", "connect_tries"),
        (P, "option = redispatch", "connect_tries"), (P, "option redispatch 1", "connect_tries")],
    "tcp-request connection reject": [
        (L, "tcp-request connection reject if bad", "deny"),
        (L, "tcp-request connection accept if good", "allow"), (L, "tcp-request connection reject", "deny"),
        (L, "tcp-request content reject if bad", "deny"), (L, "acl x src 10.0.0.0/8", "allow"),
        (L, "acl = x src 10.0.0.0/8", "allow")],
    "src_conn_cur, src_conn_rate": [
        (L, "tcp-request connection reject if { src_conn_cur ge 10 }", "max_sessions_per_source"),
        (L, "tcp-request connection reject if { src_conn_rate ge 10 }", "session_rate_per_source"),
        (L, "src_conn_cur = 10", "max_sessions_per_source"),
        (L, "src_conn_rate = 10", "session_rate_per_source")],
    "rate-limit sessions": [
        (L, "rate-limit sessions 10", "session_rate"), (L, "rate-limit sessions = 10", "session_rate")],
    "filter bwlim-in, bwlim-out": [
        (L, "filter bwlim-in lim default-limit 1m default-period 1s", "bandwidth"),
        (L, "filter bwlim-out lim default-limit 1m default-period 1s", "bandwidth")],
    "source, source ... usesrc clientip": [
        (P, "source 10.0.0.1", "source"), (P, "source 0.0.0.0 usesrc clientip", "transparent"),
        (P, "server s1 10.0.0.1:80 source 10.0.0.2", "source")],
    "option splice-auto": [
        (L, "option splice-auto", "relay"), (L, "option = splice-auto", "relay"),
        (L, "option splice-request", "relay")],
    "option tcpka": [
        (L, "option tcpka", "keepalive"), (L, "option clitcpka", "keepalive"),
        (P, "option srvtcpka", "keepalive"), (L, "option = tcpka", "keepalive")],
    "option dontlognull": [(L, "option dontlognull", "log_empty"), (L, "option = dontlognull", "log_empty")],
    "option tcplog": [
        (L, "option tcplog", "each session has its line"),
        (L, "option = tcplog", "each session has its line")],
    "log ADDRESS FACILITY": [
        (G, "log 127.0.0.1 local0", "log"), (G, "log /dev/log local0 info", "log"),
        (G, "log 127.0.0.1:514 local0", "log"), (L, "log = 127.0.0.1:514 local0", "log"),
        (L, "log global", "log")],
    "log-format": [
        (G, 'log-format "%ci:%cp [%t] %b"', "log_format"), (G, 'log-format = "%ci:%cp"', "log_format"),
        (L, 'log-format "%ci:%cp"', "log_format")],
    "timeout check": [(P, "timeout check 2s", "check_timeout"), (P, "timeout check = 2s", "check_timeout")],
    "nbthread": [(G, "nbthread 4", "workers"), (G, "nbthread = 4", "workers")],
    "grace, hard-stop-after": [
        (G, "grace 5s", "drain_delay"), (G, "grace = 5s", "drain_delay"),
        (G, "hard-stop-after 30s", "drain_timeout"), (G, "grace 5000", "drain_delay")],
    "stats socket": [
        (G, "stats socket /run/h.sock mode 660 level admin", "control"),
        (G, "stats socket = /run/h.sock", "control")],
    "stats enable, prometheus-exporter": [
        (L, "stats enable", "status"), (L, "stats uri /stats", "status"), (G, "stats enable", "status"),
        (L, "http-request use-service prometheus-exporter if { path /metrics }", "status"),
        (L, "stats = enable", "status")],
}

NGINX = {
    "server { }": [(G, "server {", "[listener NAME]")],
    "upstream { }": [(G, "upstream app {", "[pool NAME]")],
    "listen": [
        (L, "listen 5432;", "bind"), (L, "listen = 5432", "bind"), (L, "listen 127.0.0.1:5432;", "bind")],
    "listen ... ssl": [(L, "listen 5432 ssl;", "tls"), (L, "bind = :0 ssl", "tls")],
    "listen ... proxy_protocol": [
        (L, "listen 5432 proxy_protocol;", "proxy_protocol"),
        (L, "bind = :0 proxy_protocol", "proxy_protocol")],
    "set_real_ip_from": [(L, "set_real_ip_from 10.0.0.0/8;", "proxy_protocol_from")],
    "proxy_pass": [(L, "proxy_pass p;", "pool")],
    "ssl_preread, map $ssl_preread_server_name": [
        (L, "ssl_preread on;", "tls"), (L, "ssl_preread = on", "tls"),
        (L, "map $ssl_preread_server_name $name {", "route"),
        (G, "map $ssl_preread_server_name $name {", "route")],
    "server in upstream": [(P, "server 10.0.0.1:80;", "backend"), (P, "server = 10.0.0.1:80", "backend")],
    "server ... weight, max_conns, backup, down": [
        (P, "server 10.0.0.1:80 weight=5 max_conns=10;", "max_sessions"),
        (P, "server 10.0.0.1:80 weight=5;", "weight"), (P, "server 10.0.0.1:80 backup;", "backup"),
        (P, "server 10.0.0.1:80 down;", "weight"), (P, "backend = a 10.0.0.1:80 down", "weight")],
    "server ... max_fails, fail_timeout": [
        (P, "server 10.0.0.1:80 max_fails=3 fail_timeout=30s;", "eject_after"),
        (P, "fail_timeout = 30s", "eject_time"), (P, "backend = a 10.0.0.1:80 max_fails=3", "eject_after")],
    "server ... slow_start *": [(P, "server 10.0.0.1:80 slow_start=30s;", "slow_start")],
    "queue *": [(P, "queue 100 timeout=70;", "queue")],
    "least_conn, random two": [
        (P, "least_conn;", "leastconn"), (P, "least_conn = on", "leastconn"),
        (P, "random two least_conn;", "random"), (P, "random;", "random"), (P, "random = two", "random")],
    "hash $remote_addr consistent": [
        (P, "hash $remote_addr consistent;", "maglev"), (P, "hash $remote_addr;", "maglev"),
        (P, "ip_hash;", "maglev"), (P, "hash = $remote_addr", "hash")],
    "sticky *": [(P, "sticky learn;", "stick"), (P, "sticky = learn", "stick")],
    "health_check *": [
        (L, "health_check;", "check"), (L, "health_check interval=5s;", "check"),
        (P, "health_check = on", "check")],
    "ssl_certificate, ssl_certificate_key": [
        (L, "ssl_certificate /x.pem;", "certificate"), (L, "ssl_certificate_key /x.key;", "certificate")],
    "ssl_client_certificate, ssl_verify_client": [
        (L, "ssl_client_certificate /x.pem;", "client_ca"), (L, "ssl_verify_client on;", "client_verify")],
    "ssl_protocols, ssl_ciphers": [
        (L, "ssl_protocols TLSv1.2 TLSv1.3;", "tls_min"), (L, "ssl_ciphers HIGH:!aNULL;", "ciphers")],
    "ssl_session_ticket_key": [(L, "ssl_session_ticket_key /x.key;", "ticket_keys")],
    "proxy_ssl, proxy_ssl_verify": [
        (L, "proxy_ssl on;", "tls"), (L, "proxy_ssl_verify on;", "tls_verify"), (P, "proxy_ssl = on", "tls")],
    "proxy_ssl_trusted_certificate, _name": [
        (L, "proxy_ssl_trusted_certificate /x.pem;", "tls_ca"), (L, "proxy_ssl_name a.example;", "tls_name")],
    "proxy_protocol on": [(L, "proxy_protocol on;", "send_proxy"), (P, "proxy_protocol = on", "send_proxy")],
    "proxy_bind, proxy_bind ... transparent": [
        (L, "proxy_bind 10.0.0.1;", "source"), (L, "proxy_bind $remote_addr transparent;", "transparent")],
    "proxy_connect_timeout": [
        (L, "proxy_connect_timeout 5s;", "connect_timeout"),
        (P, "proxy_connect_timeout = 5", "connect_timeout")],
    "proxy_next_upstream_tries, _timeout": [
        (L, "proxy_next_upstream_tries 3;", "connect_tries"),
        (L, "proxy_next_upstream_timeout 10s;", "connect_total")],
    "proxy_timeout": [
        (L, "proxy_timeout 10m;", "idle_timeout"), (L, "proxy_timeout = 10m", "idle_timeout"),
        (P, "proxy_timeout = 10m", "idle_timeout")],
    "preread_timeout, ssl_handshake_timeout": [
        (L, "preread_timeout 30s;", "handshake_timeout"),
        (L, "ssl_handshake_timeout 60s;", "handshake_timeout")],
    "proxy_download_rate, proxy_upload_rate": [
        (L, "proxy_download_rate 100k;", "bandwidth"), (L, "proxy_upload_rate = 100k", "bandwidth")],
    "allow, deny": [(L, "allow 10.0.0.0/8;", "allow"), (L, "deny all;", "deny")],
    "limit_conn": [
        (L, "limit_conn addr 5;", "max_sessions_per_source"),
        (L, "limit_conn = addr 5", "max_sessions_per_source")],
    "access_log, error_log": [
        (L, "access_log /x.log basic;", "log"), (G, "error_log /x.log warn;", "log"),
        (G, "access_log off;", "log_sessions"), (L, "log = /x.log", "log"),
        (L, "access_log = off", "log_sessions")],
    "worker_processes": [(G, "worker_processes auto;", "workers"), (G, "worker_processes = 4", "workers")],
    "worker_connections": [(G, "worker_connections 1024;", "max_sessions")],
    "worker_shutdown_timeout": [(G, "worker_shutdown_timeout 10s;", "drain_timeout")],
    "include": [(G, "include /etc/x/*.conf;", "include"), (L, "include x.conf;", "include")],
    "stub_status, api *": [
        (L, "stub_status;", "status"), (G, "api;", "status"), (L, "stub_status on;", "status")],
}

# Words that are no row's, but of which nothing wrong must be said.
OTHERS = [
    (L, "http-request deny", "HTTP"), (L, "mode http", "TCP"), (L, "return 200;", None), (L, "option forwardfor", None),
    (P, "tls = on", "yes"), (L, "session_rate = 10", "10/s"),
    (L, "max_sessions_per_source = addr 5", None), (L, "proxy_timeout = 10m", "proxy_protocol_timeout"),
    (G, "status = 9180", "127.0.0.1:9180"), (L, "bind = 5432", ":5432"),
]

MISTAKES = 15       # in one file: of more than some dozens it says only how many there are

# What is said of a good line that lacks others, or is there beside others of its kind.
ALONE = "means nothing w|given twice|bound twice|does not have this address|cannot be read|" \
        "without TLS there is no name|nothing is expected"

BASE = "[listener l]\nbind = 127.0.0.1:0\npool = p\n[pool p]\nbackend = b 192.0.2.1:80\n"


def table(title):
    """{words: what they are here} of one of the manual's."""
    text = MANUAL.read_text(encoding="ascii").split(f".Sh COMING FROM {title}\n")[1].split(".El")[0]
    return dict(re.findall(r"^\.It Li (.*)\n(.*)", text, re.M))


def section_of(n, section, line):
    """The line, and below it what makes its section whole."""
    if section == G:
        return f"[global]\n{line}\n"
    if section == L:
        bind = "" if line.startswith("bind = ") else "bind = 127.0.0.1:0\n"
        pool = "" if line.startswith("pool = ") else "pool = p\n"
        return f"[listener x{n}]\n{line}\n{bind}{pool}"
    return f"[pool x{n}]\n{line}\nbackend = b 192.0.2.1:80\n"


def answers(workdir, lines):
    """{number: what -t says to that (section, line)}, each alone in a section of its own."""
    said = {}
    for first in range(0, len(lines), MISTAKES):
        text, where = BASE, {}
        for n, (section, line) in enumerate(lines[first:first + MISTAKES]):
            where[text.count("\n") + 2] = first + n
            text += section_of(n, section, line)
        path = pathlib.Path(workdir) / "words.ini"
        path.write_text(text, encoding="ascii")
        done = proc.run([str(BINARY), "-t", "-c", str(path)], check=False)
        for number, what in re.findall(r"words\.ini:(\d+):\d+: (?:error|warning): (.*)", done.stderr):
            if int(number) in where:
                key = where[int(number)]
                what = what.replace("neither 'key = value' nor '[section]'", "no line of ours")
                said[key] = f"{said[key]}; {what}" if key in said else what
    return said


def check_rows(workdir, rows):
    """Each answer has its word; gives those that have not."""
    flat = [(section, line) for lines in rows.values() for section, line, _ in lines]
    words = [(row, word) for row, lines in rows.items() for _, _, word in lines]
    said = answers(workdir, flat)
    return [f"{row}: {flat[n][0]}: {flat[n][1]}: not '{word}': {said.get(n)}" for n, (row, word) in enumerate(words)
            if n not in said or not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", said[n].split("; ", 1)[-1])]


@pytest.mark.parametrize("title, rows", [("HAPROXY", HAPROXY), ("NGINX", NGINX)])
def test_a_line_is_answered_with_what_the_manual_says(workdir, title, rows):
    said = table(title)
    assert list(rows) == list(said), "a row for each, in their order"
    for row, lines in rows.items():
        here = said[row] if said[row] != "the same" else row
        assert all(word in here for _, _, word in lines if word != "backup"), row
    assert not check_rows(workdir, rows)


def suggestions(text):
    """(section, line) for each 'key = value' that it says."""
    pairs = re.findall(r"'([a-z_]+ = [^']+)'(?: in (?:a )?\[(\w+))?", text)
    return [(section, pair) for pair, section in pairs]


def test_what_is_suggested_is_right(workdir):
    rows = [(s, line) for t in (HAPROXY, NGINX) for lines in t.values() for s, line, _ in lines]
    rows += [(s, line) for s, line, _ in OTHERS]
    said = answers(workdir, rows)
    keys = {}
    for line in proc.run([str(BINARY), "--help-config"]).stdout.splitlines():
        section, key = line.split("\t")[:2]
        keys.setdefault(key, []).append(section)
    wanted = {}
    for n, text in said.items():
        for section, pair in suggestions(text):
            key = pair.split(" = ")[0]
            assert key in keys, f"{rows[n]}: {pair}"
            wanted.setdefault(pair, (rows[n], [section] if section else keys[key]))
    pairs = [(section, pair) for pair, (_, sections) in wanted.items() for section in sections]
    assert len(pairs) > 50
    told = answers(workdir, pairs)
    good = {pair for n, (_, pair) in enumerate(pairs) if n not in told or re.search(ALONE, told[n])}
    wrong = [f"{line} -> {pair}" for pair, (line, _) in wanted.items() if pair not in good]
    assert not wrong, wrong


def test_other_words(workdir):
    said = answers(workdir, [(s, line) for s, line, _ in OTHERS])
    wrong = [(line, said.get(n)) for n, (_, line, word) in enumerate(OTHERS)
             if n not in said or (word and word not in said[n])]
    assert not wrong, wrong
