/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELOAD_CERTS_H
#define RELOAD_CERTS_H

/*
 * Which certificates another generation has: renewed ones, until when they are good and for which
 * names; which CAs, lists and keys have another content.
 */

#include <stdbool.h>
#include <time.h>

#include "base/def.h"
#include "config/diff.h"

struct tls_contexts;

/* A configuration, and what was made of it. */
struct certs {
	const struct config *config;
	const struct tls_contexts *tls;
};

/* Calls @tell with a line for each that is another one than before. */
void certs_compare(const struct certs *now, const struct certs *then, config_diff_fn *tell,
		   void *owner);

/*
 * Has one that is valid at @at been replaced, in its file, by one that is not? Calls @tell with a
 * line for each.
 */
MUST_CHECK bool certs_are_worse(const struct certs *now, const struct certs *then, time_t at,
				config_diff_fn *tell, void *owner);

#endif
