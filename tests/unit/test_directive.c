/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_bed.h"

#include "base/def.h"
#include "config/directive.h"
#include "config/foreign.h"
#include "config/value.h"

static void every_row_is_complete(void **state)
{
	char allowed[DIRECTIVE_ALLOWED_BYTES];

	(void)state;
	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		assert_non_null(d->help);
		assert_null(strpbrk(d->help, "\t\n"));
		assert_non_null(d->type->set);
		assert_non_null(d->type->print);
		assert_true(d->type->form || d->type->allow);
		assert_int_equal(d->repeatable, d->type->count != NULL);
		assert_int_equal(d->fallback == NULL, d->required || d->repeatable || d->type->has);
		assert_false(d->required && d->type->has);
		assert_true(directive_allowed(d, allowed)[0] != '\0');
		assert_true(strlen(allowed) < DIRECTIVE_ALLOWED_BYTES - 1);
	}
}

static void a_key_is_once_in_a_section(void **state)
{
	(void)state;
	for (size_t i = 0; i < directives_n; i++)
		assert_ptr_equal(directive_find(directives[i].section, directives[i].key),
				 &directives[i]);
	assert_null(directive_find(SECTION_GLOBAL, "bind"));
}

static void words_are_as_many_as_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].type != &type_choice)
			continue;
		for (size_t j = 0; j < directives[i].words_n; j++)
			assert_non_null(directives[i].words[j]);
	}
}

/* In a configuration that is good but for this. */
static void try(struct bed *st, const struct directive *d, const char *value)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "[global]\n%s%s%s\n[listener l]\nbind = :80\npool = p\n%s%s%s\n"
		 "[pool p]\nbackend = b 192.0.2.1:80\n%s%s%s\n",
		 d->section == SECTION_GLOBAL ? d->key : "",
		 d->section == SECTION_GLOBAL ? " = " : "",
		 d->section == SECTION_GLOBAL ? value : "",
		 d->section == SECTION_LISTENER ? d->key : "",
		 d->section == SECTION_LISTENER ? " = " : "",
		 d->section == SECTION_LISTENER ? value : "",
		 d->section == SECTION_POOL ? d->key : "", d->section == SECTION_POOL ? " = " : "",
		 d->section == SECTION_POOL ? value : "");
	bed_load(st, text);
}

static void every_default_is_what_one_could_write(void **state)
{
	struct bed *st = *state;

	for (size_t i = 0; i < directives_n; i++) {
		if (!directives[i].fallback)
			continue;
		try(st, &directives[i], directives[i].fallback);
		bed_expect_good(st);
	}
}

/* Not beside another directive that goes with it: nothing is said about this one. */
static bool is_good(struct bed *st, const struct directive *d, uint64_t value)
{
	char text[TEXT_NUMBER_BYTES];

	try(st, d, d->type->format(value, text));
	return !strstr(bed_said(st), "is out of range");
}

static void quantities_keep_to_their_limits(void **state)
{
	struct bed *st = *state;

	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		if (!d->type->parse)
			continue;
		assert_true(d->min > 0);
		assert_true(d->max > d->min);
		assert_true(is_good(st, d, d->min));
		assert_true(is_good(st, d, d->max));
		assert_false(is_good(st, d, d->max + 1));
		assert_int_equal(is_good(st, d, 0), d->zero && strcmp(d->zero, "0") == 0);
		if (d->min > 1)
			assert_false(is_good(st, d, d->min - 1));
	}
}

/* A value for a key of one section, alone in a file that is good. */
#define FORMATS "logfmt, json, a text with {FIELD}s"

