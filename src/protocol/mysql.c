/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "protocol/mysql.h"

#include "proto/mysql_error.h"

static enum parse mysql_read_refusal(const uint8_t *bytes, size_t n,
				     const struct refusal **ret_refusal)
{
	*ret_refusal = mysql_refusal_of(mysql_read_error(bytes, n));
	return mysql_may_be_error(bytes, n) ? PARSE_MORE : PARSE_DONE;
}

const struct protocol protocol_mysql = {
	.name = "mysql",
	.read_refusal = mysql_read_refusal,
};
