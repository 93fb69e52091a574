/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preread/route.h"

#include <stdbool.h>
#include <string.h>

bool route_name_fits(const char *pattern, const char *name)
{
	const char *dot;

	if (strncmp(pattern, "*.", 2) != 0)
		return strcmp(pattern, name) == 0;
	dot = strchr(name, '.');
	return dot && dot != name && strcmp(pattern + 1, dot) == 0;
}

static bool route_fits(const struct route_config *route, const struct hello *hello)
{
	switch (route->kind) {
	case ROUTE_SNI:
		return hello->name[0] && route_name_fits(route->pattern, hello_name_to_find(hello));
	case ROUTE_ALPN:
		return hello_offers_alpn(hello, route->pattern);
	default:
		return false;
	}
}

const struct pool_config *route_find(const struct listener_config *config,
				     const struct hello *hello)
{
	for (size_t n = 0; hello && n < config->routes_n; n++)
		if (route_fits(&config->routes[n], hello))
			return config->routes[n].pool;
	return config->pool;
}
