/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_MAIL_H
#define PROXY_MAIL_H

/*
 * Letters between threads: small, fixed, and carried by a pipe, so that the
 * kernel is the queue, its bound and its wake-up, and no lock is needed. A
 * write of one letter is atomic (POSIX: up to PIPE_BUF bytes).
 */

#include <stdint.h>

#include "base/def.h"

enum mail_kind {
	MAIL_SOCKET, /* an accepted socket for listener number @listener */
	MAIL_CALLED, /* a wake-up: the worker looks at proxy_take_called() */
	MAIL_ORDER,  /* see proxy_order(); also when there is nothing new, to wake a worker */
};

struct mail {
	uint32_t kind;
	int32_t fd;
	uint32_t listener;
	uint32_t source; /* see admission.h */
	uint32_t is_tcp;
	uint32_t unused[3]; /* to a power of two */
};

/* Opens a mailbox. 0 or -errno. */
MUST_CHECK int mail_open(int *ret_read_fd, int *ret_write_fd);

/* 0, or -EAGAIN when the box is full (2048 letters), or -errno. Never waits. */
MUST_CHECK int mail_send(int write_fd, const struct mail *mail);

#endif
