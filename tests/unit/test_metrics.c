/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "metrics/metrics.h"
#include "metrics/snapshot.h"

#include <string.h>

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

/* ---- the table ----------------------------------------------------------- */

static void names_are_those_that_prometheus_wants(void **state)
{
	(void)state;
	for (size_t n = 0; n < metrics_n; n++) {
		const struct metric *m = &metrics[n];

		if (!m->name)
			continue;
		assert_int_equal(strspn(m->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(m->name));
		assert_int_equal(strncmp(m->name, "ringmain_", strlen("ringmain_")), 0);
		assert_int_equal(m->kind == METRIC_COUNTER, ends_with(m->name, "_total"));
		if (m->is_ms)
			assert_true(ends_with(m->name, "_seconds") ||
				    ends_with(m->name, "_seconds_total"));
	}
}

static void no_two_have_the_same_name(void **state)
{
	(void)state;
	for (size_t n = 0; n < metrics_n; n++)
		for (size_t i = 0; metrics[n].name && i < n; i++)
			assert_true(!metrics[i].name ||
				    strcmp(metrics[i].name, metrics[n].name) != 0);
}

/* OpenMetrics calls a counter without its _total; readers refuse what has a family twice. */
static size_t family_bytes(const struct metric *m)
{
	return strlen(m->name) - (m->kind == METRIC_COUNTER ? strlen("_total") : 0);
}

/* Would a line of @m look like the family @other? */
static bool says_it_is(const struct metric *m, const struct metric *other)
{
	static const char *const ends[] = { "",     "_total", "_created", "_bucket",
					    "_sum", "_count", "_info" };
	size_t n = family_bytes(m), other_n = family_bytes(other);
	char text[2][128];

	snprintf(text[1], sizeof(text[1]), "%.*s", (int)other_n, other->name);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(text[0], sizeof(text[0]), "%.*s%s", (int)n, m->name, ends[i]);
		if (strcmp(text[0], text[1]) == 0)
			return true;
	}
	return false;
}

static void no_family_of_openmetrics_comes_twice(void **state)
{
	(void)state;
	for (size_t n = 0; n < metrics_n; n++)
		for (size_t i = 0; metrics[n].name && i < metrics_n; i++)
			if (i != n && metrics[i].name && says_it_is(&metrics[n], &metrics[i]))
				fail_msg("%s and %s", metrics[n].name, metrics[i].name);
}

static void all_can_be_seen_and_are_explained(void **state)
{
	(void)state;
	for (size_t n = 0; n < metrics_n; n++) {
		const struct metric *m = &metrics[n];

		assert_true(m->name || m->key);
		assert_non_null(m->help);
		assert_false(ends_with(m->help, "."));
		assert_true(!m->line || m->key || m->keys);
		assert_int_equal(m->label != NULL, m->words_n > 0 || m->scope >= METRIC_BUILD);
	}
}

static bool is_described(enum metric_scope scope, size_t offset)
{
	for (size_t n = 0; n < metrics_n; n++) {
		const struct metric *m = &metrics[n];
		size_t values = m->kind == METRIC_HISTOGRAM ? HISTOGRAM_BUCKETS + 1
							    : metric_values_n(m);

		if (m->scope == scope && m->offset <= offset &&
		    offset < m->offset + values * sizeof(uint64_t))
			return true;
	}
	return false;
}

/* Whoever adds a counter and forgets its row hears of it here. */
static void every_value_has_a_row(void **state)
{
	static const struct {
		enum metric_scope scope;
		size_t bytes;
	} all[] = {
		{ METRIC_PROCESS, sizeof(struct process_values) },
		{ METRIC_WORKER, sizeof(struct worker_values) },
		{ METRIC_LISTENER, sizeof(struct listener_values) },
		{ METRIC_POOL, sizeof(struct pool_values) },
		{ METRIC_BACKEND, sizeof(struct backend_values) },
	};

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(all); n++)
		for (size_t at = 0; at < all[n].bytes; at += sizeof(uint64_t))
			if (!is_described(all[n].scope, at))
				fail_msg("no row for scope %d, offset %zu", (int)all[n].scope, at);
}

/* ---- what they measure ------------------------------------------------------ */

static void times_go_into_buckets_of_powers_of_two(void **state)
{
	static const struct {
		uint64_t ms;
		unsigned bucket;
	} all[] = { { 0, 0 },           { 1, 1 },
		    { 2, 2 },           { 3, 2 },
		    { 4, 3 },           { 1023, 10 },
		    { 1024, 11 },       { (1ull << 26) - 1, 26 },
		    { 1ull << 26, 27 }, { UINT64_MAX >> 1, 27 } };

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(all); n++) {
		struct histogram h = { 0 };

		histogram_add(&h, all[n].ms);
		assert_int_equal(counters_get(&h.n[all[n].bucket]), 1);
		assert_int_equal(counters_get(&h.sum_ms), all[n].ms);
	}
}

static uint64_t count_of(const uint64_t *histogram)
{
	uint64_t n = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += histogram[i];
	return n;
}

static const uint64_t *at_offset(const void *values, size_t offset)
{
	return (const uint64_t *)((const char *)values + offset);
}

