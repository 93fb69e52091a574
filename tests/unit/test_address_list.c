/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses that a value takes from a file of their own. */
#include "unit/config_bed.h"

#include <unistd.h>

#include "config/access.h"
#include "config/address_list.h"
#include "config/dump.h"

static char path[] = "/tmp/ringmain-list-XXXXXX";

static int make_file(void **state)
{
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	return bed_setup(state);
}

static int remove_file(void **state)
{
	unlink(path);
	return bed_teardown(state);
}

#define list_test(function) cmocka_unit_test_setup_teardown(function, make_file, remove_file)

static void write_list(const char *text)
{
	FILE *to = fopen(path, "w");

	assert_non_null(to);
	fputs(text, to);
	assert_int_equal(fclose(to), 0);
}

/* A listener with these lines, in which $ is the file. */
static void load(struct bed *st, const char *lines)
{
	char text[2048] = "[listener l]\nbind = :80\npool = p\n";
	size_t n = strlen(text);

	for (; *lines; lines++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, *lines == '$' ? "%s" : "%.1s",
				      *lines == '$' ? path : lines);
	snprintf(text + n, sizeof(text) - n, "[pool p]\nbackend = b 192.0.2.1:5432\n");
	bed_load(st, text);
}

static bool is_allowed(const struct bed *st, const char *client)
{
	struct addr addr;

	assert_true(addr_parse(client, &addr));
	return access_is_allowed(&st->config->listeners[0], &addr);
}

static void the_order_of_the_lines_is_kept(void **state)
{
	struct bed *st = *state;

	write_list("; offices\n10.1.0.0/16 # here\r\n\n  2001:db8::/32\t; there\n");
	load(st, "deny = 10.1.0.9\nallow = 192.0.2.1 file:$\n");
	bed_expect_good(st);
	assert_int_equal(st->config->listeners[0].access_n, 4);
	assert_true(is_allowed(st, "10.1.0.8:1"));
	assert_false(is_allowed(st, "10.1.0.9:1"));
	assert_true(is_allowed(st, "[2001:db8::7]:1"));
	assert_false(is_allowed(st, "10.2.0.1:1"));
}

static void proxies_can_be_listed(void **state)
{
	struct bed *st = *state;

	write_list("10.1.0.0/16\n");
	load(st, "proxy_protocol = accept\nproxy_protocol_from = 10.0.0.1 file:$\n"
		 "[global]\nstatus = 127.0.0.1:1\nstatus_allow = file:$\n");
	bed_expect_good(st);
	assert_int_equal(st->config->listeners[0].proxy_protocol_from_n, 2);
	assert_int_equal(st->config->global.status.allow_n, 1);
}

/* With the file, the line and what stands there. */
static void a_mistake_is_told_at_its_line(void **state)
{
	struct bed *st = *state;
	char says[1024];

	write_list("10.0.0.0/8\n  10.0.0.300 ; no\n10.0.0.1 10.0.0.2\nall\n10.0.0.1/8\n");
	load(st, "allow = file:$\nidle_timeout = soon\n");
	snprintf(says, sizeof(says),
		 "x.ini:5:16: error: [listener l] idle_timeout: 'soon' is not a duration, a number "
		 "with ms, s, m, h or d (0, 10ms..365d)\n"
		 "%s:2:3: error: [listener l] allow: '10.0.0.300': not an IPv4 or IPv6 address "
		 "(ADDRESS, ADDRESS/BITS, all, file:PATH)\n"
		 "%s:3:1: error: [listener l] allow: '10.0.0.1 10.0.0.2': one address to a line "
		 "(ADDRESS, ADDRESS/BITS, all, file:PATH)\n"
		 "%s:5:1: error: [listener l] allow: '10.0.0.1/8': ",
		 path, path, path);
	assert_non_null(strstr(bed_said(st), "    2 |   10.0.0.300 ; no\n      |   ^~~~~~~~~~\n"));
	bed_messages(st);
	st->said[strlen(says)] = '\0';
	assert_string_equal(st->said, says);
}

static void a_file_that_says_nothing_is_none_to_allow_by(void **state)
{
	struct bed *st = *state;

	write_list("; later\n");
	load(st, "deny = file:$\n");
	bed_expect_good(st);
	assert_true(is_allowed(st, "10.0.0.1:1"));
	load(st, "allow = file:$\n");
	assert_non_null(strstr(bed_messages(st), "x.ini:4:9: error: [listener l] allow: there is "
						 "no address in '/tmp/ringmain-list-"));
	load(st, "allow = file:/nowhere/x.list\n");
	bed_expect(st, "x.ini:4:9: error: [listener l] allow: '/nowhere/x.list' cannot be read: "
		       "No such file or directory (ADDRESS, ADDRESS/BITS, all, file:PATH)\n");
	load(st, "allow = file:/tmp\n");
	assert_non_null(strstr(bed_messages(st), "'/tmp' cannot be read: "));
}

/* As some editors begin a file. */
static void a_byte_order_mark_is_no_part_of_the_first_line(void **state)
{
	struct bed *st = *state;

	write_list("\xef\xbb\xbf"
		   "10.0.0.1\n10.0.0.2\n");
	load(st, "allow = file:$\n");
	bed_expect_good(st);
	assert_true(is_allowed(st, "10.0.0.1:1"));
	write_list("\xef\xbb\xbf; nobody\n");
	load(st, "deny = file:$\n");
	bed_expect_good(st);
}

static void a_list_has_an_end(void **state)
{
	struct bed *st = *state;
	FILE *to = fopen(path, "w");

	for (unsigned i = 0; i <= ADDRESS_LIST_MAX; i++)
		fprintf(to, "10.%u.%u.1\n", i / 256 % 256, i % 256);
	fclose(to);
	load(st, "deny = file:$\n");
	assert_non_null(strstr(bed_messages(st), " has more than 65536 addresses ("));
}

static void a_dump_says_where_each_stands(void **state)
{
	struct bed *st = *state;
	char text[16384], line[256];
	FILE *to = fmemopen(text, sizeof(text), "w");

	write_list("10.1.0.0/16\n10.2.0.0/16\n");
	load(st, "allow = 192.0.2.1 file:$\n");
	assert_non_null(st->config);
	config_dump(st->config, to);
	fclose(to);
	snprintf(line, sizeof(line), "\nallow = 192.0.2.1\nallow = 10.1.0.0/16 ; %s:1\n", path);
	assert_non_null(strstr(text, line));
	bed_load(st, text);
	bed_expect_good(st);
	assert_int_equal(st->config->listeners[0].access_n, 3);
	load(st, "[defaults listener]\nallow = file:$\n");
	to = fmemopen(text, sizeof(text), "w");
	config_dump(st->config, to);
	fclose(to);
	snprintf(line, sizeof(line), "\nallow = 10.2.0.0/16 ; %s:2, defaults\n", path);
	assert_non_null(strstr(text, line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		list_test(the_order_of_the_lines_is_kept),
		list_test(proxies_can_be_listed),
		list_test(a_mistake_is_told_at_its_line),
		list_test(a_file_that_says_nothing_is_none_to_allow_by),
		list_test(a_byte_order_mark_is_no_part_of_the_first_line),
		list_test(a_list_has_an_end),
		list_test(a_dump_says_where_each_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
