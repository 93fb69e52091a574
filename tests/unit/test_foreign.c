/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody is told who is new here, or comes from another balancer: one
 * message for one mistake, and the right form in it.
 */
#include "unit/config_bed.h"

enum place { GLOBAL, LISTENER, POOL, BACKEND, PLACES };

/* What stands before a line, or before an option of a backend. */
#define SECTIONS "(global, listener NAME, pool NAME, defaults listener, defaults pool)"

static const char *const heads[PLACES] = {
	[GLOBAL] = BED_GOOD "[global]\n",
	[LISTENER] = "[pool p]\nbackend = b 192.0.2.1:80\n[listener l]\nbind = "
		     ":80\npool = p\n",
	[POOL] = BED_GOOD,
	[BACKEND] = BED_GOOD "backend = c 192.0.2.2:80 ",
};

static size_t count(const char *said, const char *word)
{
	size_t n = 0;

	while ((said = strstr(said, word))) {
		said += strlen(word);
		n++;
	}
	return n;
}

static const struct {
	enum place place;
	const char *line, *advice;
} lines[] = {
	{ GLOBAL, "maxconn = 1000", "here it is 'max_sessions'" },
	{ GLOBAL, "worker_connections = 1024", "here it is 'max_sessions'" },
	{ GLOBAL, "nbthread = 4", "here it is 'workers'" },
	{ GLOBAL, "worker_processes = auto", "here it is 'workers'" },
	{ GLOBAL, "daemon = yes", "the service manager does that" },
	{ GLOBAL, "user = nobody", "the service manager does that" },
	{ GLOBAL, "log = /dev/log local0", "did you mean 'syslog'?" },
	{ GLOBAL, "access_log = /var/log/x", "here it is 'log'" },
	{ GLOBAL, "stats socket = /run/x", "here it is 'control' and ringmainctl(8)" },
	{ GLOBAL, "hard-stop-after = 5m", "here it is 'drain_timeout'" },
	{ GLOBAL, "timeout client = 5s",
	  "this belongs in a [listener NAME], where it is 'idle_timeout'" },
	{ GLOBAL, "log_level = warning", "did you mean 'warn'?" },
	{ GLOBAL, "log_level = notice", "did you mean 'info'?" },
	{ GLOBAL, "max_sessions = unlimited", "did you mean 'auto'?" },
	{ GLOBAL, "max_sessions = 10k", "did you mean '10000'?" },
	{ GLOBAL, "buffer_memory = 256MB",
	  "a number with k, M or G (68k..256G); did you mean '256M'?" },
	{ LISTENER, "maxconn = 1000", "here it is 'max_sessions'" },
	{ LISTENER, "timeout client = 5s", "here it is 'idle_timeout'" },
	{ LISTENER, "timeout server = 5s", "here it is 'idle_timeout'" },
	{ LISTENER, "timeout = 5s", "here it is 'idle_timeout'" },
	{ LISTENER, "timeout connect = 5s",
	  "this belongs in a [pool NAME], where it is 'connect_timeout'" },
	{ LISTENER, "balance = roundrobin", "this belongs in a [pool NAME]" },
	{ LISTENER, "mode = tcp", "there is only TCP" },
	{ LISTENER, "option = tcplog", "each session has its line" },
	{ LISTENER, "option = abortonclose", "there is a directive for each" },
	{ LISTENER, "proxy_timeout = 5s",
	  "here it is 'idle_timeout' if it is nginx's, or 'proxy_protocol_timeout', which was "
	  "called so before" },
	{ LISTENER, "server = a 192.0.2.1:80", "servers are 'backend' lines of a [pool NAME]" },
	{ LISTENER, "ssl = yes", "here it is 'tls'" },
	{ LISTENER, "ssl_certificate = x.pem", "here it is 'certificate'" },
	{ LISTENER, "ssl_preread = on", "here it is 'tls'" },
	{ LISTENER, "acl = x src 10.0.0.0/8", "here it is 'allow' or 'deny', with the addresses" },
	{ LISTENER, "so_keepalive = on", "here it is 'keepalive'" },
	{ LISTENER, "limit_conn = 5", "here it is 'max_sessions_per_source'" },
	{ LISTENER, "retries = 3", "this belongs in a [pool NAME], where it is 'connect_tries'" },
	{ LISTENER, "keepalive = on", "did you mean 'yes'?" },
	{ LISTENER, "keepalive = false", "did you mean 'no'?" },
	{ LISTENER, "idle_timeout = 5min",
	  "a number with ms, s, m, h or d (0, 10ms..365d); did you mean "
	  "'5m'?" },
	{ LISTENER, "idle_timeout = 1h30m", "did you mean '90m'?" },
	{ LISTENER, "idle_timeout = never", "did you mean '0'?" },
	{ LISTENER, "idle_timeout = 5s;", "did you mean '5s'?" },
	{ LISTENER, "idle_timeout == 5s", "did you mean '5s'?" },
	{ LISTENER, "keepalive_idle = 1.5s",
	  "'1.5s' is not a duration, a number with ms, s, m, h or d "
	  "(1s..32767s)\n" },
	{ LISTENER, "session_rate = 100r/s", "did you mean '100/s'?" },
	{ LISTENER, "bandwidth = 10MB/s", "did you mean '10M/s'?" },
	{ LISTENER, "allow = 10.0.0.1/8", "did you mean '10.0.0.0/8'?" },
	{ LISTENER, "deny = 2001:db8::1/32", "did you mean '2001:db8::/32'?" },
	{ LISTENER, "allow = 10.0.0.0/255.0.0.0", "did you mean '10.0.0.0/8'?" },
	{ LISTENER, "allow = any", "did you mean 'all'?" },
	{ LISTENER, "allow = 10.0.0.0/8, 192.168.0.0/16",
	  "separate them by blanks, without commas (ADDRESS, "
	  "ADDRESS/BITS, all, file:PATH); did you mean '10.0.0.0/8 192.168.0.0/16'?" },
	{ LISTENER, "allow = 10.0.0.0/8,192.168.0.0/16",
	  "did you mean '10.0.0.0/8 192.168.0.0/16'?" },
	{ LISTENER, "bind = :81, :82", "without commas; each bind has a line of its own" },
	{ LISTENER, "bind = 8081", "did you mean ':8081'?" },
	{ LISTENER, "bind = tcp://192.0.2.1:81", "did you mean '192.0.2.1:81'?" },
	{ LISTENER, "bind = :443 ssl crt /x.pem", "unknown option 'ssl'; write tls = terminate" },
	{ LISTENER, "bind = :443 accept-proxy", "write proxy_protocol = accept in this section" },
	{ LISTENER, "bind = :81 name foo", "unexpected 'name'" },
	{ POOL, "server = a 192.0.2.1:80", "here it is 'backend'" },
	{ POOL, "method = roundrobin", "here it is 'balance'" },
	{ POOL, "least_conn = yes", "did you mean 'balance = leastconn'?" },
	{ POOL, "balance = ip_hash", "did you mean 'maglev'?" },
	{ POOL, "balance = source", "did you mean 'maglev'?" },
	{ POOL, "balance = static-rr", "did you mean 'roundrobin'?" },
	{ POOL, "balance = least_conn", "did you mean 'leastconn'?" },
	{ POOL, "timeout connect = 5s", "here it is 'connect_timeout'" },
	{ POOL, "proxy_connect_timeout = 5s", "here it is 'connect_timeout'" },
	{ POOL, "timeout server = 5s",
	  "this belongs in a [listener NAME], where it is 'idle_timeout'" },
	{ POOL, "inter = 2s", "here it is 'check_interval'" },
	{ POOL, "max_fails = 3", "here it is 'eject_after'" },
	{ POOL, "option = redis-check", "did you mean 'check = redis' in a [pool NAME]?" },
	{ POOL, "source = 127.0.0.1, 127.0.0.2", "did you mean '127.0.0.1 127.0.0.2'?" },
	{ POOL, "source = 127.0.0.1:0", "without a port or a prefix" },
	{ POOL, "maxconn = 5", "it is an option of a backend" },
	{ POOL, "backend = 192.0.2.9:80", "a name of its own comes before the address" },
	{ POOL, "backend = 192.0.2.9:80 c", "did you mean 'c 192.0.2.9:80'?" },
	{ POOL, "backend = c 192.0.2.9:80, d 192.0.2.8:80",
	  "without commas; each backend has a line of its own" },
	{ POOL, "backend = c redis://192.0.2.9:80/0", "did you mean '192.0.2.9:80'?" },
	{ BACKEND, "check inter 2s fall 3 rise 2",
	  "unknown option 'check'; write check = tcp in this section" },
	{ BACKEND, "maxconn=100", "here it is 'max_sessions='" },
	{ BACKEND, "max_conns=100", "here it is 'max_sessions='" },
	{ BACKEND, "weight 2", "unexpected 'weight'" },
	{ BACKEND, "weight:2", "did you mean 'weight=2'?" },
	{ BACKEND, "weight = 2", "did you mean 'weight=2'?" },
	{ BACKEND, "weight =2 max_sessions=1", "did you mean 'weight=2'?" },
	{ BACKEND, "weight =", "did you mean 'weight='?" },
	{ BACKEND, "down", "here it is 'weight=0'" },
	{ BACKEND, "send-proxy-v2", "write send_proxy = v2 in this section" },
	{ BACKEND, "ssl verify none", "write tls = yes" },
	{ BACKEND, "backup=yes", "'backup' has no value" },
	{ BACKEND, "wieght=2", "did you mean 'weight'?" },
};

