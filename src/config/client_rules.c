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

static const char *const unreadable[IDENTITY_KINDS] = {
	[IDENTITY_CN] = "the certificate has a cn that cannot be read",
	[IDENTITY_OU] = "the certificate has an ou that cannot be read",
	[IDENTITY_DNS] = "the certificate has a san dns that cannot be read",
	[IDENTITY_URI] = "the certificate has a san uri that cannot be read",
	[IDENTITY_FINGERPRINT] = "the certificate's fingerprint cannot be made",
};

const char *client_rules_refusal(const struct listener_config *listener, const char *identity,
				 const struct client_rule **ret_rule)
{
	const char *why = identity ? "the certificate fits no client_allow"
				   : "the client has sent no certificate";

	*ret_rule = NULL;
	for (size_t i = 0; i < listener->client_rules_n; i++) {
		const struct client_rule *rule = &listener->client_rules[i];

		if (identity_fits(identity, rule->kind, rule->pattern)) {
			*ret_rule = rule;
			return rule->is_allowed ? NULL : rule->text;
		}
		if (!identity_has_unreadable(identity, rule->kind))
			continue;
		why = unreadable[rule->kind];
		if (!rule->is_allowed)
			return why; /* perhaps it is the one that is meant */
	}
	if (listener->client_rules_n == 0)
		return NULL;
	return listener->client_rules[listener->client_rules_n - 1].is_allowed ? why : NULL;
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
