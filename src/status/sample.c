/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sample.h"

#include <stdlib.h>

static size_t count_backends(const struct runtime *runtime)
{
	size_t n = 0;

	for (size_t i = 0; i < runtime->pools_n; i++)
		n += pool_backends(runtime->pools[i]);
	return n;
}

/* calloc(3) of none may give NULL. */
static void *array_of(size_t n, size_t bytes)
{
	return calloc(MAX(n, 1), bytes);
}

static void read_pool(struct sample *s, struct pool *pool, struct sample_pool *to)
{
	to->pool = pool;
	to->backends = &s->backends[s->backends_n];
	to->backends_n = pool_backends(pool);
	metrics_read_pool(s->runtime, pool, &to->values);
	for (size_t n = 0; n < to->backends_n; n++) {
		struct sample_backend *b = &s->backends[s->backends_n++];

		b->pool = pool;
		b->backend = pool_backend(pool, n);
		metrics_read_backend(s->runtime, pool, b->backend, &b->values);
	}
}

static void read_all(struct sample *s)
{
	const struct runtime *runtime = s->runtime;

	metrics_read_process(runtime, &s->process);
	for (; s->workers_n < runtime->workers_n; s->workers_n++)
		metrics_read_worker(runtime, (unsigned)s->workers_n, &s->workers[s->workers_n]);
	for (; s->listeners_n < runtime->listeners_n; s->listeners_n++) {
		struct sample_listener *l = &s->listeners[s->listeners_n];

		l->listener = &runtime->listeners[s->listeners_n];
		metrics_read_listener(runtime, l->listener, &l->values);
	}
	for (; s->pools_n < runtime->pools_n; s->pools_n++)
		read_pool(s, runtime->pools[s->pools_n], &s->pools[s->pools_n]);
}

bool sample_take(struct sample *s, const struct runtime *runtime)
{
	*s = (struct sample){
		.runtime = runtime,
		.workers = array_of(runtime->workers_n, sizeof(*s->workers)),
		.listeners = array_of(runtime->listeners_n, sizeof(*s->listeners)),
		.pools = array_of(runtime->pools_n, sizeof(*s->pools)),
		.backends = array_of(count_backends(runtime), sizeof(*s->backends)),
	};
	if (!s->workers || !s->listeners || !s->pools || !s->backends) {
		sample_finish(s);
		return false;
	}
	read_all(s);
	return true;
}

void sample_finish(struct sample *s)
{
	free(s->workers);
	free(s->listeners);
	free(s->pools);
	free(s->backends);
	*s = (struct sample){ 0 };
}
