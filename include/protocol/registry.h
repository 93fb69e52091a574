/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTOCOL_REGISTRY_H
#define PROTOCOL_REGISTRY_H

/* The protocols that there are. */

#include "protocol/protocol.h"

/* The largest protocol.watch_bytes, and at least 1. */
size_t protocol_watch_bytes_max(void);

/* NULL: the bytes mean nothing to us. */
const struct protocol *protocol_of(enum protocol_kind kind);

/*
 * What the servers of a pool speak, as its check says; NULL: it does not say.
 * What is read in passing alone is of use there, such as read_refusal().
 */
const struct protocol *protocol_of_servers(const struct pool_config *config);

/*
 * Where nobody says what servers speak: what their first @n bytes mean in any of the protocols,
 * where that is a refusal, which has come whole; or NULL.
 */
const struct refusal *protocol_guess_refusal(const uint8_t *bytes, size_t n);

/*
 * The cancel keys of its sessions cannot be seen on this listener, for TLS
 * passes through: clients are told apart by their addresses instead.
 */
bool protocol_is_opaque(const struct listener_config *config);

#endif
