/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_TLS_CONTEXTS_H
#define STATE_TLS_CONTEXTS_H

/*
 * What TLS sessions are made from, built from what a configuration says:
 * certificates, keys and trust, loaded once and shared by all workers. A
 * listener or pool is found by its index in the configuration.
 */

#include <stddef.h>

#include "base/def.h"
#include "config/config.h"
#include "config/diag.h"
#include "config/tls_files.h"

struct tls_client;
struct tls_server;
struct tls_tickets;

struct tls_contexts {
	struct tls_server **servers; /* of each listener; NULL: it does not terminate TLS */
	size_t servers_n;
	struct tls_client **clients; /* of each pool; NULL: its backends are spoken to in clear */
	struct tls_client **checks; /* of each pool whose checks have a TLS of their own; or NULL */
	size_t clients_n;
	struct tls_tickets *tickets; /* NULL: nobody terminates TLS */
	struct tls_files_read files; /* what was in them, a moment before */
};

/*
 * Loads all that @config names. What is wrong with it is reported to @diag, at
 * the lines that name it; @config may itself have mistakes, which were
 * reported before. Keeps nothing of either. Gives what could be made, to be
 * used only if @diag has no errors, and released with destroy; NULL without memory.
 */
MUST_CHECK struct tls_contexts *tls_contexts_create(const struct config *config, struct diag *diag);
/*
 * The same beside those of @known, which are in force: keys of session tickets
 * that came by chance stay the same.
 */
MUST_CHECK struct tls_contexts *tls_contexts_create_next(const struct config *config,
							 struct diag *diag,
							 const struct config *known,
							 const struct tls_contexts *now);
/* Sessions hold what they were made from. Accepts NULL. */
void tls_contexts_destroy(struct tls_contexts *contexts);

/* A check for config_load(): creates them in @owner, a struct tls_contexts *. */
void tls_contexts_check(const struct config *config, struct diag *diag, void *owner);

#endif
