/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_CRYPT_H
#define PROXY_CRYPT_H

/*
 * TLS between a side's socket and its lanes:
 *
 *   received: socket -> decrypt -> the lane's destination
 *   write:    payload -> encrypt -> side.out -> socket
 *
 * The end of TLS is the end of the stream: close_notify is passed on like a
 * FIN; a connection that ends without one was cut off, and is passed on like
 * a reset, by a client once it has been answered.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"
#include "proxy/session.h"

/* The send callback of a side's stream (see tls/stream.h): @owner is the side. */
MUST_CHECK int crypt_send(void *owner, const void *bytes, size_t n);

/* Ciphertext came from the lane's source. Takes @buf. */
void crypt_received(struct lane *lane, struct buf *buf);
/* Decrypts what the source's stream still has; for the time right after its handshake. */
void crypt_decrypt(struct lane *lane);

/* The source's connection ended. */
void crypt_ended(struct lane *lane);

/* Encrypts payload for @side into side.out. Takes @buf. */
void crypt_write(struct side *side, struct buf *buf);

/* Sends close_notify, once. True when that is done and sent. */
MUST_CHECK bool crypt_close(struct side *side);

#endif
