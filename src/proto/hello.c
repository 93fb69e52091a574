/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Two passes: the records that carry the message are walked by their headers,
 * which tells whether it is whole; only then is the message itself read. One
 * that lies in a single record is read in place, others are first joined on
 * the stack.
 */

#include "proto/hello.h"

#include "base/check.h"
#include "proto/tlsrec.h"

#include <assert.h>
#include <string.h>

#define MESSAGE_HEADER_BYTES 4
#define CLIENT_HELLO 1
#define RANDOM_BYTES 32
#define SESSION_ID_MAX 32
#define SSL_3_0 0x0300u
#define TLS_1_2 0x0303u
#define EXTENSIONS_MAX 64 /* today's browsers send under 20 */
#define SHARES_MAX 16

enum extension {
	EXT_SERVER_NAME = 0,
	EXT_FRAGMENT_LENGTH = 1,
	EXT_GROUPS = 10,
	EXT_POINT_FORMATS = 11,
	EXT_SIGNATURES = 13,
	EXT_ALPN = 16,
	EXT_TICKET = 35,
	EXT_PRE_SHARED_KEY = 41,
	EXT_EARLY_DATA = 42,
	EXT_VERSIONS = 43,
	EXT_PSK_MODES = 45,
	EXT_KEY_SHARE = 51,
	EXT_RENEGOTIATION = 0xff01,
};

/* What is left of something that is being read. */
struct cursor {
	const uint8_t *at;
	size_t left;
};

/* Where the message lies in the records. */
struct walk {
	struct tlsrec record;
	size_t at; /* the next byte on the wire */
	size_t records;
	size_t have; /* bytes of the message so far, its header included */
	size_t size; /* all of them; 0 until the header is there */
	uint8_t header[MESSAGE_HEADER_BYTES];
};

static enum parse hello_bad(struct hello *hello, enum hello_fault fault)
{
	hello->fault = fault;
	return PARSE_BAD;
}

/* ---- the records --------------------------------------------------------- */

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

