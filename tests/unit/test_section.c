/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fits together within a section, and a listener with its pools. */
#include "unit/config_bed.h"

#include <unistd.h>

#include "base/def.h"

struct row {
	const char *listener, *pool; /* lines to put there */
	const char *said;
};

#define POOL_LINE "[pool p]\nbackend = b 192.0.2.1:80\n"

static void expect_all(struct bed *st, const struct row *rows, size_t n)
{
	char text[1024];

	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "[listener l]\nbind = :80\n%s" POOL_LINE "%s",
			 rows[i].listener, rows[i].pool);
		bed_load(st, text);
		bed_expect(st, rows[i].said);
	}
}

static void sessions_need_somewhere_to_go(void **state)
{
	static const struct row rows[] = {
		{ "", "",
		  "x.ini:1:2: error: [listener l]: neither 'pool' nor 'route' in this section, "
		  "and no [pool l]: where do sessions go?\n" },
		{ "tls = passthrough\nroute = sni a.example.com -> p\n", "", "" },
		{ "pool = p\nroute = sni a.example.com -> p\n", "",
		  "x.ini:4:30: error: [listener l] route: without TLS there is no name to route by "
		  "(tls = passthrough or terminate)\n" },
		{ "protocol = postgres\ntls = off\nroute = database a -> p\n"
		  "route = user b* -> p\n",
		  "", "" },
		{ "protocol = postgres\ntls = passthrough\nplaintext = allow\n"
		  "route = user b -> p\nroute = sni a -> p\n",
		  "", "" },
		{ "pool = p\nroute = database a -> p\nroute = user b -> p\n", "",
		  "x.ini:4:23: error: [listener l] route: what clients say is read with protocol "
		  "= postgres only\n" },
		{ "pool = p\nprotocol = postgres\nroute = database a -> p\n", "",
		  "x.ini:5:23: error: [listener l] route: who asks for TLS is to be answered "
		  "before a log-in names a pool: say tls = terminate or off\n" },
		{ "pool = p\nprotocol = postgres\ntls = passthrough\nroute = database a -> p\n", "",
		  "x.ini:6:23: error: [listener l] route: all of it is inside TLS that passes "
		  "through (tls = terminate or off, or plaintext = allow)\n" },
		{ "pool = p\nprotocol = postgres\ntls = off\nroute = database a -> p\n"
		  "route = sni a -> p\n",
		  "",
		  "x.ini:7:18: error: [listener l] route: without TLS there is no name to route by "
		  "(tls = passthrough or terminate)\n" },
		{ "pool = p\ntls = passthrough\nroute = sni a.example.com -> q\n", "",
		  "x.ini:5:30: error: [listener l] route: there is no [pool q]\n" },
		{ "pool = p\ntls = passthrough\nroute = alpn h2 -> web\n",
		  "[pool webb]\nbackend = b 192.0.2.1:80\n",
		  "x.ini:5:20: error: [listener l] route: there is no [pool web]; "
		  "did you mean 'webb'?\n" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

#define TERMINATES "pool = p\ntls = terminate\ncertificate = /x.pem\n"

static void rules_for_clients_want_certificates(void **state)
{
	static const struct row rows[] = {
		{ TERMINATES "client_verify = optional\nclient_ca = /ca.pem\nclient_allow = cn x\n"
			     "route = client_san dns:a -> p\n",
		  "", "" },
		{ TERMINATES "client_deny = cn x\n", "",
		  "x.ini:6:15: error: [listener l] client_deny: no client is asked for a "
		  "certificate (tls = terminate and client_verify = optional or require)\n" },
		{ "pool = p\nclient_allow = cn x\n", "",
		  "x.ini:4:16: error: [listener l] client_allow: no client is asked for a "
		  "certificate (tls = terminate and client_verify = optional or require)\n" },
		{ TERMINATES "route = client_san dns:a -> p\n", "",
		  "x.ini:6:29: error: [listener l] route: no client is asked for a certificate "
		  "(client_verify = optional or require)\n" },
		{ TERMINATES "client_verify = require\nclient_ca = /ca.pem\n"
			     "route = client_san uri:spiffe://a/* -> p\n"
			     "route = client_san uri:spiffe://a/b -> p\n",
		  "",
		  "x.ini:9:40: warning: [listener l] route: 'client_san uri:spiffe://a/b' is never "
		  "reached: 'client_san uri:spiffe://a/*' at x.ini:8 comes first\n" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

#define CLEAR_CLIENTS_PASS                                                                     \
	"x.ini:7:17: warning: [listener l] client_verify: clients in clear, whom plaintext = " \
	"allow lets in, are not asked for a certificate; plaintext = reject keeps them out\n"

/* Who comes in clear shows no certificate, and no rule for certificates is asked. */
static void rules_for_clients_are_for_those_in_tls(void **state)
{
	static const struct row rows[] = {
		{ TERMINATES "protocol = postgres\nclient_verify = require\nclient_ca = /ca.pem\n"
			     "client_deny = cn x\n",
		  "", "" },
		{ TERMINATES "protocol = postgres\nclient_verify = require\nclient_ca = /ca.pem\n"
			     "plaintext = allow\nclient_deny = cn x\n",
		  "",
		  CLEAR_CLIENTS_PASS
		  "x.ini:10:15: warning: [listener l] client_deny: clients in clear, "
		  "whom plaintext = allow lets in, have no certificate that it "
		  "could look at\n" },
		{ TERMINATES "protocol = postgres\nclient_verify = require\nclient_ca = /ca.pem\n"
			     "plaintext = allow\nclient_allow = cn x\nclient_deny = cn y\n"
			     "route = client_san dns:a -> p\nroute = client_san dns:b -> p\n",
		  "",
		  CLEAR_CLIENTS_PASS
		  "x.ini:10:16: warning: [listener l] client_allow: clients in clear, whom "
		  "plaintext = allow lets in, have no certificate that it could look at\n"
		  "x.ini:11:15: warning: [listener l] client_deny: clients in clear, whom "
		  "plaintext = allow lets in, have no certificate that it could look at\n"
		  "x.ini:12:29: warning: [listener l] route: clients in clear, whom "
		  "plaintext = allow lets in, have no certificate that it could look at\n" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

/* Who comes in clear is let in, whatever those in TLS have to show. */
static void clear_clients_pass_by_what_is_asked_in_tls(void **state)
{
	static const struct row rows[] = {
		{ TERMINATES "protocol = postgres\nclient_verify = require\nclient_ca = /ca.pem\n"
			     "plaintext = allow\n",
		  "", CLEAR_CLIENTS_PASS },
		{ TERMINATES "protocol = postgres\nclient_verify = optional\nclient_ca = /ca.pem\n"
			     "plaintext = allow\n",
		  "", "" },
		{ TERMINATES "client_verify = require\nclient_ca = /ca.pem\n", "", "" },
		{ "pool = p\ntls = passthrough\nprotocol = postgres\nno_sni = reject\n"
		  "plaintext = allow\n",
		  "",
		  "x.ini:6:10: warning: [listener l] no_sni: clients in clear, whom plaintext = "
		  "allow lets in, name no server; plaintext = reject keeps them out\n" },
		{ "pool = p\ntls = passthrough\nprotocol = postgres\nno_sni = reject\n", "", "" },
		{ "pool = p\ntls = passthrough\nprotocol = postgres\nno_sni = pool\n"
		  "plaintext = allow\n",
		  "", "" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

#define HIDES "protocol = postgres\ntls = off\n"
#define WITH_TLS "tls = yes\ntls_ca = /ca.pem\nprotocol = postgres\n"

/* Which it is not told, and which its clients will not like. */
static void no_tls_before_backends_with_tls_is_told(void **state)
{
	static const char said[] =
		"without tls clients that ask for TLS are told that there is none, as [pool p] has "
		"tls = yes: say tls = terminate, with a certificate, or leave tls out there, too, "
		"so that its backends answer; tls = off says that it is meant\n";
	char at_pool[512], at_tls[512];
	const struct row rows[] = {
		{ "pool = p\nprotocol = postgres\n", WITH_TLS, at_pool },
		{ "pool = p\nprotocol = postgres\ntls = auto\n", WITH_TLS, at_tls },
		{ "pool = p\nprotocol = postgres\ntls = off\n", WITH_TLS, "" },
		{ "pool = p\nprotocol = postgres\n", "", "" },
		{ "pool = p\n", "tls = yes\ntls_ca = /ca.pem\n", "" },
	};

	snprintf(at_pool, sizeof(at_pool), "x.ini:3:8: warning: [listener l]: %s", said);
	snprintf(at_tls, sizeof(at_tls), "x.ini:5:7: warning: [listener l]: %s", said);
	expect_all(*state, rows, ARRAY_LEN(rows));
}

/* Clients of PostgreSQL 17 offer postgresql alone, and its servers know no other. */
static void alpn_without_the_protocols_own_is_told(void **state)
{
	static const struct row rows[] = {
		{ TERMINATES "protocol = postgres\nalpn = h2\n", "",
		  "x.ini:7:8: warning: [listener l] alpn: lacks postgresql, all that clients of "
		  "PostgreSQL 17 and later offer: they are refused\n" },
		{ TERMINATES "protocol = postgres\nalpn = h2,postgresql1\n", "",
		  "x.ini:7:8: warning: [listener l] alpn: lacks postgresql, all that clients of "
		  "PostgreSQL 17 and later offer: they are refused\n" },
		{ TERMINATES "protocol = postgres\nalpn = h2, postgresql\n", "", "" },
		{ TERMINATES "protocol = postgres\n", "", "" },
		{ TERMINATES "alpn = h2\n", "", "" },
		{ "pool = p\n" HIDES, WITH_TLS "tls_alpn = h2\n",
		  "x.ini:11:12: warning: [pool p] tls_alpn: lacks postgresql: servers of "
		  "PostgreSQL 17 and later refuse TLS that offers something else\n" },
		{ "pool = p\n" HIDES, WITH_TLS "tls_alpn = postgresql,h2\n", "" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

/* 63 letters. */
#define LONG_NAME "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void names_that_postgres_would_cut_are_named(void **state)
{
	static const struct row rows[] = {
		{ "protocol = postgres\ntls = off\nroute = database " LONG_NAME " -> p\n"
		  "route = user " LONG_NAME "* -> p\n",
		  "", "" },
		{ "protocol = postgres\ntls = off\nroute = database " LONG_NAME "y -> p\n"
		  "route = user " LONG_NAME "yz* -> p\n",
		  "",
		  "x.ini:5:18: warning: [listener l] route: the name has 64 bytes; PostgreSQL "
		  "keeps 63 of a name, and so many are compared\n"
		  "x.ini:6:14: warning: [listener l] route: the name has 65 bytes; PostgreSQL "
		  "keeps 63 of a name, and so many are compared\n" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

static void routes_are_reachable(void **state)
{
	static const struct row rows[] = {
		{ "tls = passthrough\nroute = sni a.example.com -> p\n"
		  "route = sni A.example.com -> p\n",
		  "",
		  "x.ini:5:30: error: [listener l] route: 'sni a.example.com' given twice; "
		  "first at x.ini:4\n" },
		/* An ALPN id is not a name, and capitals count in it. */
		{ "tls = passthrough\nroute = sni h2 -> p\nroute = alpn h2 -> p\n"
		  "route = alpn H2 -> p\n",
		  "", "" },
		{ "tls = passthrough\nroute = sni *.example.com -> p\n"
		  "route = sni a.example.com -> p\nroute = sni a.b.example.com -> p\n",
		  "",
		  "x.ini:5:30: warning: [listener l] route: 'sni a.example.com' is never "
		  "reached: "
		  "'sni *.example.com' at x.ini:4 comes first\n" },
		{ "tls = passthrough\nroute = sni a.example.com -> p\n"
		  "route = sni *.example.com -> p\n",
		  "", "" },
		{ "protocol = postgres\ntls = off\nroute = database shop* -> p\n"
		  "route = database shop_eu -> p\nroute = user shop_eu -> p\n"
		  "route = database shop_us* -> p\nroute = user Shop_EU -> p\n",
		  "",
		  "x.ini:6:29: warning: [listener l] route: 'database shop_eu' is never reached: "
		  "'database shop*' at x.ini:5 comes first\n"
		  "x.ini:8:30: warning: [listener l] route: 'database shop_us*' is never reached: "
		  "'database shop*' at x.ini:5 comes first\n" },
		{ "protocol = postgres\ntls = off\nroute = user a -> p\nroute = user a -> p\n", "",
		  "x.ini:6:19: error: [listener l] route: 'user a' given twice; first at "
		  "x.ini:5\n" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

static void tls_has_what_it_needs(void **state)
{
	static const struct row rows[] = {
		{ "pool = p\ntls = terminate\n", "",
		  "x.ini:4:7: error: [listener l] tls: terminate: needs a certificate\n" },
		{ "pool = p\ntls = passthrough\nprotocol = postgres\n", "", "" },
		{ "pool = p\n", "tls = yes\n", "" },
		{ "pool = p\n", "tls = yes\ntls_certificate = /x\ntls_key = /y\n", "" },
		{ "pool = p\n", "tls = yes\ntls_key = /y\n",
		  "x.ini:7:11: error: [pool p] tls_key: there is no tls_certificate that it could "
		  "belong to\n" },
		{ "pool = p\n", "backend = u unix:/run/u\ntls = yes\n",
		  "x.ini:6:13: error: [pool p] backend: a unix socket has no name to verify "
		  "(tls_name)\n" },
		{ "pool = p\n", "backend = u unix:/run/u\ntls = yes\ntls_name = x\n", "" },
		{ "pool = p\n", "tls = yes\ntls_name = ::1\n", "" },
		{ "pool = p\n", "tls = yes\ntls_name = [::1]\n",
		  "x.ini:7:12: error: [pool p] tls_name: '[::1]': a host name has no brackets and "
		  "no port (a host name or an address)\n" },
		{ "pool = p\n", "tls = yes\ntls_name = *.x\n",
		  "x.ini:7:12: error: [pool p] tls_name: '*.x': a * stands for no host name here "
		  "(a host name or an address)\n" },
		{ "pool = p\n", "tls = yes\ntls_sni = 10.0.0.1\n",
		  "x.ini:7:11: error: [pool p] tls_sni: '10.0.0.1': an address is not asked for as "
		  "a name (RFC 6066, 3) (a host name)\n" },
		{ "pool = p\n", "tls = yes\nprotocol = postgres\n",
		  "x.ini:3:8: warning: [listener l]: is not told that clients speak PostgreSQL, as "
		  "[pool p] is (protocol = postgres); without it SCRAM's channel binding fails, "
		  "which PostgreSQL's clients use when they can\n" },
		{ "pool = p\n", "backend = u unix:/run/u\ntls = yes\ntls_verify = no\n", "" },
		{ "pool = p\ntls = passthrough\n", "tls = yes\n",
		  "x.ini:3:8: warning: [listener l]: passes TLS through to [pool p], which "
		  "puts TLS around it once more\n" },
		{ "pool = p\nprotocol = postgres\ntls = off\n", "tls = yes\n",
		  "x.ini:3:8: warning: [listener l]: speaks PostgreSQL, but [pool p] begins TLS "
		  "without an SSLRequest (protocol = postgres)\n" },
		{ "pool = p\nprotocol = postgres\ntls = off\n", "tls = yes\nprotocol = postgres\n",
		  "" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

static void a_proxy_is_trusted_by_name(void **state)
{
	static const struct row rows[] = {
		{ "pool = p\nproxy_protocol = accept\n", "",
		  "x.ini:4:18: error: [listener l] proxy_protocol: accept: needs "
		  "proxy_protocol_from, the addresses of the proxies that may say who a client "
		  "is\n" },
		{ "pool = p\nproxy_protocol = accept\nproxy_protocol_from = 10.0.0.1 10.0.0.2\n",
		  "", "" },
		{ "pool = p\nproxy_protocol = accept\nproxy_protocol_from = 10.0.0.1\n"
		  "proxy_protocol_from = 0.0.0.0/0\n",
		  "",
		  "x.ini:5:23: warning: [listener l] proxy_protocol_from: everybody may pretend "
		  "to be anybody\n" },
		{ "pool = p\nproxy_protocol = accept\nproxy_protocol_from = ::/0\n", "",
		  "x.ini:5:23: warning: [listener l] proxy_protocol_from: everybody may pretend "
		  "to be anybody\n" },
		{ "pool = p\nproxy_protocol = accept\nproxy_protocol_from = ::/1 128.0.0.0/1\n", "",
		  "" },
	};
	struct bed *st = *state;

	expect_all(st, rows, ARRAY_LEN(rows));
	bed_load(st,
		 "[listener l]\nbind = unix:/run/x\npool = p\nproxy_protocol = accept\n" POOL_LINE);
	bed_expect_good(st);
}

static void a_name_is_looked_for_where_there_is_one(void **state)
{
	static const char said[] = "x.ini:3:8: warning: [listener l]: without tls no client has a "
				   "name, and [pool p] knows them by it: it will take the source\n";
	static const struct row rows[] = {
		{ "pool = p\n", "balance = maglev\nhash = sni\n", said },
		{ "pool = p\n", "stick = sni\n", said },
		{ "pool = p\n", "balance = maglev\nhash = source\n", "" },
		{ "pool = p\ntls = passthrough\n", "stick = sni\n", "" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

static void sources_fit_backends(void **state)
{
	static const struct row rows[] = {
		{ "pool = p\n", "source = 192.0.2.9\n", "" },
		{ "pool = p\n", "source = 2001:db8::1\n",
		  "x.ini:5:13: warning: [pool p] backend: b has no source of its family: the "
		  "kernel picks one\n" },
		{ "pool = p\n", "source = 2001:db8::1 192.0.2.9\n", "" },
		{ "pool = p\n", "backend = u unix:/run/u\nsource = 192.0.2.9\n", "" },
		{ "pool = p\n", "backend = m [::ffff:192.0.2.3]:80\nsource = 192.0.2.9\n",
		  "x.ini:6:13: warning: [pool p] backend: m has no source of its family: the "
		  "kernel picks one\n" },
		{ "pool = p\n", "transparent = yes\n", "" },
		{ "pool = p\n", "transparent = yes\nsource = 192.0.2.9\n",
		  "x.ini:6:15: error: [pool p] transparent: yes: the source is the client's own, "
		  "and cannot be one of 'source', too\n" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

static void the_fast_interval_is_not_the_slow_one(void **state)
{
	struct bed *st = *state;

	bed_load(st, BED_GOOD "check = tcp\ncheck_interval = 100ms\n");
	bed_expect_good(st);
	assert_int_equal(st->config->pools[0].check.fast_interval_ms, 100);
	bed_load(st, BED_GOOD "check = tcp\n");
	bed_expect_good(st);
	assert_int_equal(st->config->pools[0].check.fast_interval_ms, 500);
	bed_load(st, BED_GOOD "check = tcp\ncheck_fast_interval = 3s\n");
	bed_expect(st, "x.ini:7:23: warning: [pool p] check_fast_interval: slower (3s) than "
		       "check_interval = 2s\n");
}

static void what_has_no_directive_is_set(void **state)
{
	struct bed *st = *state;
	const struct pool_config *p;

	bed_load(st, BED_GOOD);
	p = &st->config->pools[0];
	assert_int_equal(p->check.jitter_percent, 10);
	assert_int_equal(p->eject.window_ms, 10000);
	assert_int_equal(p->eject.window_connects_min, 10);
	assert_int_equal(p->eject.time_max_ms, 300000);
	assert_int_equal(p->eject.jitter_percent, 10);
	assert_int_equal(p->balance, BALANCE_RANDOM);
}

static void backends_are_counted(void **state)
{
	struct bed *st = *state;
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	assert_non_null(to);
	fputs("[listener l]\nbind = :80\npool = p\n[pool p]\n", to);
	for (unsigned i = 0; i <= CONFIG_BACKENDS_MAX; i++)
		fprintf(to, "backend = b%u 192.0.2.1:80\n", i);
	assert_int_equal(fclose(to), 0);
	bed_load(st, text);
	assert_null(st->config);
	assert_non_null(
		strstr(bed_said(st), "x.ini:1029:11: error: [pool p] backend: more than 1024\n"));
	free(text);
}

/* RFC 5737: TEST-NET-3 is nobody's address. */
static void a_source_that_this_machine_does_not_have_is_named(void **state)
{
	char path[] = "/tmp/ringmain-test-XXXXXX";
	struct bed *st = *state;
	FILE *to = fdopen(mkstemp(path), "w");

	assert_non_null(to);
	fputs("[listener l]\nbind = 127.0.0.1:0\npool = p\n" POOL_LINE
	      "source = 127.0.0.1 203.0.113.77\n",
	      to);
	assert_int_equal(fclose(to), 0);
	st->config = config_load(path, &st->diag, NULL, NULL);
	unlink(path);
	assert_non_null(st->config);
	assert_int_equal(st->diag.warnings_n, 1);
	assert_non_null(strstr(bed_said(st), ":6:20: warning: [pool p] source: this machine does "
					     "not have this address\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(sessions_need_somewhere_to_go),
		bed_test(rules_for_clients_are_for_those_in_tls),
		bed_test(clear_clients_pass_by_what_is_asked_in_tls),
		bed_test(no_tls_before_backends_with_tls_is_told),
		bed_test(alpn_without_the_protocols_own_is_told),
		bed_test(names_that_postgres_would_cut_are_named),
		bed_test(routes_are_reachable),
		bed_test(rules_for_clients_want_certificates),
		bed_test(tls_has_what_it_needs),
		bed_test(a_proxy_is_trusted_by_name),
		bed_test(a_name_is_looked_for_where_there_is_one),
		bed_test(sources_fit_backends),
		bed_test(the_fast_interval_is_not_the_slow_one),
		bed_test(what_has_no_directive_is_set),
		bed_test(backends_are_counted),
		bed_test(a_source_that_this_machine_does_not_have_is_named),
	};

	return cmocka_run_group_tests_name("section", tests, NULL, NULL);
}
