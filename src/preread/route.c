/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preread/route.h"

#include <stdbool.h>
#include <string.h>

#include "config/login_route.h"

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

unsigned route_find_number(const struct listener_config *config, const struct hello *hello)
{
	for (size_t n = 0; hello && n < config->routes_n; n++)
		if (route_fits(&config->routes[n], hello))
			return (unsigned)n + 1;
	return 0;
}

const struct pool_config *route_find(const struct listener_config *config,
				     const struct hello *hello)
{
	unsigned number = route_find_number(config, hello);

	return number > 0 ? config->routes[number - 1].pool : config->pool;
}

bool route_may_follow(const struct listener_config *config)
{
	if (config->tls != TLS_MODE_TERMINATE)
		return false;
	for (size_t n = 0; n < config->routes_n; n++) {
		if (config->routes[n].kind == ROUTE_CLIENT_SAN)
			return true;
	}
	return login_route_exists(config);
}