static const struct mistake {
	enum config_section section;
	const char *key, *value, *said;
} mistakes[] = {
	{ SECTION_GLOBAL, "workers", "0",
	  "x.ini:2:11: error: [global] workers: '0' is out of range (auto, 1..256)\n" },
	{ SECTION_GLOBAL, "workers", "many",
	  "x.ini:2:11: error: [global] workers: 'many' is not a number (auto, 1..256)\n" },
	{ SECTION_GLOBAL, "workers", "-1",
	  "x.ini:2:11: error: [global] workers: '-1' is not a number (auto, 1..256); "
	  "did you mean 'auto'?\n" },
	{ SECTION_GLOBAL, "workers", "99999999999999999999",
	  "x.ini:2:11: error: [global] workers: '99999999999999999999' is not a number "
	  "(auto, 1..256)\n" },
	{ SECTION_GLOBAL, "buffer_memory", "1GB",
	  "x.ini:2:17: error: [global] buffer_memory: '1GB' is not a size, a number with k, M or "
	  "G (68k..256G); did you mean '1G'?\n" },
	{ SECTION_GLOBAL, "log_level", "warning",
	  "x.ini:2:13: error: [global] log_level: unknown value 'warning' "
	  "(error, warn, info, debug); "
	  "did you mean 'warn'?\n" },
	{ SECTION_GLOBAL, "log_format", "jason",
	  "x.ini:2:14: error: [global] log_format: unknown value 'jason' (" FORMATS "); "
	  "did you mean 'json'?\n" },
	{ SECTION_GLOBAL, "log_format", "",
	  "x.ini:2:13: error: [global] log_format: no value (" FORMATS ")\n" },
	{ SECTION_LISTENER, "idle_timeout", "10",
	  "x.ini:6:16: error: [listener l] idle_timeout: '10' is not a duration, a number "
	  "with ms, s, m, h or d (0, 10ms..365d); did you mean '10s'?\n" },
	{ SECTION_LISTENER, "idle_timeout", "1 h",
	  "x.ini:6:16: error: [listener l] idle_timeout: '1 h' is not a duration, a number "
	  "with ms, s, m, h or d (0, 10ms..365d); did you mean '1h'?\n" },
	{ SECTION_LISTENER, "keepalive_idle", "1500ms",
	  "x.ini:6:18: error: [listener l] keepalive_idle: '1500ms' is not a multiple of "
	  "1s (1s..32767s)\n" },
	{ SECTION_LISTENER, "keepalive", "on",
	  "x.ini:6:13: error: [listener l] keepalive: unknown value 'on' (yes, no); "
	  "did you mean 'yes'?\n" },
	{ SECTION_LISTENER, "bind", "80",
	  "x.ini:6:8: error: [listener l] bind: a port is missing "
	  "(HOST:PORT, HOST:FIRST-LAST, *:PORT or :PORT [freebind], "
	  "unix:PATH "
	  "[mode=0660] [owner=NAME] [group=NAME]); did you mean ':80'?\n" },
	{ SECTION_LISTENER, "session_rate", "100",
	  "x.ini:6:16: error: [listener l] session_rate: '100' is not a rate, a number with /s "
	  "(0, 1/s..1000000/s); did you mean '100/s'?\n" },
	{ SECTION_LISTENER, "session_rate", "100/m",
	  "x.ini:6:16: error: [listener l] session_rate: '100/m' is not a rate, a number with /s "
	  "(0, 1/s..1000000/s)\n" },
	{ SECTION_LISTENER, "session_rate", "1000001/s",
	  "x.ini:6:16: error: [listener l] session_rate: '1000001/s' is out of range "
	  "(0, 1/s..1000000/s)\n" },
	{ SECTION_LISTENER, "bandwidth", "10M",
	  "x.ini:6:13: error: [listener l] bandwidth: '10M' is not a rate, a number of bytes (k, "
	  "M or G) with /s "
	  "(0, 1k/s..1024G/s); did you mean '10M/s'?\n" },
	{ SECTION_LISTENER, "proxy_protocol", "v2",
	  "x.ini:6:18: error: [listener l] proxy_protocol: unknown value 'v2' (off, accept)\n" },
	{ SECTION_LISTENER, "tls", "terminat",
	  "x.ini:6:7: error: [listener l] tls: unknown value 'terminat' "
	  "(off, passthrough, terminate, auto); did you mean 'terminate'?\n" },
	{ SECTION_LISTENER, "allow", "10.0.0.1/8",
	  "x.ini:6:9: error: [listener l] allow: '10.0.0.1/8': bits behind the prefix are "
	  "set (ADDRESS, ADDRESS/BITS, all, file:PATH); did you mean '10.0.0.0/8'?\n" },
	{ SECTION_LISTENER, "deny", "10.0.0.1  10.0.0.2/33",
	  "x.ini:6:18: error: [listener l] deny: '10.0.0.2/33': the prefix is not in 0-32 "
	  "(ADDRESS, ADDRESS/BITS, all, file:PATH)\n" },
	{ SECTION_LISTENER, "proxy_protocol_from", "all",
	  "x.ini:6:23: error: [listener l] proxy_protocol_from: 'all': not an IPv4 or IPv6 "
	  "address (ADDRESS, ADDRESS/BITS, file:PATH)\n" },
	{ SECTION_POOL, "source", "192.0.2.1 10.0.0.1:80",
	  "x.ini:9:20: error: [pool p] source: '10.0.0.1:80' is not an address, "
	  "without a port or a prefix (ADDRESS)\n" },
	{ SECTION_POOL, "source", "0.0.0.0",
	  "x.ini:9:10: error: [pool p] source: '0.0.0.0' is not an address (ADDRESS)\n" },
	{ SECTION_POOL, "source", "eth0",
	  "x.ini:9:10: error: [pool p] source: 'eth0' is not an address (ADDRESS)\n" },
	{ SECTION_POOL, "source", "/run/x",
	  "x.ini:9:10: error: [pool p] source: '/run/x' is not an address (ADDRESS)\n" },
	{ SECTION_POOL, "hash", "sorce",
	  "x.ini:9:8: error: [pool p] hash: unknown value 'sorce' (source, source/BITS4, "
	  "source/BITS4/BITS6, sni, destination); did you mean 'source'?\n" },
	{ SECTION_POOL, "hash", "off",
	  "x.ini:9:8: error: [pool p] hash: unknown value 'off' (source, source/BITS4, "
	  "source/BITS4/BITS6, sni, destination)\n" },
	{ SECTION_POOL, "hash", "source/33",
	  "x.ini:9:8: error: [pool p] hash: 'source/33': a prefix has 1-32 bits of IPv4, "
	  "1-128 of IPv6 (source, source/BITS4, source/BITS4/BITS6, sni, destination)\n" },
	{ SECTION_POOL, "hash", "source/",
	  "x.ini:9:8: error: [pool p] hash: 'source/': a prefix has 1-32 bits of IPv4, "
	  "1-128 of IPv6 (source, source/BITS4, source/BITS4/BITS6, sni, destination)\n" },
	{ SECTION_POOL, "hash", "source/24/64/1",
	  "x.ini:9:8: error: [pool p] hash: 'source/24/64/1': a prefix has 1-32 bits of "
	  "IPv4, 1-128 of IPv6 (source, source/BITS4, source/BITS4/BITS6, sni, "
	  "destination)\n" },
	{ SECTION_POOL, "hash", "sni/24",
	  "x.ini:9:8: error: [pool p] hash: only a source has a prefix (source, "
	  "source/BITS4, source/BITS4/BITS6, sni, destination)\n" },
	{ SECTION_POOL, "stick", "destination",
	  "x.ini:9:9: error: [pool p] stick: unknown value 'destination' (off, source, "
	  "source/BITS4, source/BITS4/BITS6, sni)\n" },
	{ SECTION_POOL, "hash_table", "65536",
	  "x.ini:9:14: error: [pool p] hash_table: unknown value '65536' "
	  "(auto, 65537, 655373)\n" },
	{ SECTION_POOL, "hash_balance", "99",
	  "x.ini:9:16: error: [pool p] hash_balance: '99' is out of range "
	  "(0, 100..1000)\n" },
	{ SECTION_POOL, "send_proxy", "yes",
	  "x.ini:9:14: error: [pool p] send_proxy: unknown value 'yes' (off, v1, v2)\n" },
	{ SECTION_POOL, "balance", "leastcon",
	  "x.ini:9:11: error: [pool p] balance: unknown value 'leastcon' (roundrobin, "
	  "leastconn, random, maglev, first); did you mean 'leastconn'?\n" },
};

