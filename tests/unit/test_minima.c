/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/minima.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define VALUES_MAX 100

static uint64_t least_of(const uint64_t *values, size_t n)
{
	uint64_t least = MINIMA_NONE;

	for (size_t i = 0; i < n; i++)
		least = MIN(least, values[i]);
	return least;
}

static size_t below(const uint64_t *values, size_t n, size_t from, uint64_t bound)
{
	size_t i = from;

	while (i < n && values[i] >= bound)
		i++;
	return i;
}

/* Few different values, so that equal ones and the loss of a block's least are frequent. */
static uint64_t draw(void)
{
	return rand() % 4 == 0 ? MINIMA_NONE : (uint64_t)(rand() % 9);
}

static void agrees_with_a_look_at_each(void **state)
{
	(void)state;
	for (size_t n = 0; n <= VALUES_MAX; n += n < 3 ? 1 : 31) {
		uint64_t values[VALUES_MAX];
		struct minima m;

		assert_int_equal(minima_init(&m, n), 0);
		for (size_t i = 0; i < n; i++)
			values[i] = MINIMA_NONE;
		for (unsigned step = 0; step < 5000; step++) {
			size_t i = n > 0 ? (size_t)rand() % n : 0, from = (size_t)rand() % (n + 2);
			uint64_t bound = draw();

			if (n > 0)
				minima_set(&m, i, values[i] = draw());
			assert_true(minima_least(&m) == least_of(values, n));
			if (from <= n)
				assert_int_equal(minima_below(&m, from, bound),
						 below(values, n, from, bound));
		}
		minima_free(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_look_at_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
