/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/pgsql_login.h"

#include "base/def.h"
#include "proto/big_endian.h"

#include <stdbool.h>
#include <string.h>

#define HEAD_BYTES 5 /* a letter, and the length of itself and what follows */
#define LENGTH_BYTES 4

/* No answer is longer; one that claims to be is left alone. */
#define MESSAGE_BYTES_MAX 8192
/* Nor is a notice before it. */
#define NOTICE_BYTES_MAX (1u << 20)

#define AUTH_SASL 10
#define MECHANISM_PLUS "SCRAM-SHA-256-PLUS"

/* Is the first message whole? DONE: it is *ret_bytes long. BAD: it is none. */
static enum parse measure(const uint8_t *bytes, size_t n, uint32_t max, size_t *ret_bytes)
{
	uint32_t length;

	if (n < HEAD_BYTES)
		return PARSE_MORE;
	length = be32_read(bytes + 1);
	if (length < LENGTH_BYTES || length > max)
		return PARSE_BAD;
	if (n - 1 < length)
		return PARSE_MORE;
	*ret_bytes = 1 + length;
	return PARSE_DONE;
}

/* NegotiateProtocolVersion, or a notice. */
static bool is_before_answer(uint8_t letter)
{
	return letter == 'v' || letter == 'N';
}

/* Passes over what may come before a server's answer. DONE: another message begins at *at. */
static enum parse skip_before_answer(const uint8_t *bytes, size_t n, uint32_t max, size_t *at)
{
	enum parse parsed = PARSE_DONE;
	size_t whole;

	while (parsed == PARSE_DONE && *at < n && is_before_answer(bytes[*at])) {
		parsed = measure(bytes + *at, n - *at, max, &whole);
		if (parsed == PARSE_DONE)
			*at += whole;
	}
	return parsed == PARSE_DONE && *at == n ? PARSE_MORE : parsed;
}

size_t pgsql_pass_before_answer(const uint8_t *bytes, size_t n, uint32_t *left)
{
	size_t at = MIN(*left, n), took;
	uint32_t length;

	*left -= (uint32_t)at;
	while (*left == 0 && n - at >= HEAD_BYTES && is_before_answer(bytes[at])) {
		length = be32_read(bytes + at + 1);
		if (length < LENGTH_BYTES || length > NOTICE_BYTES_MAX)
			break;
		took = MIN(n - at, (size_t)length + 1);
		*left = (uint32_t)(length + 1 - took);
		at += took;
	}
	return at;
}

/* The bytes of a text and its NUL; 0: it does not end. */
static size_t text_bytes(const uint8_t *bytes, size_t n)
{
	const uint8_t *end = n > 0 ? memchr(bytes, '\0', n) : NULL;

	return end ? (size_t)(end - bytes) + 1 : 0;
}

/* Fields of a letter and a text, of which C is the one. */
static void find_sqlstate(const uint8_t *bytes, size_t n, char ret[PGSQL_SQLSTATE_BYTES])
{
	size_t took;

	for (size_t at = 0; at < n && bytes[at] != '\0'; at += 1 + took) {
		took = text_bytes(bytes + at + 1, n - at - 1);
		if (took == 0)
			return;
		if (bytes[at] == 'C' && took == PGSQL_SQLSTATE_BYTES) {
			memcpy(ret, bytes + at + 1, took);
			return;
		}
	}
}

enum parse pgsql_read_error(const uint8_t *bytes, size_t n, char ret_sqlstate[PGSQL_SQLSTATE_BYTES])
{
	size_t at = 0, whole;
	enum parse parsed = skip_before_answer(bytes, n, MESSAGE_BYTES_MAX, &at);

	if (parsed == PARSE_DONE)
		parsed = bytes[at] == 'E' ? measure(bytes + at, n - at, MESSAGE_BYTES_MAX, &whole)
					  : PARSE_BAD;
	if (parsed != PARSE_DONE)
		return parsed;
	ret_sqlstate[0] = '\0';
	find_sqlstate(bytes + at + HEAD_BYTES, whole - HEAD_BYTES, ret_sqlstate);
	return PARSE_DONE;
}

