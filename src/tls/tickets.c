/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Keys lie in a ring of slots; an atomic number says how many were ever made.
 * Workers look a key up by its name among those that are valid, without a
 * lock: the slot that a rotation fills has been out of use for many lifetimes.
 * A reload of a key file writes a whole new ring and swaps it in; the one
 * before stays until the next reload, when nobody can be reading it any more.
 */

#include "tls/tickets.h"

#include "base/check.h"
#include "tls/pem.h"
#include "tls/seal.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEY_BYTES 32 /* AES-256 */
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define ENTRY_BYTES (SEAL_NAME_BYTES + KEY_BYTES)

struct ticket_key {
	uint8_t name[SEAL_NAME_BYTES];
	uint8_t key[KEY_BYTES];
};

static_assert(sizeof(struct ticket_key) == ENTRY_BYTES, "an entry of the key file is a key");

struct tls_tickets {
	atomic_uint refs;
	char *key_file; /* NULL: random keys */
	struct ring {
		struct ticket_key slots[TLS_TICKET_KEYS_MAX];
		atomic_uint made; /* the newest, which seals, is at made - 1 */
		unsigned valid;   /* so many of the newest open */
	} rings[2];
	_Atomic(struct ring *) ring;
};

/* With random keys: the one that seals and the one before. */
#define RANDOM_VALID 2

/* ---- the keys ---------------------------------------------------------------- */

static bool make_random(void *out, size_t n)
{
	return getrandom(out, n, 0) == (ssize_t)n;
}

