/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quote.h"

#define FIRST_BYTES 16384

/* The longest that a byte of a text becomes, in JSON: \u00NN. */
#define QUOTED_FACTOR 6

#define MS_PER_S 1000

/* Room for @n bytes at the end, or NULL. */
static char *out_place(struct out *out, size_t n)
{
	size_t room = MAX(out->room, FIRST_BYTES);
	char *bytes;

	if (out->has_failed)
		return NULL;
	while (room - out->n < n)
		room *= 2;
	if (room != out->room) {
		bytes = realloc(out->bytes, room);
		if (!bytes) {
			out->has_failed = true;
			return NULL;
		}
		out->bytes = bytes;
		out->room = room;
	}
	return out->bytes + out->n;
}

void out_finish(struct out *out)
{
	free(out->bytes);
	*out = (struct out){ 0 };
}

void out_bytes(struct out *out, const void *bytes, size_t n)
{
	char *at = out_place(out, n);

	if (!at)
		return;
	memcpy(at, bytes, n);
	out->n += n;
}

void out_text(struct out *out, const char *text)
{
	out_bytes(out, text, strlen(text));
}

void out_u64(struct out *out, uint64_t value)
{
	char text[24];

	out_bytes(out, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

void out_seconds(struct out *out, uint64_t ms)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64 ".%03u", ms / MS_PER_S,
			 (unsigned)(ms % MS_PER_S));

	while (text[n - 1] == '0' && text[n - 2] != '.')
		n--;
	out_bytes(out, text, (size_t)n);
}

typedef size_t quote_fn(char *at, size_t room, const char *text, bool *ret_is_cut);

static void out_quoted(struct out *out, const char *text, quote_fn *quote)
{
	size_t room = strlen(text) * QUOTED_FACTOR + QUOTE_ROOM_MIN;
	char *at = out_place(out, room);
	bool is_cut;

	if (at)
		out->n += quote(at, room, text, &is_cut);
}

void out_json(struct out *out, const char *text)
{
	out_quoted(out, text, quote_json);
}

void out_label(struct out *out, const char *text)
{
	out_quoted(out, text, quote_label);
}

/* Each byte that @special has by its word, which stands at the same index in @words. */
static void out_replaced(struct out *out, const char *text, const char *special,
			 const char *const *words)
{
	while (*text) {
		size_t n = strcspn(text, special);

		out_bytes(out, text, n);
		text += n;
		if (*text)
			out_text(out, words[strchr(special, *text++) - special]);
	}
}

void out_html(struct out *out, const char *text)
{
	static const char *const words[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };

	out_replaced(out, text, "&<>\"'", words);
}
