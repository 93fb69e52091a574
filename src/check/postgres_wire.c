/* SPDX-License-Identifier: GPL-2.0-or-later */

/* How a message to a PostgreSQL server is framed. */

#include "postgres_parts.h"

void pg_send_u32(struct check_exchange *x, uint32_t value)
{
	uint8_t bytes[sizeof(value)];

	be32_write(bytes, value);
	exchange_send(x, bytes, sizeof(bytes));
}

void pg_send(struct check_exchange *x, char type, const void *body, size_t n)
{
	exchange_send_byte(x, (uint8_t)type);
	pg_send_u32(x, (uint32_t)(PG_LENGTH_BYTES + n));
	exchange_send(x, body, n);
}
