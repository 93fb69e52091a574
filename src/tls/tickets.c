/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/tickets.h"

#include "base/def.h"
#include "tls/pem.h"
#include "tls/seal.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEY_BYTES 32 /* AES-256 */
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define ENTRY_BYTES (SEAL_NAME_BYTES + KEY_BYTES)

/* With random keys: the one that seals and the one before. */
#define RANDOM_KEYS 2

struct ticket_key {
	uint8_t name[SEAL_NAME_BYTES];
	uint8_t key[KEY_BYTES];
};

static_assert(sizeof(struct ticket_key) == ENTRY_BYTES, "an entry of the key file is a key");

/* The first key seals, all of them open. A handshake reads them once or twice. */
struct key_list {
	struct ticket_key at[TLS_TICKET_KEYS_MAX];
	size_t n;
};

struct tls_tickets {
	atomic_uint refs;
	char *key_file;        /* NULL: random keys */
	pthread_rwlock_t lock; /* of the keys */
	struct key_list keys;
};

/* ---- the keys ------------------------------------------------------------ */

static bool make_random(void *out, size_t n)
{
	return getrandom(out, n, 0) == (ssize_t)n;
}

/* A new key in front of those that are still good. */
static bool add_random_key(struct key_list *keys)
{
	struct ticket_key key;

	if (!make_random(&key, sizeof(key)))
		return false;
	memmove(&keys->at[1], &keys->at[0], (RANDOM_KEYS - 1) * sizeof(key));
	keys->at[0] = key;
	keys->n = MIN(keys->n + 1, RANDOM_KEYS);
	explicit_bzero(&key, sizeof(key));
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool read_key(const char *line, size_t n, struct ticket_key *key)
{
	uint8_t *out = (uint8_t *)key;

	if (n != 2 * ENTRY_BYTES)
		return false;
	for (size_t i = 0; i < ENTRY_BYTES; i++) {
		int high = hex_digit(line[2 * i]), low = hex_digit(line[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Reads the lines of @text. False: a problem was added. */
static bool read_keys(const char *text, const char *path, struct key_list *keys,
		      struct tls_problems *problems)
{
	for (unsigned line = 1; *text; line++) {
		size_t length = strcspn(text, "\r\n");

		if (length > 0 && keys->n == TLS_TICKET_KEYS_MAX) {
			tls_problem_add(problems, TLS_ERROR, "ticket_keys", path,
					"more than %d keys", TLS_TICKET_KEYS_MAX);
			return false;
		}
		if (length > 0 && !read_key(text, length, &keys->at[keys->n])) {
			tls_problem_add(problems, TLS_ERROR, "ticket_keys", path,
					"line %u is not a key of 96 hexadecimal digits", line);
			return false;
		}
		keys->n += length > 0;
		text += length;
		text += *text == '\r';
		text += *text == '\n';
	}
	if (keys->n == 0)
		tls_problem_add(problems, TLS_ERROR, "ticket_keys", path, "has no key");
	return keys->n > 0;
}

static bool load_keys(const char *path, struct key_list *keys, struct tls_problems *problems)
{
	struct pem_file file;
	bool is_good;

	if (!pem_open(&file, path, "ticket_keys", problems))
		return false;
	is_good = read_keys(file.text, path, keys, problems);
	if (is_good && file.mode & 07)
		tls_problem_add(problems, TLS_WARNING, "ticket_keys", path,
				"is open to everybody (mode %04o): chmod o= it",
				(unsigned)file.mode & 07777);
	pem_close(&file);
	return is_good;
}

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
		is_good = t->key_file && load_keys(key_file, &t->keys, problems);
	else
		is_good = add_random_key(&t->keys);
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
	struct key_list fresh = { 0 };

	if (t->key_file) {
		if (!load_keys(t->key_file, &fresh, problems))
			return -EINVAL;
	} else {
		fresh = t->keys; /* only this thread changes them */
		if (!add_random_key(&fresh))
			return -EAGAIN;
	}
	pthread_rwlock_wrlock(&t->lock);
	t->keys = fresh;
	pthread_rwlock_unlock(&t->lock);
	explicit_bzero(&fresh, sizeof(fresh));
	return 0;
}

/* ---- sealing ------------------------------------------------------------- */

/* A copy of the key that seals. */
static struct ticket_key sealing_key(struct tls_tickets *t)
{
	struct ticket_key key;

	pthread_rwlock_rdlock(&t->lock);
	key = t->keys.at[0];
	pthread_rwlock_unlock(&t->lock);
	return key;
}

/* A copy of the key of that name. False: there is none. */
static bool opening_key(struct tls_tickets *t, const uint8_t *name, struct ticket_key *ret_key,
			bool *ret_is_first)
{
	bool is_found = false;

	pthread_rwlock_rdlock(&t->lock);
	for (size_t i = 0; i < t->keys.n && !is_found; i++) {
		if (memcmp(t->keys.at[i].name, name, SEAL_NAME_BYTES) != 0)
			continue;
		*ret_key = t->keys.at[i];
		*ret_is_first = i == 0;
		is_found = true;
	}
	pthread_rwlock_unlock(&t->lock);
	return is_found;
}

static bool start_cipher(Aes *aes, const struct ticket_key *key)
{
	if (wc_AesInit(aes, NULL, INVALID_DEVID) != 0)
		return false;
	if (wc_AesGcmSetKey(aes, key->key, KEY_BYTES) == 0)
		return true;
	wc_AesFree(aes);
	return false;
}

bool seal_close(struct tls_tickets *t, struct seal *seal, const struct seal_bond *bond)
{
	struct ticket_key key = sealing_key(t);
	bool is_sealed = false;
	Aes aes;

	memcpy(seal->name, key.name, SEAL_NAME_BYTES);
	if (make_random(seal->nonce, NONCE_BYTES) && start_cipher(&aes, &key)) {
		is_sealed = wc_AesGcmEncrypt(&aes, seal->text, seal->text, (word32)seal->bytes,
					     seal->nonce, NONCE_BYTES, seal->tag, TAG_BYTES,
					     bond->at, (word32)bond->bytes) == 0;
		wc_AesFree(&aes);
	}
	explicit_bzero(&key, sizeof(key));
	return is_sealed;
}

enum seal_result seal_open(struct tls_tickets *t, struct seal *seal, const struct seal_bond *bond)
{
	bool is_open = false, is_first = false;
	struct ticket_key key;
	Aes aes;

	if (!opening_key(t, seal->name, &key, &is_first))
		return SEAL_REFUSED;
	if (start_cipher(&aes, &key)) {
		is_open = wc_AesGcmDecrypt(&aes, seal->text, seal->text, (word32)seal->bytes,
					   seal->nonce, NONCE_BYTES, seal->tag, TAG_BYTES, bond->at,
					   (word32)bond->bytes) == 0;
		wc_AesFree(&aes);
	}
	explicit_bzero(&key, sizeof(key));
	if (!is_open)
		return SEAL_REFUSED;
	return is_first ? SEAL_OPENED : SEAL_OPENED_OLD;
}
