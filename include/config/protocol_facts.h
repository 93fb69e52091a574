/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_PROTOCOL_FACTS_H
#define CONFIG_PROTOCOL_FACTS_H

/*
 * What the configuration has to know of a protocol to judge what is asked of
 * it. What is said in which order is in protocol/, which lies above.
 */

#include <stdbool.h>

#include "config/config.h"

struct protocol_facts {
	const char *title;       /* as its users write it; NULL: no protocol is meant */
	const char *tls_request; /* what it asks for TLS with, in clear; NULL: it does not */
	bool has_logins;         /* who logs in says to which database, and as whom */
	/* What fails where TLS is not the same on both sides, in words; or NULL. */
	const char *bound_to_tls;
};

extern const struct protocol_facts protocol_facts[PROTOCOLS];

#endif
