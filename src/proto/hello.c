/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/hello.h"

#include "base/def.h"
#include "proto/cursor.h"
#include "proto/hello_records.h"

#include <string.h>

#define RANDOM_BYTES 32
#define SESSION_ID_MAX 32
#define SSL_3_0 0x0300u
#define TLS_1_2 0x0303u

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

/* ---- the message --------------------------------------------------------- */

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
	while (cursor_take_number(&list, 2, &number))
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

	if (!cursor_take_whole_list(&ext, 2, &list) || !cursor_take_number(&list, 1, &type) ||
	    !cursor_take_list(&list, 2, &name))
		return HELLO_LENGTHS;
	if (type != 0 || list.left > 0 || name.left == 0)
		return HELLO_NAME;
	(void)!hello_set_name(hello, (const char *)name.at, name.left);
	return HELLO_FINE;
}

static enum hello_fault read_alpn(struct cursor ext, struct hello *hello)
{
	struct cursor list, id;

	if (!cursor_take_whole_list(&ext, 2, &list))
		return HELLO_LENGTHS;
	while (list.left > 0) {
		if (!cursor_take_list(&list, 1, &id) || id.left == 0)
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
	uint16_t seen[HELLO_SHARES_MAX];
	size_t group, n = 0;
	struct cursor list, key;

	hello->has_shares = true;
	if (!cursor_take_list(&ext, 2, &list) || ext.left > 0)
		return HELLO_LENGTHS;
	while (list.left > 0) {
		if (!cursor_take_number(&list, 2, &group) || !cursor_take_list(&list, 2, &key) ||
		    key.left == 0)
			return HELLO_LENGTHS;
		if (n == HELLO_SHARES_MAX)
			return HELLO_SHARES;
		for (size_t i = 0; i < n; i++) {
			if (seen[i] == group)
				return HELLO_SHARE_TWICE;
		}
		seen[n++] = (uint16_t)group;
		keep_number(&hello->shares, group);
	}
	hello->shares_sent = n;
	return HELLO_FINE;
}

static enum hello_fault read_list(struct cursor ext, size_t length_bytes,
				  struct hello_numbers *numbers)
{
	struct cursor list;

	if (!cursor_take_whole_list(&ext, length_bytes, &list) || !read_numbers(list, numbers))
		return HELLO_LENGTHS;
	return HELLO_FINE;
}

/* RFC 8446, 4.2.9. */
static enum hello_fault read_psk_modes(struct cursor ext, struct hello *hello)
{
	enum { PSK_DHE_KE = 1 };
	struct cursor list;

	if (!cursor_take_whole_list(&ext, 1, &list))
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

	if (!cursor_take_whole_list(&ext, 1, &list))
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
	uint16_t seen[HELLO_EXTS_MAX];
	size_t type, n = 0;
	struct cursor ext;

	while (list.left > 0 && fault == HELLO_FINE) {
		if (!cursor_take_number(&list, 2, &type) || !cursor_take_list(&list, 2, &ext))
			return HELLO_LENGTHS;
		if (n == HELLO_EXTS_MAX)
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

	if (!cursor_take_number(&c, 2, &version) || !cursor_take_bytes(&c, RANDOM_BYTES, &random) ||
	    !cursor_take_list(&c, 1, &id) || !cursor_take_list(&c, 2, &suites) ||
	    !cursor_take_list(&c, 1, &compression))
		return HELLO_LENGTHS;
	/* SSL 3 and TLS 1.2 hellos may end here. */
	if (c.left > 0 && (!cursor_take_list(&c, 2, &extensions) || c.left > 0))
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
	struct hello_message message;
	enum parse result = hello_records_read(bytes, n, &message);

	if (result == PARSE_BAD)
		ret_hello->fault = message.fault;
	if (result != PARSE_DONE)
		return result;
	*ret_hello = (struct hello){ .bytes = message.wire_bytes };
	ret_hello->fault = read_message(message.body, ret_hello);
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

bool hello_lacks_extension(const struct hello *hello)
{
	return !hello->has_shares || hello->groups.n == 0 ||
	       (!hello->has_psk && hello->signatures.n == 0) ||
	       (hello->has_psk && !hello->has_psk_modes);
}
