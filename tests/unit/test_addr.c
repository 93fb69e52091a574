/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/addr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PATH_OF_107                                          \
	"/2345678901234567890123456789012345678901234567890" \
	"12345678901234567890123456789012345678901234567890" \
	"1234567"
#define LABEL_OF_63 "a23456789012345678901234567890123456789012345678901234567890123"

static struct addr parsed(const char *text)
{
	struct addr addr;

	if (!addr_parse(text, &addr))
		fail_msg("'%s' was refused", text);
	return addr;
}

static void every_form_of_a_spec_is_read(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port_first, port_last;
		bool is_unix, is_name;
	} rows[] = {
		{ "10.0.0.1:80", "10.0.0.1", 80, 80, false, false },
		{ "0.0.0.0:65535", "0.0.0.0", 65535, 65535, false, false },
		{ "[::1]:80", "::1", 80, 80, false, false },
		{ "[::]:0", "::", 0, 0, false, false },
		{ "[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80, 80, false, false },
		{ "[fe80::1%eth0]:80", "fe80::1%eth0", 80, 80, false, false },
		{ ":80", "", 80, 80, false, false },
		{ "*:80", "", 80, 80, false, false },
		{ "localhost:1", "localhost", 1, 1, false, true },
		{ "host.example.com:80", "host.example.com", 80, 80, false, true },
		{ "host.example.com.:80", "host.example.com.", 80, 80, false, true },
		{ "my_db-1:5432", "my_db-1", 5432, 5432, false, true },
		{ "1and1.example:5432", "1and1.example", 5432, 5432, false, true },
		{ LABEL_OF_63 ":1", LABEL_OF_63, 1, 1, false, true },
		{ "10.0.0.1:8000-8009", "10.0.0.1", 8000, 8009, false, false },
		{ ":7-7", "", 7, 7, false, false },
		{ "[::1]:1-65535", "::1", 1, 65535, false, false },
		{ "unix:/run/x.sock", "/run/x.sock", 0, 0, true, false },
		{ "/run/x:y.sock", "/run/x:y.sock", 0, 0, true, false },
		{ "unix:@abstract", "@abstract", 0, 0, true, false },
		{ PATH_OF_107, PATH_OF_107, 0, 0, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr_spec spec;
		const char *why = NULL;

		if (!addr_spec_parse(rows[i].text, &spec, &why))
			fail_msg("'%s': %s", rows[i].text, why);
		assert_string_equal(spec.host, rows[i].host);
		assert_int_equal(spec.port_first, rows[i].port_first);
		assert_int_equal(spec.port_last, rows[i].port_last);
		assert_int_equal(spec.is_unix, rows[i].is_unix);
		assert_int_equal(spec.is_name, rows[i].is_name);
	}
}

#define MISSING_PORT "a port is missing"
#define NOT_A_NUMBER "the port is not a number"
#define NOT_IN_RANGE "the port is not in 1-65535"
#define NO_IPV4 "an IPv4 address is four numbers in 0-255"
#define NO_IPV6 "between the brackets is no IPv6 address"
#define BRACKETS "an IPv6 address needs brackets, like [::1]:80"
#define NO_HOST "the host is neither an address nor a name"
#define NO_UNIX "a unix socket is a path from '/' on, or '@' and an abstract name"

static void a_bad_spec_says_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "the address is missing" },
		{ "10.0.0.1", MISSING_PORT },
		{ "10.0.0.1:", MISSING_PORT },
		{ ":", MISSING_PORT },
		{ "[::1]", MISSING_PORT },
		{ "[::1]:", MISSING_PORT },
		{ "10.0.0.1:80-", MISSING_PORT },
		{ "10.0.0.1:-80", MISSING_PORT },
		{ "10.0.0.1:http", NOT_A_NUMBER },
		{ "10.0.0.1:80 ", NOT_A_NUMBER },
		{ "10.0.0.1:+80", NOT_A_NUMBER },
		{ "10.0.0.1:1-2-3", NOT_A_NUMBER },
		{ "10.0.0.1:65536", NOT_IN_RANGE },
		{ "10.0.0.1:4294967376", NOT_IN_RANGE },
		{ "10.0.0.1:1-65536", NOT_IN_RANGE },
		{ "10.0.0.1:2-1", "the range runs backwards" },
		{ "10.0.0.1:0-1", "a range begins with port 1 or later" },
		{ "10.0.0.256:80", NO_IPV4 },
		{ "10.1:80", NO_IPV4 },
		{ "1.2.3.4.5:80", NO_IPV4 },
		{ "::1:80", BRACKETS },
		{ "::1", BRACKETS },
		{ "[::1:80", "a ']' is missing" },
		{ "[]:80", NO_IPV6 },
		{ "[10.0.0.1]:80", NO_IPV6 },
		{ "[::1%]:80", NO_IPV6 },
		{ "[fe80::1%sixteen-letters-]:80", NO_IPV6 },
		{ "[::g]:80", NO_IPV6 },
		{ "[::1%lo]:80", "a zone (%) belongs to link-local addresses (fe80::) only" },
		{ "[::1]80", "after ']' come ':' and the port" },
		{ "[::1]x:80", "after ']' come ':' and the port" },
		{ "a b:80", NO_HOST },
		{ "-a:80", NO_HOST },
		{ "a-.b:80", NO_HOST },
		{ "a..b:80", NO_HOST },
		{ ".a:80", NO_HOST },
		{ ".:80", NO_IPV4 },
		{ "**:80", NO_HOST },
		{ "0x7f.1:80", NO_HOST },
		{ LABEL_OF_63 "x:80", NO_HOST },
		{ "unix:", NO_UNIX },
		{ "unix:x.sock", NO_UNIX },
		{ "unix:/", "the name of the unix socket is missing" },
		{ "unix:@", "the name of the unix socket is missing" },
		{ PATH_OF_107 "8", "the path of a unix socket has at most 107 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr_spec spec;
		const char *why = NULL;

		memset(&spec, 0x5a, sizeof(spec));
		if (addr_spec_parse(rows[i].text, &spec, &why))
			fail_msg("'%s' was accepted", rows[i].text);
		if (strcmp(why, rows[i].why) != 0)
			fail_msg("'%s': %s", rows[i].text, why);
		assert_int_equal(spec.port_first, 0x5a5a);
	}
}

