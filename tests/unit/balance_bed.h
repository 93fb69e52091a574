/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_BALANCE_BED_H
#define UNIT_BALANCE_BED_H

/*
 * A pool for a test, from a line of weights:
 *
 *	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 2 3");
 *
 * or, to change the configuration first, bed_new() and bed_start(). The
 * backends are called b0, b1, ... The bed is torn down by bed_test()'s
 * teardown; sessions must be released by then.
 */

#include "unit/pool_pick.h"
#include "base/def.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BED_BACKENDS_MAX 1000

struct bed {
	struct pool *pool;
	struct pool_config config;
	struct backend_config backends[BED_BACKENDS_MAX];
};

static inline void bed_add(struct bed *st, unsigned weight)
{
	struct backend_config *b = &st->backends[st->config.backends_n];

	assert_true(st->config.backends_n < BED_BACKENDS_MAX);
	snprintf(b->name, sizeof(b->name), "b%zu", st->config.backends_n);
	b->weight = weight;
	st->config.backends_n++;
}

static inline struct bed *bed_new(void **state, enum balance_kind kind, const char *weights)
{
	struct bed *st = calloc(1, sizeof(*st));
	char *end;

	assert_non_null(st);
	*state = st;
	st->config.balance = kind;
	st->config.backends = st->backends;
	for (;; weights = end) {
		unsigned long weight = strtoul(weights, &end, 10);

		if (end == weights)
			return st;
		bed_add(st, (unsigned)weight);
	}
}

static inline void bed_start(struct bed *st)
{
	st->pool = pool_create(&st->config);
	assert_non_null(st->pool);
}

static inline struct bed *bed_of(void **state, enum balance_kind kind, const char *weights)
{
	struct bed *st = bed_new(state, kind, weights);

	bed_start(st);
	return st;
}

static inline int bed_teardown(void **state)
{
	struct bed *st = *state;

	if (st)
		pool_destroy(st->pool);
	free(st);
	*state = NULL;
	return 0;
}

/* Picks for a session that goes on; NULL when there is nobody. */
static inline struct backend *bed_pick(struct bed *st)
{
	struct pool_ask ask = { 0 };
	enum pool_answer why;

	return pool_pick(st->pool, &ask, &why);
}

/* The index of who is picked for a session that ends at once, or minus the pool's answer. */
static inline int bed_index(struct bed *st)
{
	struct pool_ask ask = { 0 };
	enum pool_answer why;
	struct backend *b = pool_pick(st->pool, &ask, &why);

	if (!b)
		return -(int)why;
	pool_release(st->pool, b);
	return (int)b->index;
}

#define bed_test(f) cmocka_unit_test_teardown(f, bed_teardown)

#endif
