/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_MYSQL_BED_H
#define UNIT_MYSQL_BED_H

/* What a MySQL server says, packet by packet. */

#include "check_bed.h"

#define NONCE_A "\x5a\x69\x4a\x7e\x1e\x30\x25\x38"
#define NONCE_B "\x03\x17\x73\x7f\x45\x16\x29\x54\x20\x7b\x2b\x76"

/* What go-sql-driver's tests, Python's hashlib and MySQL agree on, for "secret". */
#define PROOF_CACHING                                                      \
	"\x66\x20\x05\x23\x8f\xa1\x8c\xf1\xab\xe8\x38\x8b\x2b\x0e\x6b\xc4" \
	"\xf9\xaa\x93\x3c\xdc\xcc\x78\xb2\xd6\x0f\xb8\x96\x1a\x3d\x39\xeb"
#define PROOF_NATIVE                                                       \
	"\x50\x66\x06\x57\x30\xcf\x2b\x84\x40\xb0\x92\xea\x31\xda\x57\xca" \
	"\xa8\x59\x12\x26"

#define OK "\0\0\0\x02\0\0\0"
#define EOF_ "\xfe\0\0\x02\0"

static const struct check_request nobody __attribute__((unused)) = { .protocol = &check_mysql };
static const struct check_request alice __attribute__((
	unused)) = { .protocol = &check_mysql, .user = "alice", .password = "secret" };

/* ---- what servers say ---------------------------------------------------- */

struct bytes {
	char at[4096];
	size_t n;
	uint8_t number; /* of the next packet */
};

static inline void add(struct bytes *b, const char *bytes, size_t n)
{
	assert_true(b->n + n <= sizeof(b->at));
	memcpy(b->at + b->n, bytes, n);
	b->n += n;
}

static inline void add_packet(struct bytes *b, const char *payload, size_t n)
{
	const char head[] = { (char)n, (char)(n >> 8), (char)(n >> 16), (char)b->number++ };

	add(b, head, sizeof(head));
	add(b, payload, n);
}

/* Capabilities: those of MySQL 8, TLS if wanted. */
static inline struct bytes greeting(const char *plugin, bool has_tls)
{
	const char caps[] = { (char)0x0d, (char)(has_tls ? 0xaa : 0xa2) };
	struct bytes body = { .n = 0 }, b = { .n = 0 };

	add(&body, LITERAL("\x0a"
			   "8.0.40\0"
			   "\x07\0\0\0" NONCE_A "\0"));
	add(&body, caps, sizeof(caps));
	add(&body, LITERAL("\xff\x02\0\x08\0\x15\0\0\0\0\0\0\0\0\0\0" NONCE_B "\0"));
	add(&body, plugin, strlen(plugin) + 1);
	add_packet(&b, body.at, body.n);
	return b;
}

static inline void add_error(struct bytes *b, unsigned number, const char *text)
{
	const char head[] = { (char)0xff, (char)number, (char)(number >> 8) };
	struct bytes body = { .n = 0 };

	add(&body, head, sizeof(head));
	add(&body, text, strlen(text));
	add_packet(b, body.at, body.n);
}

static inline void add_text(struct bytes *b, const char *text)
{
	const char n = text ? (char)strlen(text) : (char)0xfb;

	add(b, &n, 1);
	if (text)
		add(b, text, strlen(text));
}

static inline void add_columns(struct bytes *b, const char *const *names, size_t n)
{
	const char count = (char)n;

	b->number = 1;
	add_packet(b, &count, 1);
	for (size_t i = 0; i < n; i++) {
		struct bytes column = { .n = 0 };

		for (size_t k = 0; k < 4; k++)
			add_text(&column, k == 0 ? "def" : "");
		add_text(&column, names[i]);
		add_text(&column, names[i]);
		add(&column, LITERAL("\x0c\x21\0\0\1\0\0\xfd\0\0\0\0\0"));
		add_packet(b, column.at, column.n);
	}
	add_packet(b, LITERAL(EOF_));
}

static inline void add_row(struct bytes *b, const char *const *values, size_t n)
{
	struct bytes row = { .n = 0 };

	for (size_t i = 0; i < n; i++)
		add_text(&row, values[i]);
	add_packet(b, row.at, row.n);
}

/* Names and values, with a NULL at the end. */
static inline struct bytes pairs(const char *const *words)
{
	static const char *const names[] = { "Variable_name", "Value" };
	struct bytes b = { .n = 0 };

	add_columns(&b, names, 2);
	for (; *words; words += 2)
		add_row(&b, words, 2);
	add_packet(&b, LITERAL(EOF_));
	return b;
}

static inline struct bytes reply(const char *payload, size_t n, uint8_t number)
{
	struct bytes b = { .number = number };

	add_packet(&b, payload, n);
	return b;
}

static inline struct bytes refusal(unsigned number, const char *text, uint8_t at)
{
	struct bytes b = { .number = at };

	add_error(&b, number, text);
	return b;
}

static inline void hear(struct talk *t, struct bytes b, size_t piece)
{
	talk_hear(t, b.at, b.n, piece);
}

static inline void login(struct talk *t, const struct check_request *request, size_t piece)
{
	talk_begin(t, request, NULL);
	hear(t, greeting("caching_sha2_password", false), piece);
	talk_expect(t, NULL, 0);
}

#endif
