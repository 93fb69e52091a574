/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/client_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PRINT "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"

/* As identity_read() writes it; the end of the literal is the zero that ends it. */
static const char alice[] = "cAlice\0oR&D\0oOps\0dalice.example.com\0d*.shard.example.com\0"
			    "uspiffe://example.com/ns/prod/sa/alice\0f" PRINT "\0";

static const struct {
	enum identity_kind kind;
	const char *pattern;
	bool fits;
} patterns[] = {
	{ IDENTITY_CN, "Alice", true },
	{ IDENTITY_CN, "alice", false },
	{ IDENTITY_CN, "Al*", true },
	{ IDENTITY_CN, "*", true },
	{ IDENTITY_CN, "Alice Doe", false },
	{ IDENTITY_CN, "R&D", false },
	{ IDENTITY_OU, "R&D", true },
	{ IDENTITY_OU, "Ops", true },
	{ IDENTITY_OU, "Op", false },
	{ IDENTITY_DNS, "alice.example.com", true },
	{ IDENTITY_DNS, "*.example.com", true },
	{ IDENTITY_DNS, "*.com", false },
	{ IDENTITY_DNS, "example.com", false },
	{ IDENTITY_DNS, "a.shard.example.com", false },
	{ IDENTITY_DNS, "*.shard.example.com", true },
	{ IDENTITY_URI, "spiffe://example.com/ns/prod/sa/alice", true },
	{ IDENTITY_URI, "spiffe://example.com/ns/prod/*", true },
	{ IDENTITY_URI, "spiffe://example.com/ns/dev/*", false },
	{ IDENTITY_URI, "alice.example.com", false },
	{ IDENTITY_FINGERPRINT, PRINT, true },
	{ IDENTITY_FINGERPRINT, "0" PRINT, false },
};

static void names_of_a_certificate_fit_patterns_of_their_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		if (identity_fits(alice, patterns[i].kind, patterns[i].pattern) != patterns[i].fits)
			fail_msg("%s", patterns[i].pattern);
		assert_false(identity_fits(NULL, patterns[i].kind, patterns[i].pattern));
		assert_false(identity_fits("", patterns[i].kind, patterns[i].pattern));
	}
}

/* The rules are "+cn" or "-cn" of these names; what decides is the index of one, or -1. */
static void the_first_rule_that_fits_decides(void **state)
{
	static const struct {
		const char *rules[3];
		int decides;
		bool is_allowed;
	} rows[] = {
		{ { NULL }, -1, true },
		{ { "+Alice" }, 0, true },
		{ { "-Alice" }, 0, false },
		{ { "+Bob" }, -1, false },
		{ { "-Bob" }, -1, true },
		{ { "-Bob", "+Carol" }, -1, false },
		{ { "+Bob", "-Carol" }, -1, true },
		{ { "-Al*", "+Alice" }, 0, false },
		{ { "+Alice", "-Al*" }, 0, true },
		{ { "-Bob", "+Alice", "-*" }, 1, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct client_rule rules[3];
		struct listener_config listener = { .client_rules = rules };
		const struct client_rule *decides = rules + 2;

		for (size_t n = 0; n < 3 && rows[i].rules[n]; n++)
			rules[listener.client_rules_n++] = (struct client_rule){
				.is_allowed = rows[i].rules[n][0] == '+',
				.kind = IDENTITY_CN,
				.pattern = (char *)(uintptr_t)rows[i].rules[n] + 1,
				.text = (char[]){ "this rule" },
			};
		assert_int_equal(client_rules_ask(&listener), rows[i].rules[0] != NULL);
		assert_int_equal(!client_rules_refusal(&listener, alice, &decides),
				 rows[i].is_allowed);
		assert_ptr_equal(decides, rows[i].decides < 0 ? NULL : rules + rows[i].decides);
	}
}

static void who_shows_no_certificate_fits_nothing(void **state)
{
	struct client_rule any = { true, IDENTITY_CN, (char[]){ "*" }, (char[]){ "this rule" } };
	struct listener_config listener = { .client_rules = &any, .client_rules_n = 1 };
	const struct client_rule *decides;

	(void)state;
	assert_string_equal(client_rules_refusal(&listener, NULL, &decides),
			    "the client has sent no certificate");
	any.is_allowed = false;
	assert_null(client_rules_refusal(&listener, NULL, &decides));
}

/* A certificate with a readable unit and two common names, of which one is not. */
static void what_cannot_be_read_is_refused_by_rules_that_ask_for_it(void **state)
{
	static const char identity[] = "oOps\0cAlice\0C\0";
	static const struct {
		bool is_allowed;
		enum identity_kind kind;
		const char *pattern, *refusal;
	} rows[] = {
		{ false, IDENTITY_CN, "Bob", "the certificate has a cn that cannot be read" },
		{ true, IDENTITY_CN, "Bob", "the certificate has a cn that cannot be read" },
		{ true, IDENTITY_CN, "Alice", NULL },
		{ false, IDENTITY_CN, "Alice", "this rule" },
		{ false, IDENTITY_OU, "Dev", NULL },
		{ true, IDENTITY_OU, "Dev", "the certificate fits no client_allow" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct client_rule rule = { rows[i].is_allowed, rows[i].kind,
					    (char *)(uintptr_t)rows[i].pattern,
					    (char[]){ "this rule" } };
		struct listener_config listener = { .client_rules = &rule, .client_rules_n = 1 };
		const struct client_rule *decides;
		const char *refusal = client_rules_refusal(&listener, identity, &decides);

		if (rows[i].refusal)
			assert_string_equal(refusal ? refusal : "(none)", rows[i].refusal);
		else
			assert_null(refusal);
	}
}

static void routes_look_at_alternative_names(void **state)
{
	struct route_config routes[] = {
		{ .kind = ROUTE_SNI, .pattern = "alice.example.com" },
		{ .kind = ROUTE_CLIENT_SAN, .pattern = "uri:spiffe://example.com/ns/dev/*" },
		{ .kind = ROUTE_CLIENT_SAN, .pattern = "dns:*.example.com" },
		{ .kind = ROUTE_CLIENT_SAN, .pattern = "dns:alice.example.com" },
	};
	struct listener_config listener = { .routes = routes, .routes_n = ARRAY_LEN(routes) };

	(void)state;
	assert_true(client_rules_ask(&listener));
	assert_int_equal(client_rules_route(&listener, alice), 3);
	assert_int_equal(client_rules_route(&listener, NULL), 0);
	assert_int_equal(client_rules_route(&listener, "dalice.example.org\0"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_a_certificate_fit_patterns_of_their_kind),
		cmocka_unit_test(the_first_rule_that_fits_decides),
		cmocka_unit_test(who_shows_no_certificate_fits_nothing),
		cmocka_unit_test(what_cannot_be_read_is_refused_by_rules_that_ask_for_it),
		cmocka_unit_test(routes_look_at_alternative_names),
	};

	return cmocka_run_group_tests_name("client_rules", tests, NULL, NULL);
}
