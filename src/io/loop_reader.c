/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/loop_reader.h"

static void loop_reader_read(struct loop_reader *r)
{
	io_read(r->loop->ring, &r->read, r->fd, r->bytes, r->room);
}

static void loop_reader_on_read(struct io_op *op, int res, unsigned flags)
{
	struct loop_reader *r = container_of(op, struct loop_reader, read);

	(void)flags;
	r->arrived(r, res);
	if (!r->is_stopped)
		loop_reader_read(r);
}

static void loop_reader_on_cancelled(struct io_op *op, int res, unsigned flags)
{
	(void)op;
	(void)res;
	(void)flags;
}

void loop_reader_start(struct loop_reader *r)
{
	io_op_init(&r->read, loop_reader_on_read);
	io_op_init(&r->cancel, loop_reader_on_cancelled);
	r->is_stopped = false;
	loop_reader_read(r);
}

void loop_reader_stop(struct loop_reader *r)
{
	r->is_stopped = true;
	if (r->read.in_kernel && !r->cancel.in_kernel)
		io_cancel(r->loop->ring, &r->cancel, &r->read);
}

bool loop_reader_is_idle(const struct loop_reader *r)
{
	return !r->read.in_kernel && !r->cancel.in_kernel;
}
