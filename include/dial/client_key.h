/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DIAL_CLIENT_KEY_H
#define DIAL_CLIENT_KEY_H

/* What tells a session's client from others, for hashing and sticking. */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "config/config.h"
#include "session/session.h"

/*
 * The hash of what @config names. Without a server name it is that of the
 * source; false where nothing is known of the client: a unix socket.
 */
MUST_CHECK bool client_key_of(const struct session *s, const struct key_config *config,
			      uint64_t *ret_key);

/* Its parts: the hash of the first bits of an address that count, */
MUST_CHECK bool client_key_of_addr(const struct addr *addr, const struct key_config *config,
				   uint64_t *ret_key);
/* of a server name, in lower case and without a final dot, */
uint64_t client_key_of_name(const char *name);
/* and of an address with its port. */
MUST_CHECK bool client_key_of_destination(const struct addr *addr, uint64_t *ret_key);

#endif
