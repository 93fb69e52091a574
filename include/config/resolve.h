/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_RESOLVE_H
#define CONFIG_RESOLVE_H

/* From addresses as written to addresses as the kernel wants them. */

#include <stdbool.h>

#include "config/config.h"
#include "config/diag.h"

/*
 * Fills in the addresses of all binds and backends; reports those that have
 * none. @ask allows to ask the resolver, which blocks, and this machine: without it
 * host names and "any" stay without an address. A name that has none now keeps
 * the one that it has in @known, which may be NULL.
 */
void config_resolve(struct config *config, const struct config *known, struct diag *diag, bool ask);

#endif
