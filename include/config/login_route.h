/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_LOGIN_ROUTE_H
#define CONFIG_LOGIN_ROUTE_H

/* A listener's routes by what clients say when they log in: `database` and `user`. */

#include <stdbool.h>

#include "base/def.h"
#include "config/config.h"

#define LOGIN_NAME_BYTES 64 /* with its NUL, as PostgreSQL keeps it: what is longer is cut */

/* Is it one of these? */
MUST_CHECK bool login_route_has(const struct route_config *route);

/* Has it any? */
MUST_CHECK bool login_route_exists(const struct listener_config *listener);

/* The number of the first that fits, counted from 1; 0: none does. */
MUST_CHECK unsigned login_route_find(const struct listener_config *listener, const char *database,
				     const char *user);

#endif
