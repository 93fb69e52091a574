/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/top_order.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/top_rows.h"

static const struct top_order orders[] = {
	{ 'n', "name", NULL, NULL, "id" },
	{ 'w', "state", "badness", NULL, "id" },
	{ 's', "sessions", "sessions", NULL, "id" },
	{ 'r', "rate", "new_per_s", "bytes_per_s", "bytes" },
	{ 'f', "failures", "failures", NULL, "id" },
	{ 'b', "bytes", NULL, "bytes", "bytes" },
	{ 'a', "age", "since_ms", "age_ms", "age" },
	{ 'i', "idle", NULL, "idle_ms", "idle" },
};

const struct top_order *top_order_of(int key)
{
	for (size_t n = 0; key != 0 && n < ARRAY_LEN(orders); n++)
		if (orders[n].key == key)
			return &orders[n];
	return key == 0 ? &orders[0] : NULL;
}

/* The worst first. */
static long long badness_of_state(const char *state)
{
	static const char *const states[] = { "ready", "standby", "leaving", "maint",
					      "drain", "ejected", "down" };

	for (size_t n = 0; n < ARRAY_LEN(states); n++)
		if (strcmp(states[n], state) == 0)
			return (long long)n;
	return 0;
}

/* Of a pool how many are missing; one that serves nobody is worse than all others. */
static long long badness_of_pool(const json_t *row)
{
	if (!json_object_get(row, "ready"))
		return 0;
	if (top_rows_number(row, "ready") == 0)
		return INT32_MAX;
	return top_rows_number(row, "backends") - top_rows_number(row, "standby") -
	       top_rows_number(row, "ready");
}

static long long badness(const json_t *row)
{
	const char *kind = top_rows_text(row, "row");

	if (strcmp(kind, "backend") == 0)
		return badness_of_state(top_rows_text(row, "state"));
	if (strcmp(kind, "pool") == 0)
		return badness_of_pool(row);
	return strcmp(kind, "listener") == 0 && json_is_string(json_object_get(row, "paused"));
}

/* By which it stands in its table. */
static long long rank(const struct top_order *order, const json_t *row)
{
	const char *kind = top_rows_text(row, "row");
	const char *key = strcmp(kind, "session") == 0   ? order->of_session
			  : strcmp(kind, "backend") == 0 ? order->of_backend
							 : NULL;

	if (order->of_backend && strcmp(order->of_backend, "badness") == 0)
		return badness(row);
	return key ? top_rows_number(row, key) : 0;
}

struct place {
	json_t *row;
	size_t table, n; /* n: as they came */
	long long rank;
};

static int compare(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	return x->n < y->n ? -1 : 1;
}

/* Those that no table shows are behind. */
static size_t table_of(const json_t *row, const struct top_table *tables, size_t tables_n)
{
	size_t n = 0;

	while (n < tables_n && strcmp(tables[n].kind, top_rows_text(row, "row")) != 0)
		n++;
	return n;
}

void top_order_apply(const struct top_order *order, json_t *rows, const struct top_table *tables,
		     size_t tables_n)
{
	const size_t rows_n = json_array_size(rows);
	struct place *all = calloc(rows_n + 1, sizeof(*all));

	if (!all)
		return;
	for (size_t n = 0; n < rows_n; n++) {
		json_t *row = json_incref(json_array_get(rows, n));

		all[n] =
			(struct place){ row, table_of(row, tables, tables_n), n, rank(order, row) };
	}
	if (rows_n > 1)
		qsort(all, rows_n, sizeof(*all), compare);
	for (size_t n = 0; n < rows_n; n++)
		json_array_set_new(rows, n, all[n].row);
	free(all);
}
