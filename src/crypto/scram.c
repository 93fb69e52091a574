/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "crypto/scram.h"

#include "crypto/base64.h"
#include "base/check.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define COUNT_DIGITS_MAX 9

/* ---- what the messages consist of ---------------------------------------- */

static const char *const gs2_headers[] = {
	[SCRAM_UNBOUND] = "n,,",
	[SCRAM_NOT_OFFERED] = "y,,",
	[SCRAM_TO_END_POINT] = "p=tls-server-end-point,,",
};

/* "n=,r=…", which both the first message and what is signed contain. */
static size_t write_bare(const struct scram *s, char *out, size_t room)
{
	return (size_t)snprintf(out, room, "n=,r=%s", s->nonce);
}

/* The attribute "@letter=…" at *at, which moves behind it and the comma that follows. */
static bool take_attribute(const struct digest_part *message, size_t *at, char letter,
			   struct digest_part *ret_value)
{
	const char *text = message->bytes;
	const size_t left = message->n - *at;
	const char *comma;

	if (left < 2 || text[*at] != letter || text[*at + 1] != '=')
		return false;
	comma = memchr(text + *at, ',', left);
	ret_value->bytes = text + *at + 2;
	ret_value->n = comma ? (size_t)(comma - text) - *at - 2 : left - 2;
	*at = comma ? (size_t)(comma - text) + 1 : message->n;
	return true;
}

/* 0: no number, or one that is too large. */
static unsigned read_count(const struct digest_part *digits)
{
	const char *at = digits->bytes;
	unsigned count = 0;

	if (digits->n == 0 || digits->n > COUNT_DIGITS_MAX)
		return 0;
	for (size_t i = 0; i < digits->n; i++) {
		if (at[i] < '0' || at[i] > '9')
			return 0;
		count = count * 10 + (unsigned)(at[i] - '0');
	}
	return count <= SCRAM_COUNT_MAX ? count : 0;
}

/* ---- keys ---------------------------------------------------------------- */

static void compute_keys(const char *password, struct scram_keys *keys)
{
	const struct digest_part text = { password, strlen(password) };
	const struct digest_part salt = { keys->salt, keys->salt_bytes };
	uint8_t salted[DIGEST_SHA256_BYTES];
	const struct digest_part key = { salted, sizeof(salted) };

	digest_stretch(&text, &salt, keys->count, salted);
	digest_hmac(&key, &(struct digest_part){ "Client Key", 10 }, keys->client_key);
	digest_hmac(&key, &(struct digest_part){ "Server Key", 10 }, keys->server_key);
	explicit_bzero(salted, sizeof(salted));
}

static bool has_salt(const struct scram_keys *a, const struct scram_keys *b)
{
	return a->count == b->count && a->salt_bytes == b->salt_bytes &&
	       memcmp(a->salt, b->salt, a->salt_bytes) == 0;
}

/* Completes @keys, of which salt and count are set. */
static void find_keys(const struct scram_login *login, struct scram_keys *keys)
{
	struct scram_cache *cache = login->cache;

	for (size_t i = 0; cache && i < SCRAM_CACHE_KEYS; i++) {
		if (!has_salt(&cache->keys[i], keys))
			continue;
		*keys = cache->keys[i];
		return;
	}
	compute_keys(login->password, keys);
	if (!cache)
		return;
	cache->computed++;
	cache->keys[cache->next] = *keys;
	cache->next = (cache->next + 1) % SCRAM_CACHE_KEYS;
}

void scram_cache_wipe(struct scram_cache *cache)
{
	explicit_bzero(cache, sizeof(*cache));
}

/* ---- the exchange -------------------------------------------------------- */

void scram_bind(struct scram *s, enum scram_binding binding, const uint8_t *end_point, size_t n)
{
	CHECK(n <= sizeof(s->end_point));
	*s = (struct scram){ .binding = binding };
	if (binding != SCRAM_TO_END_POINT)
		return;
	memcpy(s->end_point, end_point, n);
	s->end_point_bytes = n;
}

size_t scram_first(struct scram *s, const uint8_t random[SCRAM_RANDOM_BYTES], char *out,
		   size_t room)
{
	int n;

	static_assert(BASE64_ROOM(SCRAM_RANDOM_BYTES) <= sizeof(s->nonce), "a nonce fits");
	base64_encode(s->nonce, random, SCRAM_RANDOM_BYTES);
	n = snprintf(out, room, "%sn=,r=%s", gs2_headers[s->binding], s->nonce);
	CHECK(n > 0 && (size_t)n < room);
	return (size_t)n;
}

/* "c=…,r=…": how the connection is bound, and both halves of the nonce. */
static size_t write_unproved(const struct scram *s, const struct digest_part *nonce, char *out,
			     size_t room)
{
	const char *header = gs2_headers[s->binding];
	uint8_t binding[32 + SCRAM_END_POINT_BYTES_MAX];
	char text[BASE64_ROOM(sizeof(binding))];
	const size_t header_bytes = strlen(header);

	CHECK(header_bytes + s->end_point_bytes <= sizeof(binding));
	memcpy(binding, header, header_bytes);
	memcpy(binding + header_bytes, s->end_point, s->end_point_bytes);
	base64_encode(text, binding, header_bytes + s->end_point_bytes);
	return (size_t)snprintf(out, room, "c=%s,r=%.*s", text, (int)nonce->n,
				(const char *)nonce->bytes);
}

