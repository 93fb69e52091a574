/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/pgsql.h"

#include "base/check.h"
#include "proto/big_endian.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define LENGTH_BYTES 4
#define TLS_RECORD_HANDSHAKE 22
#define KEY_PROCESS_BYTES 4
#define AUTH_CODE_BYTES 4
#define AUTH_SASL_CONTINUE 11

/* In place of a version a request has a code; its upper half, 1234, is no version. */
enum request_code {
	CODE_CANCEL = 1234 << 16 | 5678,
	CODE_SSL = 1234 << 16 | 5679,
	CODE_GSS = 1234 << 16 | 5680,
};

static enum parse pgsql_bad(struct pgsql_packet *packet, enum pgsql_fault fault)
{
	packet->fault = fault;
	return PARSE_BAD;
}

/* ---- what a client sends ------------------------------------------------- */

static enum pgsql_kind kind_of(uint32_t code)
{
	switch (code) {
	case CODE_CANCEL:
		return PGSQL_CANCEL;
	case CODE_SSL:
		return PGSQL_SSL_REQUEST;
	case CODE_GSS:
		return PGSQL_GSS_REQUEST;
	default:
		return PGSQL_STARTUP;
	}
}

/* Judges length and code before the rest has come. */
static enum pgsql_fault pgsql_head_fault(enum pgsql_kind kind, size_t length, uint32_t code)
{
	const size_t key_at = PGSQL_REQUEST_BYTES + KEY_PROCESS_BYTES;

	switch (kind) {
	case PGSQL_SSL_REQUEST:
	case PGSQL_GSS_REQUEST:
		return length == PGSQL_REQUEST_BYTES ? PGSQL_FINE : PGSQL_LENGTH;
	case PGSQL_CANCEL:
		return length > key_at && length <= key_at + PGSQL_SECRET_BYTES_MAX ? PGSQL_FINE
										    : PGSQL_LENGTH;
	default:
		return code >> 16 == 3 ? PGSQL_FINE : PGSQL_VERSION;
	}
}

static void read_cancel(const uint8_t *bytes, size_t length, struct pgsql_key *key)
{
	const size_t secret_at = PGSQL_REQUEST_BYTES + KEY_PROCESS_BYTES;

	key->process = be32_read(bytes + PGSQL_REQUEST_BYTES);
	key->secret_bytes = length - secret_at;
	memcpy(key->secret, bytes + secret_at, key->secret_bytes);
}

/* What is too long, the server cuts as blindly (ProcessStartupPacket()). */
static void keep_parameter(char name[PGSQL_NAME_BYTES], const char *value)
{
	size_t n = strnlen(value, PGSQL_NAME_BYTES - 1);

	memcpy(name, value, n);
	name[n] = '\0';
}

/* A terminated string at *at, which moves behind it; NULL when it does not end. */
static const char *take_text(const uint8_t *bytes, size_t length, size_t *at)
{
	const char *text = (const char *)bytes + *at;
	const uint8_t *end = memchr(bytes + *at, '\0', length - *at);

	if (!end)
		return NULL;
	*at = (size_t)(end - bytes) + 1;
	return text;
}

/* Pairs of name and value, closed by an empty name that is the last byte. */
static enum pgsql_fault read_parameters(const uint8_t *bytes, size_t length,
					struct pgsql_packet *packet)
{
	size_t at = PGSQL_REQUEST_BYTES;
	const char *name, *value;

	while ((name = take_text(bytes, length, &at)) && *name != '\0') {
		value = take_text(bytes, length, &at);
		if (!value)
			return PGSQL_PARAMETERS;
		if (strcmp(name, "user") == 0)
			keep_parameter(packet->user, value);
		else if (strcmp(name, "database") == 0)
			keep_parameter(packet->database, value);
	}
	if (!name || at != length)
		return PGSQL_PARAMETERS;
	if (packet->user[0] == '\0')
		return PGSQL_NO_USER;
	if (packet->database[0] == '\0')
		memcpy(packet->database, packet->user, sizeof(packet->database));
	return PGSQL_FINE;
}

static enum pgsql_fault read_body(const uint8_t *bytes, uint32_t code, struct pgsql_packet *packet)
{
	if (packet->kind == PGSQL_CANCEL)
		read_cancel(bytes, packet->bytes, &packet->key);
	if (packet->kind != PGSQL_STARTUP)
		return PGSQL_FINE;
	packet->major = (uint16_t)(code >> 16);
	packet->minor = (uint16_t)code;
	return read_parameters(bytes, packet->bytes, packet);
}

