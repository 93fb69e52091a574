/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys that mean nothing where they stand. */
#include "unit/config_bed.h"

#include "base/def.h"

/* One line more in a good listener and in a good pool, which may be empty. */
static void load_with(struct bed *st, const char *listener, const char *pool)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "[listener l]\nbind = :80\npool = p\n%s\n[pool p]\nbackend = b 192.0.2.1:80\n%s\n",
		 listener, pool);
	bed_load(st, text);
}

/* A line alone, and what it lacks. */
static const struct idle {
	const char *line, *missing;
} idle_listeners[] = {
	{ "proxy_protocol_from = 10.0.0.1", "without proxy_protocol = accept" },
	{ "proxy_protocol_timeout = 1s", "without proxy_protocol = accept" },
	{ "certificate = /x.pem", "without tls = terminate" },
	{ "unknown_sni = reject", "without tls = terminate" },
	{ "alpn = h2", "without tls = terminate" },
	{ "tls_min = 1.3", "without tls = terminate" },
	{ "tls_max = 1.3", "without tls = terminate" },
	{ "ciphers = x", "without tls = terminate" },
	{ "groups = x", "without tls = terminate" },
	{ "tickets = no", "without tls = terminate" },
	{ "client_verify = require", "without tls = terminate" },
	{ "client_ca = /x.pem", "without tls = terminate" },
	{ "client_crl = /x.pem", "without tls = terminate" },
	{ "handshake_rate = 1/s", "without tls = terminate" },
	{ "no_sni = reject", "without tls = passthrough or terminate" },
	{ "not_tls = pool", "without tls = passthrough" },
	{ "plaintext = allow", "without protocol = postgres and tls = passthrough or terminate" },
	{ "handshake_timeout = 1s", "without tls or protocol" },
	{ "source_prefix4 = 24", "without max_sessions_per_source or session_rate_per_source" },
	{ "source_prefix6 = 48", "without max_sessions_per_source or session_rate_per_source" },
	{ "source_table = 16", "without max_sessions_per_source or session_rate_per_source" },
	{ "over_limit = drop", "without max_sessions_per_source or session_rate_per_source" },
};

static const struct idle idle_pools[] = {
	{ "hash = sni", "without balance = maglev" },
	{ "hash_balance = 125", "without balance = maglev" },
	{ "hash_table = 65537", "without balance = maglev" },
	{ "stick_table = 16", "without stick" },
	{ "stick_time = 2h", "without stick" },
	{ "min_ready = 2", "without backends of another tier" },
	{ "overflow = yes", "without backends of another tier" },
	{ "queue = 1", "while no backend has max_sessions" },
	{ "queue_timeout = 1s", "without queue" },
	{ "send_proxy_tlvs = yes", "without send_proxy = v2" },
	{ "check_interval = 1s", "without check" },
	{ "check_fast_interval = 1s", "without check" },
	{ "check_timeout = 2s", "without check" },
	{ "check_fall = 1", "without check" },
	{ "check_rise = 1", "without check" },
	{ "check_port = 1", "without check" },
	{ "check_address = 10.0.0.1", "without check" },
	{ "on_down = reset", "without check" },
	{ "fence = yes", "without role or max_lag" },
	{ "failback = yes", "without role or max_lag" },
	{ "hold_max = 5", "without hold" },
	{ "hold_rate = 5/s", "without hold" },
	{ "check_step = expect x", "without check = expect" },
	{ "check_tls = no", "without a check that says something" },
	{ "tls_verify = no", "without tls = yes" },
	{ "tls_ca = /x.pem", "without tls = yes" },
	{ "tls_crl = /x.pem", "without tls = yes" },
	{ "tls_name = x", "without tls = yes" },
	{ "tls_sni = x", "without tls = yes" },
	{ "tls_alpn = x", "without tls = yes" },
	{ "tls_tickets = no", "without tls = yes" },
	{ "tls_certificate = /x.pem", "without tls = yes" },
	{ "direct_tls = yes", "without protocol = postgres and tls = yes" },
	{ "tls_shared = yes", "without protocol = postgres and tls = yes" },
};

