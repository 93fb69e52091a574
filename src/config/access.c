/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/access.h"

bool access_is_allowed(const struct listener_config *listener, const struct addr *client)
{
	for (size_t i = 0; i < listener->access_n; i++) {
		const struct access_rule *rule = &listener->access[i];

		if (rule->is_all || addr_block_has(&rule->block, client))
			return rule->is_allowed;
	}
	return listener->access_n == 0 || !listener->access[listener->access_n - 1].is_allowed;
}
