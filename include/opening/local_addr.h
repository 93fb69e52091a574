/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OPENING_LOCAL_ADDR_H
#define OPENING_LOCAL_ADDR_H

/*
 * Which address of this machine a connection to a backend comes from, where a
 * pool has some (source): they take turns, in sessions and in checks.
 */

#include <stdint.h>

#include "base/def.h"
#include "config/config.h"
#include "net/addr.h"

/*
 * Binds @fd to the next of the pool's addresses that is of the backend's
 * family; without one that is left to the kernel. *turn says whose turn it is
 * in that family and is moved on. 0 or -errno, and in *ret_step the call that
 * failed.
 */
MUST_CHECK int local_addr_bind(const struct pool_config *pool, const struct addr *backend,
			       uint16_t *turn, int fd, const char **ret_step);

#endif
