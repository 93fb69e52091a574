/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef APP_CAPACITY_H
#define APP_CAPACITY_H

/*
 * How many workers, sessions and buffers: what the operator wrote, or what
 * the machine allows where it says auto.
 *
 * Of open files, two are for each session. Before these come what the process
 * itself needs, and a reserve: pipes for streams, checks, certificates. For
 * max_sessions = auto the reserve is a part of what there is, so that there is
 * no limit at which more files give fewer sessions.
 */

#include "base/def.h"
#include "config/config.h"

struct capacity {
	unsigned workers;
	unsigned sessions_max;
	unsigned buffers_per_worker;
	unsigned pipes_per_worker; /* that may be open beside all the sessions' sockets */
	unsigned files_max;        /* RLIMIT_NOFILE as it is now */
};

/*
 * Raises the limit of open files as far as it needs to and may. Logs why and
 * returns -errno when max_sessions cannot be had.
 */
MUST_CHECK int capacity_find(const struct config *config, struct capacity *ret_capacity);

#endif
