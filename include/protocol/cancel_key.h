/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTOCOL_CANCEL_KEY_H
#define PROTOCOL_CANCEL_KEY_H

#include <stdint.h>

#define CANCEL_KEY_BYTES_MAX 260

/*
 * What a server gives a session, and a request to cancel what that does names
 * on a connection of its own: bytes, which mean something to their protocol alone.
 */
struct cancel_key {
	uint16_t n;
	uint8_t bytes[CANCEL_KEY_BYTES_MAX];
};

#endif
