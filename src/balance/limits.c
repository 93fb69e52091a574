/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/limits.h"

#include <pthread.h>
#include <stdlib.h>

struct limits {
	struct limits_config config;
	pthread_mutex_t lock;
	struct lru_table table; /* held: sessions; value: struct bucket */
};

struct limits *limits_create(const struct limits_config *config, uint64_t seed)
{
	struct limits *limits = calloc(1, sizeof(*limits));

	if (!limits)
		return NULL;
	limits->config = *config;
	if (lru_init(&limits->table, config->sources_max, seed) < 0) {
		free(limits);
		return NULL;
	}
	pthread_mutex_init(&limits->lock, NULL);
	return limits;
}

void limits_destroy(struct limits *limits)
{
	if (!limits)
		return;
	pthread_mutex_destroy(&limits->lock);
	lru_finish(&limits->table);
	free(limits);
}

void limits_change(struct limits *limits, const struct limits_config *config)
{
	pthread_mutex_lock(&limits->lock);
	limits->config.sessions_max = config->sessions_max;
	limits->config.sessions = config->sessions;
	pthread_mutex_unlock(&limits->lock);
}

/* May the source of @entry have one more now? Its bucket pays for those only who get in. */
static enum limits_answer ask_entry(struct limits *limits, struct lru_entry *entry, uint64_t now_ns)
{
	struct bucket bucket = { .full_ns = entry->value };

	if (limits->config.sessions_max > 0 && entry->held >= limits->config.sessions_max)
		return LIMITS_SESSIONS;
	if (!bucket_take(&bucket, &limits->config.sessions, 1, now_ns))
		return LIMITS_RATE;
	entry->value = bucket.full_ns;
	return LIMITS_FINE;
}

enum limits_answer limits_enter(struct limits *limits, const struct addr *source, uint64_t now_ns,
				uint32_t *ret_number)
{
	enum limits_answer answer = LIMITS_TABLE_FULL;
	struct lru_entry *entry;
	struct lru_key key;

	*ret_number = LRU_NONE;
	if (!lru_key_from_addr(source, limits->config.bits4, limits->config.bits6, &key))
		return LIMITS_FINE;
	pthread_mutex_lock(&limits->lock);
	entry = lru_get(&limits->table, key);
	if (entry)
		answer = ask_entry(limits, entry, now_ns);
	if (entry && answer == LIMITS_FINE) {
		lru_hold(&limits->table, entry);
		*ret_number = lru_index(&limits->table, entry);
	} else if (entry) {
		lru_touch(&limits->table, entry);
	}
	pthread_mutex_unlock(&limits->lock);
	return answer;
}

void limits_leave(struct limits *limits, uint32_t number)
{
	if (number == LRU_NONE)
		return;
	pthread_mutex_lock(&limits->lock);
	lru_release(&limits->table, lru_at(&limits->table, number));
	pthread_mutex_unlock(&limits->lock);
}
