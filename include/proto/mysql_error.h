/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_MYSQL_ERROR_H
#define PROTO_MYSQL_ERROR_H

/* What a MySQL or MariaDB server says instead of its greeting (its manual, "ERR_Packet"). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/refusal.h"

#define MYSQL_TOO_MANY_CONNECTIONS 1040
#define MYSQL_HOST_IS_BLOCKED 1129
#define MYSQL_HOST_NOT_PRIVILEGED 1130

/* The error's code in the @n bytes that it says first, which are borrowed; 0: they are no error. */
unsigned mysql_read_error(const uint8_t *bytes, size_t n);

/* Is it too short to tell, or an error that is cut short? */
bool mysql_may_be_error(const uint8_t *bytes, size_t n);
/* What that means, and lives for ever; NULL: it is something else. */
const struct refusal *mysql_refusal_of(unsigned code);

#endif
