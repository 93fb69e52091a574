/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/mysql_error.h"

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

const char *mysql_refusal_of(unsigned code)
{
	switch (code) {
	case MYSQL_TOO_MANY_CONNECTIONS:
		return "1040: it has too many connections";
	case MYSQL_HOST_IS_BLOCKED:
		return "1129: it has blocked this host";
	default:
		return NULL;
	}
}
