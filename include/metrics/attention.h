/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef METRICS_ATTENTION_H
#define METRICS_ATTENTION_H

/*
 * What somebody should look at now, gravest first, in words that the page,
 * status.json, status and top share. What many backends of a pool have in
 * common is one note.
 */

#include <stdint.h>

#include "metrics/attention_notes.h"

struct runtime;

/* What it is to know beside the runtime. Texts are borrowed for the call. */
struct attention_about {
	const struct runtime *runtime;
	uint64_t now_ms;
	const char *reload_why; /* the last one failed, for this; NULL: it did not */
	uint64_t reload_ago_ms;
	bool has_no_page; /* that of status waits for its address */
};

/* For the main thread; to be finished. Without memory some are missing. */
void attention_take(struct attention *a, const struct attention_about *about);

#endif
