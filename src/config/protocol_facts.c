/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/protocol_facts.h"

#include <string.h>

const char *const protocol_names[PROTOCOLS] = {
	[PROTOCOL_ANY] = "any",
	[PROTOCOL_POSTGRES] = "postgres",
};

const struct protocol_facts protocol_facts[PROTOCOLS] = {
	[PROTOCOL_POSTGRES] = {
		.title = "PostgreSQL",
		.tls_request = "an SSLRequest",
		.has_logins = true,
		.bound_to_tls = "SCRAM's channel binding fails, which PostgreSQL's clients use "
				"when they can",
		.alpn = PROTOCOL_ALPN_POSTGRES,
		.alpn_by = "PostgreSQL 17 and later",
	},
};

bool protocol_lacks_alpn(enum protocol_kind protocol, const char *list)
{
	static const char between[] = ", \t";
	const char *alpn = protocol_facts[protocol].alpn;

	if (!alpn || !list)
		return false;
	while (*list) {
		const size_t n = strcspn(list, between);

		if (n == strlen(alpn) && memcmp(list, alpn, n) == 0)
			return false;
		list += n;
		list += strspn(list, between);
	}
	return true;
}
