/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_bed.h"

#include "base/def.h"
#include "config/access.h"

/* A listener with these rules, one for each line. */
static const struct listener_config *listener_with(struct bed *st, const char *rules)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "[listener l]\nbind = :80\npool = p\n%s[pool p]\nbackend = b 192.0.2.1:80\n",
		 rules);
	bed_load(st, text);
	bed_expect_good(st);
	return &st->config->listeners[0];
}

static bool is_allowed(const struct listener_config *listener, const char *client)
{
	struct addr addr;

	assert_true(addr_parse(client, &addr));
	return access_is_allowed(listener, &addr);
}

static void the_first_rule_that_fits_decides(void **state)
{
	static const struct {
		const char *rules, *client;
		bool is_allowed;
	} rows[] = {
		{ "", "192.0.2.1:1", true },
		{ "", "unix:/x", true },
		{ "deny = 192.0.2.1\n", "192.0.2.1:1", false },
		{ "deny = 192.0.2.1\n", "192.0.2.2:1", true },
		{ "deny = 192.0.2.1\n", "[2001:db8::1]:1", true },
		{ "deny = 192.0.2.1\n", "unix:/x", true },
		{ "allow = 10.0.0.0/8\n", "10.1.2.3:1", true },
		{ "allow = 10.0.0.0/8\n", "[::ffff:10.1.2.3]:1", true },
		{ "allow = 10.0.0.0/8\n", "11.1.2.3:1", false },
		{ "allow = 10.0.0.0/8\n", "[2001:db8::1]:1", false },
		{ "allow = 10.0.0.0/8\n", "unix:/x", false },
		{ "deny = 10.0.0.1\nallow = 10.0.0.0/8\n", "10.0.0.1:1", false },
		{ "deny = 10.0.0.1\nallow = 10.0.0.0/8\n", "10.0.0.2:1", true },
		{ "deny = 10.0.0.1\nallow = 10.0.0.0/8\n", "11.0.0.2:1", false },
		{ "allow = 10.0.0.0/8\ndeny = 10.0.0.1\n", "10.0.0.1:1", true },
		{ "allow = 10.0.0.0/8\ndeny = 10.0.0.1\n", "11.0.0.1:1", true },
		{ "deny = 10.0.0.1\nallow = all\n", "unix:/x", true },
		{ "deny = 10.0.0.1\nallow = all\n", "10.0.0.1:1", false },
		{ "allow = 10.0.0.1 2001:db8::/32\ndeny = all\n", "[2001:db8::9]:1", true },
		{ "allow = 10.0.0.1 2001:db8::/32\ndeny = all\n", "10.0.0.1:1", true },
		{ "allow = 10.0.0.1 2001:db8::/32\ndeny = all\n", "10.0.0.2:1", false },
		{ "allow = 10.0.0.1 2001:db8::/32\ndeny = all\n", "unix:/x", false },
		/* All of IPv6 is not all of IPv4. */
		{ "deny = ::/0\n", "192.0.2.1:1", true },
		{ "deny = ::/0\n", "[2001:db8::1]:1", false },
		{ "deny = 0.0.0.0/0\n", "[2001:db8::1]:1", true },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct listener_config *listener = listener_with(st, rows[i].rules);

		if (is_allowed(listener, rows[i].client) != rows[i].is_allowed)
			fail_msg("%s%s", rows[i].rules, rows[i].client);
	}
}

static void a_client_without_an_address_fits_all_only(void **state)
{
	const struct addr none = { 0 };
	struct bed *st = *state;

	assert_false(access_is_allowed(listener_with(st, "allow = 0.0.0.0/0 ::/0\n"), &none));
	assert_true(access_is_allowed(listener_with(st, "allow = all\n"), &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(the_first_rule_that_fits_decides),
		bed_test(a_client_without_an_address_fits_all_only),
	};

	return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
