/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PREREAD_ROUTE_H
#define PREREAD_ROUTE_H

/* From what is known of a session to the pool that serves it. */

#include "base/def.h"
#include "config/config.h"
#include "proto/hello.h"

/*
 * The first of the listener's routes that fits @hello, or the listener's own
 * pool; NULL when it has none. @hello may be NULL.
 */
MUST_CHECK const struct pool_config *route_find(const struct listener_config *config,
						const struct hello *hello);

/* Does "*.example.com" fit "db.example.com"? One label, as in RFC 6125, 6.4.3. */
MUST_CHECK bool route_name_fits(const char *pattern, const char *name);

#endif
