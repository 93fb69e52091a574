/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe_table.h"

#include <stdlib.h>

bool probe_table_init(struct probe_table *table, size_t n)
{
	size_t rows = 16;

	while (rows < 2 * n)
		rows *= 2;
	table->mask = rows - 1;
	table->rows = calloc(rows, sizeof(struct probe *));
	return table->rows;
}

void probe_table_finish(struct probe_table *table)
{
	free(table->rows);
}

struct probe *probe_table_find(const struct probe_table *table, const struct check_plan *plan,
			       const struct backend_config *backend)
{
	const uint64_t digest = check_plan_digest(plan, backend);
	struct probe *p = table->rows[digest & table->mask];

	while (p && p->digest != digest)
		p = p->next;
	return p;
}

void probe_table_add(struct probe_table *table, struct probe *p)
{
	struct probe **row = &table->rows[p->digest & table->mask];

	p->next = *row;
	*row = p;
}
