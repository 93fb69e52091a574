/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_ACCESS_H
#define CONFIG_ACCESS_H

/* Whom a listener's `allow` and `deny` let in. */

#include <stdbool.h>

#include "base/def.h"
#include "config/config.h"

/*
 * The first rule that @client fits decides. Who fits none gets the opposite
 * of the last rule: a list of those allowed leaves out everybody else, a list
 * of those denied nobody else. Without rules everybody is let in.
 */
MUST_CHECK bool access_is_allowed(const struct listener_config *listener,
				  const struct addr *client);

/* The rule that it fits, or NULL. */
const struct access_rule *access_rule_of(const struct listener_config *listener,
					 const struct addr *client);

#endif
