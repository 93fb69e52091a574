/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *read_from(struct password *p, const char *bytes, size_t n)
{
	char name[] = "/tmp/ringmain-password-XXXXXX";
	const int fd = mkstemp(name);
	const char *why;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
	why = password_read(p, name);
	unlink(name);
	return why;
}

static void a_line_is_a_password(void **state)
{
	static const char *const files[] = { "secret", "secret\n", "secret\r\n" };
	struct password *p = password_create();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		assert_null(read_from(p, files[i], strlen(files[i])));
		assert_string_equal(p->text, "secret");
	}
	assert_null(read_from(p, " a b ", 5));
	assert_string_equal(p->text, " a b ");
	password_destroy(p);
}

static void what_is_none_leaves_it_as_it_was(void **state)
{
	struct password *p = password_create();
	char longest[PASSWORD_BYTES + 4];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_null(read_from(p, "secret", 6));
	assert_string_equal(read_from(p, "", 0), "there is no password in it");
	assert_string_equal(read_from(p, "\n", 1), "there is no password in it");
	assert_string_equal(read_from(p, "a\nb\n", 4), "there is more than one line in it");
	assert_string_equal(read_from(p, "a\0b", 3), "there is more than one line in it");
	assert_string_equal(read_from(p, longest, PASSWORD_BYTES),
			    "the password has more than 127 bytes");
	assert_string_equal(read_from(p, longest, sizeof(longest)),
			    "the password has more than 127 bytes");
	assert_string_equal(password_read(p, "/none/such"), "No such file or directory");
	assert_string_equal(p->text, "secret");
	assert_null(read_from(p, longest, PASSWORD_BYTES - 1));
	assert_int_equal(strlen(p->text), PASSWORD_BYTES - 1);
	password_destroy(p);
	password_destroy(NULL);
}

/* Keys of another password are of no use; those of the same one are. */
static void another_password_forgets_what_was_computed(void **state)
{
	struct password *p = password_create();

	(void)state;
	assert_null(read_from(p, "one", 3));
	p->cache.keys[0].count = 4096;
	assert_null(read_from(p, "one\n", 4));
	assert_int_equal(p->cache.keys[0].count, 4096);
	assert_null(read_from(p, "two", 3));
	assert_int_equal(p->cache.keys[0].count, 0);
	password_destroy(p);
}

static bool is_in_core(const void *at)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512], *dash;
	bool is_here = false, is_out = false;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		const uintptr_t from = strtoul(line, &dash, 16);

		if (*dash == '-')
			is_here = (uintptr_t)at >= from &&
				  (uintptr_t)at < strtoul(dash + 1, NULL, 16);
		if (is_here && strncmp(line, "VmFlags:", 8) == 0)
			is_out = strstr(line, " dd");
	}
	fclose(maps);
	return !is_out;
}

static void no_core_has_it(void **state)
{
	struct password *p = password_create();

	(void)state;
	assert_false(is_in_core(p));
	password_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_a_password),
		cmocka_unit_test(what_is_none_leaves_it_as_it_was),
		cmocka_unit_test(another_password_forgets_what_was_computed),
		cmocka_unit_test(no_core_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
