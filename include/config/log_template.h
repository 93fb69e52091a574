/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_LOG_TEMPLATE_H
#define CONFIG_LOG_TEMPLATE_H

/*
 * The fields of a session's lines in the log, and a form of the operator's own
 * for these lines: "{client} -> {backend}: {bytes_up}". "{{" is a brace.
 *
 * To add a field: a row here and in log_template.c, its value in
 * session/session_log.c, and an item in ringmain(8).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

/* In the order of a line. Those of a group stand together. */
enum log_field {
	FIELD_TS,
	FIELD_LEVEL,
	FIELD_MSG,
	FIELD_ID,
	FIELD_LISTENER,
	FIELD_CLIENT,
	FIELD_BACKEND,
	FIELD_BACKEND_RESUMED,
	FIELD_BYTES_UP,
	FIELD_BYTES_DOWN,
	FIELD_RATE_UP,
	FIELD_RATE_DOWN,
	FIELD_CONNECT_MS,
	FIELD_WAIT_MS,
	FIELD_FAILED_TRIES,
	FIELD_DURATION_MS,
	FIELD_WORKER,
	FIELD_REASON,
	FIELD_BY,
	FIELD_DETAIL,
	/* How the two connections fare. */
	FIELD_CLIENT_RTT_US,
	FIELD_CLIENT_RETRANSMITS,
	FIELD_CLIENT_UNACKED,
	FIELD_BACKEND_RTT_US,
	FIELD_BACKEND_RETRANSMITS,
	FIELD_BACKEND_UNACKED,
	/* What its first bytes said. */
	FIELD_TLS,
	FIELD_CIPHER,
	FIELD_GROUP,
	FIELD_RESUMED,
	FIELD_SNI,
	FIELD_ALPN,
	FIELD_CLIENT_CN,
	FIELD_CLIENT_RULE,
	FIELD_USER,
	FIELD_DATABASE,
	LOG_FIELDS,
};

/* Keys of the lines, and what stands in the braces. */
extern const char *const log_field_names[LOG_FIELDS];

#define LOG_TEMPLATE_PIECES_MAX 128
#define LOG_TEMPLATE_BYTES_MAX 1024 /* of all texts: half of a line is for the values */

/* Text as it is, or a field. */
struct log_piece {
	enum log_field field; /* LOG_FIELDS: it is text */
	const char *text;
	size_t bytes;
	char end;       /* that follows the field in the line, or NUL */
	bool is_quoted; /* the field stands between quotes, alone or with others */
};

struct log_template {
	char *text; /* as it is written */
	char *literals;
	struct log_piece pieces[LOG_TEMPLATE_PIECES_MAX];
	size_t pieces_n;
};

/* Where a text is wrong, and why. */
struct log_template_mistake {
	enum {
		TEMPLATE_NO_MEMORY,
		TEMPLATE_UNKNOWN,
		TEMPLATE_OPEN,
		TEMPLATE_MANY, /* pieces */
		TEMPLATE_LONG,
	} kind;
	size_t at, bytes; /* of the field, with its braces */
};

/* NULL, and what is wrong with it. */
MUST_CHECK struct log_template *log_template_create(const char *text,
						    struct log_template_mistake *ret_mistake);
/* Accepts NULL. */
void log_template_destroy(struct log_template *t);

#endif
