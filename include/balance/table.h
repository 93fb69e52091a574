/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_TABLE_H
#define BALANCE_TABLE_H

/*
 * What is known of many clients, in a fixed amount of memory: at most so many
 * entries, found by a key of 16 bytes. An entry that is held (by a session)
 * stays; of the others the one used longest ago makes room for a new one. So
 * a flood of new keys can push out what nobody uses, and nothing else.
 *
 * Memory: 48 bytes an entry and 4 to 8 for finding it: 100 000 entries are
 * 5.1 MiB, touched only as they are used. Not thread-safe: its user has a
 * lock. The seed keeps strangers from choosing keys that collide.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "net/addr.h"

#define TABLE_NONE UINT32_MAX

struct table_key {
	uint64_t a, b;
};

struct table_entry {
	struct table_key key;
	uint32_t next;           /* of those with the same hash */
	uint32_t older, newer;   /* among those that nobody holds */
	uint32_t held;           /* by so many */
	uint64_t value, used_ms; /* its user's */
};

struct table {
	struct table_entry *entries; /* one more than max: the ends of the list of the unheld */
	uint32_t *heads;
	uint32_t heads_n; /* a power of two */
	uint32_t max;
	uint32_t used;    /* in the table now */
	uint32_t touched; /* entries ever used: those above have no memory yet */
	uint32_t free;    /* first of those given back */
	uint64_t seed;
};

/* Returns 0 or -ENOMEM. */
MUST_CHECK int table_init(struct table *table, uint32_t max, uint64_t seed);
/* Accepts a table of zeroes. */
void table_finish(struct table *table);

/* Finds an entry, or NULL. Says nothing about who uses it: see table_touch(). */
struct table_entry *table_find(struct table *table, struct table_key key);

/*
 * Finds or makes an entry; a new one has a value of 0 and is the newest.
 * NULL when there is none and every other one is held.
 */
MUST_CHECK struct table_entry *table_get(struct table *table, struct table_key key);

/* Makes it the one used last, among the unheld. */
void table_touch(struct table *table, struct table_entry *entry);

/* From the first hold to the last release it stays in. */
void table_hold(struct table *table, struct table_entry *entry);
void table_release(struct table *table, struct table_entry *entry);

/* Nobody may hold it. */
void table_remove(struct table *table, struct table_entry *entry);

/* An entry's number, for who cannot keep a pointer, and back. */
uint32_t table_index(const struct table *table, const struct table_entry *entry);
struct table_entry *table_at(struct table *table, uint32_t index);

/*
 * The block of addresses that @addr is in: so many bits of an IPv4 address or
 * of an IPv6 one. False for unix sockets, which have no address.
 */
MUST_CHECK bool table_key_from_addr(const struct addr *addr, unsigned bits4, unsigned bits6,
				    struct table_key *ret_key);
/* Of any bytes, by two hashes of them. */
struct table_key table_key_from_bytes(const struct table *table, const void *bytes, size_t n);

#endif
