/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_POSTGRES_BED_H
#define UNIT_POSTGRES_BED_H

/* What a PostgreSQL server says, message by message. */

#include "check_bed.h"
#include "crypto/scram.h"

#define SSL_REQUEST "\0\0\0\x08\x04\xd2\x16\x2f"
#define AUTH_OK "R\0\0\0\x08\0\0\0\0"
#define AUTH_CLEAR "R\0\0\0\x08\0\0\0\x03"
#define AUTH_MD5 "R\0\0\0\x0c\0\0\0\x05salt"
#define READY "Z\0\0\0\x05I"
#define KEY "K\0\0\0\x0c\0\0\0\x01\0\0\0\x02"
#define STANDBY "S\0\0\0\x16in_hot_standby\0on\0"
#define NO_STANDBY "S\0\0\0\x17in_hot_standby\0off\0"
#define OTHER "S\0\0\0\x0dname\0val\0"
#define NOTICE "N\0\0\0\x06x\0"
#define DESCRIPTION "T\0\0\0\x06\0\0"
#define COMPLETE "C\0\0\0\x0dSELECT 1\0"
#define QUIT "X\0\0\0\x04"
#define NONCE "AAECAwQFBgcICQoLDA0ODxAR"

static struct scram_cache cache;
static const struct check_request nobody __attribute__((unused)) = { .protocol = &check_postgres };
static const struct check_request alice __attribute__((unused)) = {
	.protocol = &check_postgres, .user = "alice", .password = "pencil", .scram_cache = &cache
};
static const struct check_request bare
	__attribute__((unused)) = { .protocol = &check_postgres, .user = "alice" };

/* ---- what servers say ---------------------------------------------------- */

struct bytes {
	char at[1024];
	size_t n;
};

static inline void add(struct bytes *b, const char *bytes, size_t n)
{
	assert_true(b->n + n <= sizeof(b->at));
	memcpy(b->at + b->n, bytes, n);
	b->n += n;
}

static inline void add_message(struct bytes *b, char type, const char *body, size_t n)
{
	const char head[] = { type, 0, 0, (char)((n + 4) >> 8), (char)(n + 4) };

	add(b, head, sizeof(head));
	add(b, body, n);
}

/* @routine: where in the server it was found; NULL: nothing is said of it. */
static inline struct bytes error_found_by(const char *sqlstate, const char *routine)
{
	struct bytes body = { .n = 0 }, message = { .n = 0 };

	add(&body, "SFATAL\0VFATAL\0C", 15);
	add(&body, sqlstate, 6);
	add(&body, "Mfor that reason", 17);
	if (routine) {
		add(&body, "R", 1);
		add(&body, routine, strlen(routine) + 1);
	}
	add(&body, "", 1);
	add_message(&message, 'E', body.at, body.n);
	return message;
}

static inline struct bytes error_of(const char *sqlstate)
{
	return error_found_by(sqlstate, NULL);
}

/* Columns with | between; - is a null. */
static inline struct bytes row_of(const char *columns)
{
	struct bytes body = { .at = { 0, 1 }, .n = 2 }, message = { .n = 0 };

	for (const char *at = columns; *at; at++)
		body.at[1] = (char)(body.at[1] + (*at == '|'));
	for (const char *at = columns;; at++) {
		const size_t n = strcspn(at, "|");
		const char head[] = { 0, 0, 0, (char)n };

		if (n == 1 && *at == '-')
			add(&body, "\xff\xff\xff\xff", 4);
		else
			add(&body, head, 4);
		if (n != 1 || *at != '-')
			add(&body, at, n);
		at += n;
		if (*at == '\0')
			break;
	}
	add_message(&message, 'D', body.at, body.n);
	return message;
}

static inline void login(struct talk *t, const struct check_request *request, size_t piece)
{
	talk_begin(t, request, NULL);
	talk_expect(t, NULL, 0);
	talk_hear(t, LITERAL(AUTH_OK OTHER NO_STANDBY KEY NOTICE READY), piece);
	assert_int_equal(t->step, CHECK_STEP_MORE);
	assert_memory_equal(t->said, "Q", 1);
	talk_expect(t, NULL, 0);
}

#endif
