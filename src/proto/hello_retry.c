/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/hello_retry.h"

#include "proto/cursor.h"
#include "proto/hello_records.h"
#include "proto/tlsrec.h"

#include <string.h>

#define SERVER_HELLO 2
#define EXT_KEY_SHARE 51

/* RFC 8446, 4.1.3: what a ServerHello has for a random number when it is none. */
static const uint8_t retry_random[] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
					0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
					0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
					0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };

/*
 * Extensions that decide on something here or in the library. Those not listed
 * decide on nothing, or may change: key_share, early_data, cookie, padding and
 * pre_shared_key; its modes, which some leave out with it (s2n-tls until
 * 2022); encrypted_client_hello.
 */
static const uint16_t constant_extensions[] = {
	0 /* server_name */,
	1 /* max_fragment_length */,
	10 /* supported_groups */,
	11 /* ec_point_formats */,
	13 /* signature_algorithms */,
	16 /* application_layer_protocol_negotiation */,
	23 /* extended_master_secret */,
	35 /* session_ticket */,
	43 /* supported_versions */,
	50 /* signature_algorithms_cert */,
	0xff01 /* renegotiation_info */,
};

/* One extension of a list: gives its body. */
static bool find_extension(struct cursor list, uint16_t wanted, struct cursor *ret_body)
{
	size_t type;

	while (cursor_take_number(&list, 2, &type) && cursor_take_list(&list, 2, ret_body)) {
		if (type == wanted)
			return true;
	}
	return false;
}

/* ---- the request --------------------------------------------------------- */

static bool take_server_hello(struct cursor *c, struct cursor *ret_random,
			      struct cursor *ret_extensions)
{
	struct cursor id;
	size_t type, size, version, suite_and_compression;

	return cursor_take_number(c, 1, &type) && type == SERVER_HELLO &&
	       cursor_take_number(c, 3, &size) && cursor_take_number(c, 2, &version) &&
	       cursor_take_bytes(c, sizeof(retry_random), ret_random) &&
	       cursor_take_list(c, 1, &id) && cursor_take_number(c, 3, &suite_and_compression) &&
	       cursor_take_list(c, 2, ret_extensions);
}

bool hello_retry_is(const uint8_t *flight, size_t n, uint16_t *ret_group)
{
	struct cursor c = { flight, n }, header, random, extensions, share;
	size_t group = 0;

	if (!cursor_take_bytes(&c, TLSREC_HEADER_BYTES, &header) ||
	    header.at[0] != TLSREC_HANDSHAKE || !take_server_hello(&c, &random, &extensions) ||
	    memcmp(random.at, retry_random, sizeof(retry_random)) != 0)
		return false;
	if (find_extension(extensions, EXT_KEY_SHARE, &share))
		(void)cursor_take_number(&share, 2, &group);
	*ret_group = (uint16_t)group;
	return true;
}

/* ---- the answer ---------------------------------------------------------- */

static size_t append(uint8_t *out, size_t at, struct cursor part)
{
	memcpy(out + at, part.at, part.left);
	return at + part.left;
}

/* As it is in the message, with its type and length in front. */
static size_t append_extension(uint8_t *out, size_t at, struct cursor body)
{
	return append(out, at, (struct cursor){ body.at - 4, body.left + 4 });
}

/* Gives what stands before the extensions: version, random, session id, suites, compression. */
static struct cursor take_head(struct cursor *c)
{
	struct cursor all = *c, part;

	if (!cursor_take_bytes(c, 2 + sizeof(retry_random), &part) ||
	    !cursor_take_list(c, 1, &part) || !cursor_take_list(c, 2, &part) ||
	    !cursor_take_list(c, 1, &part))
		return (struct cursor){ all.at, 0 };
	return (struct cursor){ all.at, all.left - c->left };
}

size_t hello_retry_constants(const uint8_t *bytes, size_t n, uint8_t out[HELLO_BYTES_MAX])
{
	struct hello_message message;
	struct cursor extensions, body;
	size_t at;

	if (hello_records_read(bytes, n, &message) != PARSE_DONE)
		return 0;
	at = append(out, 0, take_head(&message.body));
	if (!cursor_take_list(&message.body, 2, &extensions))
		return at;
	for (size_t i = 0; i < ARRAY_LEN(constant_extensions); i++) {
		if (find_extension(extensions, constant_extensions[i], &body))
			at = append_extension(out, at, body);
	}
	return at;
}

static bool has_one_share(const struct hello *hello, uint16_t group)
{
	return hello->shares_sent == 1 && hello->shares.n == 1 &&
	       (group == 0 || hello->shares.at[0] == group);
}

enum hello_fault hello_retry_judge(const struct hello *second, uint16_t group)
{
	if (hello_lacks_extension(second))
		return HELLO_LACKS_EXTENSION;
	if (second->has_early_data)
		return HELLO_EARLY_DATA_AGAIN;
	return has_one_share(second, group) ? HELLO_FINE : HELLO_OTHER_SHARE;
}
