/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/foreign.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/def.h"

static const struct foreign foreigners[] = {
	{ FOREIGN_SECTION, "frontend server virtualhost", "[listener NAME]", NULL },
	{ FOREIGN_SECTION, "backend upstream cluster", "[pool NAME]", NULL },
	{ FOREIGN_SECTION, "listen", NULL, "here it is a [listener NAME] and a [pool NAME]" },
	{ FOREIGN_SECTION, "defaults default", "[defaults listener]", "or '[defaults pool]'" },
	{ FOREIGN_SECTION, "stream events http main", NULL,
	  "there is none around [listener NAME] and [pool NAME]" },

	{ FOREIGN_GLOBAL, "maxconn max_connections worker_connections ulimit_n", "max_sessions",
	  NULL },
	{ FOREIGN_GLOBAL, "nbthread nbproc threads worker_processes thread_pool", "workers", NULL },
	{ FOREIGN_GLOBAL, "hard_stop_after worker_shutdown_timeout", "drain_timeout", NULL },
	{ FOREIGN_GLOBAL, "grace", "drain_delay", NULL },
	{ FOREIGN_GLOBAL, "error_log access_log logfile", "log", NULL },
	{ FOREIGN_GLOBAL, "user group chroot daemon master_worker pidfile pid", NULL,
	  "the service manager does that, see ringmain.service" },
	{ FOREIGN_GLOBAL, "stats_socket", "control", "and ringmainctl(8)" },
	{ FOREIGN_GLOBAL, "stats", "status", "and 'control'" },
	{ FOREIGN_GLOBAL, "stub_status api metrics prometheus", "status", NULL },
	{ FOREIGN_GLOBAL, "includes import", "include", NULL },
	{ FOREIGN_GLOBAL, "ssl_session_ticket_key tls_ticket_keys", "ticket_keys", NULL },

	{ FOREIGN_LISTENER, "maxconn max_connections max_conns worker_connections", "max_sessions",
	  NULL },
	{ FOREIGN_LISTENER,
	  "timeout timeout_client timeout_server timeout_tunnel client_timeout server_timeout",
	  "idle_timeout", NULL },
	{ FOREIGN_LISTENER, "proxy_timeout", "idle_timeout",
	  "if it is nginx's, or 'proxy_protocol_timeout', which was called so before" },
	{ FOREIGN_LISTENER, "timeout_client_fin timeout_server_fin", "half_close_timeout", NULL },
	{ FOREIGN_LISTENER,
	  "timeout_client_hs preread_timeout ssl_handshake_timeout tcp_request_inspect_delay",
	  "handshake_timeout", NULL },
	{ FOREIGN_LISTENER, "listen port address addr", "bind", NULL },
	{ FOREIGN_LISTENER, "default_backend proxy_pass backend upstream target", "pool", NULL },
	{ FOREIGN_LISTENER, "use_backend server_name map", "route", NULL },
	{ FOREIGN_LISTENER, "server", NULL, "servers are 'backend' lines of a [pool NAME]" },
	{ FOREIGN_LISTENER, "mode timeout_http_request timeout_http_keep_alive", NULL,
	  "there is only TCP; see 'tls' and 'protocol'" },
	{ FOREIGN_LISTENER, "log error_log access_log", NULL,
	  "each session has its line, in the 'log' of [global]; 'log_sessions' says which" },
	{ FOREIGN_LISTENER, "log_format", NULL, "'log_format' of [global] is for all" },
	{ FOREIGN_LISTENER, "ssl ssl_preread", "tls", NULL },
	{ FOREIGN_LISTENER, "crt cert ssl_certificate", "certificate", NULL },
	{ FOREIGN_LISTENER, "ssl_certificate_key key", NULL, "write certificate = FILE key=FILE" },
	{ FOREIGN_LISTENER, "ca_file ssl_client_certificate", "client_ca", NULL },
	{ FOREIGN_LISTENER, "crl_file ssl_crl", "client_crl", NULL },
	{ FOREIGN_LISTENER, "verify ssl_verify_client", "client_verify", NULL },
	{ FOREIGN_LISTENER, "ssl_protocols ssl_min_ver", "tls_min", NULL },
	{ FOREIGN_LISTENER, "ssl_ciphers ciphersuites ssl_default_bind_ciphers", "ciphers", NULL },
	{ FOREIGN_LISTENER, "curves ecdhe ssl_ecdh_curve", "groups", NULL },
	{ FOREIGN_LISTENER, "acl whitelist allowlist", "allow",
	  "or 'deny', with the addresses and without a name" },
	{ FOREIGN_LISTENER, "blacklist denylist", "deny", NULL },
	{ FOREIGN_LISTENER, "accept_proxy", "proxy_protocol", NULL },
	{ FOREIGN_LISTENER, "set_real_ip_from", "proxy_protocol_from", NULL },
	{ FOREIGN_LISTENER, "limit_conn src_conn_cur", "max_sessions_per_source", NULL },
	{ FOREIGN_LISTENER, "src_conn_rate", "session_rate_per_source", NULL },
	{ FOREIGN_LISTENER, "limit_req rate_limit maxconnrate rate_limit_sessions", "session_rate",
	  NULL },
	{ FOREIGN_LISTENER, "limit_rate proxy_download_rate proxy_upload_rate", "bandwidth", NULL },
	{ FOREIGN_LISTENER, "so_keepalive tcpka clitcpka tcp_keepalive proxy_socket_keepalive",
	  "keepalive", NULL },
	{ FOREIGN_LISTENER, "tcp_user_timeout tcp_ut", "user_timeout", NULL },
	{ FOREIGN_LISTENER, "tcp_nodelay reuseport splice", NULL,
	  "that is so without being asked for" },

	{ FOREIGN_POOL, "server servers member node host address upstream", "backend", NULL },
	{ FOREIGN_POOL, "method algorithm strategy lb_policy lb_method scheduler", "balance",
	  NULL },
	{ FOREIGN_POOL, "least_conn least_time leastconn", NULL,
	  "did you mean 'balance = leastconn'?" },
	{ FOREIGN_POOL, "round_robin roundrobin", NULL, "did you mean 'balance = roundrobin'?" },
	{ FOREIGN_POOL, "ip_hash", NULL, "did you mean 'balance = maglev'?" },
	{ FOREIGN_POOL, "random", NULL, "did you mean 'balance = random'?" },
	{ FOREIGN_POOL, "hash_balance_factor", "hash_balance", NULL },
	{ FOREIGN_POOL, "hash_type consistent", NULL, "balance = maglev is a consistent hash" },
	{ FOREIGN_POOL, "timeout_connect proxy_connect_timeout", "connect_timeout", NULL },
	{ FOREIGN_POOL, "timeout_queue maxqueue_timeout", "queue_timeout", NULL },
	{ FOREIGN_POOL, "maxqueue", "queue", NULL },
	{ FOREIGN_POOL, "timeout_check", "check_timeout", NULL },
	{ FOREIGN_POOL, "retries proxy_next_upstream_tries", "connect_tries", NULL },
	{ FOREIGN_POOL, "proxy_next_upstream_timeout", "connect_total", NULL },
	{ FOREIGN_POOL, "redispatch proxy_next_upstream", NULL,
	  "another backend is tried without being asked for, see 'connect_tries'" },
	{ FOREIGN_POOL, "health_check healthcheck tcp_check http_check", "check", NULL },
	{ FOREIGN_POOL, "inter interval", "check_interval", NULL },
	{ FOREIGN_POOL, "fastinter downinter", "check_fast_interval", NULL },
	{ FOREIGN_POOL, "fall", "check_fall", NULL },
	{ FOREIGN_POOL, "rise", "check_rise", NULL },
	{ FOREIGN_POOL, "max_fails error_limit", "eject_after", NULL },
	{ FOREIGN_POOL, "observe on_error", "eject_after", "and 'eject_percent'" },
	{ FOREIGN_POOL, "on_marked_down", "on_down", NULL },
	{ FOREIGN_POOL, "fail_timeout", "eject_time", NULL },
	{ FOREIGN_POOL, "slowstart", "slow_start", NULL },
	{ FOREIGN_POOL, "stick_on sticky", "stick", NULL },
	{ FOREIGN_POOL, "stick_table", "stick_table", "and 'stick_time', beside 'stick'" },
	{ FOREIGN_POOL, "maxconn max_conns max_sessions fullconn weight backup", NULL,
	  "it is an option of a backend: backend = NAME ADDRESS weight=2 max_sessions=100 backup" },
	{ FOREIGN_POOL, "ssl proxy_ssl", "tls", NULL },
	{ FOREIGN_POOL, "verify proxy_ssl_verify", "tls_verify", NULL },
	{ FOREIGN_POOL, "ca_file proxy_ssl_trusted_certificate", "tls_ca", NULL },
	{ FOREIGN_POOL, "sni proxy_ssl_server_name", "tls_sni", NULL },
	{ FOREIGN_POOL, "verifyhost proxy_ssl_name", "tls_name", NULL },
	{ FOREIGN_POOL, "crt proxy_ssl_certificate", "tls_certificate", NULL },
	{ FOREIGN_POOL, "proxy_protocol send_proxy_v2", "send_proxy", NULL },
	{ FOREIGN_POOL, "proxy_bind", "source", NULL },
	{ FOREIGN_POOL, "mode", NULL, "there is only TCP" },
	{ FOREIGN_POOL, "password password_file passwd auth_pass requirepass", NULL,
	  "write password_file=FILE behind check, as in check = postgres user=NAME" },
	{ FOREIGN_POOL, "from inherit inherits extends template", "like", NULL },
	{ FOREIGN_POOL, "zone resolver resolvers keepalive_requests", NULL,
	  "there is nothing to be said instead" },

	{ FOREIGN_BIND, "ssl crt", NULL,
	  "write tls = terminate and certificate = FILE in this section" },
	{ FOREIGN_BIND, "accept_proxy proxy_protocol", NULL,
	  "write proxy_protocol = accept in this section" },
	{ FOREIGN_BIND, "maxconn", NULL, "write max_sessions in this section" },
	{ FOREIGN_BIND, "backlog", NULL, "write backlog = N in this section" },
	{ FOREIGN_BIND, "verify", NULL, "write client_verify = require in this section" },
	{ FOREIGN_BIND, "ca_file", NULL, "write client_ca = FILE in this section" },
	{ FOREIGN_BIND, "crl_file", NULL, "write client_crl = FILE in this section" },
	{ FOREIGN_BIND, "tcp_ut", NULL, "write user_timeout in this section" },
	{ FOREIGN_BIND, "user uid", "owner=", NULL },
	{ FOREIGN_BIND, "gid", "group=", NULL },
	{ FOREIGN_BIND, "transparent", "freebind", NULL },
	{ FOREIGN_BIND, "reuseport so_keepalive v4v6 v6only defer_accept", NULL, "leave it out" },

	{ FOREIGN_BACKEND, "maxconn max_conns max_connections", "max_sessions=", NULL },
	{ FOREIGN_BACKEND, "check", NULL, "write check = tcp in this section" },
	{ FOREIGN_BACKEND, "inter fastinter fall rise", NULL,
	  "write check_interval, check_fall, check_rise in this section" },
	{ FOREIGN_BACKEND, "send_proxy", NULL, "write send_proxy = v1 in this section" },
	{ FOREIGN_BACKEND, "send_proxy_v2", NULL, "write send_proxy = v2 in this section" },
	{ FOREIGN_BACKEND, "ssl verify ca_file", NULL,
	  "write tls = yes, tls_verify, tls_ca in this section" },
	{ FOREIGN_BACKEND, "sni", NULL, "write tls_sni in this section" },
	{ FOREIGN_BACKEND, "max_fails", NULL, "write eject_after in this section" },
	{ FOREIGN_BACKEND, "fail_timeout", NULL, "write eject_time in this section" },
	{ FOREIGN_BACKEND, "slow_start slowstart", NULL, "write slow_start in this section" },
	{ FOREIGN_BACKEND, "source", NULL, "write source in this section" },
	{ FOREIGN_BACKEND, "port", NULL, "write check_port in this section" },
	{ FOREIGN_BACKEND, "observe error_limit on_error", NULL,
	  "write eject_after in this section" },
	{ FOREIGN_BACKEND, "on_marked_down", NULL, "write on_down in this section" },
	{ FOREIGN_BACKEND, "maxqueue", NULL, "write queue in this section" },
	{ FOREIGN_BACKEND, "down disabled", "weight=0", NULL },
	{ FOREIGN_BACKEND, "priority", "tier=", NULL },

	{ FOREIGN_BALANCE,
	  "source ip_hash hash sh mh ring_hash consistent consistent_hash uri rdp_cookie", "maglev",
	  NULL },
	{ FOREIGN_BALANCE, "static_rr rr wrr round", "roundrobin", NULL },
	{ FOREIGN_BALANCE,
	  "lc wlc least_time least_request least_connections leastconnections least", "leastconn",
	  NULL },
	{ FOREIGN_BALANCE, "p2c two power_of_two random_two", "random", NULL },
	{ FOREIGN_BALANCE, "failover active_backup priority", "first", NULL },

	{ FOREIGN_LOG_LEVEL, "warning", "warn", NULL },
	{ FOREIGN_LOG_LEVEL, "notice", "info", NULL },
	{ FOREIGN_LOG_LEVEL, "err crit critical alert emerg fatal", "error", NULL },
	{ FOREIGN_LOG_LEVEL, "trace verbose", "debug", NULL },

	{ FOREIGN_FLAG, "on true 1 enable enabled y", "yes", NULL },
	{ FOREIGN_FLAG, "off false 0 disable disabled n", "no", NULL },

	{ FOREIGN_CHECK, "password passwd pass pwd pw passphrase requirepass secret",
	  "password_file=FILE", "for passwords stand in files of their own" },
	{ FOREIGN_CHECK, "username login role", "user=", NULL },
	{ FOREIGN_CHECK, "dbname db", "database=", NULL },
	{ FOREIGN_CHECK, "uri url", "path=", NULL },
};

