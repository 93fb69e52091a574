/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_CLIENT_KEY_H
#define BALANCE_CLIENT_KEY_H

/*
 * What tells one client from others, for hashing and sticking: a hash that is
 * the same on every node. dial/choose.c knows what there is of a session.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "config/config.h"
#include "net/addr.h"

/* Of the first bits of an address that count; false where it has none: a unix socket. */
MUST_CHECK bool client_key_of_addr(const struct addr *addr, const struct key_config *config,
				   uint64_t *ret_key);
/* Of a server name, in lower case and without a final dot. */
uint64_t client_key_of_name(const char *name);
/* Of an address with its port; false as above. */
MUST_CHECK bool client_key_of_destination(const struct addr *addr, uint64_t *ret_key);

#endif
