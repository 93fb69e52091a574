/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATUS_OUT_H
#define STATUS_OUT_H

/*
 * A text that grows: an answer of the status page. Without memory it stops
 * growing, and says so at the end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

struct out {
	char *bytes;
	size_t n, room;
	bool has_failed;
};

/* Of zeroes to begin with. Accepts what has failed. */
void out_finish(struct out *out);

void out_bytes(struct out *out, const void *bytes, size_t n);
void out_text(struct out *out, const char *text);
void out_u64(struct out *out, uint64_t value);
/* Milliseconds, as seconds: "0.25". */
void out_seconds(struct out *out, uint64_t ms);

/* Texts of others, which stay inside of their place. */
void out_json(struct out *out, const char *text);  /* with quotes around it */
void out_label(struct out *out, const char *text); /* of Prometheus, the same */
void out_html(struct out *out, const char *text);

#endif