/* "timeout client", "Timeout-Client" and "timeout_client" are one word. */
static bool is_known_letter(char typed, char known)
{
	if (typed == '-' || typed == ' ' || typed == '\t')
		typed = '_';
	return tolower((unsigned char)typed) == known;
}

static bool is_word(const char *typed, const char *known, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (typed[i] == '\0' || !is_known_letter(typed[i], known[i]))
			return false;
	}
	return typed[n] == '\0';
}

static bool lists_word(const char *words, const char *typed)
{
	while (*words != '\0') {
		size_t n = strcspn(words, " ");

		if (is_word(typed, words, n))
			return true;
		words += n;
		words += *words == ' ';
	}
	return false;
}

const struct foreign *foreign_find(enum foreign_context place, const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(foreigners); i++) {
		if (foreigners[i].place == place && lists_word(foreigners[i].words, word))
			return &foreigners[i];
	}
	return NULL;
}

const char *foreign_ours(enum foreign_context place, const char *word)
{
	const struct foreign *found = foreign_find(place, word);

	return found ? found->ours : NULL;
}

const char *foreign_format(const struct foreign *foreign, char text[FOREIGN_TEXT_BYTES])
{
	const char *says = foreign->says ? foreign->says : "";

	if (!foreign->ours)
		snprintf(text, FOREIGN_TEXT_BYTES, "; %s", says);
	else if (foreign->says)
		snprintf(text, FOREIGN_TEXT_BYTES, "; here it is '%s' %s", foreign->ours, says);
	else
		snprintf(text, FOREIGN_TEXT_BYTES, "; here it is '%s'", foreign->ours);
	return text;
}
