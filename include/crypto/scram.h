/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CRYPTO_SCRAM_H
#define CRYPTO_SCRAM_H

/*
 * Logging in with a password that is never sent, and seeing that the server
 * knows it, too: the client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS
 * (RFC 5802, RFC 7677), as PostgreSQL speaks it, where the user's name was
 * said before and is left out here.
 *
 *      bind -> first -> (server's first) -> answer -> (server's final) -> verify
 *
 * The password is taken as it is: one with other letters than ASCII's must be
 * in the form that SASLprep (RFC 4013) would give it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "crypto/digest.h"

#define SCRAM_RANDOM_BYTES 18 /* of our half of the nonce */
#define SCRAM_SALT_BYTES_MAX 64
#define SCRAM_NONCE_LETTERS_MAX 160
#define SCRAM_END_POINT_BYTES_MAX 64
#define SCRAM_MESSAGE_BYTES_MAX 512 /* of whatever either side says */

/*
 * The server says how often the password is hashed, so a hostile one says
 * how long we compute: this many take some 50 ms. PostgreSQL's default is 4096.
 */
#define SCRAM_COUNT_MAX 100000u

enum scram_fault {
	SCRAM_FINE,
	SCRAM_MALFORMED,
	SCRAM_NONCE,   /* not ours continued */
	SCRAM_COUNT,   /* none, or more than SCRAM_COUNT_MAX */
	SCRAM_REFUSED, /* the server does not accept our proof */
	SCRAM_FORGED,  /* the server did not prove that it knows the password */
	SCRAM_FAULTS
};

/* What a password became with a salt: servers that share their users share it, too. */
struct scram_keys {
	uint8_t salt[SCRAM_SALT_BYTES_MAX];
	size_t salt_bytes;
	unsigned count; /* 0: nothing here */
	uint8_t client_key[DIGEST_SHA256_BYTES];
	uint8_t server_key[DIGEST_SHA256_BYTES];
};

#define SCRAM_CACHE_KEYS 8

/* Of one password, used by one thread. Zeroed at first. */
struct scram_cache {
	struct scram_keys keys[SCRAM_CACHE_KEYS];
	unsigned next; /* that is replaced */
	uint64_t computed;
};

/* Forgets everything, for another password or none. */
void scram_cache_wipe(struct scram_cache *cache);

/* What the connection says of itself (RFC 5802, 6). */
enum scram_binding {
	SCRAM_UNBOUND,      /* no TLS, or nothing known of its certificate */
	SCRAM_NOT_OFFERED,  /* could be bound, but the server does not offer it */
	SCRAM_TO_END_POINT, /* is bound to the server's certificate (RFC 5929, 4): PLUS */
};

struct scram {
	enum scram_binding binding;
	uint8_t end_point[SCRAM_END_POINT_BYTES_MAX];
	size_t end_point_bytes;
	char nonce[2 * SCRAM_RANDOM_BYTES];     /* ours */
	uint8_t signature[DIGEST_SHA256_BYTES]; /* that the server owes */
};

/* Begins: sets *s. The @n bytes stand for the server's certificate; 0 where it is not bound. */
void scram_bind(struct scram *s, enum scram_binding binding, const uint8_t *end_point, size_t n);

/* Writes the first message to @out, of @room bytes; returns its length. */
size_t scram_first(struct scram *s, const uint8_t random[SCRAM_RANDOM_BYTES], char *out,
		   size_t room);

struct scram_login {
	const char *password;
	struct scram_cache *cache; /* or NULL */
};

/*
 * Reads the server's first message, @first, and writes the answer to @out, of
 * SCRAM_MESSAGE_BYTES_MAX bytes. Borrows all but *s.
 */
MUST_CHECK enum scram_fault scram_answer(struct scram *s, const struct scram_login *login,
					 const struct digest_part *first, char *out, size_t *ret_n);

/* Reads the server's last message: SCRAM_FINE only if it has proved itself. */
MUST_CHECK enum scram_fault scram_verify(const struct scram *s, const struct digest_part *final);

/* In words for a log line. */
const char *scram_fault_text(enum scram_fault fault);

#endif
