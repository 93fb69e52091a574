/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/inbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static_assert(sizeof(struct message) == 32, "a power of two");
static_assert(PIPE_BUF % sizeof(struct message) == 0, "a page of the pipe holds whole messages");

int inbox_open(int *ret_read_fd, int *ret_write_fd)
{
	int ends[2], flags;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	/* Only the write end must not wait: the ring waits for the read end. */
	flags = fcntl(ends[1], F_GETFL);
	if (fcntl(ends[1], F_SETFL, flags | O_NONBLOCK) < 0) {
		int err = errno;

		close(ends[0]);
		close(ends[1]);
		return -err;
	}
	*ret_read_fd = ends[0];
	*ret_write_fd = ends[1];
	return 0;
}

int inbox_send(int write_fd, const struct message *message)
{
	return write(write_fd, message, sizeof(*message)) < 0 ? -errno : 0;
}
