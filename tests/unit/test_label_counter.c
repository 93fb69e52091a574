/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/label_counter.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct label_counter counter, other;

static int begin(void **state)
{
	(void)state;
	memset(&counter, 0, sizeof(counter));
	memset(&other, 0, sizeof(other));
	return 0;
}

static void expect_row(const struct label_counter *t, unsigned i, unsigned kind, const char *word,
		       uint64_t n)
{
	assert_true(i < label_counter_rows(t));
	assert_int_equal(t->rows[i].kind, kind);
	assert_string_equal(t->rows[i].word, word);
	assert_int_equal(t->rows[i].n, n);
}

static void words_are_counted_in_the_order_they_came_up(void **state)
{
	(void)state;
	assert_int_equal(label_counter_rows(&counter), 0);
	label_counter_add(&counter, 1, "b", 1);
	label_counter_add(&counter, 1, "a", 2);
	label_counter_add(&counter, 1, "b", 3);
	label_counter_add(&counter, 2, "b", 5);
	label_counter_add(&counter, 1, "", 1);
	assert_int_equal(label_counter_rows(&counter), 4);
	expect_row(&counter, 0, 1, "b", 4);
	expect_row(&counter, 1, 1, "a", 2);
	expect_row(&counter, 2, 2, "b", 5);
	expect_row(&counter, 3, 1, "", 1);
}

static void a_word_that_is_too_long_is_cut_and_found_again(void **state)
{
	char word[2 * LABEL_COUNTER_WORD_BYTES];

	(void)state;
	memset(word, 'x', sizeof(word));
	word[sizeof(word) - 1] = '\0';
	label_counter_add(&counter, 0, word, 1);
	label_counter_add(&counter, 0, word, 1);
	word[LABEL_COUNTER_WORD_BYTES - 1] = '\0';
	assert_int_equal(label_counter_rows(&counter), 1);
	expect_row(&counter, 0, 0, word, 2);
}

static void a_word_is_not_cut_within_a_letter(void **state)
{
	char word[2 * LABEL_COUNTER_WORD_BYTES + 1] = "x";

	(void)state;
	for (size_t shift = 0; shift < 2; shift++) {
		for (size_t n = shift; n + 2 < sizeof(word); n += 2)
			memcpy(word + n, "\xc3\xa9", 3);
		label_counter_add(&counter, 0, word, 1);
		label_counter_add(&counter, 0, word, 1);
		assert_int_equal(label_counter_rows(&counter), shift + 1);
		assert_int_equal(strlen(counter.rows[shift].word) % 2, shift);
		assert_int_equal(counter.rows[shift].n, 2);
	}
}

static void a_word_is_not_the_beginning_of_another(void **state)
{
	(void)state;
	label_counter_add(&counter, 0, "abc", 1);
	label_counter_add(&counter, 0, "ab", 1);
	expect_row(&counter, 0, 0, "abc", 1);
	expect_row(&counter, 1, 0, "ab", 1);
}

static void what_finds_no_row_is_counted_together(void **state)
{
	char word[16];

	(void)state;
	for (unsigned i = 0; i < 2 * LABEL_COUNTER_ROWS_MAX; i++) {
		snprintf(word, sizeof(word), "%u", i);
		label_counter_add(&counter, 0, word, 1);
	}
	assert_int_equal(label_counter_rows(&counter), LABEL_COUNTER_ROWS_MAX);
	expect_row(&counter, LABEL_COUNTER_ROWS_MAX - 2, 0, "126", 1);
	expect_row(&counter, LABEL_COUNTER_ROWS_MAX - 1, 0, LABEL_COUNTER_REST,
		   LABEL_COUNTER_ROWS_MAX + 1);
	label_counter_add(&counter, 0, "7", 1);
	expect_row(&counter, 7, 0, "7", 2);
}

static void tallies_add_up(void **state)
{
	(void)state;
	label_counter_add(&counter, 1, "a", 1);
	label_counter_add(&other, 2, "a", 10);
	label_counter_add(&other, 1, "a", 100);
	label_counter_merge(&counter, &other);
	label_counter_merge(&counter, &other);
	assert_int_equal(label_counter_rows(&counter), 2);
	expect_row(&counter, 0, 1, "a", 201);
	expect_row(&counter, 1, 2, "a", 20);
}

static void *count_words(void *arg)
{
	char word[16];

	(void)arg;
	for (unsigned i = 0; i < 200000; i++) {
		snprintf(word, sizeof(word), "%u", i / 2000);
		label_counter_add(&counter, 0, word, 1);
	}
	return NULL;
}

/* What is read meanwhile is whole words, and numbers that never shrink. */
static void it_may_be_read_while_it_grows(void **state)
{
	uint64_t before = 0, now = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, count_words, NULL), 0);
	while (now < 200000) {
		now = 0;
		for (unsigned i = 0; i < label_counter_rows(&counter); i++) {
			assert_int_equal(strtoul(counter.rows[i].word, NULL, 10), i);
			now += counter.rows[i].n;
		}
		assert_true(now >= before);
		before = now;
	}
	pthread_join(thread, NULL);
	assert_int_equal(now, 200000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(words_are_counted_in_the_order_they_came_up, begin),
		cmocka_unit_test_setup(a_word_that_is_too_long_is_cut_and_found_again, begin),
		cmocka_unit_test_setup(a_word_is_not_cut_within_a_letter, begin),
		cmocka_unit_test_setup(a_word_is_not_the_beginning_of_another, begin),
		cmocka_unit_test_setup(what_finds_no_row_is_counted_together, begin),
		cmocka_unit_test_setup(tallies_add_up, begin),
		cmocka_unit_test_setup(it_may_be_read_while_it_grows, begin),
	};

	return cmocka_run_group_tests_name("counter", tests, NULL, NULL);
}