/* Our proof into @proof, and what the server's is to be into s->signature. */
static void sign(struct scram *s, const struct scram_keys *keys, const struct digest_part *message,
		 uint8_t proof[DIGEST_SHA256_BYTES])
{
	const struct digest_part part = { keys->client_key, sizeof(keys->client_key) };
	const struct digest_part server_key = { keys->server_key, sizeof(keys->server_key) };
	uint8_t stored_key[DIGEST_SHA256_BYTES];

	digest_sha256(&part, 1, stored_key);
	digest_hmac(&(struct digest_part){ stored_key, sizeof(stored_key) }, message, proof);
	for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++)
		proof[i] ^= keys->client_key[i];
	digest_hmac(&server_key, message, s->signature);
}

struct server_first {
	struct digest_part nonce;
	struct scram_keys keys; /* salt and count of it */
};

static enum scram_fault read_first(const struct scram *s, const struct digest_part *first,
				   struct server_first *ret_read)
{
	const size_t own = strlen(s->nonce);
	struct digest_part salt, count;
	size_t at = 0;

	*ret_read = (struct server_first){ 0 };
	if (first->n > SCRAM_MESSAGE_BYTES_MAX || memchr(first->bytes, '\0', first->n))
		return SCRAM_MALFORMED;
	if (!take_attribute(first, &at, 'r', &ret_read->nonce) ||
	    !take_attribute(first, &at, 's', &salt) || !take_attribute(first, &at, 'i', &count))
		return SCRAM_MALFORMED;
	if (ret_read->nonce.n <= own || ret_read->nonce.n > SCRAM_NONCE_LETTERS_MAX ||
	    memcmp(ret_read->nonce.bytes, s->nonce, own) != 0)
		return SCRAM_NONCE;
	if (!base64_decode(salt.bytes, salt.n, ret_read->keys.salt, SCRAM_SALT_BYTES_MAX,
			   &ret_read->keys.salt_bytes) ||
	    ret_read->keys.salt_bytes == 0)
		return SCRAM_MALFORMED;
	ret_read->keys.count = read_count(&count);
	return ret_read->keys.count > 0 ? SCRAM_FINE : SCRAM_COUNT;
}

enum scram_fault scram_answer(struct scram *s, const struct scram_login *login,
			      const struct digest_part *first, char *out, size_t *ret_n)
{
	char message[2 * SCRAM_MESSAGE_BYTES_MAX], unproved[SCRAM_MESSAGE_BYTES_MAX];
	char proof_text[BASE64_ROOM(DIGEST_SHA256_BYTES)];
	uint8_t proof[DIGEST_SHA256_BYTES];
	struct server_first server;
	enum scram_fault fault = read_first(s, first, &server);
	size_t n;

	if (fault != SCRAM_FINE)
		return fault;
	find_keys(login, &server.keys);
	n = write_bare(s, message, sizeof(message));
	message[n++] = ',';
	memcpy(message + n, first->bytes, first->n);
	n += first->n;
	message[n++] = ',';
	write_unproved(s, &server.nonce, unproved, sizeof(unproved));
	CHECK(n + strlen(unproved) < sizeof(message));
	memcpy(message + n, unproved, strlen(unproved));
	n += strlen(unproved);

	sign(s, &server.keys, &(struct digest_part){ message, n }, proof);
	explicit_bzero(&server.keys, sizeof(server.keys));
	base64_encode(proof_text, proof, sizeof(proof));
	*ret_n = (size_t)snprintf(out, SCRAM_MESSAGE_BYTES_MAX, "%s,p=%s", unproved, proof_text);
	CHECK(*ret_n < SCRAM_MESSAGE_BYTES_MAX);
	return SCRAM_FINE;
}

enum scram_fault scram_verify(const struct scram *s, const struct digest_part *final)
{
	uint8_t signature[DIGEST_SHA256_BYTES];
	struct digest_part value;
	size_t at = 0, n;

	if (take_attribute(final, &at, 'e', &value))
		return SCRAM_REFUSED;
	if (!take_attribute(final, &at, 'v', &value))
		return SCRAM_MALFORMED;
	if (!base64_decode(value.bytes, value.n, signature, sizeof(signature), &n) ||
	    n != sizeof(signature) || !digest_equals(signature, s->signature, n))
		return SCRAM_FORGED;
	return SCRAM_FINE;
}

static const char *const fault_texts[] = {
	[SCRAM_FINE] = "nothing wrong",
	[SCRAM_MALFORMED] = "malformed SCRAM message",
	[SCRAM_NONCE] = "SCRAM nonce that does not continue ours",
	[SCRAM_COUNT] = "SCRAM iteration count of none, or of more than 100000",
	[SCRAM_REFUSED] = "the password was refused",
	[SCRAM_FORGED] = "the server did not prove that it knows the password",
};

static_assert(ARRAY_LEN(fault_texts) == SCRAM_FAULTS, "every fault needs words");

const char *scram_fault_text(enum scram_fault fault)
{
	CHECK((size_t)fault < ARRAY_LEN(fault_texts));
	return fault_texts[fault];
}
