/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_CLIENT_RULES_H
#define CONFIG_CLIENT_RULES_H

/*
 * What a listener makes of whom a client's certificate names (`client_allow`,
 * `client_deny`, `route = client_san`). An identity is that of
 * x509/identity.h; NULL is a client that has shown no certificate.
 */

#include <stdbool.h>

#include "base/def.h"
#include "config/config.h"

/* Does anything depend on it? */
MUST_CHECK bool client_rules_ask(const struct listener_config *listener);

/*
 * Why @identity is not let in, in words that live as long as @listener, or
 * NULL. The first rule that it fits decides, and is given in *ret_rule; who
 * fits none gets the opposite of the last one. What cannot be read of it fits
 * no rule to allow, and is refused by one to deny. Without rules everybody is
 * let in.
 */
MUST_CHECK const char *client_rules_refusal(const struct listener_config *listener,
					    const char *identity,
					    const struct client_rule **ret_rule);

/* The number of the first `route = client_san` that fits, counted from 1; 0: none does. */
MUST_CHECK unsigned client_rules_route(const struct listener_config *listener,
				       const char *identity);

/* "dns:NAME" or "uri:NAME": of which kind, and the name. NULL: neither. */
MUST_CHECK const char *client_rules_san(const char *text, enum identity_kind *ret_kind);

#endif
