/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * EVERY_PREFIX. Any bytes as the first that a PostgreSQL server says: errors,
 * and the offer of SASL mechanisms, which is edited.
 */

#include "fuzz/fuzz.h"

#include "base/check.h"
#include "proto/pgsql_login.h"

#include <stdlib.h>
#include <string.h>

static enum parse edit(const uint8_t *data, size_t size, uint8_t **ret_bytes, size_t *ret_n)
{
	*ret_bytes = malloc(size > 0 ? size : 1);
	CHECK(*ret_bytes);
	memcpy(*ret_bytes, data, size);
	*ret_n = size;
	return pgsql_edit_sasl(*ret_bytes, ret_n);
}

/* What was edited once has nothing left to edit; what was not is as it was. */
static void check_edit(const uint8_t *data, size_t size)
{
	uint8_t *bytes;
	size_t n;
	enum parse result = edit(data, size, &bytes, &n);

	CHECK(n <= size);
	if (result == PARSE_DONE) {
		CHECK(n < size && (size - n) % sizeof("SCRAM-SHA-256-PLUS") == 0);
		CHECK(pgsql_edit_sasl(bytes, &n) == PARSE_BAD);
	} else {
		CHECK(n == size && (size == 0 || memcmp(bytes, data, size) == 0));
	}
	free(bytes);
}

static void check_error(const uint8_t *data, size_t size)
{
	char sqlstate[PGSQL_SQLSTATE_BYTES] = "";
	uint8_t *copy = malloc(size > 0 ? size : 1);

	CHECK(copy);
	memcpy(copy, data, size);
	if (pgsql_read_error(copy, size, sqlstate) == PARSE_DONE)
		CHECK(strnlen(sqlstate, sizeof(sqlstate)) < sizeof(sqlstate));
	free(copy);
}

/* In whatever pieces they come, the same may pass. */
static void check_notices(const uint8_t *data, size_t size)
{
	uint32_t left = 0, left_of_two = 0;
	size_t all = pgsql_pass_before_answer(data, size, &left);
	size_t first = pgsql_pass_before_answer(data, size / 2, &left_of_two);
	size_t rest = pgsql_pass_before_answer(data + first, size - first, &left_of_two);

	CHECK(all <= size && first + rest == all && left_of_two == left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_edit(data, size);
	check_error(data, size);
	check_notices(data, size);
	return 0;
}
