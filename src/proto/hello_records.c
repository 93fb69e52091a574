/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The records are walked by their headers, which tells whether the message is whole. */

#include "proto/hello_records.h"

#include "base/def.h"
#include "proto/tlsrec.h"

#include <string.h>

#define CLIENT_HELLO 1
#define MESSAGE_HEADER_BYTES 4

/* Where the message lies in the records. */
struct walk {
	struct tlsrec record;
	size_t at; /* the next byte on the wire */
	size_t records;
	size_t have; /* bytes of the message so far, its header included */
	size_t size; /* all of them; 0 until the header is there */
	uint8_t header[MESSAGE_HEADER_BYTES];
};

/* Do the bytes begin like @word, as far as both go? */
static bool begins_like_hello(const uint8_t *bytes, size_t n, const char *word)
{
	return memcmp(bytes, word, MIN(n, strlen(word))) == 0;
}

static enum hello_fault no_handshake_fault(const uint8_t *bytes, size_t n)
{
	static const char *const methods[] = { "GET ",   "HEAD ",   "POST ",    "PUT ",
					       "PATCH ", "DELETE ", "OPTIONS ", "CONNECT ",
					       "TRACE ", "PRI " };

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (begins_like_hello(bytes, n, methods[i]))
			return HELLO_HTTP;
	}
	/* SSL 2: two bytes of length, the first bit set, then the type of message. */
	if ((bytes[0] & 0x80) && (n < 3 || bytes[2] == CLIENT_HELLO))
		return HELLO_SSL2;
	/* Another kind of TLS record. */
	if (bytes[0] >= 20 && bytes[0] <= 24 && (n < 2 || bytes[1] == 3))
		return HELLO_NOT_HELLO;
	return HELLO_NOT_TLS;
}

/* Judges as much of a record's header as has arrived. */
static enum hello_fault header_fault(const struct tlsrec *record, bool is_first)
{
	const uint8_t *header = record->header;
	size_t n = record->header_bytes;

	if (header[0] != TLSREC_HANDSHAKE)
		return is_first ? no_handshake_fault(header, n) : HELLO_NOT_HELLO;
	if (n >= 2 && header[1] != 3)
		return HELLO_RECORD_VERSION;
	if (n < TLSREC_HEADER_BYTES)
		return HELLO_FINE;
	if (tlsrec_body_bytes(record) == 0)
		return HELLO_RECORD_EMPTY;
	if (tlsrec_body_bytes(record) > TLSREC_PLAIN_BYTES_MAX)
		return HELLO_RECORD_LENGTH;
	return HELLO_FINE;
}

/* Takes what has arrived of a record's body. */
static enum hello_fault take_body(struct walk *w, const uint8_t *body, size_t n)
{
	for (size_t i = 0; i < n && w->have + i < MESSAGE_HEADER_BYTES; i++)
		w->header[w->have + i] = body[i];
	w->have += n;
	if (w->header[0] != CLIENT_HELLO)
		return HELLO_NOT_HELLO;
	if (w->have < MESSAGE_HEADER_BYTES)
		return HELLO_FINE;
	w->size = MESSAGE_HEADER_BYTES +
		  ((size_t)w->header[1] << 16 | (size_t)w->header[2] << 8 | w->header[3]);
	if (w->size > HELLO_BYTES_MAX - TLSREC_HEADER_BYTES)
		return HELLO_TOO_LONG;
	if (w->have + w->record.left > w->size)
		return HELLO_TRAILING;
	return HELLO_FINE;
}

static bool walk_is_done(const struct walk *w)
{
	return w->size > 0 && w->have == w->size;
}

/* May another record follow? */
static enum hello_fault next_record_fault(const struct walk *w)
{
	if (walk_is_done(w))
		return HELLO_FINE;
	if (w->records == HELLO_RECORDS_MAX)
		return HELLO_RECORDS;
	return w->at + TLSREC_HEADER_BYTES + 1 > HELLO_BYTES_MAX ? HELLO_TOO_LONG : HELLO_FINE;
}

static enum hello_fault walk_hello_header(struct walk *w)
{
	enum hello_fault fault = header_fault(&w->record, w->records == 0);

	if (fault == HELLO_FINE && w->at + w->record.left > HELLO_BYTES_MAX)
		return HELLO_TOO_LONG;
	return fault;
}

/* Up to the next end of a header or of a body. */
static enum hello_fault walk_on(struct walk *w, const uint8_t *bytes, size_t n)
{
	bool is_body = tlsrec_is_in_body(&w->record);
	enum hello_fault fault;
	enum tlsrec_passed passed;
	size_t took = tlsrec_walk(&w->record, bytes, n, &passed);

	w->at += took;
	if (!is_body)
		return walk_hello_header(w);
	fault = take_body(w, bytes, took);
	if (fault != HELLO_FINE || passed != TLSREC_RECORD)
		return fault;
	w->records++;
	return next_record_fault(w);
}

static enum parse walk_records(struct walk *w, const uint8_t *bytes, size_t n,
			       enum hello_fault *ret_fault)
{
	while (!walk_is_done(w)) {
		if (w->at == n)
			return PARSE_MORE;
		*ret_fault = walk_on(w, bytes + w->at, n - w->at);
		if (*ret_fault != HELLO_FINE)
			return PARSE_BAD;
	}
	return PARSE_DONE;
}

/* Copies the message out of its records. */
static void join_records(uint8_t *message, const uint8_t *bytes, size_t n)
{
	struct tlsrec record = { 0 };
	enum tlsrec_passed passed;
	size_t have = 0, took;

	for (size_t at = 0; at < n; at += took) {
		took = tlsrec_walk(&record, bytes + at, n - at, &passed);
		if (passed != TLSREC_RECORD)
			continue;
		memcpy(message + have, bytes + at, took);
		have += took;
	}
}

enum parse hello_records_read(const uint8_t *bytes, size_t n, struct hello_message *ret_message)
{
	const uint8_t *message = bytes + TLSREC_HEADER_BYTES;
	struct walk walk = { 0 };
	enum parse result;

	ret_message->fault = HELLO_FINE;
	result = n > 0 ? walk_records(&walk, bytes, n, &ret_message->fault) : PARSE_MORE;
	if (result != PARSE_DONE)
		return result;
	if (walk.records > 1) {
		memset(ret_message->joined, 0, sizeof(ret_message->joined));
		join_records(ret_message->joined, bytes, walk.at);
		message = ret_message->joined;
	}
	ret_message->wire_bytes = walk.at;
	ret_message->body =
		(struct cursor){ message + MESSAGE_HEADER_BYTES, walk.size - MESSAGE_HEADER_BYTES };
	return PARSE_DONE;
}
