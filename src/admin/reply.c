/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"

#define ROOM_FIRST 4096
/* The last line always has room. */
#define LAST_LINE_BYTES 2048
#define ERROR_BYTES 512

/* A byte may become a backslash, a u and four digits. */
#define QUOTED_FACTOR 6

const char *const reply_code_names[REPLY_CODES] = {
	[REPLY_OK] = "ok",           [REPLY_FAILED] = "failed",   [REPLY_USAGE] = "usage",
	[REPLY_UNKNOWN] = "unknown", [REPLY_CONFIRM] = "confirm",
};

void reply_init(struct reply *r, size_t *budget)
{
	*r = (struct reply){ .budget = budget };
}

void reply_finish(struct reply *r)
{
	*r->budget -= r->room;
	free(r->bytes);
	*r = (struct reply){ .budget = r->budget };
}

/* What was sent makes room. */
static void move_to_front(struct reply *r)
{
	if (r->start == 0)
		return;
	memmove(r->bytes, r->bytes + r->start, r->end - r->start);
	r->end -= r->start;
	r->row_at -= MIN(r->row_at, r->start);
	r->start = 0;
}

static bool grow(struct reply *r, size_t wanted)
{
	size_t room = MAX(r->room * 2, ROOM_FIRST);
	char *bytes;

	while (room < wanted)
		room *= 2;
	if (room > REPLY_BYTES_MAX || *r->budget + room - r->room > REPLIES_BYTES_MAX)
		return false;
	bytes = realloc(r->bytes, room);
	if (!bytes)
		return false;
	*r->budget += room - r->room;
	r->bytes = bytes;
	r->room = room;
	return true;
}

/* Room to write @n bytes to, or NULL: then the row is left out, and all behind it. */
static char *reserve(struct reply *r, size_t n)
{
	size_t kept = r->is_last ? 0 : LAST_LINE_BYTES;

	if (r->is_cut)
		return NULL;
	if (r->end + n + kept > r->room)
		move_to_front(r);
	if (r->end + n + kept > r->room && !grow(r, r->end + n + kept)) {
		r->is_cut = true;
		r->end = r->row_at;
		return NULL;
	}
	return r->bytes + r->end;
}

static void put_plain(struct reply *r, const char *text)
{
	size_t n = strlen(text);
	char *at = reserve(r, n);

	if (!at)
		return;
	memcpy(at, text, n);
	r->end += n;
}

static void put_quoted(struct reply *r, const char *text)
{
	size_t room = strlen(text) * QUOTED_FACTOR + QUOTE_ROOM_MIN;
	char *at = reserve(r, room);
	bool is_cut;

	if (at)
		r->end += quote_json(at, room, text, &is_cut);
}

static void put_key(struct reply *r, const char *key)
{
	put_plain(r, r->has_pair ? ",\"" : "{\"");
	put_plain(r, key);
	put_plain(r, "\":");
	r->has_pair = true;
}

void reply_row(struct reply *r, const char *kind)
{
	r->row_at = r->end;
	r->has_pair = false;
	reply_text(r, "row", kind);
}

void reply_text(struct reply *r, const char *key, const char *value)
{
	if (!value)
		return;
	put_key(r, key);
	put_quoted(r, value);
}

void reply_u64(struct reply *r, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	put_key(r, key);
	put_plain(r, text);
}

void reply_i64(struct reply *r, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	put_key(r, key);
	put_plain(r, text);
}

void reply_flag(struct reply *r, const char *key, bool value)
{
	put_key(r, key);
	put_plain(r, value ? "true" : "false");
}

void reply_row_end(struct reply *r)
{
	put_plain(r, "}\n");
}

/* Into the room that reserve() left for it. */
static void end(struct reply *r, enum reply_code code, const char *hint, const char *error)
{
	const bool was_cut = r->is_cut;

	r->is_cut = false;
	r->is_last = true;
	reply_row(r, "end");
	reply_text(r, "code", reply_code_names[code]);
	reply_text(r, "error", error);
	reply_text(r, "hint", hint);
	if (was_cut)
		reply_flag(r, "truncated", true);
	reply_row_end(r);
	r->is_last = false;
}

void reply_ok(struct reply *r)
{
	end(r, REPLY_OK, NULL, NULL);
}

void reply_fail(struct reply *r, enum reply_code code, const char *hint, const char *format, ...)
{
	char error[ERROR_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(error, sizeof(error), format, args);
	va_end(args);
	end(r, code, hint, error);
}

void reply_sent(struct reply *r, size_t n)
{
	r->start += n;
	if (r->start < r->end)
		return;
	*r->budget -= r->room;
	free(r->bytes);
	*r = (struct reply){ .budget = r->budget };
}
