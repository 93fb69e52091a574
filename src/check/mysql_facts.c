/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What a MySQL server's rows say. */

#include <string.h>

#include "mysql_parts.h"

#define NULL_TEXT 0xfb
#define LENGTH_2 0xfc
#define LENGTH_3 0xfd

#define NAME_BEFORE 4 /* texts before the name of a column: catalog, schema, two of the table */

#define LAG_DIGITS_MAX 10
#define GALERA_DONOR '2' /* wsrep_local_state */
#define GALERA_SYNCED '4'

/* A length that is written with one, two or three bytes; no text here has more. */
static bool take_length(const struct mysql_packet *p, size_t *at, size_t *ret_length)
{
	const size_t left = p->n - *at;
	const uint8_t *byte = p->at + *at;
	const size_t extra = left == 0 ? 0 : byte[0] == LENGTH_2 ? 2 : byte[0] == LENGTH_3 ? 3 : 0;

	if (left < 1 + extra || byte[0] > LENGTH_3)
		return false;
	*ret_length = extra == 0 ? byte[0] : 0;
	for (size_t i = extra; i > 0; i--)
		*ret_length = *ret_length << 8 | byte[i];
	*at += 1 + extra;
	return true;
}

bool mysql_take_text(const struct mysql_packet *p, size_t *at, struct mysql_text *ret_text)
{
	size_t length;

	if (*at < p->n && p->at[*at] == NULL_TEXT) {
		(*at)++;
		*ret_text = (struct mysql_text){ NULL, 0 };
		return true;
	}
	if (!take_length(p, at, &length) || length > p->n - *at)
		return false;
	*ret_text = (struct mysql_text){ (const char *)p->at + *at, length };
	*at += length;
	return true;
}

static bool is(const struct mysql_text *text, const char *word)
{
	return text->at && text->n == strlen(word) && memcmp(text->at, word, text->n) == 0;
}

bool mysql_on_column(struct mysql *mysql, const struct mysql_packet *p)
{
	struct mysql_columns *c = &mysql->columns;
	const int16_t index = (int16_t)c->seen++;
	struct mysql_text name;
	size_t at = 0;

	for (size_t i = 0; i <= NAME_BEFORE; i++)
		if (!mysql_take_text(p, &at, &name))
			return false;
	if (is(&name, "Seconds_Behind_Source") || is(&name, "Seconds_Behind_Master"))
		c->lag = index;
	if (is(&name, "Replica_IO_Running") || is(&name, "Slave_IO_Running"))
		c->io = index;
	if (is(&name, "Replica_SQL_Running") || is(&name, "Slave_SQL_Running"))
		c->sql = index;
	return true;
}

/* ---- rows of two columns: a name and its value --------------------------- */

static void keep_text(char *out, size_t room, const struct mysql_text *text)
{
	const size_t n = text->at ? MIN(text->n, room - 1) : 0;

	memcpy(out, text->at ? text->at : "", n);
	out[n] = '\0';
}

static void keep_variable(struct mysql_answers *a, const struct mysql_text *name,
			  const struct mysql_text *value)
{
	if (is(name, "read_only"))
		a->has_read_only = true;
	if (is(name, "read_only") || is(name, "super_read_only") || is(name, "innodb_read_only"))
		a->is_read_only |= !is(value, "OFF") && !is(value, "0");
	if (is(name, "wsrep_on"))
		a->is_galera = is(value, "ON") || is(value, "1");
}

static void keep_status(struct mysql_answers *a, const struct mysql_text *name,
			const struct mysql_text *value)
{
	const char state = value->at && value->n == 1 ? value->at[0] : '\0';

	if (is(name, "wsrep_ready"))
		a->is_ready = is(value, "ON");
	if (is(name, "wsrep_local_state"))
		a->is_synced = state == GALERA_SYNCED || state == GALERA_DONOR;
	if (is(name, "wsrep_cluster_status"))
		a->is_in_primary_component = is(value, "Primary");
	if (is(name, "wsrep_local_state_comment"))
		keep_text(a->galera_state, sizeof(a->galera_state), value);
}

/* ---- rows of a replica --------------------------------------------------- */

/* The lag of the one that is furthest behind; one that does not know it makes it unknown. */
static void keep_lag(struct mysql_answers *a, const struct mysql_text *value)
{
	uint64_t lag_s = 0;
	bool is_known = value->at && value->n > 0 && value->n <= LAG_DIGITS_MAX;

	for (size_t i = 0; is_known && i < value->n; i++) {
		is_known = value->at[i] >= '0' && value->at[i] <= '9';
		lag_s = lag_s * 10 + (uint64_t)(value->at[i] - '0');
	}
	if (!is_known) {
		a->has_lag = false;
		a->is_running = false;
		return;
	}
	a->lag_s = MAX(a->lag_s, lag_s);
}

static void keep_replica(struct mysql *mysql, const struct mysql_packet *p)
{
	const struct mysql_columns *c = &mysql->columns;
	struct mysql_answers *a = &mysql->answers;
	struct mysql_text value;
	size_t at = 0;

	if (!a->is_replica)
		a->is_replica = a->is_running = a->has_lag = true;
	for (int16_t i = 0; mysql_take_text(p, &at, &value); i++) {
		if (i == c->lag)
			keep_lag(a, &value);
		if (i == c->io || i == c->sql)
			a->is_running &= is(&value, "Yes");
	}
	if (c->lag < 0)
		a->has_lag = false;
}

void mysql_on_row(struct mysql *mysql, const struct mysql_packet *p)
{
	struct mysql_text name, value;
	size_t at = 0;

	if (mysql->question >= MYSQL_REPLICA) {
		keep_replica(mysql, p);
		return;
	}
	if (!mysql_take_text(p, &at, &name) || !mysql_take_text(p, &at, &value))
		return;
	if (mysql->question == MYSQL_VARIABLES)
		keep_variable(&mysql->answers, &name, &value);
	else
		keep_status(&mysql->answers, &name, &value);
}
