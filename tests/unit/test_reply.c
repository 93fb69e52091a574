/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_waiting(const struct reply *r, const char *text)
{
	assert_int_equal(reply_waiting(r), strlen(text));
	assert_memory_equal(r->bytes + r->start, text, strlen(text));
}

static void rows_are_lines_of_json(void **state)
{
	size_t budget = 0;
	struct reply r;

	(void)state;
	reply_init(&r, &budget);
	reply_row(&r, "backend");
	reply_text(&r, "name", "a\"\x1b");
	reply_text(&r, "nothing", NULL);
	reply_u64(&r, "n", 18446744073709551615ull);
	reply_flag(&r, "is", true);
	reply_row_end(&r);
	reply_fail(&r, REPLY_UNKNOWN, "b", "no %s", "c");
	expect_waiting(
		&r, "{\"row\":\"backend\",\"name\":\"a\\\"\\u001b\","
		    "\"n\":18446744073709551615,\"is\":true}\n"
		    "{\"row\":\"end\",\"code\":\"unknown\",\"error\":\"no c\",\"hint\":\"b\"}\n");
	reply_sent(&r, 10);
	assert_int_equal(budget, r.room);
	reply_sent(&r, reply_waiting(&r));
	assert_int_equal(budget, 0);
	reply_finish(&r);
}

static unsigned fill(struct reply *r)
{
	unsigned n = 0;

	for (; !r->is_cut; n++) {
		reply_row(r, "x");
		reply_text(r, "text", "0123456789012345678901234567890123456789");
		reply_row_end(r);
	}
	return n;
}

static void one_that_is_too_long_says_so_in_its_last_line(void **state)
{
	const char last[] = "{\"row\":\"end\",\"code\":\"ok\",\"truncated\":true}\n";
	size_t budget = 0;
	struct reply r;

	(void)state;
	reply_init(&r, &budget);
	fill(&r);
	reply_ok(&r);
	assert_true(budget <= REPLY_BYTES_MAX);
	assert_memory_equal(r.bytes + r.end - strlen(last), last, strlen(last));
	assert_int_equal(r.bytes[r.end - strlen(last) - 1], '\n');
	reply_finish(&r);
	assert_int_equal(budget, 0);
}

static void all_together_have_a_bound(void **state)
{
	struct reply all[REPLIES_BYTES_MAX / REPLY_BYTES_MAX + 2];
	const size_t n = sizeof(all) / sizeof(all[0]);
	size_t budget = 0;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		reply_init(&all[i], &budget);
		fill(&all[i]);
		assert_true(budget <= REPLIES_BYTES_MAX);
		reply_ok(&all[i]);
	}
	for (size_t i = 0; i < n; i++)
		reply_finish(&all[i]);
	assert_int_equal(budget, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_lines_of_json),
		cmocka_unit_test(one_that_is_too_long_says_so_in_its_last_line),
		cmocka_unit_test(all_together_have_a_bound),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
