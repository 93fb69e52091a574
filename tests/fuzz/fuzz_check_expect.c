/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * EVERY_PREFIX. Any bytes from a server that is checked by a script: each
 * preset, and one whose pattern is the first line of the input itself.
 */

#include "fuzz/fuzz.h"

#include "check/expect.h"
#include "check_talk.h"

static void try_own_pattern(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	const size_t n = end ? (size_t)(end - data) : size;
	const struct expect_step steps[] = {
		{ EXPECT_WAIT, (const char *)data, n },
		{ EXPECT_OR, (const char *)data, n, .is_literal = true },
		{ EXPECT_ELSE, "^no*\n", 5, .verdict = CHECK_NOT_READY, .words = "says no" },
		{ EXPECT_SEND, "yes\n", 4 },
		{ EXPECT_WAIT, "end", 3 },
	};
	const struct expect_script script = { "own", steps, ARRAY_LEN(steps) };
	const struct check_request request = { .protocol = &check_expect, .script = &script };

	if (n < size && n < 256)
		talk_check(&request, data + n + 1, size - n - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check_request request = { .protocol = &check_expect };

	if (size == 0)
		return 0;
	for (size_t n = 0; (request.script = expect_preset_at(n)); n++)
		talk_check(&request, data, size);
	try_own_pattern(data, size);
	return 0;
}
