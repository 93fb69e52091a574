/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HEALTH_PROBE_TABLE_H
#define HEALTH_PROBE_TABLE_H

/* Finds the check that asks the same at the same address, while a checker is made. */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"
#include "probe.h"

struct probe_table {
	struct probe **rows; /* lists by probe.next, for each end of a digest */
	size_t mask;
};

/* For @n of them. False without memory. */
MUST_CHECK bool probe_table_init(struct probe_table *table, size_t n);
void probe_table_finish(struct probe_table *table);

/* NULL: there is none yet. */
struct probe *probe_table_find(const struct probe_table *table, const struct check_plan *plan,
			       const struct backend_config *backend);
void probe_table_add(struct probe_table *table, struct probe *p);

#endif