static bool add_random_key(struct ring *ring)
{
	unsigned made = atomic_load_explicit(&ring->made, memory_order_relaxed);

	if (!make_random(&ring->slots[made % TLS_TICKET_KEYS_MAX], sizeof(struct ticket_key)))
		return false;
	atomic_store_explicit(&ring->made, made + 1, memory_order_release);
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

/* Fills @keys from the lines of @text; how many, or -1 with a problem added. */
static int read_keys(const struct tls_tickets *t, const char *text, struct ticket_key *keys,
		     struct tls_problems *problems)
{
	int n = 0;

	for (unsigned line = 1; *text; line++) {
		size_t length = strcspn(text, "\r\n");

		if (length > 0 && n == TLS_TICKET_KEYS_MAX) {
			tls_problem_add(problems, TLS_ERROR, "ticket_keys", t->key_file,
					"more than %d keys", TLS_TICKET_KEYS_MAX);
			return -1;
		}
		if (length > 0 && !read_key(text, length, &keys[n])) {
			tls_problem_add(problems, TLS_ERROR, "ticket_keys", t->key_file,
					"line %u is not a key of 96 hexadecimal digits", line);
			return -1;
		}
		n += length > 0;
		text += length;
		text += *text == '\r';
		text += *text == '\n';
	}
	if (n == 0)
		tls_problem_add(problems, TLS_ERROR, "ticket_keys", t->key_file, "has no key");
	return n > 0 ? n : -1;
}

/* The file's first key seals: it goes in as the newest. */
static bool load_file(struct tls_tickets *t, struct ring *ring, struct tls_problems *problems)
{
	struct ticket_key keys[TLS_TICKET_KEYS_MAX];
	struct pem_file file;
	int n;

	if (!pem_open(&file, t->key_file, "ticket_keys", problems))
		return false;
	n = read_keys(t, file.text, keys, problems);
	if (file.mode & 07)
		tls_problem_add(problems, TLS_WARNING, "ticket_keys", t->key_file,
				"is open to everybody (mode %04o): chmod o= it",
				(unsigned)file.mode & 07777);
	pem_close(&file);
	if (n < 0)
		return false;
	for (int i = 0; i < n; i++)
		ring->slots[i] = keys[n - 1 - i];
	ring->valid = (unsigned)n;
	atomic_store_explicit(&ring->made, (unsigned)n, memory_order_release);
	explicit_bzero(keys, sizeof(keys));
	return true;
}

static struct ring *spare_ring(struct tls_tickets *t)
{
	return atomic_load_explicit(&t->ring, memory_order_relaxed) == &t->rings[0] ? &t->rings[1]
										    : &t->rings[0];
}

static bool fill_first(struct tls_tickets *t, struct tls_problems *problems)
{
	if (t->key_file)
		return load_file(t, &t->rings[0], problems);
	t->rings[0].valid = RANDOM_VALID;
	return add_random_key(&t->rings[0]);
}

struct tls_tickets *tls_tickets_create(const char *key_file, struct tls_problems *problems)
{
	struct tls_tickets *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	atomic_init(&t->refs, 1);
	atomic_init(&t->ring, &t->rings[0]);
	if (key_file) {
		t->key_file = strdup(key_file);
		if (!t->key_file)
			goto fail;
	}
	if (!fill_first(t, problems))
		goto fail;
	return t;

fail:
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
	explicit_bzero(t, sizeof(*t));
	free(t);
}

int tls_tickets_rotate(struct tls_tickets *t, struct tls_problems *problems)
{
	if (!t->key_file)
		return add_random_key(atomic_load_explicit(&t->ring, memory_order_relaxed))
			       ? 0
			       : -EAGAIN;
	if (!load_file(t, spare_ring(t), problems))
		return -EINVAL;
	atomic_store_explicit(&t->ring, spare_ring(t), memory_order_release);
	return 0;
}

/* ---- sealing ------------------------------------------------------------------ */

/* The @age-th newest key; NULL when there are not so many that open. */
static const struct ticket_key *key_of_age(const struct ring *ring, unsigned age)
{
	unsigned made = atomic_load_explicit(&ring->made, memory_order_acquire);

	if (age >= ring->valid || age >= made)
		return NULL;
	return &ring->slots[(made - 1 - age) % TLS_TICKET_KEYS_MAX];
}

static bool find_key(const struct ring *ring, const uint8_t *name, struct ticket_key *ret_key,
		     bool *ret_is_newest)
{
	const struct ticket_key *key;

	for (unsigned age = 0; (key = key_of_age(ring, age)); age++) {
		if (memcmp(key->name, name, SEAL_NAME_BYTES) != 0)
			continue;
		*ret_key = *key;
		*ret_is_newest = age == 0;
		return true;
	}
	return false;
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
	const struct ring *ring = atomic_load_explicit(&t->ring, memory_order_acquire);
	const struct ticket_key *newest = key_of_age(ring, 0);
	struct ticket_key key;
	Aes aes;
	int code;

	CHECK(newest);
	key = *newest;
	memcpy(seal->name, key.name, SEAL_NAME_BYTES);
	if (!make_random(seal->nonce, NONCE_BYTES) || !start_cipher(&aes, &key))
		return false;
	code = wc_AesGcmEncrypt(&aes, seal->text, seal->text, (word32)seal->bytes, seal->nonce,
				NONCE_BYTES, seal->tag, TAG_BYTES, bond->at, (word32)bond->bytes);
	wc_AesFree(&aes);
	explicit_bzero(&key, sizeof(key));
	return code == 0;
}

enum seal_result seal_open(struct tls_tickets *t, struct seal *seal, const struct seal_bond *bond)
{
	const struct ring *ring = atomic_load_explicit(&t->ring, memory_order_acquire);
	struct ticket_key key;
	bool is_newest;
	Aes aes;
	int code;

	if (!find_key(ring, seal->name, &key, &is_newest) || !start_cipher(&aes, &key))
		return SEAL_REFUSED;
	code = wc_AesGcmDecrypt(&aes, seal->text, seal->text, (word32)seal->bytes, seal->nonce,
				NONCE_BYTES, seal->tag, TAG_BYTES, bond->at, (word32)bond->bytes);
	wc_AesFree(&aes);
	explicit_bzero(&key, sizeof(key));
	if (code != 0)
		return SEAL_REFUSED;
	return is_newest ? SEAL_OPENED : SEAL_OPENED_OLD;
}
