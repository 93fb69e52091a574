/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sample.h"

#include <stdlib.h>

#include "metrics/snapshot.h"

static size_t count_backends(const struct runtime *runtime)
{
	size_t n = 0;

	runtime_for_each_pool(runtime, i)
	{
		n += pool_backends(runtime->pools[i]);
	}
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
	metrics_read_pool(s->runtime, pool, &to->values);
	for (size_t n = 0; n < pool_backends(pool); n++) {
		struct backend *backend = pool_backend(pool, n);
		struct sample_backend *b = &s->backends[s->backends_n];

		/* Of the name of one that leaves there may be another one. */
		if (!backend || backend->state == BACKEND_LEAVING)
			continue;
		s->backends_n++;
		to->backends_n++;
		b->pool = pool;
		b->backend = backend;
		metrics_read_backend(s->runtime, pool, b->backend, &b->values);
	}
}

/* One that leaves may have the name of another one, whose protocol differs. */
static void read_listener(struct sample *s, struct listener *listener)
{
	struct sample_listener *l = &s->listeners[s->listeners_n];

	if (snapshot_find_listener(s->runtime, listener->config->name) != listener)
		return;
	s->listeners_n++;
	l->listener = listener;
	metrics_read_listener(s->runtime, listener, &l->values);
}

static void read_all(struct sample *s)
{
	const struct runtime *runtime = s->runtime;

	metrics_read_process(runtime, &s->process);
	for (; s->workers_n < runtime->workers_n; s->workers_n++)
		metrics_read_worker(runtime, (unsigned)s->workers_n, &s->workers[s->workers_n]);
	runtime_for_each_listener(runtime, listener)
	{
		read_listener(s, listener);
	}
	runtime_for_each_pool(runtime, n)
	{
		read_pool(s, runtime->pools[n], &s->pools[s->pools_n++]);
	}
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
