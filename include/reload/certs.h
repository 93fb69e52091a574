/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELOAD_CERTS_H
#define RELOAD_CERTS_H

/*
 * Which certificates another generation has: renewed ones, and until when they are good; which CAs,
 * lists and keys have another content.
 */

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

#endif
