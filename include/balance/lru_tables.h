/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_LRU_TABLES_H
#define BALANCE_LRU_TABLES_H

/*
 * A table (lru_table.h) that can be begun anew, with another size or other
 * keys, while entries of it are held: the newest one takes what comes, older
 * ones stay until nobody holds anything there and their time is over. Not
 * thread-safe: its user has a lock.
 */

#include <stdbool.h>
#include <stdint.h>

#include "balance/lru_table.h"
#include "base/def.h"

#define LRU_TABLES_MAX 8u          /* the newest, and older ones */
#define LRU_ENTRIES_MAX (1u << 24) /* of each */

/* Another one to be; zero: none. */
struct lru_fresh {
	struct lru_table table;
	bool is_set;
};

struct lru_tables {
	struct lru_table at[LRU_TABLES_MAX]; /* zero: there is none */
	uint64_t until_ms[LRU_TABLES_MAX];   /* how long an older one is of use */
	unsigned newest;
};

/* Returns 0 or -ENOMEM. */
MUST_CHECK int lru_tables_init(struct lru_tables *tables, uint32_t max, uint64_t seed);
void lru_tables_finish(struct lru_tables *tables);

static inline struct lru_table *lru_newest(struct lru_tables *tables)
{
	return &tables->at[tables->newest];
}

/* Is it one of them that takes nothing any more? */
static inline bool lru_is_older(const struct lru_tables *tables, unsigned n)
{
	return n != tables->newest && tables->at[n].entries;
}

/*
 * Makes what lru_tables_renew() takes. 0, -ENOMEM, or -ENOSPC while there are
 * LRU_TABLES_MAX of them that are held.
 */
MUST_CHECK int lru_fresh_make(const struct lru_tables *tables, uint32_t max, uint64_t seed,
			      struct lru_fresh *ret_fresh);
/* Gives back what was not taken. */
void lru_fresh_drop(struct lru_fresh *fresh);
/* Takes @fresh, and it is the newest; the one before is of use until @until_ms, if not held. */
void lru_tables_renew(struct lru_tables *tables, struct lru_fresh *fresh, uint64_t until_ms);

/* Gives back older ones that nobody holds and whose time is over. */
void lru_tables_trim(struct lru_tables *tables, uint64_t now_ms);

/* Holds an entry of the newest. Gives its number for who cannot keep a pointer. */
uint32_t lru_tables_hold(struct lru_tables *tables, struct lru_entry *entry);
/* And back, of any of them. */
struct lru_entry *lru_tables_at(struct lru_tables *tables, uint32_t number);
void lru_tables_release(struct lru_tables *tables, uint32_t number);

#endif
