/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What a PostgreSQL server's answers say. */

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "postgres_parts.h"
#include "proto/pgsql_login.h"

#define COLUMN_BYTES 64

/* ---- what a row says ----------------------------------------------------- */

static bool to_number(const char *text, uint64_t max, uint64_t *ret_value)
{
	return text_to_u64(text, ret_value) && *ret_value <= max;
}

/* False: no such value can be. */
static bool keep_column(struct check_facts *facts, enum pg_column column, const char *text)
{
	uint64_t value = 0;

	switch (column) {
	case PG_COLUMN_IN_RECOVERY:
		facts->role = strcmp(text, "t") == 0 ? CHECK_ROLE_REPLICA : CHECK_ROLE_PRIMARY;
		return strcmp(text, "t") == 0 || strcmp(text, "f") == 0;
	case PG_COLUMN_READ_ONLY:
		facts->is_read_only = strcmp(text, "off") != 0;
		return strcmp(text, "on") == 0 || strcmp(text, "off") == 0;
	case PG_COLUMN_POSITION:
		facts->has_position = to_number(text, UINT64_MAX, &facts->position);
		return facts->has_position;
	case PG_COLUMN_TIMELINE:
		if (!to_number(text, UINT32_MAX, &value))
			return false;
		facts->timeline = (uint32_t)value;
		return true;
	case PG_COLUMN_SYSTEM:
		return to_number(text, UINT64_MAX, &facts->system_id);
	case PG_COLUMN_STARTED:
		return to_number(text, UINT64_MAX, &facts->started_us);
	default:
		facts->is_detached = strcmp(text, "streaming") != 0;
		return true;
	}
}

/* One column of a row at *at, which moves behind it. False: there is none such. */
static bool read_column(struct check_facts *facts, const struct pg_message *m, size_t *at,
			unsigned column)
{
	char text[COLUMN_BYTES];
	uint32_t n;

	if (m->n - *at < PG_LENGTH_BYTES)
		return false;
	n = be32_read(m->body + *at);
	*at += PG_LENGTH_BYTES;
	if (n == UINT32_MAX) { /* null: the user may not see it, or there is none */
		facts->is_detached |= column == PG_COLUMN_RECEIVER &&
				      facts->role == CHECK_ROLE_REPLICA;
		return column > PG_COLUMN_READ_ONLY;
	}
	if (n >= sizeof(text) || n > m->n - *at)
		return false;
	memcpy(text, m->body + *at, n);
	text[n] = '\0';
	*at += n;
	return strlen(text) == n && keep_column(facts, (enum pg_column)column, text);
}

bool pg_read_row(struct check_facts *facts, const struct pg_message *m, unsigned columns)
{
	size_t at = 2;

	if (m->n < at || (unsigned)(m->body[0] << 8 | m->body[1]) != columns)
		return false;
	for (unsigned column = 0; column < columns; column++)
		if (!read_column(facts, m, &at, column))
			return false;
	return at == m->n;
}

/*
 * A server without room and one whose role has as many connections as it may
 * say the same SQLSTATE, and words in any language; this is never translated.
 */
static const char role_routine[] = "InitializeSessionUserId";

/* Fields of a letter and a text, closed by a zero (ErrorResponse). */
void pg_read_error(const struct pg_message *m, struct pg_error *ret_error)
{
	size_t at = 0;

	*ret_error = (struct pg_error){ .sqlstate = "?????" };
	while (at < m->n && m->body[at] != '\0') {
		const char letter = (char)m->body[at++];
		const uint8_t *value = m->body + at;
		const uint8_t *end = memchr(value, '\0', m->n - at);
		const size_t n = end ? (size_t)(end - value) : m->n - at;

		if (letter == 'C' && n == PG_SQLSTATE_BYTES - 1)
			memcpy(ret_error->sqlstate, exchange_quote(value, n).text, n);
		if (letter == 'M')
			ret_error->text = exchange_quote(value, n);
		if (letter == 'R')
			ret_error->is_of_role = n == strlen(role_routine) &&
						memcmp(value, role_routine, n) == 0;
		at += n + 1;
	}
}

/* What SQLSTATEs mean while connecting; the first that begins so counts. */
static const struct {
	const char *begins;
	enum check_verdict verdict;
} error_verdicts[] = {
	{ PGSQL_TOO_MANY_CONNECTIONS, CHECK_FULL },
	{ "57P0", CHECK_NOT_READY },  /* shutting down, crashed, starting up */
	{ "28", CHECK_OWN_FAULT },    /* the user, or how it logs in */
	{ "3D", CHECK_OWN_FAULT },    /* no such database */
	{ "42", CHECK_OWN_FAULT },    /* no right to it */
	{ "55000", CHECK_OWN_FAULT }, /* the database takes no connections */
	{ "0A", CHECK_OWN_FAULT },    /* does not know what we ask for */
};

static enum check_verdict verdict_of(const char *sqlstate)
{
	for (size_t i = 0; i < ARRAY_LEN(error_verdicts); i++)
		if (strncmp(sqlstate, error_verdicts[i].begins, strlen(error_verdicts[i].begins)) ==
		    0)
			return error_verdicts[i].verdict;
	return CHECK_FAILED;
}

enum check_verdict pg_meaning_of(const struct pg_error *error)
{
	const enum check_verdict verdict = verdict_of(error->sqlstate);

	return verdict == CHECK_FULL && error->is_of_role ? CHECK_OWN_FAULT : verdict;
}
