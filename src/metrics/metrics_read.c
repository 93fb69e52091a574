/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers the values that the table of metrics describes. */
#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log_queue.h"
#include "base/process_usage.h"
#include "metrics/metrics.h"
#include "state/generation.h"

#define MS_PER_S 1000
#define NS_PER_MS 1000000

/* Both have the same members from first to last, one for each counter. */
static void add_all(uint64_t *to, const void *from, size_t n)
{
	const _Atomic uint64_t *counters = from;

	for (size_t i = 0; i < n; i++)
		to[i] += counters_get(&counters[i]);
}

static uint64_t total_of(const uint64_t *values, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += values[i];
	return total;
}

static uint64_t number_of(const struct listener_values *values, size_t offset)
{
	return values->numbers[offset / sizeof(uint64_t)];
}

#define NUMBER(values, field) number_of(values, offsetof(struct listener_counters, field))
#define NUMBERS(values, field) \
	(&(values)->numbers[offsetof(struct listener_counters, field) / sizeof(uint64_t)])

/* ---- the process ---------------------------------------------------------- */

static void add_listener(struct process_values *to, const struct listener_values *from)
{
	to->begun += NUMBER(from, begun);
	to->ended += from->ended;
	for (int n = 0; n < LANES; n++)
		to->bytes[n] += NUMBERS(from, bytes)[n];
	for (int n = 0; n < ADMISSIONS; n++)
		to->admissions[n] += NUMBERS(from, admissions)[n];
}

static void add_worker(struct process_values *to, const struct counters *from)
{
	to->bytes_copied += counters_get(&from->bytes_copied);
	to->bytes_spliced += counters_get(&from->bytes_spliced);
	to->splices_started += counters_get(&from->splices_started);
	to->buffer_waits += counters_get(&from->buffer_waits);
	to->handed_over += counters_get(&from->handed_over);
	to->accept_pauses += counters_get(&from->accept_pauses);
	to->lines_left_out += counters_get(&from->lines_left_out);
	to->buffers += counters_get(&from->buffers);
	to->buffers_used += counters_get(&from->buffers_used);
	to->pieces_bytes += counters_get(&from->pieces_bytes);
	to->pipes += counters_get(&from->pipes);
	to->pipes_used += counters_get(&from->pipes_used);
}

static void add_usage(struct process_values *to)
{
	struct process_usage usage;

	process_usage_read(&usage);
	to->resident_bytes = usage.resident_bytes;
	to->cpu_ms = usage.cpu_ms;
	to->open_fds = usage.open_fds;
	to->fds_max = usage.fds_max;
}

static uint64_t count_generations(const struct runtime *runtime)
{
	uint64_t n = 0;

	for (const struct generation *g = atomic_load(&runtime->generation); g; g = g->older)
		n++;
	return n;
}

static void add_reloads(struct process_values *to, const struct runtime *runtime)
{
	const struct reload_tally *tally = &runtime->reloads;

	to->reloads_done = tally->done;
	to->reloads_unchanged = tally->unchanged;
	to->reloads_failed = tally->failed;
	to->is_reloaded = !tally->has_failed && !tally->certs_failed;
	to->reloaded_ms = to->start_time_ms;
	if (tally->last_ms > 0)
		to->reloaded_ms += tally->last_ms - runtime->started_ms;
	to->generations = count_generations(runtime);
}

/* Of listeners that are no more. */
static void read_gone(const struct runtime *runtime, struct listener_values *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned w = 0; w < runtime->workers_n; w++)
		add_all(ret->numbers, runtime->counters[w].gone, LISTENER_NUMBERS);
	ret->ended = total_of(NUMBERS(ret, ended), CLOSE_REASONS);
}

