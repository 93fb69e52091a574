/* SPDX-License-Identifier: GPL-2.0-or-later */

/* How a packet to a MySQL server is framed. */

#include "mysql_parts.h"

void mysql_send_head(struct check_exchange *x, size_t n)
{
	struct mysql *mysql = mysql_state(x);
	const uint8_t head[MYSQL_HEAD_BYTES] = { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16),
						 mysql->sequence++ };

	exchange_send(x, head, sizeof(head));
}

void mysql_send(struct check_exchange *x, const void *payload, size_t n)
{
	mysql_send_head(x, n);
	exchange_send(x, payload, n);
}