static void endless_hosts_are_refused(void **state)
{
	struct addr_spec spec;
	const char *why;
	char text[600];

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 4; i++)
		text[i] = i % 2 ? '.' : 'a';
	memcpy(text + sizeof(text) - 4, ":80", 4);
	assert_false(addr_spec_parse(text, &spec, &why));
	assert_string_equal(why, "the host name is too long");

	/* 253 letters are a name, 254 are none, the array would hold both. */
	memmove(text + 253, ":80", 4);
	assert_true(addr_spec_parse(text, &spec, &why));
	memmove(text + 253, "b:80", 5);
	assert_false(addr_spec_parse(text, &spec, &why));
}

static void literals_come_back_as_they_were_written(void **state)
{
	static const char *const texts[] = {
		"10.0.0.1:80",
		"255.255.255.255:65535",
		"0.0.0.0:0",
		"[::1]:80",
		"[2001:db8::a:1]:443",
		"[::]:0",
		"[::ffff:10.1.2.3]:5",
		"[fe80::1%7]:9",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		"unix:/run/x.sock",
		"unix:@abstract",
		"unix:" PATH_OF_107,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct addr addr = parsed(texts[i]);
		char text[ADDR_TEXT_BYTES];

		assert_string_equal(addr_format(&addr, text), texts[i]);
		assert_true(addr_is_equal(&addr, &addr));
		assert_false(addr.is_dual);
	}
}

static void the_longest_texts_fit(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct addr addr = parsed("[fe80::ffff:ffff:ffff:ffff%4294967295]:65535");
	char text[ADDR_TEXT_BYTES];

	(void)state;
	assert_string_equal(addr_format(&addr, text),
			    "[fe80::ffff:ffff:ffff:ffff%4294967295]:65535");

	/* The kernel accepts a path that fills the array and has no NUL. */
	memset(un.sun_path, 'x', sizeof(un.sun_path));
	addr_from_sockaddr(&addr, (struct sockaddr *)&un, sizeof(un));
	assert_int_equal(strlen(addr_format(&addr, text)), 5 + sizeof(un.sun_path));
	assert_int_equal(addr.len, sizeof(un));
}

static void addr_parse_takes_literals_only(void **state)
{
	static const char *const texts[] = {
		"localhost:80",
		":80",
		"*:80",
		"10.0.0.1:80-81",
		"10.0.0.1",
		"",
		"[fe80::1%no-such-if]:80",
	};
	struct addr addr;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (addr_parse(texts[i], &addr))
			fail_msg("'%s' was accepted", texts[i]);
	}
}