static void values_that_mean_nothing_are_named(void **state)
{
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
		try(st, directive_find(mistakes[i].section, mistakes[i].key), mistakes[i].value);
		bed_expect(st, mistakes[i].said);
	}
}

static void a_backend_line_says_which_word_is_wrong(void **state)
{
	static const char form[] = " (" BED_BACKEND_FORM ")";
	static const struct {
		const char *value;
		unsigned column;
		const char *said;
		bool has_form;
		const char *behind;
	} rows[] = {
		{ "c", 11, "a name and an address are needed", true },
		{ "c:d 192.0.2.2:80", 11, "'c:d' is not a name (letters, digits, '_', '.', '-')",
		  false, "; did you mean 'c_d'?" },
		{ "c 192.0.2.2", 13, "a port is missing", true },
		{ "c 192.0.2.2:1-2", 13, "a backend has one port, not a range", true },
		{ "c 192.0.2.2:0", 13, "there is no port 0 to connect to", true },
		{ "c :80", 13, "a backend needs one host, not any", true },
		{ "c  192.0.2.2:80  w", 28, "unexpected 'w'", true },
		{ "c 192.0.2.2:80 =1", 26, "unknown option ''", true },
		{ "c 192.0.2.2:80 weight=", 33, "weight: '' is not a number (0..256)", false },
		{ "c 192.0.2.2:80 weight=257", 33, "weight: '257' is out of range (0..256)",
		  false },
		{ "c 192.0.2.2:80 weight=1 weight=2", 35, "'weight' given twice", true },
		{ "c 192.0.2.2:80 max_sessions=-1", 39,
		  "max_sessions: '-1' is not a number (0, 1..16777216)", false,
		  "; did you mean '0'?" },
		{ "c 192.0.2.2:80 tier=8", 31, "tier: '8' is out of range (0..7)", false },
		{ "c 192.0.2.2:80 backup=1", 26, "'backup' has no value", true,
		  "; did you mean 'backup'?" },
		{ "c 192.0.2.2:80 tier=2 backup", 33, "'tier' given twice", true },
		{ "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", 11, "more than 16 words", true },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char said[320];

		snprintf(said, sizeof(said), "x.ini:9:%u: error: [pool p] backend: %s%s%s\n",
			 rows[i].column, rows[i].said, rows[i].has_form ? form : "",
			 rows[i].behind ? rows[i].behind : "");
		try(st, directive_find(SECTION_POOL, "backend"), rows[i].value);
		bed_expect(st, said);
	}
}

