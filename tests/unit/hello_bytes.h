/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_HELLO_BYTES_H
#define UNIT_HELLO_BYTES_H

/* Hellos of TLS 1.3, made of extensions: string literals, sizeof tells how long they are. */

#include <stdint.h>
#include <string.h>

#define GROUPS "\0\x0a\0\x06\0\x04\0\x1d\0\x17"
#define SCHEMES "\0\x0d\0\x04\0\x02\x04\x03"
#define VERSIONS "\0\x2b\0\x03\x02\x03\x04"
#define NAME(letter) "\0\0\0\x06\0\x04\0\0\x01" letter
#define ALPN "\0\x10\0\x05\0\x03\x02h2"
#define NO_SHARES "\0\x33\0\x02\0\0"
#define SHARE_X25519 "\0\x33\0\x07\0\x05\0\x1d\0\x01K"
#define SHARE_P256 "\0\x33\0\x07\0\x05\0\x17\0\x01K"
#define SHARE_BOTH "\0\x33\0\x0c\0\x0a\0\x1d\0\x01K\0\x17\0\x01K"
#define SHARE_AND_GREASE "\0\x33\0\x0c\0\x0a\x1a\x1a\0\x01K\0\x1d\0\x01K"
#define EARLY_DATA "\0\x2a\0\0"
#define PADDING "\0\x15\0\x02\0\0"
#define PSK_MODES "\0\x2d\0\x02\x01\x01"
#define PSK_KE_MODES "\0\x2d\0\x02\x01\0"
#define PSK "\0\x29\0\x0e\0\x07\0\x01T\0\0\0\0\0\x03\x02TT"

/* Of the record, of the message; then version, random, session id, suites, compression. */
#define HELLO_HEAD                           \
	"\x16\x03\x03\0\0\x01\0\0\0\x03\x03" \
	"RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"   \
	"\x02ID\0\x04\x13\x01\x13\x03\x01\0\0\0"
#define HELLO_VERSION_AT 9
#define HELLO_RANDOM_AT 11
#define HELLO_ID_AT 44
#define HELLO_SUITES_AT 48
#define HELLO_EXTENSIONS_AT 56

struct hello_bytes {
	uint8_t at[512];
	size_t n;
};

#define MAKE_HELLO(literal) make_hello(literal, sizeof(literal) - 1)

static inline struct hello_bytes make_hello(const char *extensions, size_t n)
{
	struct hello_bytes h = { .n = HELLO_EXTENSIONS_AT + n };

	memcpy(h.at, HELLO_HEAD, HELLO_EXTENSIONS_AT);
	memcpy(h.at + HELLO_EXTENSIONS_AT, extensions, n);
	h.at[3] = (uint8_t)((h.n - 5) >> 8);
	h.at[4] = (uint8_t)(h.n - 5);
	h.at[7] = (uint8_t)((h.n - 9) >> 8);
	h.at[8] = (uint8_t)(h.n - 9);
	h.at[HELLO_EXTENSIONS_AT - 2] = (uint8_t)(n >> 8);
	h.at[HELLO_EXTENSIONS_AT - 1] = (uint8_t)n;
	return h;
}

#endif
