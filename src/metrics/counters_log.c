/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "metrics/counters_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pool/pool.h"
#include "base/clock.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "state/runtime.h"

#define MS_PER_S 1000

/* A reader of the log that takes less than a report in this time loses the rest of it. */
#define PATIENCE_MS 1000

/* ---- lines --------------------------------------------------------------- */

/* How many there were, and how long they took together: two keys. */
static void log_histogram(struct log_line *line, const struct metric *m, const void *values)
{
	char key[64];
	uint64_t n = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += metric_value(m, values, i);
	snprintf(key, sizeof(key), "%s_n", m->key);
	log_u64(line, key, n);
	snprintf(key, sizeof(key), "%s_ms", m->key);
	log_u64(line, key, metric_value(m, values, HISTOGRAM_BUCKETS));
}

static void log_metric(struct log_line *line, const struct metric *m, const void *values)
{
	if (m->kind == METRIC_HISTOGRAM) {
		log_histogram(line, m, values);
		return;
	}
	for (size_t n = 0; n < metric_values_n(m); n++)
		if (metric_key(m, n) && metric_value(m, values, n) != METRIC_NONE)
			log_u64(line, metric_key(m, n), metric_value(m, values, n));
}

/* All that the table has for the line of that message. */
static void log_metrics(struct log_line *line, const char *message, const void *values)
{
	for (size_t n = 0; n < metrics_n; n++)
		if (metrics[n].line && strcmp(metrics[n].line, message) == 0)
			log_metric(line, &metrics[n], values);
}

/* As --digest prints it. */
static void log_digest(struct log_line *line, uint64_t digest)
{
	char text[2 * sizeof(digest) + 1];

	snprintf(text, sizeof(text), "%016" PRIx64, digest);
	log_text(line, "digest", text);
}

static void log_process(const struct runtime *runtime)
{
	struct process_values values;
	struct log_line line;
	uint64_t digest;

	metrics_read_process(runtime, &values);
	if (!log_begin(&line, LOG_INFO, "counters"))
		return;
	log_u64(&line, "uptime_s", values.uptime_ms / MS_PER_S);
	log_metrics(&line, "counters", &values);
	if (runtime_digest(runtime, &digest))
		log_digest(&line, digest);
	log_end(&line);
}

/* ---- a listener ---------------------------------------------------------- */

static void log_of_listener(const char *message, const char *name,
			    const struct listener_values *values)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, message))
		return;
	log_text(&line, "listener", name);
	log_metrics(&line, message, values);
	log_end(&line);
}

static void log_ciphers(const char *name, const struct label_counter *ciphers)
{
	struct log_line line;

	for (unsigned i = 0; i < label_counter_rows(ciphers); i++) {
		if (!log_begin(&line, LOG_INFO, "counters_cipher"))
			return;
		log_text(&line, "listener", name);
		log_text(&line, "cipher", ciphers->rows[i].word);
		log_u64(&line, "n", counters_get(&ciphers->rows[i].n));
		log_end(&line);
	}
}

static void log_details(const char *name, const struct label_counter *details)
{
	struct log_line line;

	for (unsigned i = 0; i < label_counter_rows(details); i++) {
		if (!log_begin(&line, LOG_INFO, "counters_detail"))
			return;
		log_text(&line, "listener", name);
		log_text(&line, "reason", close_reason_names[details->rows[i].kind]);
		log_text(&line, "detail", details->rows[i].word);
		log_u64(&line, "n", counters_get(&details->rows[i].n));
		log_end(&line);
	}
}

static void log_listener(const struct runtime *runtime, const struct listener *listener)
{
	const char *name = listener->config->name;
	struct label_counter ciphers, details;
	struct listener_values values;

	memset(&ciphers, 0, sizeof(ciphers));
	memset(&details, 0, sizeof(details));
	metrics_read_listener(runtime, listener, &values);
	metrics_add_ciphers(runtime, listener, &ciphers);
	metrics_add_details(runtime, listener, &details);
	log_of_listener("counters_listener", name, &values);
	if (listener_reads_hello(listener->config))
		log_of_listener("counters_tls", name, &values);
	log_ciphers(name, &ciphers);
	log_details(name, &details);
}

/* ---- a pool -------------------------------------------------------------- */

static void log_pool(const struct runtime *runtime, struct pool *pool)
{
	uint64_t digest = pool_digest(pool);
	struct pool_values values;
	struct log_line line;

	metrics_read_pool(runtime, pool, &values);
	if (!log_begin(&line, LOG_INFO, "counters_pool"))
		return;
	log_text(&line, "pool", pool_config(pool)->name);
	log_metrics(&line, "counters_pool", &values);
	if (digest != 0)
		log_digest(&line, digest);
	log_end(&line);
}

static void log_backend(const struct runtime *runtime, struct pool *pool,
			const struct backend *backend)
{
	struct backend_values values;
	struct log_line line;

	metrics_read_backend(runtime, pool, backend, &values);
	if (!log_begin(&line, LOG_INFO, "counters_backend"))
		return;
	log_text(&line, "pool", pool_config(pool)->name);
	log_text(&line, "backend", backend->config->name);
	log_text(&line, "state", backend_state_names[atomic_load(&backend->state)]);
	log_metrics(&line, "counters_backend", &values);
	log_end(&line);
}

void counters_log(const struct runtime *runtime)
{
	uint64_t until_ms = clock_now_ms() + PATIENCE_MS;

	if (!log_is_on(LOG_INFO))
		return;
	log_process(runtime);
	runtime_for_each_listener(runtime, l)
	{
		log_wait_for_room(until_ms);
		log_listener(runtime, l);
	}
	runtime_for_each_pool(runtime, n)
	{
		struct pool *pool = runtime->pools[n];

		log_pool(runtime, pool);
		for (size_t i = 0; i < pool_backends(pool); i++) {
			if (!pool_backend(pool, i))
				continue;
			log_wait_for_room(until_ms);
			log_backend(runtime, pool, pool_backend(pool, i));
		}
	}
}