static enum parse walk_records(struct walk *w, const uint8_t *bytes, size_t n, struct hello *hello)
{
	while (!walk_is_done(w)) {
		enum hello_fault fault;

		if (w->at == n)
			return PARSE_MORE;
		fault = walk_on(w, bytes + w->at, n - w->at);
		if (fault != HELLO_FINE)
			return hello_bad(hello, fault);
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

/* ---- the message --------------------------------------------------------- */

/* Takes @n bytes off the front, as a cursor of their own. */
static bool take_bytes(struct cursor *c, size_t n, struct cursor *ret_part)
{
	if (c->left < n)
		return false;
	*ret_part = (struct cursor){ c->at, n };
	c->at += n;
	c->left -= n;
	return true;
}

static bool take_number(struct cursor *c, size_t bytes, size_t *ret_number)
{
	struct cursor part;
	size_t number = 0;

	if (!take_bytes(c, bytes, &part))
		return false;
	for (size_t i = 0; i < bytes; i++)
		number = number << 8 | part.at[i];
	*ret_number = number;
	return true;
}

/* Takes a list that begins with its length, itself in so many bytes. */
static bool take_list(struct cursor *c, size_t length_bytes, struct cursor *ret_list)
{
	size_t length;

	return take_number(c, length_bytes, &length) && take_bytes(c, length, ret_list);
}

/* The same when the list must be all there is, and not empty. */
static bool take_whole_list(struct cursor *c, size_t length_bytes, struct cursor *ret_list)
{
	return take_list(c, length_bytes, ret_list) && c->left == 0 && ret_list->left > 0;
}

static bool is_grease(size_t number)
{
	return (number & 0x0f0f) == 0x0a0a && number >> 8 == (number & 0xff);
}

static void keep_number(struct hello_numbers *numbers, size_t number)
{
	if (!is_grease(number) && numbers->n < HELLO_NUMBERS_MAX)
		numbers->at[numbers->n++] = (uint16_t)number;
}

static bool read_numbers(struct cursor list, struct hello_numbers *numbers)
{
	size_t number;

	numbers->n = 0;
	while (take_number(&list, 2, &number))
		keep_number(numbers, number);
	return list.left == 0;
}

static bool is_name_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Labels of 1 to 63 characters, 253 in all (RFC 1035, 2.3.4). */
static bool is_name(const char *name, size_t n)
{
	size_t label = 0;

	for (size_t i = 0; i < n; i++) {
		if (name[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!is_name_char((uint8_t)name[i]) || ++label > 63) {
			return false;
		}
	}
	return label > 0 && n <= 253;
}

/* In lower case; what no name has and no log should is '?'. */
static char clean_char(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + ('a' - 'A'));
	return c > ' ' && c < 0x7f ? c : '?';
}

bool hello_set_name(struct hello *hello, const char *name, size_t n)
{
	if (n > 1 && name[n - 1] == '.')
		n--;
	hello->has_odd_name = n >= HELLO_NAME_BYTES;
	n = MIN(n, HELLO_NAME_BYTES - 1);
	for (size_t i = 0; i < n; i++)
		hello->name[i] = clean_char(name[i]);
	hello->name[n] = '\0';
	hello->has_odd_name |= n > 0 && !is_name(hello->name, n);
	return n > 0 && !hello->has_odd_name;
}

const char *hello_name_to_find(const struct hello *hello)
{
	return hello->has_odd_name ? "?" : hello->name;
}

/*
 * RFC 6066, 3: one host_name; no other type of name was ever defined. What is
 * in it, clients take from their users: an address, a port, a star.
 */
static enum hello_fault read_server_name(struct cursor ext, struct hello *hello)
{
	struct cursor list, name;
	size_t type;

	if (!take_whole_list(&ext, 2, &list) || !take_number(&list, 1, &type) ||
	    !take_list(&list, 2, &name))
		return HELLO_LENGTHS;
	if (type != 0 || list.left > 0 || name.left == 0)
		return HELLO_NAME;
	(void)!hello_set_name(hello, (const char *)name.at, name.left);
	return HELLO_FINE;
}

static enum hello_fault read_alpn(struct cursor ext, struct hello *hello)
{
	struct cursor list, id;

	if (!take_whole_list(&ext, 2, &list))
		return HELLO_LENGTHS;
	while (list.left > 0) {
		if (!take_list(&list, 1, &id) || id.left == 0)
			return HELLO_ALPN;
		if (hello->alpn_bytes + 1 + id.left > HELLO_ALPN_BYTES)
			continue;
		hello->alpn[hello->alpn_bytes++] = (uint8_t)id.left;
		memcpy(hello->alpn + hello->alpn_bytes, id.at, id.left);
		hello->alpn_bytes += id.left;
	}
	return HELLO_FINE;
}

/* RFC 8446, 4.2.8. Two shares for one group have crashed libraries. */
static enum hello_fault read_shares(struct cursor ext, struct hello *hello)
{
	uint16_t seen[SHARES_MAX];
	size_t group, n = 0;
	struct cursor list, key;

	hello->has_shares = true;
	if (!take_list(&ext, 2, &list) || ext.left > 0)
		return HELLO_LENGTHS;
	while (list.left > 0) {
		if (!take_number(&list, 2, &group) || !take_list(&list, 2, &key) || key.left == 0)
			return HELLO_LENGTHS;
		if (n == SHARES_MAX)
			return HELLO_SHARES;
		for (size_t i = 0; i < n; i++) {
			if (seen[i] == group)
				return HELLO_SHARE_TWICE;
		}
		seen[n++] = (uint16_t)group;
		keep_number(&hello->shares, group);
	}
	return HELLO_FINE;
}

static enum hello_fault read_list(struct cursor ext, size_t length_bytes,
				  struct hello_numbers *numbers)
{
	struct cursor list;

	if (!take_whole_list(&ext, length_bytes, &list) || !read_numbers(list, numbers))
		return HELLO_LENGTHS;
	return HELLO_FINE;
}

/* RFC 8446, 4.2.9. */
static enum hello_fault read_psk_modes(struct cursor ext, struct hello *hello)
{
	enum { PSK_DHE_KE = 1 };
	struct cursor list;

	if (!take_whole_list(&ext, 1, &list))
		return HELLO_LENGTHS;
	hello->has_psk_modes = true;
	hello->is_psk_ke_only = !memchr(list.at, PSK_DHE_KE, list.left);
	return HELLO_FINE;
}

/* RFC 6066, 4: one of four lengths. */
static enum hello_fault read_fragment_length(struct cursor ext)
{
	bool is_good = ext.left == 1 && ext.at[0] >= 1 && ext.at[0] <= 4;

	return is_good ? HELLO_FINE : HELLO_FRAGMENT_LENGTH;
}

/* RFC 8422, 5.1.2: who lists forms of points must take the one that everybody has. */
static enum hello_fault read_point_formats(struct cursor ext)
{
	enum { UNCOMPRESSED = 0 };
	struct cursor list;

	if (!take_whole_list(&ext, 1, &list))
		return HELLO_LENGTHS;
	return memchr(list.at, UNCOMPRESSED, list.left) ? HELLO_FINE : HELLO_POINT_FORMATS;
}

/* RFC 5746, 3.6: the first handshake follows no other. */
static enum hello_fault read_renegotiation(struct cursor ext)
{
	return ext.left == 1 && ext.at[0] == 0 ? HELLO_FINE : HELLO_RENEGOTIATION;
}

static enum hello_fault read_extension(size_t type, struct cursor ext, struct hello *hello)
{
	switch (type) {
	case EXT_SERVER_NAME:
		return read_server_name(ext, hello);
	case EXT_FRAGMENT_LENGTH:
		return read_fragment_length(ext);
	case EXT_POINT_FORMATS:
		return read_point_formats(ext);
	case EXT_RENEGOTIATION:
		return read_renegotiation(ext);
	case EXT_ALPN:
		return read_alpn(ext, hello);
	case EXT_KEY_SHARE:
		return read_shares(ext, hello);
	case EXT_GROUPS:
		return read_list(ext, 2, &hello->groups);
	case EXT_SIGNATURES:
		return read_list(ext, 2, &hello->signatures);
	case EXT_VERSIONS:
		return read_list(ext, 1, &hello->versions);
	case EXT_TICKET:
		hello->ticket_bytes = ext.left;
		hello->resumes |= ext.left > 0;
		return HELLO_FINE;
	case EXT_PRE_SHARED_KEY:
		hello->has_psk = hello->resumes = true;
		return HELLO_FINE;
	case EXT_PSK_MODES:
		return read_psk_modes(ext, hello);
	case EXT_EARLY_DATA:
		hello->has_early_data = true;
		return HELLO_FINE;
	default:
		return HELLO_FINE;
	}
}

static enum hello_fault read_extensions(struct cursor list, struct hello *hello)
{
	enum hello_fault fault = HELLO_FINE;
	uint16_t seen[EXTENSIONS_MAX];
	size_t type, n = 0;
	struct cursor ext;

	while (list.left > 0 && fault == HELLO_FINE) {
		if (!take_number(&list, 2, &type) || !take_list(&list, 2, &ext))
			return HELLO_LENGTHS;
		if (n == EXTENSIONS_MAX)
			return HELLO_EXTENSIONS;
		for (size_t i = 0; i < n; i++) {
			if (seen[i] == type)
				return HELLO_EXTENSION_TWICE;
		}
		/* RFC 8446, 4.2.11: its binders cover everything before it. */
		if (n > 0 && seen[n - 1] == EXT_PRE_SHARED_KEY)
			return HELLO_PSK_NOT_LAST;
		seen[n++] = (uint16_t)type;
		fault = read_extension(type, ext, hello);
	}
	return fault;
}

static enum hello_fault read_message(struct cursor c, struct hello *hello)
{
	struct cursor random, id, suites, compression, extensions = { 0 };
	size_t version;

	if (!take_number(&c, 2, &version) || !take_bytes(&c, RANDOM_BYTES, &random) ||
	    !take_list(&c, 1, &id) || !take_list(&c, 2, &suites) || !take_list(&c, 1, &compression))
		return HELLO_LENGTHS;
	/* SSL 3 and TLS 1.2 hellos may end here. */
	if (c.left > 0 && (!take_list(&c, 2, &extensions) || c.left > 0))
		return HELLO_LENGTHS;
	if (version < SSL_3_0)
		return HELLO_RECORD_VERSION;
	if (id.left > SESSION_ID_MAX)
		return HELLO_SESSION_ID;
	if (suites.left == 0 || !read_numbers(suites, &hello->suites))
		return HELLO_LENGTHS;
	if (compression.left == 0 || !memchr(compression.at, 0, compression.left))
		return HELLO_COMPRESSION;

	/*
	 * Holds unless the extension supported_versions says otherwise. TLS 1.3
	 * is asked for by that alone (RFC 8446, 4.2.1); what is higher means
	 * "whatever you have" (RFC 5246, E.1).
	 */
	keep_number(&hello->versions, MIN(version, TLS_1_2));
	return read_extensions(extensions, hello);
}

enum parse hello_read(const uint8_t *bytes, size_t n, struct hello *ret_hello)
{
	uint8_t joined[HELLO_BYTES_MAX];
	const uint8_t *message = bytes + TLSREC_HEADER_BYTES;
	struct walk walk = { 0 };
	enum parse result;

	result = n > 0 ? walk_records(&walk, bytes, n, ret_hello) : PARSE_MORE;
	if (result != PARSE_DONE)
		return result;
	if (walk.records > 1) {
		memset(joined, 0, sizeof(joined));
		join_records(joined, bytes, walk.at);
		message = joined;
	}
	*ret_hello = (struct hello){ .bytes = walk.at };
	ret_hello->fault = read_message((struct cursor){ message + MESSAGE_HEADER_BYTES,
							 walk.size - MESSAGE_HEADER_BYTES },
					ret_hello);
	return ret_hello->fault == HELLO_FINE ? PARSE_DONE : PARSE_BAD;
}

/* ---- questions ----------------------------------------------------------- */

bool hello_offers_alpn(const struct hello *hello, const char *id)
{
	size_t length = strlen(id);

	for (size_t i = 0; i < hello->alpn_bytes; i += 1 + (size_t)hello->alpn[i]) {
		if (hello->alpn[i] == length && memcmp(hello->alpn + i + 1, id, length) == 0)
			return true;
	}
	return false;
}

/* With the alert; 0 where the peer would not understand one. */
static const struct {
	const char *text;
	uint8_t alert;
} faults[] = {
	[HELLO_FINE] = { "nothing wrong", 0 },
	[HELLO_NOT_TLS] = { "not TLS", 0 },
	[HELLO_HTTP] = { "HTTP on a TLS port", 0 },
	[HELLO_SSL2] = { "SSL 2 or not TLS", TLSREC_PROTOCOL_VERSION },
	[HELLO_NOT_HELLO] = { "TLS does not begin with a ClientHello", TLSREC_UNEXPECTED_MESSAGE },
	[HELLO_RECORD_VERSION] = { "unknown major version of TLS", TLSREC_PROTOCOL_VERSION },
	[HELLO_RECORD_EMPTY] = { "empty TLS record", TLSREC_UNEXPECTED_MESSAGE },
	[HELLO_RECORD_LENGTH] = { "TLS record of more than 16384 bytes", TLSREC_RECORD_OVERFLOW },
	[HELLO_RECORDS] = { "ClientHello in more than " TEXT_OF(HELLO_RECORDS_MAX) " records",
			    TLSREC_UNEXPECTED_MESSAGE },
	[HELLO_TOO_LONG] = { "ClientHello of more than 16 kB", TLSREC_DECODE_ERROR },
	[HELLO_TRAILING] = { "bytes behind the ClientHello in its record",
			     TLSREC_UNEXPECTED_MESSAGE },
	[HELLO_LENGTHS] = { "lengths in the ClientHello do not add up", TLSREC_DECODE_ERROR },
	[HELLO_SESSION_ID] = { "session id of more than 32 bytes", TLSREC_DECODE_ERROR },
	[HELLO_COMPRESSION] = { "client insists on compression", TLSREC_ILLEGAL_PARAMETER },
	[HELLO_EXTENSIONS] = { "more than " TEXT_OF(EXTENSIONS_MAX) " extensions in the hello",
			       TLSREC_DECODE_ERROR },
	[HELLO_EXTENSION_TWICE] = { "an extension stands twice in the ClientHello",
				    TLSREC_ILLEGAL_PARAMETER },
	[HELLO_NAME] = { "malformed server name (SNI)", TLSREC_ILLEGAL_PARAMETER },
	[HELLO_ALPN] = { "malformed ALPN list", TLSREC_DECODE_ERROR },
	[HELLO_SHARES] = { "more than " TEXT_OF(SHARES_MAX) " key shares",
			   TLSREC_ILLEGAL_PARAMETER },
	[HELLO_SHARE_TWICE] = { "two key shares for one group", TLSREC_ILLEGAL_PARAMETER },
	[HELLO_FRAGMENT_LENGTH] = { "max_fragment_length is none that there is",
				    TLSREC_ILLEGAL_PARAMETER },
	[HELLO_RENEGOTIATION] = { "renegotiation of a handshake that was none",
				  TLSREC_HANDSHAKE_FAILURE },
	[HELLO_POINT_FORMATS] = { "client takes no uncompressed points", TLSREC_ILLEGAL_PARAMETER },
	[HELLO_PSK_NOT_LAST] = { "pre_shared_key is not the last extension",
				 TLSREC_ILLEGAL_PARAMETER },
	[HELLO_PSK_MODES] = { "pre_shared_key without its modes", TLSREC_MISSING_EXTENSION },
};

static_assert(ARRAY_LEN(faults) == HELLO_FAULTS, "every fault needs a row");

const char *hello_fault_text(enum hello_fault fault)
{
	CHECK((size_t)fault < ARRAY_LEN(faults));
	return faults[fault].text;
}

uint8_t hello_fault_alert(enum hello_fault fault)
{
	CHECK((size_t)fault < ARRAY_LEN(faults));
	return faults[fault].alert;
}
