/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any text into any room: what comes out keeps to its room, is closed, and
 * has no byte that a terminal obeys. The first byte of the input is the room.
 */
#include "fuzz/fuzz.h"

#include "base/check.h"
#include "base/quote.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define EXPANSION_MAX 6 /* \u00NN */

typedef size_t quote_fn(char *at, size_t room, const char *text, bool *ret_is_cut);

static void check_quoted(const char *out, size_t n)
{
	CHECK(n > 0);
	CHECK(out[0] != '"' || (n >= QUOTE_ROOM_MIN && out[n - 1] == '"'));
	for (size_t i = 0; i < n; i++) {
		const unsigned char c = (unsigned char)out[i];

		CHECK(c >= ' ');
		CHECK(c != 0x7f);
		CHECK(c != 0xc2 || (unsigned char)out[i + 1] >= 0xa0);
	}
}

static void check(quote_fn *quote, const char *text, size_t room)
{
	const size_t enough = strlen(text) * EXPANSION_MAX + QUOTE_ROOM_MIN;
	char *whole = malloc(enough), *tight = malloc(room);
	bool is_cut = false;
	size_t whole_bytes, n;

	CHECK(whole);
	CHECK(tight);
	whole_bytes = quote(whole, enough, text, &is_cut);
	CHECK(!is_cut);
	CHECK(whole_bytes <= enough);
	check_quoted(whole, whole_bytes);

	n = quote(tight, room, text, &is_cut);
	CHECK(n <= room);
	CHECK(is_cut == (whole_bytes > room));
	check_quoted(tight, n);
	free(whole);
	free(tight);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	CHECK(text);
	check(quote_json, text, QUOTE_ROOM_MIN + data[0]);
	check(quote_logfmt, text, QUOTE_ROOM_MIN + data[0]);
	free(text);
	return 0;
}
