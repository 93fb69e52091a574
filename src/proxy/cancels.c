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

static struct known *find(struct cancels *c, uint64_t hash)
{
	list_for_each(node, &c->chains[hash % CHAINS]) {
		struct known *k = container_of(node, struct known, node);

		if (k->hash == hash)
			return k;
	}
	return NULL;
}

void cancels_remember(struct cancels *c, uint64_t hash, struct pool *pool, struct backend *backend)
{
	struct known *k;

	pthread_mutex_lock(&c->lock);
	k = slab_get(&c->known);
	if (k) {
		k->hash = hash;
		k->pool = pool;
		k->backend = backend;
		list_init(&k->node);
		list_append(&c->chains[hash % CHAINS], &k->node);
	}
	pthread_mutex_unlock(&c->lock);
}

void cancels_forget(struct cancels *c, uint64_t hash)
{
	struct known *k;

	pthread_mutex_lock(&c->lock);
	k = find(c, hash);
	if (k) {
		list_remove(&k->node);
		slab_put(&c->known, k);
	}
	pthread_mutex_unlock(&c->lock);
}

bool cancels_find(struct cancels *c, uint64_t hash, struct pool **ret_pool,
		  struct backend **ret_backend)
{
	struct known *k;

	pthread_mutex_lock(&c->lock);
	k = find(c, hash);
	if (k) {
		*ret_pool = k->pool;
		*ret_backend = k->backend;
	}
	pthread_mutex_unlock(&c->lock);
	return k != NULL;
}
