/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_RUNTIME_LIFE_H
#define STATE_RUNTIME_LIFE_H

/* Created by the main thread before the workers start, destroyed after they ended. */

#include "base/def.h"
#include "config/config.h"

struct runtime;
struct tls_contexts;

/*
 * With a first generation of @config and what was made of it, @tls, both of
 * which it takes, also when it fails. Returns NULL without memory.
 */
MUST_CHECK struct runtime *runtime_create(struct config *config, struct tls_contexts *tls,
					  unsigned workers_n, unsigned sessions_max);
/* No session may be left. Accepts NULL. */
void runtime_destroy(struct runtime *runtime);

#endif