enum parse pgsql_read(const uint8_t *bytes, size_t n, struct pgsql_packet *ret_packet)
{
	enum pgsql_fault fault;
	enum pgsql_kind kind;
	uint32_t length, code;

	if (n == 0)
		return PARSE_MORE;
	if (bytes[0] == TLS_RECORD_HANDSHAKE) {
		*ret_packet = (struct pgsql_packet){ .kind = PGSQL_TLS };
		return PARSE_DONE;
	}
	/* No packet is so long that the upper half of its length were not zero. */
	if (bytes[0] != 0 || (n > 1 && bytes[1] != 0))
		return pgsql_bad(ret_packet, PGSQL_NOT_PGSQL);
	if (n < LENGTH_BYTES)
		return PARSE_MORE;
	length = be32_read(bytes);
	if (length < PGSQL_REQUEST_BYTES || length > PGSQL_STARTUP_BYTES_MAX)
		return pgsql_bad(ret_packet, PGSQL_LENGTH);
	if (n < PGSQL_REQUEST_BYTES)
		return PARSE_MORE;
	code = be32_read(bytes + LENGTH_BYTES);
	kind = kind_of(code);
	fault = pgsql_head_fault(kind, length, code);
	if (fault != PGSQL_FINE)
		return pgsql_bad(ret_packet, fault);
	if (n < length)
		return PARSE_MORE;

	*ret_packet = (struct pgsql_packet){ .kind = kind, .bytes = length };
	ret_packet->fault = read_body(bytes, code, ret_packet);
	return ret_packet->fault == PGSQL_FINE ? PARSE_DONE : PARSE_BAD;
}

enum parse pgsql_read_clear(const uint8_t *bytes, size_t n, unsigned *asked,
			    struct pgsql_packet *ret_packet)
{
	enum parse result = pgsql_read(bytes, n, ret_packet);

	if (result != PARSE_DONE)
		return result;
	if (ret_packet->kind != PGSQL_SSL_REQUEST && ret_packet->kind != PGSQL_GSS_REQUEST)
		return PARSE_DONE;
	if (n > ret_packet->bytes)
		return pgsql_bad(ret_packet, PGSQL_EAGER);
	if (*asked & BIT(ret_packet->kind))
		return pgsql_bad(ret_packet, PGSQL_AGAIN);
	*asked |= BIT(ret_packet->kind);
	return PARSE_DONE;
}

static const char *const fault_texts[] = {
	[PGSQL_FINE] = "nothing wrong",
	[PGSQL_NOT_PGSQL] = "not PostgreSQL's protocol",
	[PGSQL_LENGTH] = "start-up packet of a wrong length",
	[PGSQL_VERSION] = "unknown version of PostgreSQL's protocol",
	[PGSQL_PARAMETERS] = "malformed start-up packet",
	[PGSQL_NO_USER] = "start-up packet without a user",
	[PGSQL_EAGER] = "clear text behind a request for encryption",
	[PGSQL_AGAIN] = "encryption was requested twice",
};

static_assert(ARRAY_LEN(fault_texts) == PGSQL_FAULTS, "every fault needs words");

const char *pgsql_fault_text(enum pgsql_fault fault)
{
	CHECK((size_t)fault < ARRAY_LEN(fault_texts));
	return fault_texts[fault];
}

/* ---- what ringmain sends ------------------------------------------------- */

/* One field of an error: its letter, its text, a zero. */
static size_t put_field(uint8_t *out, char letter, const char *text, size_t n)
{
	out[0] = (uint8_t)letter;
	memcpy(out + 1, text, n);
	out[1 + n] = '\0';
	return n + 2;
}

size_t pgsql_write_error(uint8_t out[PGSQL_ERROR_BYTES_MAX], const char *sqlstate, const char *text)
{
	/* What is always there, from the letter E to the closing zero, and the text's own frame. */
	const size_t frame = 1 + LENGTH_BYTES + 2 * strlen("SFATAL ") + strlen("C00000 ") + 2 + 1;
	size_t n = 1 + LENGTH_BYTES;

	CHECK(strlen(sqlstate) == 5);
	out[0] = 'E';
	n += put_field(out + n, 'S', "FATAL", strlen("FATAL"));
	n += put_field(out + n, 'V', "FATAL", strlen("FATAL"));
	n += put_field(out + n, 'C', sqlstate, strlen(sqlstate));
	n += put_field(out + n, 'M', text, MIN(strlen(text), PGSQL_ERROR_BYTES_MAX - frame));
	out[n++] = '\0';
	CHECK(n <= PGSQL_ERROR_BYTES_MAX);
	be32_write(out + 1, (uint32_t)n - 1);
	return n;
}

