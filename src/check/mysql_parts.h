/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CHECK_MYSQL_PARTS_H
#define CHECK_MYSQL_PARTS_H

/* What the files of the mysql check share. */

#include <assert.h>

#include "exchange.h"

#define MYSQL_NONCE_BYTES 20
#define MYSQL_PLUGIN_BYTES 64
#define MYSQL_HEAD_BYTES 4 /* of a packet: its length, its number */

enum mysql_phase {
	MYSQL_GREETING,
	MYSQL_LOGIN,
	MYSQL_KEY,     /* the server's, for the password */
	MYSQL_COUNT,   /* of the columns of an answer */
	MYSQL_COLUMNS, /* what they are called */
	MYSQL_ROWS,
};

enum mysql_question {
	MYSQL_VARIABLES,
	MYSQL_GALERA,
	MYSQL_REPLICA,
	MYSQL_SLAVE, /* the same, as it is called where REPLICA is not known */
	MYSQL_QUESTIONS
};

/* Where in a row something stands; -1: nowhere. */
struct mysql_columns {
	unsigned n, seen;
	int16_t lag, io, sql;
};

/* What rows said, until all are there. */
struct mysql_answers {
	bool has_read_only, is_read_only; /* of any kind */
	bool is_galera, is_ready;
	bool is_synced; /* or gives its data to another, but serves */
	bool is_in_primary_component;
	bool is_replica, is_running; /* fed by another; by all of its threads */
	bool has_lag;
	uint64_t lag_s;
	char galera_state[32];
};

struct mysql {
	enum mysql_phase phase;
	uint8_t sequence;      /* of the next packet that we send */
	uint32_t capabilities; /* both sides' */
	bool has_switched;     /* to another way to log in */
	enum mysql_question question;
	struct mysql_columns columns;
	struct mysql_answers answers;
	uint8_t nonce[MYSQL_NONCE_BYTES];
	char plugin[MYSQL_PLUGIN_BYTES];
};

static_assert(sizeof(struct mysql) <= CHECK_STATE_BYTES, "there is room for it");

static inline struct mysql *mysql_state(struct check_exchange *x)
{
	return (struct mysql *)(void *)x->state;
}

/* A packet's payload, or what there is of it. */
struct mysql_packet {
	const uint8_t *at;
	size_t n;
	size_t whole; /* how long it is */
};

/* ---- mysql_wire.c */

/* Sends a packet; its size is told by a call with what follows. */
void mysql_send_head(struct check_exchange *x, size_t n);
void mysql_send(struct check_exchange *x, const void *payload, size_t n);

/* ---- mysql_login.c */

/* The answer to the nonce, by the plugin; at most MYSQL_PROOF_BYTES_MAX. */
#define MYSQL_PROOF_BYTES_MAX 32
size_t mysql_prove(const struct mysql *mysql, const char *password,
		   uint8_t out[MYSQL_PROOF_BYTES_MAX]);

/* Is it one that mysql_prove() knows? */
bool mysql_knows(const char *plugin);

/* The server wants it another way (AuthSwitchRequest). */
enum check_step mysql_on_switch(struct check_exchange *x, const struct mysql_packet *p);
/* It has something to say in between (AuthMoreData): what is behind the byte 1. */
enum check_step mysql_on_more(struct check_exchange *x, const struct mysql_packet *p);

/* ---- mysql_facts.c */

/* A text with its length in front at *at, which moves behind it. */
struct mysql_text {
	const char *at; /* NULL: null */
	size_t n;
};
MUST_CHECK bool mysql_take_text(const struct mysql_packet *p, size_t *at,
				struct mysql_text *ret_text);

/* The name of a column; false: malformed. */
MUST_CHECK bool mysql_on_column(struct mysql *mysql, const struct mysql_packet *p);
void mysql_on_row(struct mysql *mysql, const struct mysql_packet *p);

#endif
