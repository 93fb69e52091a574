/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/mysql_error.h"

#include "base/def.h"

#define HEADER_BYTES 4 /* length and sequence of a packet */
#define MARK 0xff      /* of an error; then its code */
#define BYTES_MIN (HEADER_BYTES + 3)

unsigned mysql_read_error(const uint8_t *bytes, size_t n)
{
	if (n < BYTES_MIN || bytes[HEADER_BYTES] != MARK)
		return 0;
	return bytes[HEADER_BYTES + 1] | (unsigned)bytes[HEADER_BYTES + 2] << 8;
}

bool mysql_may_be_error(const uint8_t *bytes, size_t n)
{
	return n < BYTES_MIN && (n <= HEADER_BYTES || bytes[HEADER_BYTES] == MARK);
}

static const struct {
	unsigned code;
	struct refusal refusal;
} refusals[] = {
	{ MYSQL_TOO_MANY_CONNECTIONS, { REFUSAL_FULL, "1040: it has too many connections" } },
	{ MYSQL_HOST_IS_BLOCKED, { REFUSAL_NOT_READY, "1129: it has blocked this host" } },
	{ MYSQL_HOST_NOT_PRIVILEGED, { REFUSAL_OF_CLIENT, "1130: it does not let this host in" } },
};

const struct refusal *mysql_refusal_of(unsigned code)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (refusals[i].code == code)
			return &refusals[i].refusal;
	return NULL;
}
