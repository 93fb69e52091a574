/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef APP_ROUTE_EXPLAIN_H
#define APP_ROUTE_EXPLAIN_H

/*
 * Which backend does a client get, and why, as far as the configuration
 * decides it: for ringmain --route and --digest. All backends are taken to
 * be healthy and without sessions. Where no key decides, what does is told in
 * words.
 */

#include <stdio.h>

#include "base/def.h"
#include "config/config.h"

/*
 * Writes to @to where the client known by @text goes: an address, with a port
 * where it is a destination, a name it asks for, or what it logs in to and as
 * ("database=NAME user=NAME"). Returns 0; -EINVAL when it is none
 * of these, -ENOENT when the configuration has no use for such a key, and
 * nothing is written; -ENOMEM.
 */
MUST_CHECK int route_explain(const struct config *config, const char *text, FILE *to);

/*
 * Writes a line for each pool that hashes, sorted: its name, the number of
 * slots and the digest, which is the same on all nodes that agree on every
 * key. A last line, '*', has the number of them and runtime_digest(), if there
 * are any. Returns 0 or -ENOMEM.
 */
MUST_CHECK int route_digest(const struct config *config, FILE *to);

#endif
