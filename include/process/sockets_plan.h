/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROCESS_SOCKETS_PLAN_H
#define PROCESS_SOCKETS_PLAN_H

/* What there is to be warned of before listening sockets follow another configuration. */

#include "config/diff.h"
#include "process/sockets.h"

/*
 * Calls @tell with a line for each passed socket that no listener has any more with @then, for
 * whoever has passed it listens on; and for each address that is no longer to be had without
 * freebind, for the process would not start with @then.
 */
void sockets_warn(const struct sockets *k, const struct config *now, const struct config *then,
		  config_diff_fn *tell, void *owner);

#endif
