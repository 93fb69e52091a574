/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IO_OP_H
#define IO_OP_H

/*
 * One request to the kernel. Embed it in whatever needs the answer and find
 * the owner again with container_of().
 *
 * From io_recv() and friends until the last completion, the op and every
 * byte it points to are lent to the kernel: do not move, reuse or free them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

/*
 * What the kernel says beside the result (the values of its CQE flags).
 * Without IO_MORE this was the op's last completion and the op is the
 * owner's again, whatever the result says.
 */
enum {
	IO_HAS_BUFFER = BIT(0), /* the bytes are in a pool buffer: buf_received() */
	IO_MORE = BIT(1),       /* the op stays with the kernel and will complete again */
	IO_NONEMPTY = BIT(2),   /* the socket holds more bytes right now */
};

struct io_op;

/* @res is what the system call of that name returns, or -errno. */
typedef void io_done_fn(struct io_op *op, int res, unsigned flags);

struct io_op {
	io_done_fn *done;
	bool in_kernel;
	/* The rest is the ring's. */
	bool is_send;
	uint8_t room_step;
	int room_value;
};

static inline void io_op_init(struct io_op *op, io_done_fn *done)
{
	op->done = done;
	op->in_kernel = false;
}

#endif
