/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Asks a PostgreSQL server whether it serves, and, with a user, who it is
 * (PostgreSQL's manual, "Frontend/Backend Protocol").
 *
 *	SSLRequest -> S -> TLS        where it is asked for
 *	start-up packet -> R          without a user: that will do
 *	R … log in … R 0 -> S K Z     with one
 *	Q -> T D C Z                  who are you? in the fullest form it allows
 *	X
 *
 * Without a user the start-up packet names one all the same, for only behind
 * it does a server say whether it takes connections. Whatever it says to that
 * user, asking for a password or refusing, shows that it is there; who leaves
 * when asked for a password leaves no line in its log.
 */

#include <stdio.h>
#include <string.h>

#include "postgres_parts.h"
#include "proto/pgsql.h"

#define HEAD_BYTES 5                  /* a message's type and length */
#define MESSAGE_BYTES_MAX (64u << 10) /* nothing that we ask for is longer */

#define DEFAULT_USER "ringmain"
#define DEFAULT_DATABASE "postgres"

/* ---- what is sent -------------------------------------------------------- */

static void send_start(struct check_exchange *x)
{
	const struct check_request *r = x->request;
	char body[3 * CHECK_NAME_BYTES];
	/* Only what connection poolers know, too. */
	const int n = snprintf(body, sizeof(body), "user%c%s%cdatabase%c%s%capplication_name%c%s%c",
			       0, r->user ? r->user : DEFAULT_USER, 0, 0,
			       r->database ? r->database : DEFAULT_DATABASE, 0, 0, "ringmain", 0);

	CHECK(n > 0 && (size_t)n < sizeof(body));
	pg_send_u32(x, (uint32_t)(2 * PG_LENGTH_BYTES + (size_t)n + 1));
	pg_send_u32(x, 3u << 16);
	exchange_send(x, body, (size_t)n + 1);
	pg_state(x)->phase = PG_START;
}

/* ---- questions ----------------------------------------------------------- */

/*
 * The timeline is that of the position in the log, not the control file's,
 * which lags behind a promotion; a replica's is the one that it receives, if
 * the user may see that, else the control file's. Everything is qualified: no
 * schema of the user's comes before.
 */
#define IN_RECOVERY "pg_catalog.pg_is_in_recovery()"
#define READ_ONLY "pg_catalog.current_setting('transaction_read_only')"

static const char *const questions[] = {
	"SELECT " IN_RECOVERY ", " READ_ONLY ", "
	"pg_catalog.pg_wal_lsn_diff(CASE WHEN " IN_RECOVERY
	" THEN pg_catalog.pg_last_wal_replay_lsn() "
	"ELSE pg_catalog.pg_current_wal_lsn() END, '0/0'), "
	"CASE WHEN " IN_RECOVERY " THEN (SELECT coalesce("
	"(SELECT received_tli FROM pg_catalog.pg_stat_get_wal_receiver()), "
	"(SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()))) "
	"ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name("
	"pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int END, "
	"(SELECT system_identifier FROM pg_catalog.pg_control_system()), "
	"(extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint, "
	"CASE WHEN " IN_RECOVERY " THEN (SELECT coalesce(status, 'streaming') "
	"FROM pg_catalog.pg_stat_get_wal_receiver() WHERE pid IS NOT NULL) END",
	/* What a server allows that has taken the rest away from this user, or is not quite one. */
	"SELECT " IN_RECOVERY ", " READ_ONLY,
};

static enum check_step check_postgres_ask(struct check_exchange *x, unsigned question)
{
	struct pg *pg = pg_state(x);

	pg->phase = PG_ASKED;
	pg->question = question;
	pg->has_row = false;
	pg_send(x, 'Q', questions[question], strlen(questions[question]) + 1);
	return CHECK_STEP_MORE;
}

/* ---- answers ------------------------------------------------------------- */

static enum check_step on_row(struct check_exchange *x, const struct pg_message *m)
{
	struct pg *pg = pg_state(x);
	struct check_facts facts = x->facts;

	if (pg->phase != PG_ASKED || pg->has_row ||
	    !pg_read_row(&facts, m, pg->question == 0 ? PG_COLUMNS : PG_COLUMN_READ_ONLY + 1))
		return exchange_done(x, CHECK_FAILED, "answered nonsense to who it is");
	x->facts = facts;
	pg->has_row = true;
	pg->has_answered = true;
	return CHECK_STEP_MORE;
}

/* A question was refused: the server says that it is ready again, then comes the next. */
static enum check_step on_question_refused(struct check_exchange *x, const struct pg_error *error)
{
	if (strncmp(error->sqlstate, "57P0", 4) == 0)
		return exchange_done(x, CHECK_NOT_READY, "%s %s", error->sqlstate,
				     error->text.text);
	exchange_say(x, "%s %s", error->sqlstate, error->text.text);
	return CHECK_STEP_MORE;
}

static enum check_step on_error(struct check_exchange *x, const struct pg_message *m)
{
	const struct pg *pg = pg_state(x);
	enum check_verdict verdict;
	struct pg_error error;

	pg_read_error(m, &error);
	if (pg->phase == PG_ASKED)
		return on_question_refused(x, &error);
	verdict = pg_meaning_of(&error);
	/* Who has no user cannot be refused one. */
	if (!x->request->user && verdict == CHECK_OWN_FAULT)
		verdict = CHECK_PASSED;
	return exchange_done(x, verdict, "%s %s", error.sqlstate, error.text.text);
}

/* ---- what it says in between --------------------------------------------- */

/* A setting and its value, told without being asked (ParameterStatus). */
static enum check_step on_parameter(struct check_exchange *x, const struct pg_message *m)
{
	static const char standby[] = "in_hot_standby";
	const char *value = (const char *)m->body + sizeof(standby);

	if (m->n <= sizeof(standby) || memcmp(m->body, standby, sizeof(standby)) != 0)
		return CHECK_STEP_MORE;
	pg_state(x)->reported = strncmp(value, "on", MIN(2, m->n - sizeof(standby))) == 0
					? CHECK_ROLE_REPLICA
					: CHECK_ROLE_PRIMARY;
	return CHECK_STEP_MORE;
}

static enum check_step leave(struct check_exchange *x)
{
	const struct pg *pg = pg_state(x);
	struct exchange_quote why;

	pg_send(x, 'X', "", 0);
	if (pg->has_answered)
		return exchange_done(x, CHECK_PASSED, "is a %s%s", check_role_names[x->facts.role],
				     x->facts.is_read_only && x->facts.role == CHECK_ROLE_PRIMARY
					     ? " that refuses to write"
					     : "");
	x->facts.role = pg->reported;
	/* A primary by its own account may be set to refuse all writing; nobody has said. */
	why = exchange_quote(x->facts.words, strlen(x->facts.words));
	return exchange_done(x, CHECK_PASSED, "does not say who it is: %s", why.text);
}

static enum check_step on_ready(struct check_exchange *x)
{
	struct pg *pg = pg_state(x);

	if (pg->phase == PG_READY) {
		if (x->request->user)
			return check_postgres_ask(x, 0);
		pg_send(x, 'X', "", 0);
		return exchange_done(x, CHECK_PASSED, "lets anybody in");
	}
	if (pg->phase != PG_ASKED)
		return exchange_done(x, CHECK_FAILED, "answered out of turn");
	if (!pg->has_row && pg->question + 1 < ARRAY_LEN(questions))
		return check_postgres_ask(x, pg->question + 1);
	return leave(x);
}

static enum check_step on_message(struct check_exchange *x, const struct pg_message *m)
{
	switch (m->type) {
	case 'E':
		return on_error(x, m);
	case 'R':
		return pg_on_auth(x, m);
	case 'S':
		return on_parameter(x, m);
	case 'D':
		return on_row(x, m);
	case 'Z':
		return on_ready(x);
	case 'K': /* a key to cancel by */
	case 'N': /* a notice */
	case 'v': /* which version it speaks */
	case 'T': /* what a row will look like */
	case 'C': /* a statement is over */
		return CHECK_STEP_MORE;
	default:
		return exchange_done(x, CHECK_FAILED, "not PostgreSQL's protocol");
	}
}

/* ---- the machine --------------------------------------------------------- */

static enum check_step pg_begin(struct check_exchange *x)
{
	uint8_t request[PGSQL_REQUEST_BYTES];

	if (x->channel.is_tls || x->channel.is_local || x->request->tls == CHECK_TLS_OFF) {
		send_start(x);
		return CHECK_STEP_MORE;
	}
	pgsql_write_ssl_request(request);
	exchange_send(x, request, sizeof(request));
	return CHECK_STEP_MORE;
}

static enum check_step pg_secured(struct check_exchange *x)
{
	send_start(x);
	return CHECK_STEP_MORE;
}

/* One byte, not a message. What an error says here may be anybody's words: not shown. */
static enum check_step on_tls_answer(struct check_exchange *x)
{
	const char answer = (char)x->in[0];

	exchange_take(x, 1);
	if (answer == PGSQL_YES)
		return CHECK_STEP_TLS;
	if (answer != PGSQL_NO)
		return exchange_done(x, CHECK_FAILED, "answered the request for TLS with %s",
				     answer == 'E' ? "an error" : "nonsense");
	if (x->request->tls == CHECK_TLS_REQUIRE)
		return exchange_done(x, CHECK_FAILED, "does not speak TLS");
	send_start(x);
	return CHECK_STEP_MORE;
}

static enum check_step pg_received(struct check_exchange *x)
{
	struct pg_message m;
	enum check_step step;
	uint32_t length;
	size_t n;

	if (pg_state(x)->phase == PG_TLS)
		return on_tls_answer(x);
	if (!memchr("ERSKNvTDCZ", x->in[0], strlen("ERSKNvTDCZ")))
		return exchange_done(x, CHECK_FAILED, "not PostgreSQL's protocol");
	if (x->in_bytes < HEAD_BYTES)
		return CHECK_STEP_MORE;
	length = be32_read(x->in + 1);
	if (length < PG_LENGTH_BYTES || length > MESSAGE_BYTES_MAX)
		return exchange_done(x, CHECK_FAILED, "not PostgreSQL's protocol");
	if (!exchange_has(x, 1 + length, &n))
		return CHECK_STEP_MORE;
	m = (struct pg_message){ (char)x->in[0], x->in + HEAD_BYTES, n - HEAD_BYTES };
	step = on_message(x, &m);
	exchange_take(x, 1 + length);
	return step;
}

static const char *pg_awaited(const struct check_exchange *x)
{
	const struct pg *pg = (const struct pg *)(const void *)x->state;

	switch (pg->phase) {
	case PG_TLS:
		return "the answer to the request for TLS";
	case PG_START:
		return "the answer to the start-up packet";
	case PG_READY:
		return "the server to be ready";
	case PG_ASKED:
		return "the answer to a query";
	default:
		return "the end of the log-in";
	}
}

const struct check_protocol check_postgres = {
	.name = "postgres",
	.begin = pg_begin,
	.received = pg_received,
	.secured = pg_secured,
	.awaited = pg_awaited,
};