/* In a listener that has names to route by. */
static void try_route(struct bed *st, const char *value)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "[listener l]\nbind = :80\npool = p\ntls = passthrough\nroute = %s\n"
		 "[pool p]\nbackend = b 192.0.2.1:80\n",
		 value);
	bed_load(st, text);
}

static void a_route_says_which_word_is_wrong(void **state)
{
	static const char form[] = " (sni NAME -> POOL, sni *.NAME -> POOL, alpn ID -> POOL, "
				   "database NAME -> POOL, user NAME -> POOL, client_san "
				   "dns:NAME -> POOL, client_san uri:URI -> POOL)";
	static const struct {
		const char *value;
		unsigned column;
		const char *said, *behind;
	} rows[] = {
		{ "sni a.example.com => p", 9, "this is not a route",
		  "; did you mean 'sni a.example.com -> p'?" },
		{ "sni a.example.com p", 9, "this is not a route",
		  "; did you mean 'sni a.example.com -> p'?" },
		{ "a.example.com p", 9, "this is not a route",
		  "; did you mean 'sni a.example.com -> p'?" },
		{ "sni a.example.com -> p q", 9, "this is not a route", "" },
		{ "-> p", 9, "this is not a route", "" },
		{ "sin a.example.com -> p", 9, "unknown kind of route 'sin'",
		  "; did you mean 'sni'?" },
		{ "host a.example.com -> p", 9, "unknown kind of route 'host'", "" },
		{ "sni *example.com -> p", 13,
		  "'*example.com': a * stands for the first label only", "" },
		{ "sni * -> p", 13, "'*': a * stands for the first label only", "" },
		{ "sni a.*.com -> p", 13, "'a.*.com': a * stands for the first label only", "" },
		{ "database shop p", 9, "this is not a route",
		  "; did you mean 'database shop -> p'?" },
		{ "databse shop -> p", 9, "unknown kind of route 'databse'",
		  "; did you mean 'database'?" },
		{ "database *shop -> p", 18, "'*shop': a * stands at the end only, for any end",
		  "" },
		{ "client_san a -> p", 20, "'a' begins with neither dns: nor uri:", "" },
		{ "client_san dns:a* -> p", 20, "'dns:a*': a * stands for the first label only",
		  "" },
		{ "client_san uri:a*b -> p", 20,
		  "'uri:a*b': a * stands at the end only, for any end", "" },
		{ "user a*b* -> p", 14, "'a*b*': a * stands at the end only, for any end", "" },
		{ "sni [::1] -> p", 13, "'[::1]': a host name has no brackets and no port", "" },
		{ "sni a:443 -> p", 13, "'a:443': a host name has no brackets and no port", "" },
		{ "sni \xc3\xbc -> p", 13,
		  "'\xc3\xbc': a host name has ASCII letters only (others are xn--... in DNS)",
		  "" },
		{ "sni . -> p", 13,
		  "'.': this is no host name (letters, digits, '-' and '_', with dots between)",
		  "" },
		{ "sni *.*.com -> p", 13, "'*.*.com': a * stands for the first label only", "" },
	};
	struct bed *st = *state;
	char said[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		try_route(st, rows[i].value);
		snprintf(said, sizeof(said), "x.ini:5:%u: error: [listener l] route: %s%s%s\n",
			 rows[i].column, rows[i].said, form, rows[i].behind);
		bed_expect(st, said);
	}
	try_route(st, "sni a.example.com -> a/b");
	bed_expect(st, "x.ini:5:30: error: [listener l] route: 'a/b' is not a name "
		       "(letters, digits, '_', '.', '-'); did you mean 'a_b'?\n");
}

