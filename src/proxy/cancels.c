/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/cancels.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/slab.h"

/* Chains are a few long even with a million sessions; a look-up is rare. */
#define CHAINS 4096

struct known {
	struct list node; /* of a chain */
	uint64_t hash;
	struct pool *pool;
	struct backend *backend;
	unsigned sessions; /* one client may have many there */
};

struct cancels {
	pthread_mutex_t lock;
	struct slab known;
	struct list chains[CHAINS];
};

uint64_t cancels_hash(const struct pgsql_key *key)
{
	return hash_bytes(key->secret, key->secret_bytes, key->process);
}

uint64_t cancels_hash_client(const struct addr *client, size_t listener)
{
	uint8_t bytes[16];

	return addr_bytes(client, bytes) ? hash_bytes(bytes, sizeof(bytes), listener) : 0;
}

struct cancels *cancels_create(unsigned sessions_max)
{
	struct cancels *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	if (slab_init(&c->known, sizeof(struct known), sessions_max) < 0) {
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	for (size_t n = 0; n < CHAINS; n++)
		list_init(&c->chains[n]);
	return c;
}

void cancels_destroy(struct cancels *c)
{
	if (!c)
		return;
	slab_finish(&c->known);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct known *find(struct cancels *c, uint64_t hash, const struct backend *backend)
{
	list_for_each(node, &c->chains[hash % CHAINS]) {
		struct known *k = container_of(node, struct known, node);

		if (k->hash == hash && k->backend == backend)
			return k;
	}
	return NULL;
}

/* By where they lie in memory, which does not change while sessions come and go. */
static struct known *find_next(struct cancels *c, uint64_t hash, const struct backend *after)
{
	struct known *next = NULL;

	list_for_each(node, &c->chains[hash % CHAINS]) {
		struct known *k = container_of(node, struct known, node);

		if (k->hash == hash && k->backend > after && (!next || k->backend < next->backend))
			next = k;
	}
	return next;
}

static struct known *make(struct cancels *c, uint64_t hash, struct pool *pool,
			  struct backend *backend)
{
	struct known *k = slab_get(&c->known);

	if (!k)
		return NULL;
	k->hash = hash;
	k->pool = pool;
	k->backend = backend;
	list_init(&k->node);
	list_append(&c->chains[hash % CHAINS], &k->node);
	return k;
}

void cancels_remember(struct cancels *c, uint64_t hash, struct pool *pool, struct backend *backend)
{
	struct known *k;

	pthread_mutex_lock(&c->lock);
	k = find(c, hash, backend);
	if (!k)
		k = make(c, hash, pool, backend);
	if (k)
		k->sessions++;
	pthread_mutex_unlock(&c->lock);
}

void cancels_forget(struct cancels *c, uint64_t hash, const struct backend *backend)
{
	struct known *k;

	pthread_mutex_lock(&c->lock);
	k = find(c, hash, backend);
	if (k && --k->sessions == 0) {
		list_remove(&k->node);
		slab_put(&c->known, k);
	}
	pthread_mutex_unlock(&c->lock);
}

bool cancels_find(struct cancels *c, uint64_t hash, const struct backend *after,
		  struct pool **ret_pool, struct backend **ret_backend)
{
	struct known *k;

	pthread_mutex_lock(&c->lock);
	k = find_next(c, hash, after);
	if (k) {
		*ret_pool = k->pool;
		*ret_backend = k->backend;
	}
	pthread_mutex_unlock(&c->lock);
	return k != NULL;
}
