/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_RECONFIGURE_BED_H
#define UNIT_RECONFIGURE_BED_H

/*
 * A pool that gets one configuration after the other, each from a line:
 *
 *	reload(st, next_of(st, "b0 b1=3 c0"));
 */

#include "balance_bed.h"

static const enum balance_kind kinds[] = { BALANCE_ROUNDROBIN, BALANCE_LEASTCONN, BALANCE_RANDOM,
					   BALANCE_MAGLEV, BALANCE_FIRST };

/* A configuration that follows the bed's. */
struct next {
	struct pool_config config;
	struct backend_config backends[BED_BACKENDS_MAX + 24];
};

/* The bed's settings with these backends: "b0 b1=3 c7", of weight 1 unless it is said. */
static inline void write_next(struct next *next, const struct bed *st, const char *text)
{
	next->config = st->config;
	next->config.backends = next->backends;
	next->config.backends_n = 0;
	memset(next->backends, 0, sizeof(next->backends));
	while (*text) {
		struct backend_config *b = &next->backends[next->config.backends_n++];
		int n = (int)strcspn(text, " =");

		snprintf(b->name, sizeof(b->name), "%.*s", n, text);
		b->weight = text[n] == '=' ? (unsigned)strtoul(text + n + 1, NULL, 10) : 1;
		text += strcspn(text, " ");
		text += strspn(text, " ");
	}
}

static inline struct next *next_of(const struct bed *st, const char *text)
{
	static struct next nexts[2];
	static unsigned turn;
	struct next *next = &nexts[turn++ % 2];

	write_next(next, st, text);
	return next;
}

static inline void reload(struct bed *st, struct next *next)
{
	assert_int_equal(pool_reconfigure(st->pool, &next->config), 0);
	assert_ptr_equal(pool_config(st->pool), &next->config);
}

static inline struct backend *nth(struct bed *st, size_t i)
{
	return pool_backend(st->pool, i);
}

static inline struct backend *named(struct bed *st, const char *name)
{
	for (size_t i = 0; i < pool_backends(st->pool); i++)
		if (nth(st, i) && strcmp(nth(st, i)->config->name, name) == 0 &&
		    nth(st, i)->state != BACKEND_LEAVING)
			return nth(st, i);
	return NULL;
}

/* Takes a slot there. */
static inline struct backend *take(struct bed *st, const char *name)
{
	struct backend *b = pool_take(st->pool, named(st, name)->id, 0);

	assert_non_null(b);
	return b;
}

static inline struct pool_ask ask_of(uint64_t i)
{
	return (struct pool_ask){ .key = i * 0x9e3779b97f4a7c15 };
}

static inline struct backend *pick(struct bed *st, uint64_t i)
{
	struct pool_ask ask = ask_of(i);
	enum pool_answer why;

	return pool_pick(st->pool, &ask, &why);
}

/* The names that 400 sessions with different keys reach together, in order. */
static const char *reached(struct bed *st)
{
	static const char *const names[] = { "b0", "b1", "b2", "b3", "c0", "c1", "c2" };
	static char text[100];
	unsigned counts[ARRAY_LEN(names)] = { 0 };
	struct backend *held[400];

	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		held[i] = pick(st, i);
		for (size_t n = 0; held[i] && n < ARRAY_LEN(names); n++)
			counts[n] += strcmp(held[i]->config->name, names[n]) == 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		if (held[i])
			pool_release(st->pool, held[i]);
	text[0] = '\0';
	for (size_t n = 0; n < ARRAY_LEN(names); n++)
		if (counts[n] > 0)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 *text ? " " : "", names[n]);
	return text;
}

#endif