static void a_line_is_answered_with_ours(void **state)
{
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char text[512];
		const char *said;

		snprintf(text, sizeof(text), "%s%s\n", heads[lines[i].place], lines[i].line);
		bed_load(st, text);
		said = bed_said(st);
		if (!strstr(said, lines[i].advice) || count(said, ": error: ") != 1 ||
		    count(said, ": warning: ") != 0)
			fail_msg("%s: %s", lines[i].line, said);
	}
}

struct row {
	const char *text, *said;
};

static void expect_rows(struct bed *st, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bed_load(st, rows[i].text);
		bed_expect(st, rows[i].said);
	}
}

/* What comes after such a head is nobody's, and not worth a word. */
static void other_languages_are_recognised(void **state)
{
	static const struct row rows[] = {
		{ "frontend web\n  bind *:80\n",
		  "x.ini:1:1: error: neither 'key = value' nor '[section]'; here "
		  "it is '[listener NAME]'\n"
		  "x.ini:2:3: error: neither 'key = value' nor '[section]'; did "
		  "you mean 'bind = *:80'?\n" },
		{ "stream {\n  server {\n    listen 80;\n    proxy_pass app;\n  "
		  "}\n}\n",
		  "x.ini:1:1: error: neither 'key = value' nor '[section]'; "
		  "there is none around [listener NAME] and [pool NAME]\n"
		  "x.ini:2:3: error: neither 'key = value' nor '[section]'; here "
		  "it is '[listener NAME]'\n"
		  "x.ini:3:5: error: neither 'key = value' nor '[section]'; did "
		  "you mean 'bind = :80'?\n"
		  "x.ini:4:5: error: neither 'key = value' nor '[section]'; did "
		  "you mean 'pool = app'?\n" },
		{ "listener web:\n  bind: :80\n",
		  "x.ini:1:1: error: neither 'key = value' nor '[section]'; did "
		  "you mean '[listener web]'?\n"
		  "x.ini:2:3: error: neither 'key = value' nor '[section]'; did "
		  "you mean 'bind = :80'?\n" },
		{ "// mine\n", "x.ini:1:1: error: neither 'key = value' nor '[section]'; a "
			       "comment begins with ';' or '#'\n" },
		{ "[listener:l]\nbind = :80\n",
		  "x.ini:1:2: error: unknown section 'listener:l' (global, listener NAME, "
		  "pool NAME, defaults listener, defaults pool); a blank comes before the name\n" },
		{ "[backend app]\nserver = a 192.0.2.1:80\n",
		  "x.ini:1:2: error: unknown section 'backend' " SECTIONS
		  "; here it is '[pool NAME]'\n" },
		{ "[upstream app]\n", "x.ini:1:2: error: unknown section 'upstream' " SECTIONS
				      "; here it is '[pool NAME]'\n" },
		{ "[listen app]\n", "x.ini:1:2: error: unknown section 'listen' " SECTIONS
				    "; here it is a [listener NAME] and a [pool NAME]\n" },
		{ "[defaults]\ntimeout = 5s\n", "x.ini:1:2: error: [defaults]: of what? ([defaults "
						"listener], [defaults pool])\n" },
	};

	expect_rows(*state, rows, ARRAY_LEN(rows));
}

