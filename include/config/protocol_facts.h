/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_PROTOCOL_FACTS_H
#define CONFIG_PROTOCOL_FACTS_H

/*
 * What the configuration has to know of a protocol to judge what is asked of
 * it. What is said in which order is in protocol/, which lies above.
 */

#include <stdbool.h>

#include "base/def.h"
#include "config/config.h"

#define PROTOCOL_ALPN_POSTGRES "postgresql"

struct protocol_facts {
	const char *title;       /* as its users write it; NULL: no protocol is meant */
	const char *tls_request; /* what it asks for TLS with, in clear; NULL: it does not */
	bool has_logins;         /* who logs in says to which database, and as whom */
	/* What fails where TLS is not the same on both sides, in words; or NULL. */
	const char *bound_to_tls;
	const char *alpn;    /* agreed on in its TLS; NULL: it has none */
	const char *alpn_by; /* who refuses TLS in which another one is */
};

extern const struct protocol_facts protocol_facts[PROTOCOLS];

/* Lacks this list, with commas between, what is agreed on in the protocol's TLS? Not NULL. */
MUST_CHECK bool protocol_lacks_alpn(enum protocol_kind protocol, const char *list);

#endif
