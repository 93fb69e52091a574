/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Asks a MySQL or MariaDB server whether it serves, and, with a user, who it
 * is (MySQL's source documentation, "Client/Server Protocol").
 *
 *	greeting -> [request for TLS -> TLS] -> log in -> OK
 *	        -> is it read-only? a member of a Galera cluster? a replica? -> quit
 *
 * Without a user it tries to log in all the same: one that leaves before that
 * is counted against its address, which the server blocks in the end
 * (max_connect_errors). To be refused is an answer like any other.
 */

#include <stdio.h>
#include <string.h>

#include "mysql_parts.h"
#include "proto/mysql_error.h"

#define PACKET_BYTES_MAX (64u << 10)
#define PROTOCOL_VERSION 10
#define COLUMNS_MAX 250
#define FILLER_BYTES 23
#define CHARSET_UTF8 33
#define PACKET_EOF_BYTES_MAX 8

#define DEFAULT_USER "ringmain"

/* The first byte of an answer. */
#define ANSWER_OK 0x00
#define ANSWER_MORE 0x01
#define ANSWER_EOF 0xfe /* and another way to log in */
#define ANSWER_ERROR 0xff

enum capability {
	CAN_LONG_PASSWORD = 1 << 0,
	CAN_LONG_FLAG = 1 << 2,
	CAN_DATABASE = 1 << 3,
	CAN_PROTOCOL_41 = 1 << 9,
	CAN_TLS = 1 << 11,
	CAN_TRANSACTIONS = 1 << 13,
	CAN_SECURE = 1 << 15,
	CAN_PLUGINS = 1 << 19,
};

/* ---- what is sent -------------------------------------------------------- */

static void quit(struct check_exchange *x)
{
	static const uint8_t command = 1;

	mysql_state(x)->sequence = 0;
	mysql_send(x, &command, sizeof(command));
}

/* What both the request for TLS and the log-in begin with. */
static void send_options(struct check_exchange *x)
{
	const uint32_t capabilities = mysql_state(x)->capabilities;
	const uint8_t options[] = { (uint8_t)capabilities,
				    (uint8_t)(capabilities >> 8),
				    (uint8_t)(capabilities >> 16),
				    (uint8_t)(capabilities >> 24),
				    0,
				    0,
				    1, /* packets of up to 64 kB */
				    0,
				    CHARSET_UTF8 };
	static const uint8_t filler[FILLER_BYTES];

	exchange_send(x, options, sizeof(options));
	exchange_send(x, filler, sizeof(filler));
}

#define OPTIONS_BYTES (9 + FILLER_BYTES)

static enum check_step send_login(struct check_exchange *x)
{
	struct mysql *mysql = mysql_state(x);
	const struct check_request *r = x->request;
	const char *user = r->user ? r->user : DEFAULT_USER;
	const size_t user_bytes = strlen(user) + 1;
	const bool has_database = r->database && mysql->capabilities & CAN_DATABASE;
	const size_t database_bytes = has_database ? strlen(r->database) + 1 : 0;
	const size_t plugin_bytes = mysql->capabilities & CAN_PLUGINS ? strlen(mysql->plugin) + 1
								      : 0;
	uint8_t proof[MYSQL_PROOF_BYTES_MAX];
	const size_t proof_bytes = mysql_prove(mysql, r->user ? r->password : NULL, proof);

	mysql_send_head(x, OPTIONS_BYTES + user_bytes + 1 + proof_bytes + database_bytes +
				   plugin_bytes);
	send_options(x);
	exchange_send(x, user, user_bytes);
	exchange_send_byte(x, (uint8_t)proof_bytes);
	exchange_send(x, proof, proof_bytes);
	exchange_send(x, r->database, database_bytes);
	exchange_send(x, mysql->plugin, plugin_bytes);
	mysql->phase = MYSQL_LOGIN;
	return CHECK_STEP_MORE;
}

/* ---- refusals ------------------------------------------------------------ */

static const struct {
	unsigned number;
	enum check_verdict verdict;
} error_verdicts[] = {
	{ MYSQL_TOO_MANY_CONNECTIONS, CHECK_FULL },
	{ 1203, CHECK_OWN_FAULT }, /* as many connections as the check's user may have */
	{ 1226, CHECK_OWN_FAULT }, /* or as many of something in an hour */
	{ 1044, CHECK_OWN_FAULT }, /* no right to the database */
	{ 1045, CHECK_OWN_FAULT }, /* wrong user or password */
	{ 1049, CHECK_OWN_FAULT }, /* no such database */
	{ 1251, CHECK_OWN_FAULT }, /* no way to log in that we know */
	{ 1524, CHECK_OWN_FAULT },
	{ 1698, CHECK_OWN_FAULT }, /* not with a password */
	{ 1820, CHECK_OWN_FAULT }, /* the password has expired */
	{ 1862, CHECK_OWN_FAULT },
	{ 3118, CHECK_OWN_FAULT }, /* the account is locked */
	{ 3159, CHECK_OWN_FAULT }, /* only with TLS */
	{ 4151, CHECK_OWN_FAULT },
	{ 1047, CHECK_NOT_READY }, /* a member of a Galera cluster that has lost it */
	{ 1053, CHECK_NOT_READY }, /* shutting down */
	{ 3168, CHECK_NOT_READY },
};

static enum check_verdict verdict_of_error(unsigned number)
{
	for (size_t i = 0; i < ARRAY_LEN(error_verdicts); i++)
		if (error_verdicts[i].number == number)
			return error_verdicts[i].verdict;
	return CHECK_FAILED;
}

struct mysql_error {
	unsigned number;
	struct exchange_quote text;
};

/* Behind the first byte: a number, perhaps # and five letters, words. */
static struct mysql_error read_error(const struct mysql_packet *p)
{
	struct mysql_error error = { 0 };
	size_t at = 3;

	if (p->n < at)
		return error;
	error.number = (unsigned)(p->at[1] | p->at[2] << 8);
	if (p->n >= at + 6 && p->at[at] == '#')
		at += 6;
	error.text = exchange_quote(p->at + at, p->n - at);
	return error;
}

static enum check_step refused(struct check_exchange *x, const struct mysql_packet *p)
{
	const struct mysql_error error = read_error(p);
	enum check_verdict verdict = verdict_of_error(error.number);

	if (!x->request->user && verdict == CHECK_OWN_FAULT)
		verdict = CHECK_PASSED;
	return exchange_done(x, verdict, "%u %s", error.number, error.text.text);
}

/* ---- the greeting -------------------------------------------------------- */

/* Behind the version's text: thread 4, nonce 8, zero, capabilities 2 of 4, charset, status 2, */
#define GREETING_NONCE_AT 4
#define GREETING_LOW_AT 13
#define GREETING_HIGH_AT 18
#define GREETING_MORE_AT 31 /* the length of the nonce, and ten zeros, lie before it */
#define NONCE_FIRST_BYTES 8

static bool read_greeting(struct mysql *mysql, const struct mysql_packet *p)
{
	const uint8_t *end = p->n > 1 ? memchr(p->at + 1, '\0', p->n - 1) : NULL;
	const size_t more = MYSQL_NONCE_BYTES - NONCE_FIRST_BYTES;
	const uint8_t *at, *plugin;
	size_t left;

	if (!end)
		return false;
	at = end + 1;
	left = (size_t)(p->at + p->n - at);
	if (left < GREETING_MORE_AT + more)
		return false;
	mysql->capabilities = (uint32_t)(at[GREETING_LOW_AT] | at[GREETING_LOW_AT + 1] << 8) |
			      (uint32_t)at[GREETING_HIGH_AT] << 16 |
			      (uint32_t)at[GREETING_HIGH_AT + 1] << 24;
	memcpy(mysql->nonce, at + GREETING_NONCE_AT, NONCE_FIRST_BYTES);
	memcpy(mysql->nonce + NONCE_FIRST_BYTES, at + GREETING_MORE_AT, more);
	plugin = at + GREETING_MORE_AT + more + 1; /* a zero closes the nonce */
	left = left > GREETING_MORE_AT + more ? left - GREETING_MORE_AT - more - 1 : 0;
	if (left > 0 && strnlen((const char *)plugin, left) < MIN(left, sizeof(mysql->plugin)))
		memcpy(mysql->plugin, plugin, strlen((const char *)plugin) + 1);
	if (!mysql_knows(mysql->plugin)) /* it will say if that will not do */
		memcpy(mysql->plugin, "mysql_native_password", sizeof("mysql_native_password"));
	return mysql->capabilities & CAN_PROTOCOL_41 && mysql->capabilities & CAN_SECURE;
}

static enum check_step on_greeting(struct check_exchange *x, const struct mysql_packet *p)
{
	struct mysql *mysql = mysql_state(x);
	uint32_t wanted = CAN_LONG_PASSWORD | CAN_LONG_FLAG | CAN_PROTOCOL_41 | CAN_TRANSACTIONS |
			  CAN_SECURE | CAN_PLUGINS;
	const bool wants_tls = x->request->tls != CHECK_TLS_OFF && !x->channel.is_tls &&
			       !x->channel.is_local;

	if (p->n > 0 && p->at[0] == ANSWER_ERROR)
		return refused(x, p);
	if (p->n == 0 || p->at[0] != PROTOCOL_VERSION || !read_greeting(mysql, p))
		return exchange_done(x, CHECK_FAILED, "not MySQL's protocol");
	if (wants_tls && x->request->tls == CHECK_TLS_REQUIRE && !(mysql->capabilities & CAN_TLS))
		return exchange_done(x, CHECK_FAILED, "does not speak TLS");
	wanted |= wants_tls ? CAN_TLS : 0u;
	wanted |= x->request->user && x->request->database ? CAN_DATABASE : 0u;
	mysql->capabilities &= wanted;
	if (!(mysql->capabilities & CAN_TLS))
		return send_login(x);
	mysql_send_head(x, OPTIONS_BYTES);
	send_options(x);
	return CHECK_STEP_TLS;
}

/* ---- questions ----------------------------------------------------------- */

static const char *const questions[MYSQL_QUESTIONS] = {
	[MYSQL_VARIABLES] = "\3SHOW GLOBAL VARIABLES WHERE Variable_name IN "
			    "('read_only', 'super_read_only', 'innodb_read_only', 'wsrep_on')",
	[MYSQL_GALERA] = "\3SHOW GLOBAL STATUS WHERE Variable_name IN "
			 "('wsrep_ready', 'wsrep_local_state', 'wsrep_local_state_comment', "
			 "'wsrep_cluster_status')",
	[MYSQL_REPLICA] = "\3SHOW REPLICA STATUS",
	[MYSQL_SLAVE] = "\3SHOW SLAVE STATUS",
};

static enum check_step check_mysql_ask(struct check_exchange *x, enum mysql_question question)
{
	struct mysql *mysql = mysql_state(x);

	mysql->question = question;
	mysql->phase = MYSQL_COUNT;
	mysql->sequence = 0;
	mysql->columns = (struct mysql_columns){ .lag = -1, .io = -1, .sql = -1 };
	mysql_send(x, questions[question], strlen(questions[question]));
	return CHECK_STEP_MORE;
}

/* Everything is known that can be. */
static enum check_step leave(struct check_exchange *x)
{
	const struct mysql_answers *a = &mysql_state(x)->answers;
	struct check_facts *facts = &x->facts;

	quit(x);
	if (a->has_read_only)
		facts->role = a->is_read_only ? CHECK_ROLE_REPLICA : CHECK_ROLE_PRIMARY;
	facts->is_read_only = a->is_read_only;
	facts->is_detached = facts->role == CHECK_ROLE_REPLICA && a->is_replica && !a->is_running;
	facts->has_lag = a->is_replica && a->is_running && a->has_lag;
	facts->lag_ms = facts->has_lag ? a->lag_s * 1000 : 0;
	if (!a->has_read_only)
		return exchange_done(x, CHECK_PASSED, "does not say who it is");
	return exchange_done(x, CHECK_PASSED, "is a %s%s", check_role_names[facts->role],
			     facts->is_detached ? " without a link to its primary" : "");
}

static enum check_step galera_is_out(struct check_exchange *x)
{
	const struct mysql_answers *a = &mysql_state(x)->answers;

	quit(x);
	return exchange_done(x, CHECK_NOT_READY, "Galera: %s, %s",
			     a->is_in_primary_component ? "in the cluster" : "outside the cluster",
			     a->galera_state[0] != '\0' ? a->galera_state : "not ready");
}

/* An answer is complete. */
static enum check_step next_question(struct check_exchange *x)
{
	struct mysql *mysql = mysql_state(x);
	const struct mysql_answers *a = &mysql->answers;

	switch (mysql->question) {
	case MYSQL_VARIABLES:
		return check_mysql_ask(x, a->is_galera ? MYSQL_GALERA : MYSQL_REPLICA);
	case MYSQL_GALERA:
		if (!a->is_ready || !a->is_synced || !a->is_in_primary_component)
			return galera_is_out(x);
		return check_mysql_ask(x, MYSQL_REPLICA);
	default:
		return leave(x);
	}
}

#define ERROR_SYNTAX 1064

static enum check_step question_refused(struct check_exchange *x, const struct mysql_packet *p)
{
	const struct mysql *mysql = mysql_state(x);
	const struct mysql_error error = read_error(p);
	const enum check_verdict verdict = verdict_of_error(error.number);

	if (mysql->question == MYSQL_REPLICA && error.number == ERROR_SYNTAX)
		return check_mysql_ask(x, MYSQL_SLAVE);
	if (verdict == CHECK_NOT_READY ||
	    (mysql->question < MYSQL_REPLICA && verdict == CHECK_OWN_FAULT)) {
		quit(x);
		return exchange_done(x, verdict, "%u %s", error.number, error.text.text);
	}
	return leave(x); /* it does not tell that to this user */
}

/* ---- answers ------------------------------------------------------------- */

static enum check_step on_login(struct check_exchange *x, const struct mysql_packet *p)
{
	const struct mysql_packet rest = { p->at + 1, p->n - 1, p->whole - 1 };

	switch (p->at[0]) {
	case ANSWER_OK:
		if (mysql_state(x)->phase == MYSQL_KEY)
			break;
		if (x->request->user)
			return check_mysql_ask(x, MYSQL_VARIABLES);
		quit(x);
		return exchange_done(x, CHECK_PASSED, "lets anybody in");
	case ANSWER_MORE:
		return mysql_on_more(x, &rest);
	case ANSWER_EOF:
		return mysql_on_switch(x, &rest);
	case ANSWER_ERROR:
		return refused(x, p);
	default:
		break;
	}
	return exchange_done(x, CHECK_FAILED, "malformed answer to the log-in");
}

static enum check_step on_count(struct check_exchange *x, const struct mysql_packet *p)
{
	struct mysql *mysql = mysql_state(x);

	if (p->at[0] == ANSWER_ERROR)
		return question_refused(x, p);
	if (p->n != 1 || p->at[0] == 0 || p->at[0] > COLUMNS_MAX)
		return exchange_done(x, CHECK_FAILED, "malformed answer to a query");
	mysql->columns.n = p->at[0];
	mysql->phase = MYSQL_COLUMNS;
	return CHECK_STEP_MORE;
}

static bool is_eof(const struct mysql_packet *p)
{
	return p->at[0] == ANSWER_EOF && p->whole <= PACKET_EOF_BYTES_MAX;
}

static enum check_step on_column(struct check_exchange *x, const struct mysql_packet *p)
{
	struct mysql *mysql = mysql_state(x);
	const bool are_complete = mysql->columns.seen == mysql->columns.n;

	if (are_complete && is_eof(p)) {
		mysql->phase = MYSQL_ROWS;
		return CHECK_STEP_MORE;
	}
	if (are_complete || !mysql_on_column(mysql, p))
		return exchange_done(x, CHECK_FAILED, "malformed answer to a query");
	return CHECK_STEP_MORE;
}

static enum check_step on_row(struct check_exchange *x, const struct mysql_packet *p)
{
	if (is_eof(p))
		return next_question(x);
	if (p->at[0] == ANSWER_ERROR)
		return question_refused(x, p);
	mysql_on_row(mysql_state(x), p);
	return CHECK_STEP_MORE;
}

static enum check_step on_packet(struct check_exchange *x, const struct mysql_packet *p)
{
	switch (mysql_state(x)->phase) {
	case MYSQL_GREETING:
		return on_greeting(x, p);
	case MYSQL_LOGIN:
	case MYSQL_KEY:
		return on_login(x, p);
	case MYSQL_COUNT:
		return on_count(x, p);
	case MYSQL_COLUMNS:
		return on_column(x, p);
	default:
		return on_row(x, p);
	}
}

/* ---- the machine --------------------------------------------------------- */

static enum check_step mysql_begin(struct check_exchange *x)
{
	(void)x;
	return CHECK_STEP_MORE;
}

static enum check_step mysql_secured(struct check_exchange *x)
{
	return send_login(x);
}

static enum check_step mysql_received(struct check_exchange *x)
{
	struct mysql_packet p;
	enum check_step step;
	size_t n;

	if (x->in_bytes < MYSQL_HEAD_BYTES)
		return CHECK_STEP_MORE;
	p.whole = (size_t)(x->in[0] | x->in[1] << 8 | x->in[2] << 16);
	if (p.whole == 0 || p.whole > PACKET_BYTES_MAX)
		return exchange_done(x, CHECK_FAILED, "not MySQL's protocol");
	if (!exchange_has(x, MYSQL_HEAD_BYTES + p.whole, &n))
		return CHECK_STEP_MORE;
	mysql_state(x)->sequence = (uint8_t)(x->in[3] + 1);
	p.at = x->in + MYSQL_HEAD_BYTES;
	p.n = n - MYSQL_HEAD_BYTES;
	step = on_packet(x, &p);
	exchange_take(x, MYSQL_HEAD_BYTES + p.whole);
	return step;
}

static const char *mysql_awaited(const struct check_exchange *x)
{
	const struct mysql *mysql = (const struct mysql *)(const void *)x->state;

	return mysql->phase == MYSQL_GREETING ? "the greeting"
	       : mysql->phase <= MYSQL_KEY    ? "the end of the log-in"
					      : "the answer to a query";
}

const struct check_protocol check_mysql = {
	.name = "mysql",
	.begin = mysql_begin,
	.received = mysql_received,
	.secured = mysql_secured,
	.awaited = mysql_awaited,
};