/* What is suggested is no mistake itself; bare times are in the unit of whose word it is. */
static void a_pair_is_suggested_as_it_is_taken(void **state)
{
#define NEITHER "x.ini:1:1: error: neither 'key = value' nor '[section]'; "
	static const struct row rows[] = {
		{ "session_rate 10\n", NEITHER "did you mean 'session_rate = 10/s'?\n" },
		{ "bind 5432\n", NEITHER "did you mean 'bind = :5432'?\n" },
		{ "balance source\n", NEITHER "did you mean 'balance = maglev'?\n" },
		{ "timeout client 5000\n", NEITHER "did you mean 'idle_timeout = 5000ms'?\n" },
		{ "proxy_timeout 600;\n", NEITHER "did you mean 'idle_timeout = 600s'?\n" },
		{ "limit_conn addr 5;\n", NEITHER "here it is 'max_sessions_per_source'\n" },
		{ "tls many\n", NEITHER "tls: unknown value 'many' (off, passthrough, terminate, "
					"auto)\n" },
		{ "stick-table type ip\n", NEITHER "here it is 'stick_table' and 'stick_time', "
						   "beside 'stick'\n" },
	};
#undef NEITHER

	expect_rows(*state, rows, ARRAY_LEN(rows));
}

static void a_cause_is_told_without_its_consequences(void **state)
{
	static const struct row rows[] = {
		/* a pool whose head is wrong */
		{ "[listener l]\nbind = :80\npool = p\n[pool p\nbackend = b "
		  "192.0.2.1:80\n",
		  "x.ini:4:8: error: a ']' is missing at the end of the "
		  "section's head\n" },
		/* of another language */
		{ "[listener l]\nbind = :80\npool = p\n[backend p]\nbackend = b "
		  "192.0.2.1:80\n",
		  "x.ini:4:2: error: unknown section 'backend' (global, listener NAME, "
		  "pool NAME, defaults listener, defaults pool); here it is '[pool NAME]'\n" },
		/* misspelt */
		{ "[listener l]\nbind = :80\npool = p\n[poool p]\nbackend = b "
		  "192.0.2.1:80\n",
		  "x.ini:4:2: error: unknown section 'poool' (global, listener NAME, "
		  "pool NAME, defaults listener, "
		  "defaults pool); did you mean 'pool'?\n" },
		/* without a name */
		{ "[listener l]\nbind = :80\npool = p\n[pool]\nbackend = b "
		  "192.0.2.1:80\n",
		  "x.ini:4:6: error: [pool]: a name is missing\n" },
		/* with a bad name */
		{ "[listener l]\nbind = :80\npool = p\n[pool \"p\"]\nbackend = b "
		  "192.0.2.1:80\n",
		  "x.ini:4:7: error: [pool \"p\"]: '\"p\"' is not a name "
		  "(letters, digits, '_', '.', '-'); did you mean 'p'?\n" },
		/* what a section needs, under another name */
		{ "[listener l]\nlisten = :80\nproxy_pass = p\n[pool p]\nserver "
		  "= b 192.0.2.1:80\n",
		  "x.ini:2:1: error: [listener l] listen: unknown directive; "
		  "here it is 'bind'\n"
		  "x.ini:3:1: error: [listener l] proxy_pass: unknown directive; "
		  "here it is 'pool'\n"
		  "x.ini:5:1: error: [pool p] server: unknown directive; here it "
		  "is 'backend'\n" },
		/* or misspelt */
		{ "[listener l]\nbnid = :80\npool = p\n[pool p]\nbakend = b "
		  "192.0.2.1:80\n",
		  "x.ini:2:1: error: [listener l] bnid: unknown directive; did "
		  "you mean 'bind'?\n"
		  "x.ini:5:1: error: [pool p] bakend: unknown directive; did you "
		  "mean 'backend'?\n" },
		/* a value that is no good means something all the same */
		{ "[listener l]\nbind = :80\npool = p\nsource_prefix4 = "
		  "many\n[pool p]\nbackend = b 192.0.2.1:80\n",
		  "x.ini:4:18: error: [listener l] source_prefix4: 'many' is not "
		  "a number (1..32)\n" },
		/* a pool that is missing is missing */
		{ "[listener l]\nbind = :80\npool = p\n[pool q]\nbackend = b "
		  "192.0.2.1:80\n",
		  "x.ini:3:8: error: [listener l] pool: there is no [pool p]\n" },
	};

	expect_rows(*state, rows, ARRAY_LEN(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_line_is_answered_with_ours),
		bed_test(other_languages_are_recognised),
		bed_test(a_pair_is_suggested_as_it_is_taken),
		bed_test(a_cause_is_told_without_its_consequences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
