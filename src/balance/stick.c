/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/stick.h"

#include "base/check.h"

#include <pthread.h>
#include <stdlib.h>

struct stick {
	pthread_mutex_t lock;
	struct lru_table table; /* value: the backend's id; used_ms: end of the last session */
	uint64_t ttl_ms;
};

struct stick *stick_create(uint32_t clients_max, uint64_t ttl_ms, uint64_t seed)
{
	struct stick *stick = calloc(1, sizeof(*stick));

	if (!stick)
		return NULL;
	if (lru_init(&stick->table, clients_max, seed) < 0) {
		free(stick);
		return NULL;
	}
	stick->ttl_ms = ttl_ms;
	pthread_mutex_init(&stick->lock, NULL);
	return stick;
}

void stick_destroy(struct stick *stick)
{
	if (!stick)
		return;
	pthread_mutex_destroy(&stick->lock);
	lru_finish(&stick->table);
	free(stick);
}

void stick_set_ttl(struct stick *stick, uint64_t ttl_ms)
{
	pthread_mutex_lock(&stick->lock);
	stick->ttl_ms = ttl_ms;
	pthread_mutex_unlock(&stick->lock);
}

struct lru_key stick_key(const struct stick *stick, const void *bytes, size_t n)
{
	return lru_key_from_bytes(&stick->table, bytes, n);
}

static bool is_expired(const struct stick *stick, const struct lru_entry *entry, uint64_t now_ms)
{
	return entry->held == 0 && now_ms >= entry->used_ms &&
	       now_ms - entry->used_ms >= stick->ttl_ms;
}

uint64_t stick_find(struct stick *stick, struct lru_key key, uint64_t now_ms)
{
	struct lru_entry *entry;
	uint64_t backend = 0;

	pthread_mutex_lock(&stick->lock);
	entry = lru_find(&stick->table, key);
	if (entry && is_expired(stick, entry, now_ms))
		lru_remove(&stick->table, entry);
	else if (entry)
		backend = entry->value;
	pthread_mutex_unlock(&stick->lock);
	return backend;
}

uint32_t stick_hold(struct stick *stick, struct lru_key key, uint64_t backend, uint64_t now_ms)
{
	struct lru_entry *entry;
	uint32_t number = LRU_NONE;

	pthread_mutex_lock(&stick->lock);
	entry = lru_get(&stick->table, key);
	if (entry) {
		entry->value = backend;
		entry->used_ms = now_ms;
		lru_hold(&stick->table, entry);
		number = lru_index(&stick->table, entry);
	}
	pthread_mutex_unlock(&stick->lock);
	return number;
}

void stick_release(struct stick *stick, uint32_t number, uint64_t now_ms)
{
	struct lru_entry *entry;

	if (number == LRU_NONE)
		return;
	pthread_mutex_lock(&stick->lock);
	entry = lru_at(&stick->table, number);
	entry->used_ms = now_ms;
	lru_release(&stick->table, entry);
	pthread_mutex_unlock(&stick->lock);
}
