/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WORKER_ENGINE_OPTIONS_H
#define WORKER_ENGINE_OPTIONS_H

/* What a worker is made from: all that who starts it has to know. */

#include <stddef.h>

#include "io/ring.h"
#include "state/runtime.h"

struct generation_socket;

struct engine_options {
	struct runtime *runtime;
	unsigned worker;
	struct ring_options ring;
	unsigned buffers;
	unsigned pipes;
	const struct generation_socket *sockets; /* to accept on; the engine takes them */
	size_t sockets_n;
	size_t sockets_max; /* that there may be one day; 0: no more than these */
	int inbox_fd;       /* read end of its inbox; the engine takes it */
};

#endif
