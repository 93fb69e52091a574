/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_HELLO_RETRY_H
#define PROTO_HELLO_RETRY_H

/*
 * HelloRetryRequest, and what the ClientHello that answers it may say (RFC
 * 8446, 4.1.2 and 4.1.4): all that the first one said, again, with the one key
 * share that was asked for, and no early data. Padding, pre-shared keys and
 * what is not known here may change.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "proto/hello.h"

/* Is this flight of a server a HelloRetryRequest? From its first byte. For which group (0: any)? */
bool hello_retry_is(const uint8_t *flight, size_t n, uint16_t *ret_group);

/*
 * Writes what a hello that hello_read() was DONE with must say in both, always
 * in the same order: is it the same bytes in the second? Returns how many, not
 * more than it has on the wire.
 */
size_t hello_retry_constants(const uint8_t *bytes, size_t n, uint8_t out[HELLO_BYTES_MAX]);

/* What else can be wrong with an answer to one that asks for @group. */
MUST_CHECK enum hello_fault hello_retry_judge(const struct hello *second, uint16_t group);

#endif
