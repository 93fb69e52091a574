/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_TICKET_KEY_H
#define X509_TICKET_KEY_H

/*
 * The keys of session tickets, as a list: made at random, or read from the
 * lines of a key file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "x509/problem.h"

#define TICKET_KEY_NAME_BYTES 16
#define TICKET_KEY_BYTES 32 /* AES-256 */

struct ticket_key {
	uint8_t name[TICKET_KEY_NAME_BYTES];
	uint8_t key[TICKET_KEY_BYTES];
};

#define TICKET_KEYS_MAX 8

/* The first key encrypts, all of them decrypt. */
struct ticket_keys {
	struct ticket_key at[TICKET_KEYS_MAX];
	size_t n;
};

/* A new key in front of the one that was first; older ones go. False: no random numbers. */
MUST_CHECK bool ticket_keys_add_random(struct ticket_keys *keys);

/* Reads a key file, one key a line, into an empty list. False: there are errors in @problems. */
MUST_CHECK bool ticket_keys_load(struct ticket_keys *keys, const char *path,
				 struct tls_problems *problems);

#endif
