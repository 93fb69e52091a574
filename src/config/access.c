/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/access.h"

const struct access_rule *access_rule_of(const struct listener_config *listener,
					 const struct addr *client)
{
	for (size_t i = 0; i < listener->access_n; i++) {
		const struct access_rule *rule = &listener->access[i];

		if (rule->is_all || addr_block_has(&rule->block, client))
			return rule;
	}
	return NULL;
}

bool access_is_allowed(const struct listener_config *listener, const struct addr *client)
{
	const struct access_rule *rule = access_rule_of(listener, client);

	if (rule)
		return rule->is_allowed;
	return listener->access_n == 0 || !listener->access[listener->access_n - 1].is_allowed;
}
