/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATUS_JSON_H
#define STATUS_JSON_H

/* How everything is, as one JSON object: see ringmain-metrics(7). @busiest: or NULL. */

#include "busiest.h"
#include "out.h"
#include "sample.h"

struct control_context;

void json_write(const struct sample *sample, const struct control_context *context,
		const struct busiest *busiest, struct out *out);

#endif
