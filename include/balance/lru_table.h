/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_LRU_TABLE_H
#define BALANCE_LRU_TABLE_H

/*
 * What is known of many clients, in a fixed amount of memory: at most so many
 * entries, found by a key of 16 bytes. An entry that is held (by a session)
 * stays; of the others the one used longest ago makes room for a new one. So
 * a flood of new keys can push out what nobody uses, and nothing else.
 *
 * Memory: 48 bytes an entry and 4 to 8 for finding it: 100 000 entries are
 * 5.1 MiB, touched only as they are used. Not thread-safe: its user has a
 * lock. The seed keeps attackers from choosing keys that collide.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "net/addr.h"

#define LRU_NONE UINT32_MAX

struct lru_key {
	uint64_t a, b;
};

struct lru_entry {
	struct lru_key key;
	uint32_t next;           /* of those with the same hash */
	uint32_t older, newer;   /* among those that nobody holds */
	uint32_t held;           /* by so many */
	uint64_t value, used_ms; /* its user's */
};

struct lru_table {
	struct lru_entry *entries; /* one more than max: the ends of the list of the unheld */
	uint32_t *heads;
	uint32_t heads_n; /* a power of two */
	uint32_t max;
	uint32_t used;    /* in the table now */
	uint64_t holds;   /* of all entries */
	uint32_t touched; /* entries ever used: those above have no memory yet */
	uint32_t free;    /* first of those given back */
	uint64_t seed;
};

/* Returns 0 or -ENOMEM. */
MUST_CHECK int lru_init(struct lru_table *table, uint32_t max, uint64_t seed);
/* Accepts a table of zeroes. */
void lru_finish(struct lru_table *table);

/* Finds an entry, or NULL. Says nothing about who uses it: see lru_touch(). */
struct lru_entry *lru_find(struct lru_table *table, struct lru_key key);

/*
 * Finds or makes an entry; a new one has a value of 0 and is the newest.
 * NULL when there is none and every other one is held.
 */
MUST_CHECK struct lru_entry *lru_get(struct lru_table *table, struct lru_key key);

/* Makes it the one used last, among the unheld. */
void lru_touch(struct lru_table *table, struct lru_entry *entry);

/* From the first hold to the last release it stays in. */
void lru_hold(struct lru_table *table, struct lru_entry *entry);
void lru_release(struct lru_table *table, struct lru_entry *entry);

/* Nobody may hold it. */
void lru_remove(struct lru_table *table, struct lru_entry *entry);

/* An entry's number, for who cannot keep a pointer, and back. */
uint32_t lru_index(const struct lru_table *table, const struct lru_entry *entry);
struct lru_entry *lru_at(struct lru_table *table, uint32_t index);

/*
 * The block of addresses that @addr is in: so many bits of an IPv4 address or
 * of an IPv6 one. False for unix sockets, which have no address.
 */
MUST_CHECK bool lru_key_from_addr(const struct addr *addr, unsigned bits4, unsigned bits6,
				  struct lru_key *ret_key);
/* Of any bytes, by two hashes of them; @seed should be a secret. */
struct lru_key lru_key_from_bytes(uint64_t seed, const void *bytes, size_t n);

#endif
