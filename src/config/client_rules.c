/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/client_rules.h"

#include <string.h>

bool client_rules_ask(const struct listener_config *listener)
{
	for (size_t i = 0; i < listener->routes_n; i++) {
		if (listener->routes[i].kind == ROUTE_CLIENT_SAN)
			return true;
	}
	return listener->client_rules_n > 0;
}

bool client_rules_allow(const struct listener_config *listener, const char *identity,
			const struct client_rule **ret_rule)
{
	const struct client_rule *rules = listener->client_rules;
	const size_t n = listener->client_rules_n;

	*ret_rule = NULL;
	for (size_t i = 0; i < n && !*ret_rule; i++) {
		if (identity_fits(identity, rules[i].kind, rules[i].pattern))
			*ret_rule = &rules[i];
	}
	if (*ret_rule)
		return (*ret_rule)->is_allowed;
	return n == 0 || !rules[n - 1].is_allowed;
}

unsigned client_rules_route(const struct listener_config *listener, const char *identity)
{
	for (size_t i = 0; i < listener->routes_n; i++) {
		const struct route_config *route = &listener->routes[i];
		enum identity_kind kind;
		const char *name;

		if (route->kind != ROUTE_CLIENT_SAN)
			continue;
		name = client_rules_san(route->pattern, &kind);
		if (name && identity_fits(identity, kind, name))
			return (unsigned)i + 1;
	}
	return 0;
}

const char *client_rules_san(const char *text, enum identity_kind *ret_kind)
{
	if (strncmp(text, "dns:", 4) != 0 && strncmp(text, "uri:", 4) != 0)
		return NULL;
	*ret_kind = text[0] == 'd' ? IDENTITY_DNS : IDENTITY_URI;
	return text[4] ? text + 4 : NULL;
}
