/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * EVERY_PREFIX. Any bytes from an HTTP server that is checked: for its status
 * alone, for a header, for its body by several patterns.
 */

#include "fuzz/fuzz.h"

#include "check/http.h"
#include "check_talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_question questions[] = {
		{ .path = "/" },
		{ .statuses = { { 200, 200 }, { 503, 503 } }, .statuses_n = 2 },
		{ .header = "X-Role", .value = "^primary" },
		{ .body = "alive" },
		{ .body = "^a*b?c*\\*d" },
		{ .method = "HEAD", .body = "x" },
	};

	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		const struct check_request request = { .protocol = &check_http,
						       .http = &questions[i] };

		talk_check(&request, data, size);
	}
	return 0;
}
