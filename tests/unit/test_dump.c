/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_bed.h"

#include "base/def.h"
#include "config/directive.h"
#include "config/dump.h"

static char *dump(const struct config *config)
{
	char *text;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	assert_non_null(to);
	config_dump(config, to);
	assert_int_equal(fclose(to), 0);
	return text;
}

/* Every directive, and nothing that is a default; in the order in which they are dumped. */
static const char full[] = "[global]\n"
			   "workers = 3\n"
			   "max_sessions = 1000\n"
			   "buffer_memory = 1M\n"
			   "drain_delay = 20s\n"
			   "drain_timeout = 90s\n"
			   "log_level = debug\n"
			   "log_format = json\n"
			   "log = \"file:/var/log/ring \\\"main\\\".log\"\n"
			   "ticket_keys = /etc/ringmain/tickets\n"
			   "control = unix:/run/ringmain/c mode=0660 group=0\n"
			   "status = 127.0.0.1:9180\n"
			   "status_allow = 192.0.2.0/24\n"
			   "status_sessions = yes\n"
			   "[listener one]\n"
			   "bind = 127.0.0.1:5432\n"
			   "bind = [::1]:5432\n"
			   "bind = *:8000-8009\n"
			   "bind = db.example.com:5433\n"
			   "bind = unix:/run/one.sock\n"
			   "bind = unix:@one\n"
			   "pool = b\n"
			   "route = sni db.example.com -> b\n"
			   "route = alpn postgresql -> b\n"
			   "route = sni *.example.com -> b\n"
			   "route = database shop* -> b\n"
			   "route = user \"a b\" -> b\n"
			   "route = client_san uri:spiffe://x/* -> b\n"
			   "allow = 10.0.0.0/8\n"
			   "deny = 10.0.0.0/7\n"
			   "deny = 192.0.2.7\n"
			   "allow = 2001:db8::/32\n"
			   "deny = all\n"
			   "proxy_protocol = accept\n"
			   "proxy_protocol_from = 10.0.0.1\n"
			   "proxy_protocol_from = fd00::/8\n"
			   "proxy_protocol_timeout = 3s\n"
			   "protocol = postgres\n"
			   "tls = terminate\n"
			   "certificate = /etc/ringmain/a.pem\n"
			   "certificate = /etc/ringmain/b.pem key=/etc/ringmain/b.key\n"
			   "unknown_sni = reject\n"
			   "alpn = postgresql,h2\n"
			   "tls_min = 1.2\n"
			   "tls_max = 1.2\n"
			   "ciphers = TLS_AES_128_GCM_SHA256\n"
			   "groups = P-256:X25519\n"
			   "tickets = no\n"
			   "client_verify = require\n"
			   "client_ca = /etc/ringmain/ca.pem\n"
			   "client_crl = /etc/ringmain/crl.pem\n"
			   "client_allow = cn alice\n"
			   "client_deny = ou \"no body*\"\n"
			   "client_allow = san dns:*.example.com\n"
			   "client_allow = san uri:spiffe://example.com/ns/*\n"
			   "client_allow = fingerprint "
			   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
			   "plaintext = reject\n"
			   "handshake_timeout = 3s\n"
			   "handshake_rate = 100/s\n"
			   "first_byte_timeout = 4s\n"
			   "backlog = 10\n"
			   "max_sessions = 11\n"
			   "session_rate = 12/s\n"
			   "max_sessions_per_source = 13\n"
			   "session_rate_per_source = 14/s\n"
			   "source_prefix4 = 24\n"
			   "source_prefix6 = 48\n"
			   "source_table = 1000\n"
			   "over_limit = drop\n"
			   "bandwidth = 1M/s\n"
			   "log_sessions = unusual\n"
			   "log_interval = 5m\n"
			   "log_sample = 10\n"
			   "log_empty = no\n"
			   "log_tcp = yes\n"
			   "log_rate = 1000/s\n"
			   "relay = splice\n"
			   "idle_timeout = 0\n"
			   "half_close_timeout = 1500ms\n"
			   "close_timeout = 3s\n"
			   "keepalive_idle = 2h\n"
			   "keepalive_interval = 3s\n"
			   "keepalive_count = 4\n"
			   "user_timeout = 0\n"
			   "[listener two]\n"
			   "bind = 127.0.0.1:5434\n"
			   "route = sni db.example.com -> b\n"
			   "tls = passthrough\n"
			   "no_sni = reject\n"
			   "not_tls = pool\n"
			   "keepalive = no\n"
			   "[listener four]\n"
			   "bind = 127.0.0.1:5435\n"
			   "pool = a\n"
			   "protocol = postgres\n"
			   "tls = off\n"
			   "[pool a]\n"
			   "balance = leastconn\n"
			   "stick = source/24/56\n"
			   "stick_table = 1000\n"
			   "stick_time = 2h\n"
			   "backend = x 192.0.2.1:80 weight=0 max_sessions=9 tier=0\n"
			   "backend = y [2001:db8::1]:80 weight=256 max_sessions=0 tier=1\n"
			   "backend = z db.example.com:80 weight=1 max_sessions=0 tier=7\n"
			   "min_ready = 2\n"
			   "overflow = yes\n"
			   "slow_start = 30s\n"
			   "queue = 100\n"
			   "queue_timeout = 10s\n"
			   "source = 192.0.2.2\n"
			   "source = 2001:db8::2\n"
			   "send_proxy = v2\n"
			   "send_proxy_tlvs = yes\n"
			   "connect_timeout = 1500ms\n"
			   "connect_total = 1m\n"
			   "connect_tries = 8\n"
			   "check = redis\n"
			   "check_interval = 1s\n"
			   "check_fast_interval = 100ms\n"
			   "check_timeout = 2s\n"
			   "check_fall = 4\n"
			   "check_rise = 5\n"
			   "role = primary\n"
			   "max_lag = 10M\n"
			   "fence = no\n"
			   "failback = after 5m\n"
			   "hold = 20s\n"
			   "hold_max = 30\n"
			   "hold_rate = 40/s\n"
			   "on_down = reset\n"
			   "on_down_rate = 50/s\n"
			   "drain_timeout = 90s\n"
			   "eject_after = 6\n"
			   "eject_percent = 0\n"
			   "eject_time = 7s\n"
			   "eject_max_percent = 8\n"
			   "tls = yes\n"
			   "tls_ca = /etc/ringmain/ca.pem\n"
			   "tls_crl = /etc/ringmain/crl.pem\n"
			   "tls_name = db.example.com\n"
			   "tls_sni = other.example.com\n"
			   "tls_alpn = postgresql\n"
			   "tls_tickets = no\n"
			   "tls_certificate = /etc/ringmain/own.pem\n"
			   "tls_key = /etc/ringmain/own.key\n"
			   "protocol = postgres\n"
			   "direct_tls = yes\n"
			   "tls_shared = yes\n"
			   "[pool b]\n"
			   "balance = maglev\n"
			   "hash = sni\n"
			   "hash_balance = 125\n"
			   "hash_table = 655373\n"
			   "backend = u unix:/run/u.sock weight=1 max_sessions=0 tier=0\n"
			   "transparent = yes\n"
			   "check = expect\n"
			   "check_step = expect \"220 *\\\\n\"\n"
			   "check_step = or 221\n"
			   "check_step = fail ^4\n"
			   "check_step = send QUIT\\r\\n\n"
			   "check_step = send_hex \"00 ff\"\n"
			   "check_port = 9\n"
			   "check_address = 2001:db8::1\n"
			   "check_tls = no\n"
			   "[pool c]\n"
			   "panic = 30\n"
			   "tls_verify = no\n";

