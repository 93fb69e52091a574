/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/resume.h"

#include "base/clock.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <pthread.h>
#include <stdlib.h>

/* As many as a pool may have backends, which are numbered one after the other. */
#define STORE_SLOTS 1024

/*
 * The library writes to a session while it is used, so nobody uses the one
 * that is kept, but copies of it.
 */
struct resume_store {
	pthread_mutex_t lock;
	struct slot {
		uint64_t id;
		uint64_t verified_ms;
		WOLFSSL_SESSION *session; /* NULL: none */
	} slots[STORE_SLOTS];
};

struct resume_store *resume_store_create(void)
{
	struct resume_store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	if (pthread_mutex_init(&store->lock, NULL) == 0)
		return store;
	free(store);
	return NULL;
}

void resume_store_destroy(struct resume_store *store)
{
	if (!store)
		return;
	for (size_t n = 0; n < STORE_SLOTS; n++)
		wolfSSL_SESSION_free(store->slots[n].session);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

/* Puts a session, which is taken, in the place of the one that was kept; NULL: of none. */
static void store_put(const struct resume *r, WOLFSSL_SESSION *session, uint64_t verified_ms)
{
	struct slot *slot = &r->store->slots[r->id % STORE_SLOTS];
	WOLFSSL_SESSION *before;

	pthread_mutex_lock(&r->store->lock);
	before = slot->session;
	*slot = (struct slot){ r->id, verified_ms, session };
	pthread_mutex_unlock(&r->store->lock);
	wolfSSL_SESSION_free(before);
}

/* A copy, to be freed, or NULL. */
static WOLFSSL_SESSION *store_get(const struct resume *r, uint64_t *ret_verified_ms)
{
	const struct slot *slot = &r->store->slots[r->id % STORE_SLOTS];
	WOLFSSL_SESSION *copy = NULL;
	uint64_t now_ms = clock_now_ms();

	pthread_mutex_lock(&r->store->lock);
	if (slot->session && slot->id == r->id && now_ms - slot->verified_ms < RESUME_LIFE_MS) {
		copy = wolfSSL_SESSION_dup(slot->session);
		*ret_verified_ms = slot->verified_ms;
	}
	pthread_mutex_unlock(&r->store->lock);
	return copy;
}

/* The library has a ticket, and is going to set what else belongs to it. */
static int on_ticket(WOLFSSL *ssl, const unsigned char *ticket, int n, void *context)
{
	struct resume *r = context;

	(void)ticket;
	r->has_ticket = n > 0 && wolfSSL_GetVersion(ssl) == WOLFSSL_TLSV1_3;
	return 0;
}

void resume_begin(struct resume *r, struct resume_store *store, uint64_t id, struct WOLFSSL *ssl)
{
	WOLFSSL_SESSION *session;

	if (!store || id == 0)
		return;
	*r = (struct resume){ .store = store, .id = id };
	(void)wolfSSL_set_SessionTicket_cb(ssl, on_ticket, r);
	session = store_get(r, &r->verified_ms);
	r->is_offered = session && wolfSSL_set_session(ssl, session) == WOLFSSL_SUCCESS;
	wolfSSL_SESSION_free(session);
}

void resume_established(struct resume *r, struct WOLFSSL *ssl, bool is_resumed)
{
	if (!is_resumed)
		r->verified_ms = clock_now_ms();
	resume_keep(r, ssl);
}

void resume_keep(struct resume *r, struct WOLFSSL *ssl)
{
	WOLFSSL_SESSION *session, *copy;

	if (!r->has_ticket)
		return;
	r->has_ticket = false;
	session = wolfSSL_get1_session(ssl);
	copy = session ? wolfSSL_SESSION_dup(session) : NULL;
	wolfSSL_SESSION_free(session);
	if (copy)
		store_put(r, copy, r->verified_ms);
}

void resume_failed(struct resume *r)
{
	if (r->is_offered)
		store_put(r, NULL, 0);
	r->is_offered = false;
}
