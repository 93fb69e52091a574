/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTOCOL_MYSQL_H
#define PROTOCOL_MYSQL_H

/*
 * MySQL and MariaDB: no more than how a server says that it takes nobody in.
 * It is no word of `protocol =`; a pool is known to speak it by its check.
 */

#include "protocol/protocol.h"

extern const struct protocol protocol_mysql;

#endif
