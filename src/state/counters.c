/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/counters.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Pages of counters that nobody writes to take no memory: calloc(3) maps them. */
static bool create_parts(struct counters *c, size_t listeners_n, size_t pools_n)
{
	c->listeners = calloc(listeners_n + 1, sizeof(*c->listeners));
	c->gone = c->listeners + listeners_n;
	c->pools = calloc(MAX(pools_n, 1), sizeof(*c->pools));
	return c->listeners && c->pools;
}

/* They are counters from the first byte to the words. */
void counters_add_listener(struct listener_counters *to, const struct listener_counters *from)
{
	const _Atomic uint64_t *from_at = (const _Atomic uint64_t *)from;
	_Atomic uint64_t *to_at = (_Atomic uint64_t *)to;

	for (size_t n = 0; n < offsetof(struct listener_counters, ciphers) / sizeof(*to_at); n++)
		counters_add(&to_at[n], counters_get(&from_at[n]));
}

struct counters *counters_create(unsigned workers_n, size_t listeners_n, size_t pools_n)
{
	struct counters *all = aligned_alloc(CACHE_LINE_BYTES, workers_n * sizeof(*all));
	bool is_complete = true;

	if (!all)
		return NULL;
	memset(all, 0, workers_n * sizeof(*all));
	for (unsigned n = 0; n < workers_n; n++)
		is_complete &= create_parts(&all[n], listeners_n, pools_n);
	if (is_complete)
		return all;
	counters_destroy(all, workers_n);
	return NULL;
}

void counters_destroy(struct counters *counters, unsigned workers_n)
{
	if (!counters)
		return;
	for (unsigned n = 0; n < workers_n; n++) {
		free(counters[n].listeners);
		free(counters[n].pools);
	}
	free(counters);
}
