/* SPDX-License-Identifier: GPL-2.0-or-later */

/* EVERY_PREFIX. Any bytes from a Redis server that is checked, with a password and without. */

#include "fuzz/fuzz.h"

#include "check_talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check_request request = { .protocol = &check_redis };

	talk_check(&request, data, size);
	request.password = TALK_PASSWORD;
	talk_check(&request, data, size);
	return 0;
}
