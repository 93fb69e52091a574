/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_CHECK_DIGEST_H
#define CONFIG_CHECK_DIGEST_H

/* Which pools' health checks ask the same, in the same way and as often. */

#include <stdint.h>

#include "base/def.h"
#include "config/config.h"

/* Of all settings that shape the checks of @pool; equal for those that may share one. False without
 * memory. */
MUST_CHECK bool check_digest(const struct pool_config *pool, uint64_t *ret_digest);

#endif
