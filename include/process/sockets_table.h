/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROCESS_SOCKETS_TABLE_H
#define PROCESS_SOCKETS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "process/bound_socket.h"
#include "process/passed.h"

/* See process/sockets.h. */
struct sockets {
	struct bound_socket *all;
	size_t n;
	size_t max; /* that workers have room for */
	uint64_t last_id;
	unsigned workers_n;
	struct passed passed; /* by whoever has started us */
};

#endif