void metrics_read_process(const struct runtime *runtime, struct process_values *ret)
{
	struct listener_values listener;

	*ret = (struct process_values){
		.is_draining = atomic_load(&runtime->order) != ORDER_NONE,
		.start_time_ms = runtime->started_wall_ms,
		.uptime_ms = clock_now_ms() - runtime->started_ms,
		.workers = runtime->workers_n,
		.sessions_max = runtime->sessions_max,
		.log_lost = log_queue_lost(),
	};
	runtime_for_each_listener(runtime, l)
	{
		metrics_read_listener(runtime, l, &listener);
		add_listener(ret, &listener);
	}
	read_gone(runtime, &listener);
	add_listener(ret, &listener);
	for (unsigned w = 0; w < runtime->workers_n; w++)
		add_worker(ret, &runtime->counters[w]);
	/* The counters go on counting: who ended since cannot make the rest negative. */
	ret->sessions = ret->begun - MIN(ret->ended, ret->begun);
	add_usage(ret);
	add_reloads(ret, runtime);
}

/* Of a thread that has ended there is nothing to be read any more. */
static uint64_t cpu_of(const struct worker_peer *peer)
{
	const clockid_t clock = atomic_load(&peer->cpu_clock);
	struct timespec used;

	if (clock == 0 || clock_gettime(clock, &used) < 0)
		return METRIC_NONE;
	return (uint64_t)used.tv_sec * MS_PER_S + (uint64_t)used.tv_nsec / NS_PER_MS;
}

void metrics_read_worker(const struct runtime *runtime, unsigned worker, struct worker_values *ret)
{
	const struct counters *c = &runtime->counters[worker];

	*ret = (struct worker_values){
		.sessions = atomic_load(&runtime->peers[worker].sessions),
		.turns = counters_get(&c->turns),
		.bytes_copied = counters_get(&c->bytes_copied),
		.bytes_spliced = counters_get(&c->bytes_spliced),
		.buffer_waits = counters_get(&c->buffer_waits),
		.accept_pauses = counters_get(&c->accept_pauses),
		.buffers = counters_get(&c->buffers),
		.buffers_used = counters_get(&c->buffers_used),
		.pipes = counters_get(&c->pipes),
		.pipes_used = counters_get(&c->pipes_used),
		.completions = counters_get(&c->completions),
		.cpu_ms = cpu_of(&runtime->peers[worker]),
	};
}

/* ---- a listener ----------------------------------------------------------- */

static const struct listener_counters *counters_of(const struct runtime *runtime, unsigned worker,
						   const struct listener *listener)
{
	return &runtime->counters[worker].listeners[listener->slot];
}

void metrics_read_listener(const struct runtime *runtime, const struct listener *listener,
			   struct listener_values *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned w = 0; w < runtime->workers_n; w++)
		add_all(ret->numbers, counters_of(runtime, w, listener), LISTENER_NUMBERS);
	ret->ended = total_of(NUMBERS(ret, ended), CLOSE_REASONS);
	ret->sessions = NUMBER(ret, begun) - MIN(ret->ended, NUMBER(ret, begun));
	ret->sessions_max = listener->config->sessions_max;
	ret->is_paused = atomic_load(&listener->pause) != LISTENER_OPEN;
}

void metrics_add_ciphers(const struct runtime *runtime, const struct listener *listener,
			 struct label_counter *to)
{
	for (unsigned w = 0; w < runtime->workers_n; w++)
		label_counter_merge(to, &counters_of(runtime, w, listener)->ciphers);
}

void metrics_add_details(const struct runtime *runtime, const struct listener *listener,
			 struct label_counter *to)
{
	for (unsigned w = 0; w < runtime->workers_n; w++)
		label_counter_merge(to, &counters_of(runtime, w, listener)->details);
}

/* ---- a pool --------------------------------------------------------------- */

/* The longest of them have no upper bound here either. */
static void fill_waits(const uint64_t waits[QUEUE_WAITS], uint64_t waited_ms, uint64_t *ret)
{
	static_assert(QUEUE_WAITS < HISTOGRAM_BUCKETS, "its waits are the first buckets");
	memcpy(ret, waits, (QUEUE_WAITS - 1) * sizeof(waits[0]));
	ret[HISTOGRAM_BUCKETS - 1] = waits[QUEUE_WAITS - 1];
	ret[HISTOGRAM_BUCKETS] = waited_ms;
}

