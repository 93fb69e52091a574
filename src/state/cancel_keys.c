/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/cancel_keys.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/slab.h"

struct known {
	struct known *next; /* of its chain */
	uint64_t hash;
	struct pool *pool;
	uint64_t backend;  /* its id */
	unsigned sessions; /* one client may have many there */
};

struct cancel_keys {
	pthread_mutex_t lock;
	uint64_t seed;
	struct slab known;
	struct known **chains; /* at least one for each that may be known: they are short */
	size_t chains_n;       /* a power of two */
};

/* Two steps, so that nobody who does not know the seed can undo the number with the bytes. */
static uint64_t hash_both(const struct cancel_keys *c, const void *bytes, size_t n, uint64_t number)
{
	return hash_bytes(bytes, n, hash_bytes(&number, sizeof(number), c->seed));
}

uint64_t cancel_keys_hash(const struct cancel_keys *c, const struct cancel_key *key)
{
	return hash_bytes(key->bytes, key->n, c->seed);
}

uint64_t cancel_keys_hash_client(const struct cancel_keys *c, const struct addr *client,
				 size_t listener)
{
	uint8_t bytes[16];

	return addr_bytes(client, bytes) ? hash_both(c, bytes, sizeof(bytes), listener) : 0;
}

static size_t power_of_two_from(unsigned n)
{
	size_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

struct cancel_keys *cancel_keys_create(unsigned sessions_max, uint64_t seed)
{
	struct cancel_keys *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->seed = seed;
	c->chains_n = power_of_two_from(sessions_max);
	c->chains =
		calloc(c->chains_n, sizeof(struct known *)); /* memory that is touched when used */
	if (c->chains && slab_init(&c->known, sizeof(struct known), sessions_max) == 0)
		return c;
	cancel_keys_destroy(c);
	return NULL;
}

void cancel_keys_destroy(struct cancel_keys *c)
{
	if (!c)
		return;
	slab_finish(&c->known);
	free(c->chains);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct known **chain_of(struct cancel_keys *c, uint64_t hash)
{
	return &c->chains[hash & (c->chains_n - 1)];
}

/* Gives what points to it, or to the end of its chain. */
static struct known **known_link(struct cancel_keys *c, uint64_t hash, uint64_t backend)
{
	struct known **at = chain_of(c, hash);

	while (*at && ((*at)->hash != hash || (*at)->backend != backend))
		at = &(*at)->next;
	return at;
}

/* By their ids, which do not change while sessions come and go. */
static struct known *known_next_backend(struct cancel_keys *c, uint64_t hash, uint64_t after)
{
	struct known *next = NULL;

	for (struct known *k = *chain_of(c, hash); k; k = k->next)
		if (k->hash == hash && k->backend > after && (!next || k->backend < next->backend))
			next = k;
	return next;
}

static struct known *known_create(struct cancel_keys *c, uint64_t hash, struct pool *pool,
				  uint64_t backend)
{
	struct known *k = slab_get(&c->known);

	if (!k)
		return NULL;
	k->hash = hash;
	k->pool = pool;
	k->backend = backend;
	return k;
}

void cancel_keys_remember(struct cancel_keys *c, uint64_t hash, struct pool *pool,
			  struct backend *backend)
{
	struct known **at;

	pthread_mutex_lock(&c->lock);
	at = known_link(c, hash, backend->id);
	if (!*at)
		*at = known_create(c, hash, pool, backend->id);
	if (*at)
		(*at)->sessions++;
	pthread_mutex_unlock(&c->lock);
}

void cancel_keys_forget(struct cancel_keys *c, uint64_t hash, const struct backend *backend)
{
	struct known **at, *k;

	pthread_mutex_lock(&c->lock);
	at = known_link(c, hash, backend->id);
	k = *at;
	if (k && --k->sessions == 0) {
		*at = k->next;
		slab_put(&c->known, k);
	}
	pthread_mutex_unlock(&c->lock);
}

bool cancel_keys_find(struct cancel_keys *c, uint64_t hash, uint64_t after, struct pool **ret_pool,
		      uint64_t *ret_backend)
{
	struct known *k;

	pthread_mutex_lock(&c->lock);
	k = known_next_backend(c, hash, after);
	if (k) {
		*ret_pool = k->pool;
		*ret_backend = k->backend;
	}
	pthread_mutex_unlock(&c->lock);
	return k != NULL;
}