static void a_route_is_kept_as_it_is_compared(void **state)
{
	struct bed *st = *state;
	const struct route_config *route;

	try_route(st, "sni *.Example.COM. -> p");
	bed_expect_good(st);
	route = &st->config->listeners[0].routes[0];
	assert_string_equal(route->pattern, "*.example.com");
	assert_ptr_equal(route->pool, &st->config->pools[0]);
	try_route(st, "alpn X* -> p");
	route = &st->config->listeners[0].routes[0];
	assert_int_equal(route->kind, ROUTE_ALPN);
	assert_string_equal(route->pattern, "X*");
}

/* In a listener that asks its clients for certificates. */
static void try_client_allow(struct bed *st, const char *value)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "[listener l]\nbind = :80\npool = p\ntls = terminate\ncertificate = /x.pem\n"
		 "client_verify = require\nclient_ca = /x.pem\nclient_allow = %s\n"
		 "[pool p]\nbackend = b 192.0.2.1:80\n",
		 value);
	bed_load(st, text);
}

static void a_rule_for_clients_says_which_word_is_wrong(void **state)
{
	static const char form[] =
		" (cn NAME, ou NAME, san dns:NAME, san uri:URI, fingerprint SHA256)";
	static const struct {
		const char *value;
		unsigned column;
		const char *said, *behind;
	} rows[] = {
		{ "alice", 16, "this is not a kind of name and a name", "" },
		{ "cn alice bob", 16, "this is not a kind of name and a name", "" },
		{ "nc alice", 16, "unknown kind of name 'nc'", "; did you mean 'cn'?" },
		{ "dns a.example.com", 16, "unknown kind of name 'dns'", "" },
		{ "san a.example.com", 20,
		  "'a.example.com' begins with neither dns: nor uri:", "" },
		{ "san dns:a.*", 20, "'dns:a.*': a * stands for the first label only", "" },
		{ "san uri:a*b", 20, "'uri:a*b': a * stands at the end only, for any end", "" },
		{ "cn *a", 19, "'*a': a * stands at the end only, for any end", "" },
		{ "fingerprint 00:11", 28,
		  "'00:11' has not 64 hexadecimal digits (SHA-256), colons apart", "" },
	};
	struct bed *st = *state;
	char said[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		try_client_allow(st, rows[i].value);
		snprintf(said, sizeof(said),
			 "x.ini:8:%u: error: [listener l] client_allow: %s%s%s\n", rows[i].column,
			 rows[i].said, form, rows[i].behind);
		bed_expect(st, said);
	}
}

