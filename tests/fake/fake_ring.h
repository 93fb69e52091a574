/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FAKE_RING_H
#define FAKE_RING_H

/*
 * A ring without a kernel: requests are written down, and the test decides
 * when and how each completes. Completions run their callback at once, as
 * ring_dispatch() would.
 */

#include <stdbool.h>
#include <stddef.h>

#include "io/ring.h"

enum fake_kind {
	FAKE_NOTHING, /* the op is not in the kernel */
	FAKE_ACCEPT,
	FAKE_CONNECT,
	FAKE_RECV,
	FAKE_SEND,
	FAKE_POLL,
	FAKE_READ,
	FAKE_CANCEL,
};

struct fake_request {
	struct io_op *op;
	enum fake_kind kind;
	int fd;
	const void *bytes; /* of a send or read */
	size_t n;
	unsigned events; /* of a poll */
	uint32_t credit; /* of a receive */
	bool many;	 /* of an accept */
	struct io_op *target; /* of a cancel */
};

/* What @op asks for; kind FAKE_NOTHING when it is not in the kernel. */
struct fake_request fake_request_of(const struct io_op *op);
/* How many ops are in the kernel. */
unsigned fake_requests(void);

/* The last completion of @op, or one of several with IO_MORE in @flags. */
void fake_complete(struct io_op *op, int res, unsigned flags);
/* @n bytes arrive for a receive, in a buffer of the pool. */
void fake_receive(struct io_op *op, const void *bytes, size_t n, unsigned flags);
/* A send is done, of all its bytes. Gives their number. */
size_t fake_send_all(struct io_op *op);
/* Every cancelled request completes with -ECANCELED, and the cancels with 0. */
void fake_complete_cancels(void);

#endif
