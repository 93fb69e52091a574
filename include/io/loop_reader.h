/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IO_LOOP_READER_H
#define IO_LOOP_READER_H

/*
 * Reads a descriptor of small messages again and again: a worker's inbox, an
 * eventfd, a signalfd. Whoever writes to it wakes the loop.
 */

#include <stdbool.h>
#include <stddef.h>

#include "io/loop.h"
#include "io/op.h"

struct loop_reader;

/* @res: as read(2), the bytes that are now in reader.bytes, or -errno. */
typedef void loop_reader_fn(struct loop_reader *reader, int res);

struct loop_reader {
	struct loop *loop;
	int fd; /* the owner's */
	void *bytes;
	size_t room;
	loop_reader_fn *arrived;
	struct io_op read, cancel;
	bool is_stopped;
};

/* Begins to read into @bytes. The reader's fields but the ops are set by the caller. */
void loop_reader_start(struct loop_reader *reader);
/* Reads no more, and asks the kernel for the request back. */
void loop_reader_stop(struct loop_reader *reader);
/* Does the kernel hold nothing of it? */
bool loop_reader_is_idle(const struct loop_reader *reader);

#endif