static void a_rule_for_clients_is_kept_as_it_is_compared(void **state)
{
	static const struct {
		const char *value, *pattern, *text;
		enum identity_kind kind;
	} rows[] = {
		{ "cn \"Alice Doe*\"", "Alice Doe*", "client_allow = cn Alice Doe*", IDENTITY_CN },
		{ "ou R&D", "R&D", "client_allow = ou R&D", IDENTITY_OU },
		{ "san dns:*.Example.COM", "*.example.com", "client_allow = san dns:*.Example.COM",
		  IDENTITY_DNS },
		{ "san uri:spiffe://A/*", "spiffe://A/*", "client_allow = san uri:spiffe://A/*",
		  IDENTITY_URI },
		{ "fingerprint "
		  "AB:cd:ef:01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:"
		  "ef:01:23:45:67:89",
		  "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789", NULL,
		  IDENTITY_FINGERPRINT },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct client_rule *rule;

		try_client_allow(st, rows[i].value);
		assert_non_null(st->config);
		assert_int_equal(st->config->listeners[0].client_rules_n, 1);
		rule = &st->config->listeners[0].client_rules[0];
		assert_true(rule->is_allowed);
		assert_int_equal(rule->kind, rows[i].kind);
		assert_string_equal(rule->pattern, rows[i].pattern);
		if (rows[i].text)
			assert_string_equal(rule->text, rows[i].text);
	}
}

static void a_certificate_line_says_which_word_is_wrong(void **state)
{
	static const struct {
		const char *value;
		unsigned column;
		const char *said;
	} rows[] = {
		{ "/a.pem /a.key", 22, "unexpected '/a.key' (FILE [key=FILE])" },
		{ "/a.pem kye=/a.key", 22,
		  "unknown option 'kye' (FILE [key=FILE]); did you mean 'key'?" },
		{ "/a.pem key=", 26, "key: the value is missing (the name of a file)" },
		{ "/a.pem key=/a key=/b", 29, "'key' given twice (FILE [key=FILE])" },
	};
	struct bed *st = *state;
	char text[256], said[256];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof(text),
			 "[listener l]\nbind = :80\npool = p\ntls = terminate\n"
			 "certificate = %s\n[pool p]\nbackend = b 192.0.2.1:80\n",
			 rows[i].value);
		bed_load(st, text);
		snprintf(said, sizeof(said), "x.ini:5:%u: error: [listener l] certificate: %s\n",
			 rows[i].column, rows[i].said);
		bed_expect(st, said);
	}
}

static void keys_of_clients_have_their_bits(void **state)
{
	static const struct {
		const char *value;
		enum client_key kind;
		unsigned bits4, bits6;
	} rows[] = {
		{ "source", CLIENT_KEY_SOURCE, 32, 128 },
		{ "source/24", CLIENT_KEY_SOURCE, 24, 128 },
		{ "source/24/56", CLIENT_KEY_SOURCE, 24, 56 },
		{ "source/1/1", CLIENT_KEY_SOURCE, 1, 1 },
		{ "sni", CLIENT_KEY_SNI, 32, 128 },
		{ "destination", CLIENT_KEY_DESTINATION, 32, 128 },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct key_config *key;

		try(st, directive_find(SECTION_POOL, "hash"), rows[i].value);
		assert_non_null(st->config);
		key = &st->config->pools[0].hash;
		assert_int_equal(key->kind, rows[i].kind);
		assert_int_equal(key->bits4, rows[i].bits4);
		assert_int_equal(key->bits6, rows[i].bits6);
	}
}

