/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ADMIN_REPLY_H
#define ADMIN_REPLY_H

/*
 * What is still to be sent to one client of the control socket: lines of JSON,
 * each an object that says with "row" what it is about.
 *
 *	reply_row(r, "backend");
 *	reply_text(r, "name", backend->config->name);
 *	reply_u64(r, "sessions", n);
 *	reply_row_end(r);
 *	reply_ok(r);
 *
 * All replies of a process share a budget: what would pass it is left out, and
 * the last line says so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

/* Of one reply that waits for its reader, and of all. */
#define REPLY_BYTES_MAX (16u << 20)
#define REPLIES_BYTES_MAX (48u << 20)

struct reply {
	size_t *budget; /* bytes that all replies hold now */
	char *bytes;
	size_t start, end, room; /* those between are filled and not yet sent */
	size_t row_at;           /* where the row that is being written begins */
	bool is_cut;             /* a row had no room */
	bool has_pair, is_last;
};

/* Keeps @budget. */
void reply_init(struct reply *r, size_t *budget);
void reply_finish(struct reply *r);

void reply_row(struct reply *r, const char *kind);
/* A text that is NULL adds nothing. */
void reply_text(struct reply *r, const char *key, const char *value);
void reply_u64(struct reply *r, const char *key, uint64_t value);
void reply_i64(struct reply *r, const char *key, int64_t value);
void reply_flag(struct reply *r, const char *key, bool value);
void reply_row_end(struct reply *r);

/* How a command ended: the words of "code", which ringmainctl makes its exit status of. */
enum reply_code {
	REPLY_OK,
	REPLY_FAILED,  /* it was understood, and could not be done */
	REPLY_USAGE,   /* it was not understood */
	REPLY_UNKNOWN, /* it names what is not there */
	REPLY_CONFIRM, /* it is to be sent again with --yes */
	REPLY_CODES,
};

extern const char *const reply_code_names[REPLY_CODES];

/* The last line. @hint: what was probably meant, or NULL. */
void reply_ok(struct reply *r);
void reply_fail(struct reply *r, enum reply_code code, const char *hint, const char *format, ...)
	PRINTF_LIKE(4, 5);

/* What waits to be sent, and that @n bytes of it were. */
static inline size_t reply_waiting(const struct reply *r)
{
	return r->end - r->start;
}
void reply_sent(struct reply *r, size_t n);

#endif