void pgsql_write_ssl_request(uint8_t out[PGSQL_REQUEST_BYTES])
{
	be32_write(out, PGSQL_REQUEST_BYTES);
	be32_write(out + LENGTH_BYTES, CODE_SSL);
}

/* ---- what a server sends ------------------------------------------------- */

/* A new message. DONE: ready for queries. MORE: watch on. */
static enum parse watch_head(struct pgsql_watch *w)
{
	uint32_t length = be32_read(w->head + 1);

	if (!memchr("RKSNEvZ", w->head[0], strlen("RKSNEvZ")))
		return PARSE_BAD;
	if (length < LENGTH_BYTES || length > PGSQL_WATCH_BYTES_MAX)
		return PARSE_BAD;
	w->left = length - LENGTH_BYTES;
	w->offset = 0;
	w->auth = 0;
	w->field = '\0';
	if (w->head[0] == 'K' &&
	    (w->left <= KEY_PROCESS_BYTES || w->left > KEY_PROCESS_BYTES + PGSQL_SECRET_BYTES_MAX))
		return PARSE_BAD;
	return w->head[0] == 'Z' ? PARSE_DONE : PARSE_MORE;
}

static void watch_key(struct pgsql_watch *w, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++, w->offset++) {
		if (w->offset < KEY_PROCESS_BYTES) {
			w->key.process = w->key.process << 8 | bytes[i];
			continue;
		}
		w->key.secret[w->offset - KEY_PROCESS_BYTES] = bytes[i];
		w->key.secret_bytes = w->offset - KEY_PROCESS_BYTES + 1;
	}
}

/* Behind AuthenticationSASLContinue comes the message that binds. */
static void watch_auth(struct pgsql_watch *w, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n && w->offset < AUTH_CODE_BYTES; i++, w->offset++)
		w->auth = w->auth << 8 | bytes[i];
	if (w->offset == AUTH_CODE_BYTES)
		w->has_continued = w->auth == AUTH_SASL_CONTINUE;
}

static void watch_error(struct pgsql_watch *w, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (w->field == '\0') {
			w->field = (char)bytes[i];
			w->sqlstate_bytes = 0;
		} else if (bytes[i] == '\0') {
			w->field = '\0';
		} else if (w->field == 'C' && w->sqlstate_bytes < sizeof(w->sqlstate)) {
			w->sqlstate[w->sqlstate_bytes++] = (char)bytes[i];
			w->is_unbound |= w->has_continued &&
					 w->sqlstate_bytes == sizeof(w->sqlstate) &&
					 memcmp(w->sqlstate, "28000", sizeof(w->sqlstate)) == 0;
		}
	}
}

/* DONE: that was the end of the key, or of what there was to see. */
static enum parse watch_body(struct pgsql_watch *w, const uint8_t *bytes, size_t n)
{
	if (w->head[0] == 'K')
		watch_key(w, bytes, n);
	else if (w->head[0] == 'R')
		watch_auth(w, bytes, n);
	else if (w->head[0] == 'E')
		watch_error(w, bytes, n);
	w->left -= (uint32_t)n;
	if (w->left > 0)
		return PARSE_MORE;
	w->head_bytes = 0;
	w->has_key = w->head[0] == 'K';
	return w->has_key || w->is_unbound ? PARSE_DONE : PARSE_MORE;
}

enum parse pgsql_watch(struct pgsql_watch *w, const uint8_t *bytes, size_t n)
{
	enum parse result = PARSE_MORE;

	w->total += n;
	if (w->total > PGSQL_WATCH_BYTES_MAX)
		return PARSE_BAD;
	while (n > 0 && result == PARSE_MORE) {
		size_t took;

		if (w->head_bytes < sizeof(w->head)) {
			took = MIN(n, sizeof(w->head) - w->head_bytes);
			memcpy(w->head + w->head_bytes, bytes, took);
			w->head_bytes += (uint8_t)took;
			if (w->head_bytes == sizeof(w->head))
				result = watch_head(w);
		} else {
			took = MIN(n, w->left);
			result = watch_body(w, bytes, took);
		}
		bytes += took;
		n -= took;
	}
	return result;
}