static void a_key_alone_is_warned_of(void **state)
{
	struct bed *st = *state;
	char said[256];

	for (size_t i = 0; i < ARRAY_LEN(idle_listeners); i++) {
		size_t n = strcspn(idle_listeners[i].line, " ");

		load_with(st, idle_listeners[i].line, "");
		snprintf(said, sizeof(said),
			 "x.ini:4:%zu: warning: [listener l] %.*s: means nothing %s\n", n + 4,
			 (int)n, idle_listeners[i].line, idle_listeners[i].missing);
		bed_expect(st, said);
	}
	for (size_t i = 0; i < ARRAY_LEN(idle_pools); i++) {
		size_t n = strcspn(idle_pools[i].line, " ");

		load_with(st, "", idle_pools[i].line);
		snprintf(said, sizeof(said),
			 "x.ini:7:%zu: warning: [pool p] %.*s: means nothing %s\n", n + 4, (int)n,
			 idle_pools[i].line, idle_pools[i].missing);
		bed_expect(st, said);
	}
}

static void a_switch_takes_the_meaning_away(void **state)
{
	struct bed *st = *state;

	load_with(st, "keepalive = no\nkeepalive_idle = 2h", "");
	bed_expect(st, "x.ini:5:18: warning: [listener l] keepalive_idle: means nothing with "
		       "keepalive = no\n");
	load_with(st, "protocol = postgres\nno_sni = reject\nplaintext = allow", "");
	bed_expect(st, "x.ini:5:10: warning: [listener l] no_sni: means nothing without tls = "
		       "passthrough or terminate\n"
		       "x.ini:6:13: warning: [listener l] plaintext: means nothing without "
		       "protocol = postgres and tls = passthrough or terminate\n");
	load_with(st, "", "balance = first\nslow_start = 1s");
	bed_expect(st, "x.ini:8:14: warning: [pool p] slow_start: means nothing with balance = "
		       "maglev or first\n");
	load_with(st, "", "eject_after = 0\neject_percent = 0\neject_time = 1m");
	bed_expect(st, "x.ini:9:14: warning: [pool p] eject_time: means nothing with "
		       "eject_after = 0 and eject_percent = 0\n");
	load_with(st, "", "eject_after = 0\neject_time = 1m");
	bed_expect_good(st);
}

static void beside_what_they_need_they_mean_something(void **state)
{
	static const struct {
		const char *listener, *pool;
	} rows[] = {
		{ "proxy_protocol = accept\n"
		  "proxy_protocol_from = 10.0.0.1\nproxy_protocol_timeout = 1s",
		  "" },
		{ "tls = terminate\ncertificate = /x.pem\nclient_verify = require\n"
		  "client_ca = /y.pem\nhandshake_rate = 1/s\nno_sni = reject",
		  "" },
		{ "tls = passthrough\nno_sni = reject\nnot_tls = pool\nhandshake_timeout = 1s",
		  "" },
		{ "tls = passthrough\nprotocol = postgres\nplaintext = allow", "" },
		{ "protocol = postgres\nhandshake_timeout = 1s", "" },
		{ "max_sessions_per_source = 1\nsource_prefix4 = 24\nover_limit = drop", "" },
		{ "session_rate_per_source = 1/s\nsource_prefix6 = 48\nsource_table = 16", "" },
		{ "", "balance = maglev\nhash = destination\nhash_table = 65537" },
		{ "", "stick = source\nstick_table = 16\nstick_time = 2h" },
		{ "", "backend = c 192.0.2.2:80 backup\nmin_ready = 2" },
		{ "", "backend = c 192.0.2.2:80 max_sessions=1\nqueue = 1\nqueue_timeout = 1s" },
		{ "", "check = postgres\nqueue = 1" },
		{ "", "check = redis\nqueue = 1\nqueue_timeout = 1s" },
		{ "", "send_proxy = v2\nsend_proxy_tlvs = yes" },
		{ "", "check = tcp\ncheck_interval = 1s\ncheck_fall = 1" },
		{ "protocol = postgres\ntls = off",
		  "tls = yes\ntls_ca = /x.pem\nprotocol = postgres\ndirect_tls = yes\n"
		  "tls_shared = yes" },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		load_with(st, rows[i].listener, rows[i].pool);
		bed_expect_good(st);
	}
}

