/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROCESS_NOTIFY_H
#define PROCESS_NOTIFY_H

/*
 * What a service manager is told (sd_notify(3)): a datagram of lines to
 * $NOTIFY_SOCKET. The protocol is short and stable, and libsystemd would be one
 * more library in the process for it. Without a manager nothing is said.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/def.h"

#define NOTIFY_STATUS_BYTES 128

struct notify {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un to;
	socklen_t to_bytes;
	uint64_t watchdog_ms;             /* a sign of life is wanted this often; 0: none is */
	char status[NOTIFY_STATUS_BYTES]; /* as it was told last */
};

/* From the environment. What cannot be used is logged, and then nothing is said. */
void notify_init(struct notify *notify);
void notify_finish(struct notify *notify);

/* False: it has not been told, as its queue is full; a manager without it would wait for it. */
MUST_CHECK bool notify_ready(struct notify *notify);
/* Followed by notify_ready(), whatever came of it. */
void notify_reloading(struct notify *notify);
void notify_stopping(struct notify *notify);
void notify_alive(struct notify *notify);
/* For people; said once as long as it stays the same. */
void notify_status(struct notify *notify, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
