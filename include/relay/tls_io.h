/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELAY_TLS_IO_H
#define RELAY_TLS_IO_H

/*
 * TLS between a side's socket and its lanes:
 *
 *   read:   what was received -> decrypt -> buffers
 *   write:  payload -> encrypt -> side.out -> socket
 *
 * What becomes of the session is for the caller; session.detail says why
 * something failed.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"
#include "session/session.h"

enum tls_io {
	TLS_IO_MORE,   /* all that came is decrypted */
	TLS_IO_CLOSED, /* close_notify: the end of the stream */
	TLS_IO_FAILED, /* by the peer; an alert may wait in side.out */
	TLS_IO_NO_MEMORY,
};

/*
 * Decrypts @n bytes that came from @side, and what its stream still had, into
 * *plain, behind what is there. Bytes may come with every answer.
 */
MUST_CHECK enum tls_io tls_io_read(struct side *side, const void *bytes, size_t n,
				   struct buf_queue *plain);

/* Encrypts payload for @side into side.out. Takes @buf. TLS_IO_MORE, or why not. */
MUST_CHECK enum tls_io tls_io_write(struct side *side, struct buf *buf);

/* Puts close_notify into side.out, once. TLS_IO_MORE; TLS_IO_NO_MEMORY: it could not be said. */
MUST_CHECK enum tls_io tls_io_close(struct side *side);

#endif