/* Its pool has TLS whose peer is not verified, which no other can. */
static const char more[] = "tls = yes\n"
			   "backend = v 192.0.2.3:80 check_address=192.0.2.4\n"
			   "[listener three]\n"
			   "bind = :1\n"
			   "pool = c\n";

/* Are all lines of @lines in @text, in this order? Names the first that is not. */
static void expect_lines(const char *text, const char *lines)
{
	const char *at = text;
	char line[128];

	while (*lines) {
		size_t n = strcspn(lines, "\n") + 1;

		snprintf(line, sizeof(line), "%.*s", (int)n, lines);
		at = strstr(at, line);
		if (!at)
			fail_msg("not dumped, or not there: %s", line);
		at += n;
		lines += n;
	}
}

static void what_is_dumped_is_what_was_read(void **state)
{
	struct bed *st = *state;
	char *text, *again, both[sizeof(full) + sizeof(more)];

	snprintf(both, sizeof(both), "%s%s", full, more);
	bed_load(st, both);
	bed_expect_good(st);
	text = dump(st->config);
	expect_lines(text, full);
	bed_load(st, text);
	bed_expect_good(st);
	again = dump(st->config);
	assert_string_equal(text, again);
	free(text);
	free(again);
}

static void defaults_are_dumped_and_load_to_themselves(void **state)
{
	struct bed *st = *state;
	char *first, *second;

	bed_load(st, BED_GOOD);
	bed_expect_good(st);
	first = dump(st->config);
	assert_non_null(strstr(first, "\nworkers = auto\n"));
	assert_non_null(strstr(first, "\nbind = *:80\n"));
	assert_non_null(
		strstr(first, "\nbackend = b 192.0.2.1:5432 weight=1 max_sessions=0 tier=0\n"));
	bed_load(st, first);
	bed_expect_good(st);
	second = dump(st->config);
	assert_string_equal(first, second);
	free(first);
	free(second);
}