/* Two times, and one is over before the other could do anything. */
static void times_that_contradict_each_other_are_warned_of(void **state)
{
	static const struct {
		const char *lines, *said;
	} rows[] = {
		{ "keepalive_idle = 1h",
		  "x.ini:4:18: warning: [listener l] keepalive_idle: keepalive can end nothing: "
		  "it takes 61m (keepalive_idle + keepalive_count * keepalive_interval), and "
		  "idle_timeout = 1h is over by then\n" },
		{ "idle_timeout = 5m\nkeepalive_count = 24",
		  "x.ini:5:19: warning: [listener l] keepalive_count: keepalive can end nothing: "
		  "it takes 5m (keepalive_idle + keepalive_count * keepalive_interval), and "
		  "idle_timeout = 5m is over by then\n" },
		{ "idle_timeout = 1m\nkeepalive_interval = 9s",
		  "x.ini:5:22: warning: [listener l] keepalive_interval: keepalive can end "
		  "nothing: it takes 114s (keepalive_idle + keepalive_count * "
		  "keepalive_interval), and idle_timeout = 1m is over by then\n" },
		{ "protocol = postgres\nfirst_byte_timeout = 5s\nhandshake_timeout = 6s",
		  "x.ini:6:21: warning: [listener l] handshake_timeout: longer (6s) than all "
		  "the time for a first byte (first_byte_timeout = 5s)\n" },
		{ "first_byte_timeout = 5s\nproxy_protocol_timeout = 6s", /* one warning, not two */
		  "x.ini:5:26: warning: [listener l] proxy_protocol_timeout: means nothing "
		  "without proxy_protocol = accept\n" },
		{ "first_byte_timeout = 5s\nhandshake_timeout = 6s",
		  "x.ini:5:21: warning: [listener l] handshake_timeout: means nothing without "
		  "tls or protocol\n" },
	};
	static const char *const good[] = {
		"idle_timeout = 1m", /* keepalive is nobody's wish */
		"idle_timeout = 5m\nkeepalive_count = 23",
		"idle_timeout = 0\nkeepalive_idle = 9h",
		"idle_timeout = 1m\nkeepalive_idle = 60s",
		"first_byte_timeout = 5s",
		"protocol = postgres\nfirst_byte_timeout = 5s\nhandshake_timeout = 5s",
		"protocol = postgres\nhandshake_timeout = 20s",
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		load_with(st, rows[i].lines, "");
		bed_expect(st, rows[i].said);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		load_with(st, good[i], "");
		bed_expect_good(st);
	}
}

/* A dumped configuration has all of them in it. */
static void a_default_is_never_warned_of(void **state)
{
	struct bed *st = *state;

	load_with(st,
		  "keepalive = no\nkeepalive_idle = 60s\ntls_min = auto\nover_limit = close\n"
		  "handshake_timeout = 10000ms",
		  "hash = source/32/128\ncheck_interval = 2000ms\ntls_verify = yes");
	bed_expect_good(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_key_alone_is_warned_of),
		bed_test(a_switch_takes_the_meaning_away),
		bed_test(beside_what_they_need_they_mean_something),
		bed_test(times_that_contradict_each_other_are_warned_of),
		bed_test(a_default_is_never_warned_of),
	};

	return cmocka_run_group_tests_name("meaning", tests, NULL, NULL);
}