static void backup_is_the_second_tier(void **state)
{
	struct bed *st = *state;

	try(st, directive_find(SECTION_POOL, "backend"), "c 192.0.2.2:80 backup weight=2");
	bed_expect_good(st);
	assert_int_equal(st->config->pools[0].backends[0].tier, 0);
	assert_int_equal(st->config->pools[0].backends[1].tier, 1);
	assert_int_equal(st->config->pools[0].backends[1].weight, 2);
}

static void a_misspelt_option_is_recognised(void **state)
{
	struct bed *st = *state;

	try(st, directive_find(SECTION_POOL, "backend"), "c 192.0.2.2:80 wieght=2");
	assert_non_null(strstr(bed_said(st), "unknown option 'wieght'"));
	assert_non_null(strstr(bed_said(st), "; did you mean 'weight'?\n"));
}

static void what_a_directive_was_called_before_is_read_with_a_warning(void **state)
{
	struct bed *st = *state;

	bed_load(st, "[listener l]\nbind = :1\npool = p\nproxy = accept\n"
		     "proxy_from = 10.0.0.1\nproxy_protocol_from = 10.0.0.2\n"
		     "[pool p]\nbackend = b 10.0.0.9:1\n");
	bed_expect(st, "x.ini:4:1: warning: [listener l] proxy: it is called 'proxy_protocol' "
		       "now; the next release knows no other name\n"
		       "x.ini:5:1: warning: [listener l] proxy_from: it is called "
		       "'proxy_protocol_from' now; the next release knows no other name\n");
	assert_non_null(st->config);
	assert_int_equal(st->config->listeners[0].proxy_protocol, PROXY_HEADER_ACCEPT);
	assert_int_equal(st->config->listeners[0].proxy_protocol_from_n, 2);
}

static void under_both_names_it_is_given_twice(void **state)
{
	struct bed *st = *state;

	bed_load(st, "[listener l]\nbind = :1\npool = p\nproxy_protocol = off\n"
		     "proxy = accept\n[pool p]\nbackend = b 10.0.0.9:1\n");
	bed_expect(st, "x.ini:5:1: warning: [listener l] proxy: it is called 'proxy_protocol' "
		       "now; the next release knows no other name\n"
		       "x.ini:5:1: error: [listener l] proxy_protocol: given twice; first at "
		       "x.ini:4\n");
}

/* In the section that it belongs to, and in no other. */
static void old_names_are_nobody_elses(void **state)
{
	struct bed *st = *state;

	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		if (!d->old_key)
			continue;
		assert_null(directive_find(d->section, d->old_key));
		assert_ptr_equal(directive_find_old(d->section, d->old_key), d);
		assert_null(foreign_find((enum foreign_context)d->section, d->old_key));
	}
	bed_load(st, "[listener l]\nbind = :1\npool = p\n"
		     "[pool p]\nbackend = b 10.0.0.9:1\nproxy_from = 10.0.0.1\n");
	bed_expect(st, "x.ini:6:1: error: [pool p] proxy_from: this belongs in a [listener "
		       "NAME], where it is 'proxy_protocol_from'\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(what_a_directive_was_called_before_is_read_with_a_warning),
		bed_test(under_both_names_it_is_given_twice),
		bed_test(old_names_are_nobody_elses),
		bed_test(every_row_is_complete),
		bed_test(a_key_is_once_in_a_section),
		bed_test(words_are_as_many_as_values),
		bed_test(every_default_is_what_one_could_write),
		bed_test(quantities_keep_to_their_limits),
		bed_test(values_that_mean_nothing_are_named),
		bed_test(a_backend_line_says_which_word_is_wrong),
		bed_test(a_misspelt_option_is_recognised),
		bed_test(a_route_says_which_word_is_wrong),
		bed_test(a_route_is_kept_as_it_is_compared),
		bed_test(a_rule_for_clients_says_which_word_is_wrong),
		bed_test(a_rule_for_clients_is_kept_as_it_is_compared),
		bed_test(a_certificate_line_says_which_word_is_wrong),
		bed_test(keys_of_clients_have_their_bits),
		bed_test(backup_is_the_second_tier),
	};

	return cmocka_run_group_tests_name("directive", tests, NULL, NULL);
}