static void what_has_no_default_is_left_out_unless_it_was_given(void **state)
{
	struct bed *st = *state;
	char *text, line[64];

	bed_load(st, BED_GOOD);
	text = dump(st->config);
	for (size_t i = 0; i < directives_n; i++) {
		bool is_dumped;

		snprintf(line, sizeof(line), "\n%s = ", directives[i].key);
		is_dumped = strstr(text, line);
		if (strcmp(directives[i].key, "include") != 0 && /* what it names is dumped */
		    strcmp(directives[i].key, "like") != 0)
			assert_non_null(strstr(full, line));
		if (directives[i].fallback || directives[i].required)
			assert_true(is_dumped);
		else if (strcmp(directives[i].key, "pool") != 0)
			assert_false(is_dumped);
	}
	free(text);
}

static void a_form_of_lines_comes_back_as_it_was(void **state)
{
	static const char line[] = "log_format = \"{client}; \\\"{sni}\\\" {{{msg}}\"\n";
	struct bed *st = *state;
	char text[512], *dumped;

	snprintf(text, sizeof(text),
		 "[global]\n%s[listener l]\nbind = :80\npool = p\n[pool p]\nbackend = b "
		 "192.0.2.1:80\n",
		 line);
	bed_load(st, text);
	bed_expect_good(st);
	dumped = dump(st->config);
	assert_non_null(strstr(dumped, line));
	free(dumped);
}

/* Wherever a value comes by: what the environment had is not in the file. */
static void the_environment_is_told_by_whichever_way_it_comes(void **state)
{
	struct bed *st = *state;
	char *text;

	assert_int_equal(setenv("RM_PORT", "81", 1), 0);
	bed_load(st, "[global]\nstatus_allow = 10.0.0.${RM_PORT}\n"
		     "[defaults listener]\nmax_sessions = ${RM_PORT}\n"
		     "[listener l]\nbind = :80\npool = p\n"
		     "[pool p]\nbackend = a 192.0.2.1:80\nbackend = b 192.0.2.1:${RM_PORT}\n"
		     "[pool q]\nlike = p\n[listener m]\nbind = :82\npool = q\n");
	bed_expect_good(st);
	text = dump(st->config);
	expect_lines(text, "status = off\n"
			   "status_allow = 10.0.0.81 ; x.ini:2, from the environment\n"
			   "max_sessions = 81 ; x.ini:4, defaults, from the environment\n"
			   "backend = a 192.0.2.1:80 weight=1 max_sessions=0 tier=0 ; x.ini:9, "
			   "from the environment\n"
			   "backend = a 192.0.2.1:80 weight=1 max_sessions=0 tier=0 ; x.ini:9, "
			   "like, from the environment\n"
			   "backend = b 192.0.2.1:81 weight=1 max_sessions=0 tier=0 ; x.ini:9, "
			   "like, from the environment\n");
	free(text);
}

static void the_list_of_directives_has_a_line_each(void **state)
{
	char *text, *line, *rest;
	size_t bytes, n = 0;
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	assert_non_null(to);
	config_print_directives(to);
	assert_int_equal(fclose(to), 0);
	assert_non_null(
		strstr(text, "\nlistener\tidle_timeout\t1h\t0, 10ms..365d\t-\tnew sessions\t"));
	assert_non_null(strstr(text, "\tbind\t-\t"));
	assert_non_null(strstr(text, "\trequired,repeatable\t"));
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		size_t tabs = 0;

		for (const char *c = line; *c; c++)
			tabs += *c == '\t';
		assert_int_equal(tabs, 6);
		n++;
	}
	assert_int_equal(n, directives_n);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(what_is_dumped_is_what_was_read),
		bed_test(defaults_are_dumped_and_load_to_themselves),
		bed_test(what_has_no_default_is_left_out_unless_it_was_given),
		bed_test(a_form_of_lines_comes_back_as_it_was),
		bed_test(the_environment_is_told_by_whichever_way_it_comes),
		bed_test(the_list_of_directives_has_a_line_each),
	};

	return cmocka_run_group_tests_name("dump", tests, NULL, NULL);
}
