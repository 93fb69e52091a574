/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_INBOX_H
#define STATE_INBOX_H

/*
 * Messages between threads: small, fixed, and carried by a pipe, so that the
 * kernel is the queue, its bound and its wake-up, and no lock is needed. A
 * write of one message is atomic (POSIX: up to PIPE_BUF bytes).
 */

#include <stdint.h>

#include "base/def.h"

struct generation;

enum message_kind {
	MESSAGE_CONNECTION, /* an accepted socket for listener number @listener */
	MESSAGE_SERVED,     /* a wake-up: the worker looks at peers_take_served() */
	MESSAGE_ORDER, /* see peers_order(); also when there is nothing new, to wake a worker */
};

struct message {
	uint32_t kind;
	int32_t fd;
	uint32_t listener;
	uint32_t source; /* see session/admission.h */
	uint32_t is_tcp;
	struct generation *generation; /* pinned by the sender */
};

/* Opens an inbox. 0 or -errno. */
MUST_CHECK int inbox_open(int *ret_read_fd, int *ret_write_fd);

/* 0, or -EAGAIN when the inbox is full (2048 messages), or -errno. Never waits. */
MUST_CHECK int inbox_send(int write_fd, const struct message *message);

#endif
