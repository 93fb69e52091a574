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
 * The cancel keys of its sessions cannot be seen on this listener, for TLS
 * passes through: clients are told apart by their addresses instead.
 */
bool protocol_hides_keys(const struct listener_config *config);

#endif
