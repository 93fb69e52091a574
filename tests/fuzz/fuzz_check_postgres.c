/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * EVERY_PREFIX. Any bytes from a PostgreSQL server that is checked. The first
 * byte of the input says with a user or without, and what becomes of TLS.
 */

#include "fuzz/fuzz.h"

#include "check_talk.h"
#include "crypto/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scram_cache cache;
	struct check_request request = { .protocol = &check_postgres, .scram_cache = &cache };

	if (size == 0)
		return 0;
	request.tls = (enum check_tls)(data[0] % 3);
	request.user = data[0] & 4 ? "alice" : NULL;
	request.password = data[0] & 8 ? NULL : TALK_PASSWORD;
	talk_check(&request, data + 1, size - 1);
	return 0;
}
