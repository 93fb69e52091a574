/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/protocol_facts.h"

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
	},
};