static void a_zone_is_an_interface(void **state)
{
	struct addr addr = parsed("[fe80::1%lo]:80");

	(void)state;
	assert_int_equal(addr.in6.sin6_scope_id, 1);
}

static size_t resolved(const char *text, struct addr *addrs, size_t max, const char **why)
{
	struct addr_spec spec;

	assert_true(addr_spec_parse(text, &spec, why));
	return addr_resolve(&spec, spec.port_last, addrs, max, why);
}

static void any_is_dual_and_the_literal_is_not(void **state)
{
	struct addr addrs[2];
	const char *why;

	(void)state;
	assert_int_equal(resolved(":80", addrs, 2, &why), 1);
	assert_true(addr_is_any(&addrs[0]));
	assert_int_equal(addr_port(&addrs[0]), 80);
	assert_int_equal(addrs[0].is_dual, addr_family(&addrs[0]) == AF_INET6);

	assert_int_equal(resolved("[::]:80", addrs, 2, &why), 1);
	assert_true(addr_is_any(&addrs[0]));
	assert_false(addrs[0].is_dual);
}

static void names_are_resolved_with_the_port_asked_for(void **state)
{
	struct addr addrs[4];
	const char *why;
	size_t n = resolved("localhost:80-81", addrs, 4, &why);

	(void)state;
	assert_in_range(n, 1, 4);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(addr_port(&addrs[i]), 81);
		assert_true(addr_is_local(&addrs[i]));
	}
	assert_int_equal(resolved("localhost:80", addrs, 1, &why), 1);
}

static void what_cannot_be_resolved_says_why(void **state)
{
	struct addr addr;
	const char *why = NULL;

	(void)state;
	/* RFC 6761, section 6.4: "invalid." never exists. */
	assert_int_equal(resolved("nobody.invalid:80", &addr, 1, &why), 0);
	assert_non_null(why);
	why = NULL;
	assert_int_equal(resolved("[fe80::1%no-such-if]:80", &addr, 1, &why), 0);
	assert_string_equal(why, "there is no interface of the name after '%'");
}

static void what_the_kernel_gives_is_copied_or_refused(void **state)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(7) };
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "\0a\0b" };
	struct sockaddr other = { .sa_family = AF_APPLETALK };
	struct addr addr;
	char text[ADDR_TEXT_BYTES];

	(void)state;
	addr_from_sockaddr(&addr, (struct sockaddr *)&in4, sizeof(in4));
	assert_string_equal(addr_format(&addr, text), "0.0.0.0:7");
	addr_from_sockaddr(&addr, (struct sockaddr *)&un, 2);
	assert_string_equal(addr_format(&addr, text), "unix:");
	addr_from_sockaddr(&addr, (struct sockaddr *)&un, 2 + 4);
	assert_string_equal(addr_format(&addr, text), "unix:@a@b");

	addr_from_sockaddr(&addr, (struct sockaddr *)&in4, sizeof(in4) - 1);
	assert_string_equal(addr_format(&addr, text), "-");
	addr_from_sockaddr(&addr, &other, sizeof(other));
	assert_string_equal(addr_format(&addr, text), "-");
	addr_from_sockaddr(&addr, NULL, 0);
	assert_string_equal(addr_format(&addr, text), "-");
	assert_int_equal(addr_family(&addr), AF_UNSPEC);
}

static void a_path_is_the_same_with_and_without_its_nul(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/x" };
	struct addr with, without;

	(void)state;
	addr_from_sockaddr(&with, (struct sockaddr *)&un, sizeof(un));
	addr_from_sockaddr(&without, (struct sockaddr *)&un, 2 + 2);
	assert_true(addr_is_equal(&with, &without));
}

