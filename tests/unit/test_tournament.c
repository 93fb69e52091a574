/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/tournament.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEMBERS 300

static uint32_t random_state = 1;

static uint32_t roll(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)random_state * n) >> 32);
}

static uint32_t take_first(struct tournament *t)
{
	uint32_t index = tournament_first(t);

	tournament_remove(t, index);
	return index;
}

static void indices_come_out_in_the_order_of_their_scores(void **state)
{
	struct tournament t;
	unsigned __int128 last = 0;

	(void)state;
	assert_int_equal(tournament_init(&t, MEMBERS), 0);
	for (uint32_t i = 0; i < MEMBERS; i++)
		tournament_put(&t, i, roll(100));
	for (int i = 0; i < MEMBERS; i++) {
		unsigned __int128 score = tournament_score(&t, tournament_first(&t));

		assert_true(score >= last);
		last = score;
		take_first(&t);
	}
	assert_int_equal(tournament_first(&t), TOURNAMENT_NOBODY);
	tournament_finish(&t);
}

static void equal_scores_go_by_index(void **state)
{
	struct tournament t;

	(void)state;
	assert_int_equal(tournament_init(&t, 4), 0);
	tournament_put(&t, 0, 5);
	tournament_put(&t, 3, 5);
	tournament_put(&t, 1, 5);
	tournament_put(&t, 2, 4);
	assert_int_equal(take_first(&t), 2);
	assert_int_equal(take_first(&t), 0);
	assert_int_equal(take_first(&t), 1);
	assert_int_equal(take_first(&t), 3);
	tournament_finish(&t);
}

static void scores_have_all_their_bits(void **state)
{
	const unsigned __int128 most = ((unsigned __int128)1 << TOURNAMENT_SCORE_BITS) - 1;
	struct tournament t;

	(void)state;
	assert_int_equal(tournament_init(&t, 3), 0);
	tournament_put(&t, 0, most);
	tournament_put(&t, 1, most - 1);
	tournament_put(&t, 2, (unsigned __int128)1 << 64);
	assert_true(tournament_score(&t, 0) == most);
	assert_int_equal(take_first(&t), 2);
	assert_int_equal(take_first(&t), 1);
	assert_int_equal(take_first(&t), 0);
	tournament_finish(&t);
}

/* Who is in one of two tournaments, with which score; searched from end to end. */
struct plain {
	int where[MEMBERS]; /* -1: in none */
	uint32_t scores[MEMBERS];
};

static uint32_t plain_first(const struct plain *p, int which, uint32_t n)
{
	uint32_t first = TOURNAMENT_NOBODY;

	for (uint32_t i = 0; i < n; i++)
		if (p->where[i] == which &&
		    (first == TOURNAMENT_NOBODY || p->scores[i] < p->scores[first]))
			first = i;
	return first;
}

static void change(struct tournament *t, struct plain *p, uint32_t i)
{
	int to = (int)roll(3) - 1;

	p->scores[i] = roll(1000);
	if (to < 0) {
		tournament_remove(&t[0], i);
		tournament_remove(&t[1], i);
	} else {
		tournament_remove(&t[1 - to], i);
		tournament_put(&t[to], i, p->scores[i]);
	}
	p->where[i] = to;
}

static void any_life_agrees_with_a_plain_search(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 4, 5, 64, 65, MEMBERS };
	struct tournament t[2];
	struct plain p;

	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		memset(p.where, 0xff, sizeof(p.where));
		for (int k = 0; k < 2; k++)
			assert_int_equal(tournament_init(&t[k], sizes[s]), 0);
		for (int round = 0; round < 10000; round++) {
			uint32_t i = roll(sizes[s]);

			change(t, &p, i);
			for (int k = 0; k < 2; k++) {
				assert_int_equal(tournament_has(&t[k], i), p.where[i] == k);
				assert_int_equal(tournament_first(&t[k]),
						 plain_first(&p, k, sizes[s]));
			}
		}
		for (int k = 0; k < 2; k++)
			tournament_finish(&t[k]);
	}
}

static void the_last_index_of_all_has_a_place(void **state)
{
	struct tournament t;

	(void)state;
	assert_int_equal(tournament_init(&t, 65536), 0);
	tournament_put(&t, 65535, 1);
	assert_int_equal(tournament_first(&t), 65535);
	tournament_put(&t, 0, 1);
	assert_int_equal(tournament_first(&t), 0);
	tournament_finish(&t);
}

static void a_tournament_of_none_is_one(void **state)
{
	struct tournament t = { 0 };

	(void)state;
	tournament_finish(&t);
	assert_int_equal(tournament_init(&t, 0), 0);
	assert_int_equal(tournament_first(&t), TOURNAMENT_NOBODY);
	tournament_finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(indices_come_out_in_the_order_of_their_scores),
		cmocka_unit_test(equal_scores_go_by_index),
		cmocka_unit_test(scores_have_all_their_bits),
		cmocka_unit_test(any_life_agrees_with_a_plain_search),
		cmocka_unit_test(the_last_index_of_all_has_a_place),
		cmocka_unit_test(a_tournament_of_none_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