/* The first that a SQLSTATE begins with: a class of them, or one. */
static const struct {
	const char *prefix;
	struct refusal refusal;
} refusals[] = {
	{ "28P01", { 0 } }, /* the client's own password */
	{ "28", { REFUSAL_OF_CLIENT, "28000: it does not let this client in" } },
	{ "55", { REFUSAL_OF_CLIENT, "55000: its database takes nobody in" } },
	{ PGSQL_TOO_MANY_CONNECTIONS,
	  { REFUSAL_FULL, PGSQL_TOO_MANY_CONNECTIONS ": it has too many connections" } },
	{ "53", { REFUSAL_NOT_READY, "53: it has run out of something" } },
	{ PGSQL_CANNOT_CONNECT_NOW,
	  { REFUSAL_NOT_READY, PGSQL_CANNOT_CONNECT_NOW ": it serves nobody now" } },
	{ "57P", { REFUSAL_NOT_READY, "57P: it is shutting down" } },
	{ "58", { REFUSAL_NOT_READY, "58: its system fails it" } },
	{ "F0", { REFUSAL_NOT_READY, "F0: its configuration is wrong" } },
	{ "XX", { REFUSAL_NOT_READY, "XX: it is broken inside" } },
};

const struct refusal *pgsql_refusal_of(const char *sqlstate)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		const char *prefix = refusals[i].prefix;

		if (strncmp(sqlstate, prefix, strlen(prefix)) == 0)
			return refusals[i].refusal.words ? &refusals[i].refusal : NULL;
	}
	return NULL;
}

/* ---- AuthenticationSASL -------------------------------------------------- */

/* Where SCRAM-SHA-256-PLUS stands in @n bytes of names, and whether there are others. */
static bool find_plus(const uint8_t *names, size_t n, size_t *ret_at)
{
	bool has_plus = false, has_other = false;
	size_t took;

	for (size_t at = 0; at < n && names[at] != '\0'; at += took) {
		took = text_bytes(names + at, n - at);
		if (took == 0)
			return false;
		if (strcmp((const char *)names + at, MECHANISM_PLUS) != 0) {
			has_other = true;
			continue;
		}
		*ret_at = at;
		has_plus = true;
	}
	return has_plus && has_other;
}

static void take_out(uint8_t *bytes, size_t at, size_t gone, size_t *n)
{
	memmove(bytes + at, bytes + at + gone, *n - at - gone);
	*n -= gone;
}

/* One whole message of @whole bytes, behind which others may follow. It may be offered twice. */
static enum parse edit(uint8_t *bytes, size_t whole, size_t *n)
{
	const size_t names_at = HEAD_BYTES + LENGTH_BYTES;
	const size_t gone = sizeof(MECHANISM_PLUS);
	enum parse result = PARSE_BAD;
	size_t at = 0;

	if (whole < names_at || be32_read(bytes + HEAD_BYTES) != AUTH_SASL)
		return PARSE_BAD;
	while (find_plus(bytes + names_at, whole - names_at, &at)) {
		take_out(bytes, names_at + at, gone, n);
		whole -= gone;
		be32_write(bytes + 1, (uint32_t)(whole - 1));
		result = PARSE_DONE;
	}
	return result;
}

enum parse pgsql_edit_sasl(uint8_t *bytes, size_t *n)
{
	size_t at = 0, whole, rest;
	enum parse parsed = skip_before_answer(bytes, *n, NOTICE_BYTES_MAX, &at);

	rest = *n - at;
	if (parsed == PARSE_DONE)
		parsed = bytes[at] == 'R' ? measure(bytes + at, rest, MESSAGE_BYTES_MAX, &whole)
					  : PARSE_BAD;
	if (parsed != PARSE_DONE)
		return parsed;
	if (edit(bytes + at, whole, &rest) != PARSE_DONE)
		return PARSE_BAD;
	*n = at + rest;
	return PARSE_DONE;
}