static void equal_means_host_zone_and_port(void **state)
{
	static const struct {
		const char *a, *b;
		bool is_equal;
	} rows[] = {
		{ "10.0.0.1:80", "10.0.0.1:80", true },
		{ "10.0.0.1:80", "10.0.0.1:81", false },
		{ "10.0.0.1:80", "10.0.0.2:80", false },
		{ "10.0.0.1:80", "[::ffff:10.0.0.1]:80", true },
		{ "10.0.0.1:80", "[::10.0.0.1]:80", false },
		{ "0.0.0.0:80", "[::]:80", false },
		{ "[fe80::1%1]:80", "[fe80::1%2]:80", false },
		{ "[fe80::1%1]:80", "[fe80::1%1]:80", true },
		{ "unix:/x", "unix:/x", true },
		{ "unix:/x", "unix:/xy", false },
		{ "unix:/x", "unix:@x", false },
		{ "unix:/x", "10.0.0.1:80", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a = parsed(rows[i].a), b = parsed(rows[i].b);

		if (addr_is_equal(&a, &b) != rows[i].is_equal ||
		    addr_is_equal(&b, &a) != rows[i].is_equal)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
	}
}

static void unmap_leaves_all_but_mapped_addresses_alone(void **state)
{
	static const struct {
		const char *before, *after;
	} rows[] = {
		{ "[::ffff:10.1.2.3]:80", "10.1.2.3:80" },
		{ "10.1.2.3:80", "10.1.2.3:80" },
		{ "[2001:db8::1]:80", "[2001:db8::1]:80" },
		{ "unix:/x", "unix:/x" },
	};
	char text[ADDR_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr addr = parsed(rows[i].before);

		addr_unmap(&addr);
		assert_string_equal(addr_format(&addr, text), rows[i].after);
	}
}

static void ports_can_be_set_but_not_on_paths(void **state)
{
	static const char *const rows[][2] = {
		{ "10.0.0.1:80", "10.0.0.1:8080" },
		{ "[::1]:80", "[::1]:8080" },
		{ "unix:/x", "unix:/x" },
	};
	char text[ADDR_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr addr = parsed(rows[i][0]);

		addr_set_port(&addr, 8080);
		assert_string_equal(addr_format(&addr, text), rows[i][1]);
		assert_int_equal(addr_port(&addr), addr_is_unix(&addr) ? 0 : 8080);
	}
}

static void local_is_what_stays_on_this_machine(void **state)
{
	static const struct {
		const char *text;
		bool is_local;
	} rows[] = {
		{ "127.0.0.1:1", true },
		{ "127.8.9.10:1", true },
		{ "[::ffff:127.0.0.1]:1", true },
		{ "[::1]:1", true },
		{ "0.0.0.0:1", true },
		{ "[::]:1", true },
		{ "unix:/x", true },
		{ "192.0.2.1:1", false },
		{ "[2001:db8::1]:1", false },
		{ "[7f00::1]:1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr addr = parsed(rows[i].text);

		if (addr_is_local(&addr) != rows[i].is_local)
			fail_msg("%s", rows[i].text);
	}
}

static void a_block_has_what_its_prefix_covers(void **state)
{
	static const struct {
		const char *block, *addr;
		bool has;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.0.1:1", true },
		{ "10.0.0.0/8", "11.0.0.1:1", false },
		{ "10.0.0.0/8", "[::ffff:10.0.0.1]:1", true },
		{ "10.0.0.0/8", "[::10.0.0.1]:1", false },
		{ "10.0.0.128/25", "10.0.0.128:1", true },
		{ "10.0.0.128/25", "10.0.0.127:1", false },
		{ "10.0.0.1", "10.0.0.1:1", true },
		{ "10.0.0.1", "10.0.0.0:1", false },
		{ "10.0.0.1/32", "10.0.0.1:1", true },
		{ "0.0.0.0/0", "255.1.2.3:1", true },
		{ "0.0.0.0/0", "[2001:db8::1]:1", false },
		{ "::/0", "[2001:db8::1]:1", true },
		{ "::/0", "10.0.0.1:1", false },
		{ "::/0", "[::ffff:10.0.0.1]:1", false },
		{ "::ffff:0:0/96", "10.0.0.1:1", true },
		{ "2001:db8::/33", "[2001:db8:7fff::1]:1", true },
		{ "2001:db8::/33", "[2001:db8:8000::1]:1", false },
		{ "2001:db8::1", "[2001:db8::1]:1", true },
		{ "2001:db8::1/128", "[2001:db8::2]:1", false },
		{ "0.0.0.0/0", "unix:/x", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr addr = parsed(rows[i].addr);
		struct addr_block block;
		const char *why = NULL;

		if (!addr_block_parse(rows[i].block, &block, &why))
			fail_msg("'%s': %s", rows[i].block, why);
		if (addr_block_has(&block, &addr) != rows[i].has)
			fail_msg("%s in %s", rows[i].addr, rows[i].block);
	}
}

static void a_bad_block_says_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "not an IPv4 or IPv6 address" },
		{ "/8", "not an IPv4 or IPv6 address" },
		{ "10.0.0/8", "not an IPv4 or IPv6 address" },
		{ "[::1]", "not an IPv4 or IPv6 address" },
		{ "example.com", "not an IPv4 or IPv6 address" },
		{ "fe80::1%lo", "not an IPv4 or IPv6 address" },
		{ "1111:1111:1111:1111:1111:1111:1111:1111:1111:11",
		  "not an IPv4 or IPv6 address" },
		{ "10.0.0.0/33", "the prefix is not in 0-32" },
		{ "10.0.0.0/", "the prefix is not in 0-32" },
		{ "10.0.0.0/-1", "the prefix is not in 0-32" },
		{ "10.0.0.0/8/8", "the prefix is not in 0-32" },
		{ "10.0.0.0/255.0.0.0", "the prefix is not in 0-32" },
		{ "::/129", "the prefix is not in 0-128" },
		{ "10.0.0.1/8", "bits behind the prefix are set" },
		{ "2001:db8::1/127", "bits behind the prefix are set" },
		{ "::ffff:0:0/90", "bits behind the prefix are set" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr_block block;
		const char *why = NULL;

		if (addr_block_parse(rows[i].text, &block, &why))
			fail_msg("'%s' was accepted", rows[i].text);
		if (strcmp(why, rows[i].why) != 0)
			fail_msg("'%s': %s", rows[i].text, why);
	}
}

static void the_block_that_was_meant_is_suggested(void **state)
{
	static const struct {
		const char *typed, *meant; /* NULL: anybody's guess */
	} rows[] = {
		{ "10.0.0.1/8", "10.0.0.0/8" },
		{ "10.1.2.3/9", "10.0.0.0/9" },
		{ "10.200.2.3/9", "10.128.0.0/9" },
		{ "192.168.1.1/24", "192.168.1.0/24" },
		{ "1.2.3.4/0", "0.0.0.0/0" },
		{ "2001:db8::1/32", "2001:db8::/32" },
		{ "fe80::1/10", "fe80::/10" },
		{ "10.0.0.0/255.0.0.0", "10.0.0.0/8" },
		{ "192.168.3.4/255.255.255.0", "192.168.3.0/24" },
		{ "10/8", "10.0.0.0/8" },
		{ "172.16/12", "172.16.0.0/12" },
		{ "10.0.0.0/255.0.255.0", NULL },
		{ "10.0.0.0/33", NULL },
		{ "10.0.0.1", NULL },
		{ "example.com/8", NULL },
		{ "/8", NULL },
		{ "", NULL },
		{ "::/129", NULL },
		{ "1111:1111:1111:1111:1111:1111:1111:1111:1111:11/8", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[ADDR_BLOCK_TEXT_BYTES];
		const char *meant = addr_block_suggest(rows[i].typed, text);

		if (!meant != !rows[i].meant || (meant && strcmp(meant, rows[i].meant) != 0))
			fail_msg("'%s': %s", rows[i].typed, meant ? meant : "nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_a_spec_is_read),
		cmocka_unit_test(a_bad_spec_says_what_is_wrong),
		cmocka_unit_test(endless_hosts_are_refused),
		cmocka_unit_test(the_block_that_was_meant_is_suggested),
		cmocka_unit_test(literals_come_back_as_they_were_written),
		cmocka_unit_test(the_longest_texts_fit),
		cmocka_unit_test(addr_parse_takes_literals_only),
		cmocka_unit_test(a_zone_is_an_interface),
		cmocka_unit_test(any_is_dual_and_the_literal_is_not),
		cmocka_unit_test(names_are_resolved_with_the_port_asked_for),
		cmocka_unit_test(what_cannot_be_resolved_says_why),
		cmocka_unit_test(what_the_kernel_gives_is_copied_or_refused),
		cmocka_unit_test(a_path_is_the_same_with_and_without_its_nul),
		cmocka_unit_test(equal_means_host_zone_and_port),
		cmocka_unit_test(unmap_leaves_all_but_mapped_addresses_alone),
		cmocka_unit_test(ports_can_be_set_but_not_on_paths),
		cmocka_unit_test(local_is_what_stays_on_this_machine),
		cmocka_unit_test(a_block_has_what_its_prefix_covers),
		cmocka_unit_test(a_bad_block_says_what_is_wrong),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
