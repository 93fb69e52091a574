/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/tickets.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static_assert(TLS_TICKET_KEYS_MAX == TICKET_KEYS_MAX, "what the manual says of the key file");

struct tls_tickets {
	atomic_uint refs;
	char *key_file;        /* NULL: random keys */
	pthread_rwlock_t lock; /* of the keys: a handshake reads them once or twice */
	struct ticket_keys keys;
};

struct tls_tickets *tls_tickets_create(const char *key_file, struct tls_problems *problems)
{
	struct tls_tickets *t = calloc(1, sizeof(*t));
	bool is_good;

	if (!t)
		return NULL;
	atomic_init(&t->refs, 1);
	pthread_rwlock_init(&t->lock, NULL); /* cannot fail without attributes */
	if (key_file)
		t->key_file = strdup(key_file);
	if (key_file)
		is_good = t->key_file && ticket_keys_load(&t->keys, key_file, problems);
	else
		is_good = ticket_keys_add_random(&t->keys);
	if (is_good)
		return t;
	tls_tickets_unref(t);
	return NULL;
}

struct tls_tickets *tls_tickets_ref(struct tls_tickets *t)
{
	if (t)
		atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void tls_tickets_unref(struct tls_tickets *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
		return;
	free(t->key_file);
	pthread_rwlock_destroy(&t->lock);
	explicit_bzero(t, sizeof(*t));
	free(t);
}

int tls_tickets_rotate(struct tls_tickets *t, struct tls_problems *problems)
{
	struct ticket_keys fresh = { 0 };

	if (t->key_file) {
		if (!ticket_keys_load(&fresh, t->key_file, problems))
			return -EINVAL;
	} else {
		fresh = t->keys; /* only this thread changes them */
		if (!ticket_keys_add_random(&fresh))
			return -EAGAIN;
	}
	pthread_rwlock_wrlock(&t->lock);
	t->keys = fresh;
	pthread_rwlock_unlock(&t->lock);
	explicit_bzero(&fresh, sizeof(fresh));
	return 0;
}

static void first_key(struct tls_tickets *t, struct ticket_key *ret_key)
{
	pthread_rwlock_rdlock(&t->lock);
	*ret_key = t->keys.at[0];
	pthread_rwlock_unlock(&t->lock);
}

static bool find_key(struct tls_tickets *t, const uint8_t *name, struct ticket_key *ret_key,
		     bool *ret_is_first)
{
	bool is_found = false;

	pthread_rwlock_rdlock(&t->lock);
	for (size_t i = 0; i < t->keys.n && !is_found; i++) {
		if (memcmp(t->keys.at[i].name, name, TICKET_KEY_NAME_BYTES) != 0)
			continue;
		*ret_key = t->keys.at[i];
		*ret_is_first = i == 0;
		is_found = true;
	}
	pthread_rwlock_unlock(&t->lock);
	return is_found;
}

bool tls_tickets_encrypt(struct tls_tickets *t, struct ticket_parts *ticket,
			 const struct ticket_aad *aad)
{
	struct ticket_key key;
	bool is_encrypted;

	first_key(t, &key);
	is_encrypted = ticket_seal(&key, ticket, aad);
	explicit_bzero(&key, sizeof(key));
	return is_encrypted;
}

enum ticket_verdict tls_tickets_decrypt(struct tls_tickets *t, struct ticket_parts *ticket,
					const struct ticket_aad *aad)
{
	bool is_good, is_first = false;
	struct ticket_key key;

	if (!find_key(t, ticket->name, &key, &is_first))
		return TICKET_REFUSED;
	is_good = ticket_open(&key, ticket, aad);
	explicit_bzero(&key, sizeof(key));
	if (!is_good)
		return TICKET_REFUSED;
	return is_first ? TICKET_GOOD : TICKET_GOOD_OLD_KEY;
}
