/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/lru_tables.h"

#include <assert.h>
#include <errno.h>

#include "base/check.h"

/* A number is that of the table and, below, that of the entry in it. */
#define ENTRY_BITS 24
#define ENTRY_MASK ((1u << ENTRY_BITS) - 1)

static_assert(LRU_TABLES_MAX <= LRU_NONE >> ENTRY_BITS, "LRU_NONE is nobody's number");

int lru_tables_init(struct lru_tables *t, uint32_t max, uint64_t seed)
{
	CHECK(max <= LRU_ENTRIES_MAX);
	*t = (struct lru_tables){ 0 };
	return lru_init(lru_newest(t), max, seed);
}

void lru_tables_finish(struct lru_tables *t)
{
	for (unsigned n = 0; n < LRU_TABLES_MAX; n++)
		lru_finish(&t->at[n]);
}

/* Where another one can be, which is where nothing is held; LRU_TABLES_MAX: nowhere. */
static unsigned room_for_one(const struct lru_tables *t)
{
	unsigned found = LRU_TABLES_MAX;

	for (unsigned n = 0; n < LRU_TABLES_MAX; n++) {
		if (n == t->newest || t->at[n].holds > 0)
			continue;
		if (!t->at[n].entries)
			return n;
		if (found == LRU_TABLES_MAX || t->until_ms[n] < t->until_ms[found])
			found = n;
	}
	return found;
}

/* Older ones are held less and less: where there is room now there is room later. */
int lru_fresh_make(const struct lru_tables *t, uint32_t max, uint64_t seed,
		   struct lru_fresh *ret_fresh)
{
	int err;

	CHECK(max <= LRU_ENTRIES_MAX);
	if (room_for_one(t) == LRU_TABLES_MAX)
		return -ENOSPC;
	err = lru_init(&ret_fresh->table, max, seed);
	ret_fresh->is_set = err == 0;
	return err;
}

void lru_fresh_drop(struct lru_fresh *fresh)
{
	if (fresh->is_set)
		lru_finish(&fresh->table);
	fresh->is_set = false;
}

void lru_tables_renew(struct lru_tables *t, struct lru_fresh *fresh, uint64_t until_ms)
{
	unsigned n = room_for_one(t);

	CHECK(fresh->is_set);
	CHECK(n < LRU_TABLES_MAX);
	t->until_ms[t->newest] = until_ms;
	lru_finish(&t->at[n]);
	t->at[n] = fresh->table;
	t->newest = n;
	*fresh = (struct lru_fresh){ 0 };
}

void lru_tables_trim(struct lru_tables *t, uint64_t now_ms)
{
	for (unsigned n = 0; n < LRU_TABLES_MAX; n++)
		if (lru_is_older(t, n) && t->at[n].holds == 0 && now_ms >= t->until_ms[n])
			lru_finish(&t->at[n]);
}

uint32_t lru_tables_hold(struct lru_tables *t, struct lru_entry *entry)
{
	struct lru_table *table = lru_newest(t);

	lru_hold(table, entry);
	return t->newest << ENTRY_BITS | lru_index(table, entry);
}

struct lru_entry *lru_tables_at(struct lru_tables *t, uint32_t number)
{
	CHECK(number >> ENTRY_BITS < LRU_TABLES_MAX);
	return lru_at(&t->at[number >> ENTRY_BITS], number & ENTRY_MASK);
}

void lru_tables_release(struct lru_tables *t, uint32_t number)
{
	lru_release(&t->at[number >> ENTRY_BITS], lru_tables_at(t, number));
}
