/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CHECK_POSTGRES_PARTS_H
#define CHECK_POSTGRES_PARTS_H

/* What the files of the postgres check share. */

#include <assert.h>

#include "exchange.h"
#include "crypto/scram.h"
#include "proto/big_endian.h"

#define PG_SQLSTATE_BYTES 6
#define PG_LENGTH_BYTES 4 /* of a message's or a column's length */

enum pg_phase {
	PG_TLS,   /* the answer to SSLRequest is awaited */
	PG_START, /* any answer to the start-up packet */
	PG_SASL_FIRST,
	PG_SASL_FINAL,
	PG_SASL_OK, /* the server has proved itself */
	PG_READY,   /* it let us in; it will say when it is ready */
	PG_ASKED,
};

struct pg {
	enum pg_phase phase;
	unsigned question; /* that was asked last */
	bool has_row;
	bool has_answered;        /* some question, without an error */
	enum check_role reported; /* by in_hot_standby, without being asked */
	struct scram scram;
};

static_assert(sizeof(struct pg) <= CHECK_STATE_BYTES, "there is room for it");

static inline struct pg *pg_state(struct check_exchange *x)
{
	return (struct pg *)(void *)x->state;
}

/* A message's body, or what there is of it. */
struct pg_message {
	char type;
	const uint8_t *body;
	size_t n;
};

/* Append a number, or a message, to what is sent. */
void pg_send_u32(struct check_exchange *x, uint32_t value);
void pg_send(struct check_exchange *x, char type, const void *body, size_t n);

/* The server asks for something, or lets us in. */
enum check_step pg_on_auth(struct check_exchange *x, const struct pg_message *m);

/* The columns of the first question; the second has the first two. */
enum pg_column {
	PG_COLUMN_IN_RECOVERY,
	PG_COLUMN_READ_ONLY,
	PG_COLUMN_POSITION,
	PG_COLUMN_TIMELINE,
	PG_COLUMN_SYSTEM,
	PG_COLUMN_STARTED,
	PG_COLUMN_RECEIVER,
	PG_COLUMNS
};

/* Reads a row of so many columns. False: no such row can be, and *facts is spoiled. */
MUST_CHECK bool pg_read_row(struct check_facts *facts, const struct pg_message *m,
			    unsigned columns);

struct pg_error {
	char sqlstate[PG_SQLSTATE_BYTES];
	bool is_of_role; /* it was found where a role is looked at */
	struct exchange_quote text;
};

void pg_read_error(const struct pg_message *m, struct pg_error *ret_error);

/* What it means for who connects. */
enum check_verdict pg_meaning_of(const struct pg_error *error);

#endif
