/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WORKER_RELISTEN_H
#define WORKER_RELISTEN_H

/*
 * A socket that had stopped listening is to listen again. While it did not, anybody could listen
 * at its address: then it is tried until it can be had, and its listener knows of it.
 */

#include <stdbool.h>

#include "base/def.h"

struct listener;

struct relisten {
	bool has_failed; /* and goes on to */
};

/* False: it is to be tried again a little later. */
MUST_CHECK bool relisten_try(struct relisten *relisten, int fd, struct listener *listener);
/* It is wanted no more. */
void relisten_forget(struct relisten *relisten, struct listener *listener);
/* The socket is another listener's from now on. */
void relisten_move(struct relisten *relisten, struct listener *from, struct listener *to);

#endif
