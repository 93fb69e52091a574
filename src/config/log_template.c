/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/log_template.h"

#include <stdlib.h>
#include <string.h>

const char *const log_field_names[LOG_FIELDS] = {
	[FIELD_TS] = "ts",
	[FIELD_LEVEL] = "level",
	[FIELD_MSG] = "msg",
	[FIELD_ID] = "id",
	[FIELD_LISTENER] = "listener",
	[FIELD_CLIENT] = "client",
	[FIELD_BACKEND] = "backend",
	[FIELD_BACKEND_RESUMED] = "backend_resumed",
	[FIELD_BYTES_UP] = "bytes_up",
	[FIELD_BYTES_DOWN] = "bytes_down",
	[FIELD_RATE_UP] = "rate_up",
	[FIELD_RATE_DOWN] = "rate_down",
	[FIELD_CONNECT_MS] = "connect_ms",
	[FIELD_WAIT_MS] = "wait_ms",
	[FIELD_FAILED_TRIES] = "failed_tries",
	[FIELD_DURATION_MS] = "duration_ms",
	[FIELD_WORKER] = "worker",
	[FIELD_REASON] = "reason",
	[FIELD_BY] = "by",
	[FIELD_DETAIL] = "detail",
	[FIELD_CLIENT_RTT_US] = "client_rtt_us",
	[FIELD_CLIENT_RETRANSMITS] = "client_retransmits",
	[FIELD_CLIENT_UNACKED] = "client_unacked",
	[FIELD_BACKEND_RTT_US] = "backend_rtt_us",
	[FIELD_BACKEND_RETRANSMITS] = "backend_retransmits",
	[FIELD_BACKEND_UNACKED] = "backend_unacked",
	[FIELD_TLS] = "tls",
	[FIELD_CIPHER] = "cipher",
	[FIELD_GROUP] = "group",
	[FIELD_RESUMED] = "resumed",
	[FIELD_SNI] = "sni",
	[FIELD_ALPN] = "alpn",
	[FIELD_CLIENT_CN] = "client_cn",
	[FIELD_CLIENT_RULE] = "client_rule",
	[FIELD_USER] = "user",
	[FIELD_DATABASE] = "database",
};

static enum log_field field_of(const char *name, size_t n)
{
	for (int f = 0; f < LOG_FIELDS; f++)
		if (strlen(log_field_names[f]) == n && memcmp(log_field_names[f], name, n) == 0)
			return (enum log_field)f;
	return LOG_FIELDS;
}

/* Adds to the text at the end, or begins one. False: there are too many pieces. */
static bool add_letter(struct log_template *t, char letter, char **to)
{
	struct log_piece *last = t->pieces_n > 0 ? &t->pieces[t->pieces_n - 1] : NULL;

	if (!last || last->field != LOG_FIELDS) {
		if (t->pieces_n == LOG_TEMPLATE_PIECES_MAX)
			return false;
		last = &t->pieces[t->pieces_n++];
		*last = (struct log_piece){ .field = LOG_FIELDS, .text = *to };
	}
	*(*to)++ = letter;
	last->bytes++;
	return true;
}

/* The braces from @at on; gives how many bytes they have, 0 for a mistake. */
static size_t add_field(struct log_template *t, const char *at, struct log_template_mistake *ret)
{
	const size_t n = strcspn(at, "}");
	const enum log_field field = field_of(at + 1, n - 1);

	ret->at = (size_t)(at - t->text);
	ret->bytes = at[n] == '}' ? n + 1 : n;
	ret->kind = at[n] == '}' ? TEMPLATE_UNKNOWN : TEMPLATE_OPEN;
	if (at[n] != '}' || field == LOG_FIELDS)
		return 0;
	ret->kind = TEMPLATE_MANY;
	if (t->pieces_n == LOG_TEMPLATE_PIECES_MAX)
		return 0;
	t->pieces[t->pieces_n++] = (struct log_piece){ .field = field };
	return ret->bytes;
}

static bool split(struct log_template *t, struct log_template_mistake *ret)
{
	char *to = t->literals;

	for (const char *at = t->text; *at != '\0';) {
		const bool is_brace = at[0] == '{' && at[1] == '{';
		size_t n = 1 + is_brace;

		*ret = (struct log_template_mistake){ .kind = TEMPLATE_MANY };
		if (*at != '{' || is_brace)
			n = add_letter(t, *at, &to) ? n : 0;
		else
			n = add_field(t, at, ret);
		if (n == 0)
			return false;
		at += n;
	}
	*ret = (struct log_template_mistake){ .kind = TEMPLATE_LONG,
					      .bytes = (size_t)(to - t->literals) };
	return to - t->literals <= LOG_TEMPLATE_BYTES_MAX;
}

static size_t count_quotes(const struct log_piece *piece)
{
	size_t n = 0;

	for (size_t i = 0; piece->field == LOG_FIELDS && i < piece->bytes; i++)
		n += piece->text[i] == '"';
	return n;
}

/* Fields behind an odd number of quotes, of which the next one is the end. */
static void note_quotes(struct log_template *t)
{
	size_t all = 0, before = 0;

	for (size_t n = 0; n < t->pieces_n; n++)
		all += count_quotes(&t->pieces[n]);
	for (size_t n = 0; n < t->pieces_n; n++) {
		before += count_quotes(&t->pieces[n]);
		t->pieces[n].is_quoted = t->pieces[n].field != LOG_FIELDS && before % 2 == 1 &&
					 before < all;
	}
}

/* What a value must not hold as it is, lest it seem to end sooner. */
static void note_ends(struct log_template *t)
{
	for (size_t n = 0; n + 1 < t->pieces_n; n++) {
		const struct log_piece *behind = &t->pieces[n + 1];
		struct log_piece *piece = &t->pieces[n];

		if (piece->field != LOG_FIELDS && behind->field == LOG_FIELDS)
			piece->end = behind->text[0];
	}
}

struct log_template *log_template_create(const char *text, struct log_template_mistake *ret_mistake)
{
	struct log_template *t = calloc(1, sizeof(*t));

	*ret_mistake = (struct log_template_mistake){ .kind = TEMPLATE_NO_MEMORY };
	if (!t)
		return NULL;
	t->text = strdup(text);
	t->literals = strdup(text);
	if (!t->text || !t->literals || !split(t, ret_mistake)) {
		log_template_destroy(t);
		return NULL;
	}
	note_ends(t);
	note_quotes(t);
	return t;
}

void log_template_destroy(struct log_template *t)
{
	if (!t)
		return;
	free(t->literals);
	free(t->text);
	free(t);
}
