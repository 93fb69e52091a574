/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATUS_CHANGES_H
#define STATUS_CHANGES_H

/* What changed last: backends, and the configuration. Newest first. */

#include <stddef.h>
#include <stdint.h>

#include "metrics/snapshot.h"
#include "sample.h"

#define CHANGES_MAX 6
#define CHANGE_WHAT_BYTES (2 * CONFIG_NAME_BYTES + 4)

struct control_context;

/* Texts are borrowed until the next turn. */
struct change {
	uint64_t ago_ms;
	char what[CHANGE_WHAT_BYTES]; /* "POOL / BACKEND", "reload" */
	const char *state, *role;     /* since then; role may be NULL */
	const char *by;               /* or NULL */
	char why[512];                /* or "" */
};

/* Gives how many there are. */
size_t changes_take(const struct sample *s, const struct control_context *context,
		    struct change ret[CHANGES_MAX]);

#endif
