/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/ticket_key.h"

#include "x509/pem.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#define ENTRY_BYTES (TICKET_KEY_NAME_BYTES + TICKET_KEY_BYTES)

/* With random keys: the one that encrypts and the one before. */
#define RANDOM_KEYS 2

static_assert(sizeof(struct ticket_key) == ENTRY_BYTES, "an entry of the key file is a key");

static bool make_random(void *out, size_t n)
{
	return getrandom(out, n, 0) == (ssize_t)n;
}

bool ticket_keys_add_random(struct ticket_keys *keys)
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
static bool read_keys(const char *text, const char *path, struct ticket_keys *keys,
		      struct tls_problems *problems)
{
	for (unsigned line = 1; *text; line++) {
		size_t length = strcspn(text, "\r\n");

		if (length > 0 && keys->n == TICKET_KEYS_MAX) {
			tls_problem_add(problems, TLS_ERROR, "ticket_keys", path,
					"more than %d keys", TICKET_KEYS_MAX);
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

bool ticket_keys_load(struct ticket_keys *keys, const char *path, struct tls_problems *problems)
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
