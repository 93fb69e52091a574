/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "protocol/mysql.h"

#include "proto/mysql_error.h"

static const char *mysql_read_refusal(const uint8_t *bytes, size_t n)
{
	return mysql_refusal_of(mysql_read_error(bytes, n));
}

const struct protocol protocol_mysql = {
	.name = "mysql",
	.read_refusal = mysql_read_refusal,
};
