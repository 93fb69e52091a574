/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PREREAD_ROUTE_H
#define PREREAD_ROUTE_H

/* From what is known of a session to the pool that serves it. */

#include "base/def.h"
#include "config/config.h"
#include "proto/hello.h"

/*
 * The first of the listener's routes by name or protocol that fits @hello, or
 * the listener's own pool; NULL when it has none. @hello may be NULL.
 */
MUST_CHECK const struct pool_config *route_find(const struct listener_config *config,
						const struct hello *hello);
/* The number of that route, counted from 1; 0: none fits. */
MUST_CHECK unsigned route_find_number(const struct listener_config *config,
				      const struct hello *hello);

/* Can more of what the client says still find another pool than the hello did? */
MUST_CHECK bool route_may_follow(const struct listener_config *config);

/* Does "*.example.com" fit "db.example.com"? One label, as in RFC 6125, 6.4.3. */
MUST_CHECK bool route_name_fits(const char *pattern, const char *name);

#endif
