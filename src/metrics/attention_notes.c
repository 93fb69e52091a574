/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "metrics/attention_notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

const char *const attention_kind_names[ATTENTION_KINDS] = {
	[ATTENTION_PRIMARIES] = "primaries",
	[ATTENTION_POOL_EMPTY] = "pool_empty",
	[ATTENTION_CANNOT_LISTEN] = "cannot_listen",
	[ATTENTION_STATUS_PAGE] = "status_page",
	[ATTENTION_RELOAD] = "reload",
	[ATTENTION_EXPIRED] = "expired",
	[ATTENTION_HELD] = "held",
	[ATTENTION_CHECK] = "check",
	[ATTENTION_FILES] = "files",
	[ATTENTION_SESSIONS] = "sessions",
	[ATTENTION_LISTENER_FULL] = "listener_full",
	[ATTENTION_QUEUE] = "queue",
	[ATTENTION_PAUSED] = "paused",
	[ATTENTION_EXPIRES] = "expires",
	[ATTENTION_LOG] = "log",
	[ATTENTION_BACKENDS] = "backends",
};

struct attention_note *attention_add(struct attention *a, enum attention_kind kind, bool is_bad)
{
	static struct attention_note nowhere; /* without memory; the main thread's */
	size_t room = a->n < a->room ? a->room : MAX(2 * a->room, 16);
	struct attention_note *notes = a->notes;

	if (room != a->room)
		notes = realloc(a->notes, room * sizeof(*notes));
	if (!notes)
		return &nowhere;
	a->notes = notes;
	a->room = room;
	notes[a->n] = (struct attention_note){ .kind = kind, .is_bad = is_bad, .order = a->n };
	return &notes[a->n++];
}

void attention_say(char *text, size_t room, const char *format, ...)
{
	char all[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(all, sizeof(all), format, args);
	va_end(args);
	text_copy_cut(text, room, all);
}

static int compare(const void *a, const void *b)
{
	const struct attention_note *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

void attention_sort(struct attention *a)
{
	if (a->n > 0)
		qsort(a->notes, a->n, sizeof(*a->notes), compare);
}

void attention_finish(struct attention *a)
{
	free(a->notes);
	*a = (struct attention){ 0 };
}