static void a_session_leaves_its_times(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair p = bed_relaying(st);
	struct listener_values l;
	struct pool_values pool;
	struct backend_values b;

	assert_int_equal(send(p.backend, "hello", 5, 0), 5);
	bed_run(st);
	shutdown(p.client, SHUT_WR);
	bed_run(st);
	shutdown(p.backend, SHUT_WR);
	bed_run(st);
	metrics_read_listener(st->runtime, &st->runtime->listeners[0], &l);
	metrics_read_pool(st->runtime, st->runtime->pools[0], &pool);
	metrics_read_backend(st->runtime, st->runtime->pools[0],
			     pool_backend(st->runtime->pools[0], 0), &b);
	assert_int_equal(
		count_of(at_offset(&l, offsetof(struct listener_counters, session_length))), 1);
	assert_int_equal(
		count_of(at_offset(&l, offsetof(struct listener_counters, first_byte_time))), 1);
	assert_int_equal(count_of(at_offset(&pool, offsetof(struct pool_counters, connect_time))),
			 1);
	assert_int_equal(b.bytes[LANE_DOWN], 5);
	assert_int_equal(b.bytes[LANE_UP], 0);
	assert_int_equal(b.state[BACKEND_READY], 1);
}

static void what_a_worker_has_is_shown(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct worker_values worker;
	struct process_values process;

	(void)bed_relaying(st);
	bed_pass(st, 1);
	metrics_read_worker(st->runtime, 0, &worker);
	metrics_read_process(st->runtime, &process);
	assert_int_equal(worker.buffers, 64);
	assert_true(worker.buffers_used < worker.buffers);
	assert_int_equal(worker.cpu_ms, METRIC_NONE);
	assert_int_equal(process.buffers, worker.buffers);
	assert_int_equal(process.generations, 1);
	assert_int_equal(process.is_reloaded, 1);
	assert_int_equal(process.reloaded_ms, process.start_time_ms);
	assert_int_equal(process.start_time_ms, st->runtime->started_wall_ms);
}

static void a_reload_leaves_two_configurations(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct process_values process;

	(void)bed_relaying(st);
	bed_reload(st, &(struct bed_options){ .listener_keys = "idle_timeout = 5s" });
	metrics_read_process(st->runtime, &process);
	assert_int_equal(process.generations, 2);
}

/* It is no pool without backends, and nobody checks any more whether one is down. */
static void a_pool_that_a_reload_removes_leaves(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pool *pool = bed_pool(st);
	struct backend *backend = pool_backend(pool, 0);
	struct backend_snapshot shown;
	struct backend_values b;
	struct pool_values p;

	(void)bed_relaying(st);
	pool_set_state(pool, backend, BACKEND_DOWN, st->now_ms);
	bed_reload(st, &(struct bed_options){ .pool_name = "q" });
	metrics_read_pool(st->runtime, pool, &p);
	metrics_read_backend(st->runtime, pool, backend, &b);
	snapshot_backend(st->runtime, pool, backend, st->now_ms, &shown);
	assert_int_equal(p.ready, METRIC_NONE);
	assert_int_equal(b.state[BACKEND_DOWN], 0);
	assert_int_equal(b.state[BACKEND_LEAVING], 1);
	assert_int_equal(b.since_ms, METRIC_NONE);
	assert_int_equal(shown.facts.state, BACKEND_LEAVING);
	metrics_read_pool(st->runtime, bed_pool(st), &p);
	assert_int_equal(p.ready, 1);
}

static void a_paused_listener_is_shown(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct listener *listener = &st->runtime->listeners[0];
	struct listener_values values;

	metrics_read_listener(st->runtime, listener, &values);
	assert_int_equal(values.is_paused, 0);
	atomic_store(&listener->pause, LISTENER_WAITS);
	metrics_read_listener(st->runtime, listener, &values);
	assert_int_equal(values.is_paused, 1);
	atomic_store(&listener->pause, LISTENER_OPEN);
}

static void roles_are_shown_where_they_are_asked_for(void **state)
{
	struct bed *st =
		bed_with(state, &(struct bed_options){ .pool_keys = "check = postgres user=x "
								    "password_file=/dev/null\n"
								    "role = primary" });
	struct pool *pool = st->runtime->pools[0];
	struct backend *backend = bed_backend(st, 0);
	struct backend_values values;

	metrics_read_backend(st->runtime, pool, backend, &values);
	assert_int_equal(values.role[BACKEND_ROLE_UNKNOWN], 1);
	assert_int_equal(values.lag_bytes, METRIC_NONE);
	atomic_store(&backend->role, BACKEND_REPLICA);
	atomic_store(&backend->lag_bytes, 17);
	atomic_store(&backend->is_fenced, true);
	metrics_read_backend(st->runtime, pool, backend, &values);
	assert_int_equal(values.role[BACKEND_REPLICA], 1);
	assert_int_equal(values.role[BACKEND_ROLE_UNKNOWN], 0);
	assert_int_equal(values.lag_bytes, 17);
	assert_int_equal(values.is_fenced, 1);
	assert_int_equal(values.lag_ms, METRIC_NONE);
}

static void no_role_is_shown_where_none_is_asked_for(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct backend *backend = bed_backend(st, 0);
	struct backend_values values;

	atomic_store(&backend->role, BACKEND_PRIMARY);
	metrics_read_backend(st->runtime, st->runtime->pools[0], backend, &values);
	for (int n = 0; n < BACKEND_ROLES; n++)
		assert_int_equal(values.role[n], 0);
	assert_int_equal(values.lag_bytes, METRIC_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_that_prometheus_wants),
		cmocka_unit_test(no_two_have_the_same_name),
		cmocka_unit_test(no_family_of_openmetrics_comes_twice),
		cmocka_unit_test(all_can_be_seen_and_are_explained),
		cmocka_unit_test(every_value_has_a_row),
		cmocka_unit_test(times_go_into_buckets_of_powers_of_two),
		bed_test(a_session_leaves_its_times),
		bed_test(what_a_worker_has_is_shown),
		bed_test(a_reload_leaves_two_configurations),
		bed_test(a_pool_that_a_reload_removes_leaves),
		bed_test(a_paused_listener_is_shown),
		bed_test(roles_are_shown_where_they_are_asked_for),
		bed_test(no_role_is_shown_where_none_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
