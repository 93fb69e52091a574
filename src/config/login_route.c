/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/login_route.h"

#include "base/text.h"

bool login_route_has(const struct route_config *route)
{
	return route->kind == ROUTE_DATABASE || route->kind == ROUTE_USER;
}

bool login_route_exists(const struct listener_config *listener)
{
	for (size_t i = 0; i < listener->routes_n; i++) {
		if (login_route_has(&listener->routes[i]))
			return true;
	}
	return false;
}

unsigned login_route_find(const struct listener_config *listener, const char *database,
			  const char *user)
{
	for (size_t i = 0; i < listener->routes_n; i++) {
		const struct route_config *route = &listener->routes[i];

		if (login_route_has(route) &&
		    text_fits(route->pattern, route->kind == ROUTE_USER ? user : database))
			return (unsigned)i + 1;
	}
	return 0;
}
