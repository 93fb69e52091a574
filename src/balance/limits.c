/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/limits.h"

#include <pthread.h>
#include <stdlib.h>

/* Of an address, that make a source. */
struct source_bits {
	unsigned bits4, bits6;
};

struct limits {
	struct limits_config config;
	pthread_mutex_t lock;
	struct lru_tables tables; /* held: sessions; value: struct bucket */
	struct source_bits bits[LRU_TABLES_MAX];
};

static struct source_bits bits_of(const struct limits_config *config)
{
	return (struct source_bits){ config->bits4, config->bits6 };
}

static bool is_same_source(const struct source_bits *a, const struct source_bits *b)
{
	return a->bits4 == b->bits4 && a->bits6 == b->bits6;
}

struct limits *limits_create(const struct limits_config *config, uint64_t seed)
{
	struct limits *limits = calloc(1, sizeof(*limits));

	if (!limits)
		return NULL;
	limits->config = *config;
	if (lru_tables_init(&limits->tables, config->sources_max, seed) < 0) {
		free(limits);
		return NULL;
	}
	limits->bits[limits->tables.newest] = bits_of(config);
	pthread_mutex_init(&limits->lock, NULL);
	return limits;
}

void limits_destroy(struct limits *limits)
{
	if (!limits)
		return;
	pthread_mutex_destroy(&limits->lock);
	lru_tables_finish(&limits->tables);
	free(limits);
}

/* ---- other ones ---------------------------------------------------------- */

int limits_prepare(struct limits *limits, const struct limits_config *config, uint64_t seed,
		   struct lru_fresh *ret_fresh)
{
	const struct source_bits wanted = bits_of(config);
	int err = 0;

	pthread_mutex_lock(&limits->lock);
	if (!is_same_source(&limits->bits[limits->tables.newest], &wanted) ||
	    lru_newest(&limits->tables)->max != config->sources_max)
		err = lru_fresh_make(&limits->tables, config->sources_max, seed, ret_fresh);
	pthread_mutex_unlock(&limits->lock);
	return err;
}

void limits_change(struct limits *limits, const struct limits_config *config,
		   struct lru_fresh *fresh)
{
	pthread_mutex_lock(&limits->lock);
	limits->config = *config;
	if (fresh->is_set)
		lru_tables_renew(&limits->tables, fresh, 0);
	limits->bits[limits->tables.newest] = bits_of(config);
	lru_tables_trim(&limits->tables, 0);
	pthread_mutex_unlock(&limits->lock);
}

/* ---- sessions ------------------------------------------------------------ */

/* What an older table has of the same source, or NULL. */
static const struct lru_entry *find_older(struct limits *limits, unsigned n, struct lru_key key)
{
	const struct source_bits *now = &limits->bits[limits->tables.newest];

	if (!lru_is_older(&limits->tables, n) || !is_same_source(&limits->bits[n], now))
		return NULL;
	return lru_find(&limits->tables.at[n], key);
}

static unsigned held_before(struct limits *limits, struct lru_key key)
{
	unsigned held = 0;

	for (unsigned n = 0; n < LRU_TABLES_MAX; n++) {
		const struct lru_entry *older = find_older(limits, n, key);

		held += older ? older->held : 0;
	}
	return held;
}

/* A new one goes on with what older tables know of the source's rate. */
static struct lru_entry *get_entry(struct limits *limits, struct lru_key key)
{
	struct lru_entry *entry = lru_find(lru_newest(&limits->tables), key);

	if (entry)
		return entry;
	entry = lru_get(lru_newest(&limits->tables), key);
	for (unsigned n = 0; entry && n < LRU_TABLES_MAX; n++) {
		const struct lru_entry *older = find_older(limits, n, key);

		if (older)
			entry->value = MAX(entry->value, older->value);
	}
	return entry;
}

/* May the source of @entry have one more now? Its bucket pays for those only who get in. */
static enum limits_answer ask_entry(struct limits *limits, struct lru_entry *entry, uint64_t now_ns)
{
	struct bucket bucket = { .full_ns = entry->value };
	const unsigned held = entry->held + held_before(limits, entry->key);

	if (limits->config.sessions_max > 0 && held >= limits->config.sessions_max)
		return LIMITS_SESSIONS;
	if (!bucket_take(&bucket, &limits->config.sessions, 1, now_ns))
		return LIMITS_RATE;
	entry->value = bucket.full_ns;
	return LIMITS_FINE;
}

static enum limits_answer enter(struct limits *limits, struct lru_key key, uint64_t now_ns,
				uint32_t *ret_number)
{
	struct lru_entry *entry = get_entry(limits, key);
	enum limits_answer answer = LIMITS_TABLE_FULL;

	if (entry)
		answer = ask_entry(limits, entry, now_ns);
	if (answer == LIMITS_FINE)
		*ret_number = lru_tables_hold(&limits->tables, entry);
	else if (entry)
		lru_touch(lru_newest(&limits->tables), entry);
	return answer;
}

enum limits_answer limits_enter(struct limits *limits, const struct addr *source, uint64_t now_ns,
				uint32_t *ret_number)
{
	enum limits_answer answer = LIMITS_FINE;
	struct lru_key key;

	*ret_number = LRU_NONE;
	pthread_mutex_lock(&limits->lock);
	if (lru_key_from_addr(source, limits->config.bits4, limits->config.bits6, &key))
		answer = enter(limits, key, now_ns, ret_number);
	pthread_mutex_unlock(&limits->lock);
	return answer;
}

void limits_leave(struct limits *limits, uint32_t number)
{
	if (number == LRU_NONE)
		return;
	pthread_mutex_lock(&limits->lock);
	lru_tables_release(&limits->tables, number);
	lru_tables_trim(&limits->tables, 0);
	pthread_mutex_unlock(&limits->lock);
}
