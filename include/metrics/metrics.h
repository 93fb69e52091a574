/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

/*
 * All that is measured: one table of descriptors, from which the counters in
 * the log, the status page's JSON and the metrics for Prometheus are made, and
 * with which scripts/check-docs.sh compares ringmain-metrics(7). What a
 * descriptor describes stands at its offset in the values of one thing, which
 * metrics_read_*() gather, from all workers where they are theirs.
 *
 * To add one: a field, filled in metrics_read.c, a row in metrics.c, a line in
 * the manual.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "pool/pool.h"
#include "state/counters.h"
#include "state/runtime.h"

/* What it is measured of; each has labels of its own. */
enum metric_scope {
	METRIC_PROCESS,
	METRIC_WORKER,   /* worker */
	METRIC_LISTENER, /* listener */
	METRIC_POOL,     /* pool */
	METRIC_BACKEND,  /* pool, backend */
	/* Counted by what comes up: these have no values, their readers know where they are. */
	METRIC_BUILD,
	METRIC_CIPHER,      /* listener */
	METRIC_DETAIL,      /* listener, reason */
	METRIC_CERTIFICATE, /* listener */
	METRIC_SCOPES,
};

enum metric_kind { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM, METRIC_KINDS };

struct metric {
	enum metric_scope scope;
	enum metric_kind kind;
	size_t offset;     /* of a uint64_t, or a struct histogram; of several: of the first */
	bool is_ms;        /* they are milliseconds; Prometheus has seconds */
	bool needs_hello;  /* only of listeners that read ClientHellos */
	const char *name;  /* for Prometheus */
	const char *label; /* of several beside each other, or NULL */
	const char *const *words;
	size_t words_n, words_from;
	const char *key;         /* in log and JSON; NULL: not there */
	const char *const *keys; /* of several */
	const char *line;        /* the message of its line in the log, or NULL */
	const char *help;
};

extern const struct metric metrics[];
extern const size_t metrics_n;

/* The labels of each scope, with commas between. */
extern const char *const metric_scope_labels[METRIC_SCOPES];
extern const char *const metric_kind_names[METRIC_KINDS];

/* A line for each row: name, kind, labels, keys, line of the log and help, with tabs between. */
void metrics_print(FILE *to);

/* The values: members are uint64_t alone, or made of them. */

#define METRIC_NONE UINT64_MAX /* it is not known: nobody is shown it */

#define LISTENER_NUMBERS (offsetof(struct listener_counters, ciphers) / sizeof(uint64_t))

struct process_values {
	uint64_t is_draining, start_time_ms, uptime_ms, workers;
	uint64_t sessions, sessions_max, begun, ended;
	uint64_t bytes[LANES];
	uint64_t admissions[ADMISSIONS];
	uint64_t bytes_copied, bytes_spliced, splices_started;
	uint64_t buffer_waits, handed_over, accept_pauses;
	uint64_t resident_bytes, cpu_ms, open_fds, fds_max;
	uint64_t buffers, buffers_used, pieces_bytes, pipes, pipes_used;
	uint64_t reloads_done, reloads_unchanged, reloads_failed;
	uint64_t is_reloaded, reloaded_ms, generations;
	uint64_t log_lost, lines_left_out;
};

struct worker_values {
	uint64_t buffers, buffers_used, pipes, pipes_used, completions, cpu_ms;
	uint64_t sessions, turns, bytes_copied, bytes_spliced, buffer_waits, accept_pauses;
};

struct listener_values {
	uint64_t numbers[LISTENER_NUMBERS]; /* as in struct listener_counters */
	uint64_t ended, sessions, sessions_max, is_paused;
};

struct pool_values {
	uint64_t numbers[sizeof(struct pool_counters) / sizeof(uint64_t)];
	uint64_t backends, ready, standby, sessions;
	uint64_t queued, queued_most, queue_served, queue_abandoned, queue_refused;
	uint64_t held;
	uint64_t queue_wait[sizeof(struct histogram) / sizeof(uint64_t)];
	uint64_t hold_wait[sizeof(struct histogram) / sizeof(uint64_t)];
};

struct backend_values {
	uint64_t state[BACKEND_STATES]; /* 1 for the one it is in */
	uint64_t since_ms;              /* how long it has been in it */
	uint64_t weight, tier, sessions, sessions_max;
	uint64_t picked, connects, connect_failures, retries, local_failures;
	uint64_t bytes[LANES];
	uint64_t role[BACKEND_ROLES]; /* 1 for what it is */
	uint64_t is_fenced;
	uint64_t lag_bytes, lag_ms; /* or METRIC_NONE */
	uint64_t ejections, checks_passed, checks_failed, checks_ms;
};

void metrics_read_process(const struct runtime *runtime, struct process_values *ret);
void metrics_read_worker(const struct runtime *runtime, unsigned worker, struct worker_values *ret);
void metrics_read_listener(const struct runtime *runtime, const struct listener *listener,
			   struct listener_values *ret);
void metrics_read_pool(const struct runtime *runtime, struct pool *pool, struct pool_values *ret);
void metrics_read_backend(const struct runtime *runtime, struct pool *pool,
			  const struct backend *backend, struct backend_values *ret);

/* What was counted by words, of all workers together, added to @to. */
void metrics_add_ciphers(const struct runtime *runtime, const struct listener *listener,
			 struct label_counter *to);
void metrics_add_details(const struct runtime *runtime, const struct listener *listener,
			 struct label_counter *to);

/* A descriptor's value, or its n-th. */
static inline uint64_t metric_value(const struct metric *m, const void *values, size_t n)
{
	return ((const uint64_t *)((const char *)values + m->offset))[n];
}

/* Does it apply to this listener, which is NULL for what is none? */
static inline bool metric_is_of(const struct metric *m, const struct listener *listener)
{
	return !m->needs_hello || (listener && listener_reads_hello(listener->config));
}

/* How many values it has beside each other. */
static inline size_t metric_values_n(const struct metric *m)
{
	return m->label ? m->words_n : 1;
}

/* The label's word for the n-th of them, or NULL: that one is none. */
static inline const char *metric_word(const struct metric *m, size_t n)
{
	return n < m->words_from || (m->keys && !m->keys[n]) ? NULL : m->words[n];
}

/* What the n-th is called in log and JSON, or NULL. */
static inline const char *metric_key(const struct metric *m, size_t n)
{
	if (!m->label)
		return m->key;
	return m->keys && n >= m->words_from ? m->keys[n] : NULL;
}

#endif