static void fill_queue(struct pool *pool, struct pool_values *ret)
{
	struct queue_stats queue;

	pool_queue_stats(pool, &queue);
	ret->queued = queue.waiting;
	ret->queued_most = queue.waiting_most;
	ret->queue_served = queue.served;
	ret->queue_abandoned = queue.gone;
	ret->queue_refused = queue.refused;
	ret->held = queue.held;
	fill_waits(queue.waits, queue.waited_ms, ret->queue_wait);
	fill_waits(queue.held_waits, queue.held_waited_ms, ret->hold_wait);
}

void metrics_read_pool(const struct runtime *runtime, struct pool *pool, struct pool_values *ret)
{
	const size_t slot = pool_slot(pool);

	memset(ret, 0, sizeof(*ret));
	for (unsigned w = 0; w < runtime->workers_n; w++)
		add_all(ret->numbers, &runtime->counters[w].pools[slot], ARRAY_LEN(ret->numbers));
	ret->backends = pool_config(pool)->backends_n;
	ret->ready = pool_ready(pool);
	for (size_t n = 0; n < pool_backends(pool); n++) {
		const struct backend *backend = pool_backend(pool, n);

		ret->sessions += backend ? atomic_load(&backend->sessions) : 0;
		ret->standby += backend && backend->state == BACKEND_STANDBY;
	}
	/* One that leaves is to serve nobody: that none is ready is no news. */
	if (runtime_pool_leaves(runtime, slot))
		ret->backends = ret->ready = ret->standby = METRIC_NONE;
	fill_queue(pool, ret);
}

static void fill_role(const struct pool *pool, const struct backend *b, struct backend_values *ret)
{
	static_assert(BACKEND_LAG_UNKNOWN == METRIC_NONE, "it is not shown");
	ret->lag_bytes = ret->lag_ms = METRIC_NONE;
	if (role_is_any(&pool_config(pool)->role))
		return;
	ret->role[atomic_load(&b->role)] = 1;
	ret->is_fenced = atomic_load(&b->is_fenced);
	ret->lag_bytes = atomic_load(&b->lag_bytes);
	ret->lag_ms = atomic_load(&b->lag_ms);
}

/* Its pool is in the configuration no more: nobody checks it, and what was found out is old. */
static void fill_leaving(struct backend_values *ret)
{
	memset(ret->state, 0, sizeof(ret->state));
	memset(ret->role, 0, sizeof(ret->role));
	ret->state[BACKEND_LEAVING] = 1;
	ret->since_ms = ret->lag_bytes = ret->lag_ms = METRIC_NONE;
}

void metrics_read_backend(const struct runtime *runtime, struct pool *pool, const struct backend *b,
			  struct backend_values *ret)
{
	const uint64_t now_ms = clock_now_ms();
	struct backend_facts facts;

	pool_inspect(pool, b, &facts);
	facts.changed_ms = MAX(facts.changed_ms, runtime->started_ms);
	*ret = (struct backend_values){
		.since_ms = now_ms - MIN(facts.changed_ms, now_ms),
		.weight = facts.weight,
		.tier = facts.tier,
		.sessions = atomic_load(&b->sessions),
		.sessions_max = b->config->sessions_max,
		.picked = atomic_load(&b->picked),
		.connects = atomic_load(&b->connects),
		.connect_failures = atomic_load(&b->connect_failures),
		.local_failures = atomic_load(&b->local_failures),
		.retries = atomic_load(&b->retries),
		.ejections = atomic_load(&b->ejections),
		.checks_passed = atomic_load(&b->checks_passed),
		.checks_failed = atomic_load(&b->checks_failed),
		.checks_ms = atomic_load(&b->checks_ms),
	};
	ret->state[facts.state] = 1;
	for (unsigned n = 0; n < BACKEND_TRAFFIC_PARTS; n++) {
		ret->bytes[LANE_UP] += atomic_load(&b->traffic[n].up);
		ret->bytes[LANE_DOWN] += atomic_load(&b->traffic[n].down);
	}
	fill_role(pool, b, ret);
	if (runtime_pool_leaves(runtime, pool_slot(pool)))
		fill_leaving(ret);
}
