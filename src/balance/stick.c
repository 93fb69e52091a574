/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/stick.h"

#include "base/check.h"

#include <pthread.h>
#include <stdlib.h>

struct stick {
	pthread_mutex_t lock;
	struct lru_tables tables; /* value: the backend's id; used_ms: end of the last session */
	uint64_t ttl_ms;
	uint64_t seed; /* of all of them: keys are the same */
};

struct stick *stick_create(uint32_t clients_max, uint64_t ttl_ms, uint64_t seed)
{
	struct stick *stick = calloc(1, sizeof(*stick));

	if (!stick)
		return NULL;
	if (lru_tables_init(&stick->tables, clients_max, seed) < 0) {
		free(stick);
		return NULL;
	}
	stick->ttl_ms = ttl_ms;
	stick->seed = seed;
	pthread_mutex_init(&stick->lock, NULL);
	return stick;
}

void stick_destroy(struct stick *stick)
{
	if (!stick)
		return;
	pthread_mutex_destroy(&stick->lock);
	lru_tables_finish(&stick->tables);
	free(stick);
}

int stick_prepare(struct stick *stick, uint32_t clients_max, struct lru_fresh *ret_fresh)
{
	int err = 0;

	pthread_mutex_lock(&stick->lock);
	if (lru_newest(&stick->tables)->max != clients_max)
		err = lru_fresh_make(&stick->tables, clients_max, stick->seed, ret_fresh);
	pthread_mutex_unlock(&stick->lock);
	return err;
}

void stick_change(struct stick *stick, uint64_t ttl_ms, struct lru_fresh *fresh, uint64_t now_ms)
{
	pthread_mutex_lock(&stick->lock);
	stick->ttl_ms = ttl_ms;
	if (fresh->is_set)
		lru_tables_renew(&stick->tables, fresh, now_ms + ttl_ms);
	pthread_mutex_unlock(&stick->lock);
}

struct lru_key stick_key(const struct stick *stick, const void *bytes, size_t n)
{
	return lru_key_from_bytes(stick->seed, bytes, n);
}

static bool is_expired(const struct stick *stick, const struct lru_entry *entry, uint64_t now_ms)
{
	return entry->held == 0 && now_ms >= entry->used_ms &&
	       now_ms - entry->used_ms >= stick->ttl_ms;
}

/* In one of the tables, and not for too long; or NULL. */
static const struct lru_entry *find_in(struct stick *stick, unsigned n, struct lru_key key,
				       uint64_t now_ms)
{
	struct lru_table *table = &stick->tables.at[n];
	struct lru_entry *entry = lru_find(table, key);

	if (!entry || !is_expired(stick, entry, now_ms))
		return entry;
	lru_remove(table, entry);
	return NULL;
}

/* Where the newest table has nothing, what was used last in an older one. */
static const struct lru_entry *find_in_all(struct stick *stick, struct lru_key key, uint64_t now_ms)
{
	const struct lru_entry *found = find_in(stick, stick->tables.newest, key, now_ms);

	for (unsigned n = 0; n < LRU_TABLES_MAX && !found; n++)
		if (lru_is_older(&stick->tables, n))
			found = find_in(stick, n, key, now_ms);
	return found;
}

uint64_t stick_find(struct stick *stick, struct lru_key key, uint64_t now_ms)
{
	const struct lru_entry *entry;
	uint64_t backend;

	pthread_mutex_lock(&stick->lock);
	lru_tables_trim(&stick->tables, now_ms);
	entry = find_in_all(stick, key, now_ms);
	backend = entry ? entry->value : 0;
	pthread_mutex_unlock(&stick->lock);
	return backend;
}

uint32_t stick_hold(struct stick *stick, struct lru_key key, uint64_t backend, uint64_t now_ms)
{
	struct lru_entry *entry;
	uint32_t number = LRU_NONE;

	pthread_mutex_lock(&stick->lock);
	entry = lru_get(lru_newest(&stick->tables), key);
	if (entry) {
		entry->value = backend;
		entry->used_ms = now_ms;
		number = lru_tables_hold(&stick->tables, entry);
	}
	pthread_mutex_unlock(&stick->lock);
	return number;
}

void stick_release(struct stick *stick, uint32_t number, uint64_t now_ms)
{
	if (number == LRU_NONE)
		return;
	pthread_mutex_lock(&stick->lock);
	lru_tables_at(&stick->tables, number)->used_ms = now_ms;
	lru_tables_release(&stick->tables, number);
	pthread_mutex_unlock(&stick->lock);
}
