/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/counters_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "balance/pool.h"
#include "base/clock.h"
#include "base/log.h"
#include "state/counters.h"
#include "state/runtime.h"

#define MS_PER_S 1000

/* A reader of the log that takes less than a report in this time loses the rest of it. */
#define PATIENCE_MS 1000

/* ---- adding up ----------------------------------------------------------- */

/* Both are counters from their first to their last byte. */
static void add_all(void *to, const void *from, size_t bytes)
{
	const _Atomic uint64_t *from_at = from;
	_Atomic uint64_t *to_at = to;

	for (size_t n = 0; n < bytes / sizeof(*to_at); n++)
		counters_add(&to_at[n], counters_get(&from_at[n]));
}

static void add_numbers(struct listener_counters *to, const struct listener_counters *from)
{
	add_all(to, from, offsetof(struct listener_counters, ciphers));
}

static void add_words(struct listener_counters *to, const struct listener_counters *from)
{
	label_counter_merge(&to->ciphers, &from->ciphers);
	label_counter_merge(&to->details, &from->details);
}

static uint64_t total_of(const _Atomic uint64_t *counters, size_t n)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += counters_get(&counters[i]);
	return total;
}

static void log_count(struct log_line *line, const char *key, const _Atomic uint64_t *counter)
{
	log_u64(line, key, counters_get(counter));
}

/* As --digest prints it. */
static void log_digest(struct log_line *line, uint64_t digest)
{
	char text[2 * sizeof(digest) + 1];

	snprintf(text, sizeof(text), "%016" PRIx64, digest);
	log_text(line, "digest", text);
}

/* ---- sessions ------------------------------------------------------------ */

/* The counters go on counting: who ended since cannot make the rest negative. */
static void log_sessions(struct log_line *line, const struct listener_counters *c)
{
	uint64_t ended = total_of(c->ended, CLOSE_REASONS);
	uint64_t begun = counters_get(&c->begun);

	log_u64(line, "begun", begun);
	log_u64(line, "ended", ended);
	log_u64(line, "open", begun - MIN(ended, begun));
	log_count(line, "bytes_up", &c->bytes[LANE_UP]);
	log_count(line, "bytes_down", &c->bytes[LANE_DOWN]);
	for (int n = ADMISSION_GRANTED + 1; n < ADMISSIONS; n++)
		log_count(line, admission_names[n], &c->admissions[n]);
}

static void log_process(const struct runtime *runtime)
{
	uint64_t digest;
	struct listener_counters sessions;
	struct counters all = { 0 };
	struct log_line line;

	memset(&sessions, 0, sizeof(sessions));
	for (unsigned w = 0; w < runtime->workers_n; w++) {
		add_all(&all, &runtime->counters[w], offsetof(struct counters, listeners));
		for (size_t n = 0; n < runtime->listeners_n; n++)
			add_numbers(&sessions, &runtime->counters[w].listeners[n]);
	}
	if (!log_begin(&line, LOG_INFO, "counters"))
		return;
	log_u64(&line, "uptime_s", (clock_now_ms() - runtime->started_ms) / MS_PER_S);
	log_sessions(&line, &sessions);
	log_count(&line, "bytes_copied", &all.bytes_copied);
	log_count(&line, "bytes_spliced", &all.bytes_spliced);
	log_count(&line, "splices_started", &all.splices_started);
	log_count(&line, "buffer_waits", &all.buffer_waits);
	log_count(&line, "handed_over", &all.handed_over);
	log_count(&line, "accept_pauses", &all.accept_pauses);
	if (runtime_digest(runtime, &digest))
		log_digest(&line, digest);
	log_end(&line);
}

/* ---- a listener ---------------------------------------------------------- */

static void log_ends(const char *name, const struct listener_counters *c)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, "counters_listener"))
		return;
	log_text(&line, "listener", name);
	log_sessions(&line, c);
	for (int n = CLOSE_NONE + 1; n < CLOSE_REASONS; n++)
		log_count(&line, close_reason_names[n], &c->ended[n]);
	log_end(&line);
}

static void log_tls(const char *name, const struct listener_counters *c)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, "counters_tls"))
		return;
	log_text(&line, "listener", name);
	log_count(&line, "hellos", &c->hellos);
	log_count(&line, "with_sni", &c->hellos_with_name);
	log_count(&line, "handshakes", &c->handshakes);
	log_count(&line, "resumed", &c->handshakes_resumed);
	log_count(&line, "failed", &c->handshakes_failed);
	log_count(&line, "tls1_2", &c->handshakes_tls12);
	log_count(&line, "tls1_3", &c->handshakes_tls13);
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
		log_count(&line, "n", &ciphers->rows[i].n);
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
		log_count(&line, "n", &details->rows[i].n);
		log_end(&line);
	}
}

static void log_listener(const struct runtime *runtime, size_t n)
{
	const struct listener_config *config = runtime->listeners[n].config;
	struct listener_counters all;

	memset(&all, 0, sizeof(all));
	for (unsigned w = 0; w < runtime->workers_n; w++) {
		add_numbers(&all, &runtime->counters[w].listeners[n]);
		add_words(&all, &runtime->counters[w].listeners[n]);
	}
	log_ends(config->name, &all);
	if (listener_reads_hello(config))
		log_tls(config->name, &all);
	log_ciphers(config->name, &all.ciphers);
	log_details(config->name, &all.details);
}

/* ---- a pool -------------------------------------------------------------- */

/* What a try can end with: see reason_of_connect(). */
static const enum close_reason try_reasons[] = {
	CLOSE_CONNECT_REFUSED, CLOSE_CONNECT_TIMEOUT, CLOSE_CONNECT_FAILED,
	CLOSE_BACKEND_TLS,     CLOSE_LOGIN_REFUSED,   CLOSE_NO_RESOURCES,
};

static void log_pool(const struct runtime *runtime, size_t n)
{
	uint64_t digest = pool_digest(runtime->pools[n]);
	struct pool_counters all = { 0 };
	struct queue_stats queue;
	struct log_line line;

	for (unsigned w = 0; w < runtime->workers_n; w++)
		add_all(&all, &runtime->counters[w].pools[n], sizeof(all));
	pool_queue_stats(runtime->pools[n], &queue);
	if (!log_begin(&line, LOG_INFO, "counters_pool"))
		return;
	log_text(&line, "pool", pool_config(runtime->pools[n])->name);
	log_count(&line, "connected", &all.connected);
	for (size_t i = 0; i < ARRAY_LEN(try_reasons); i++)
		log_count(&line, close_reason_names[try_reasons[i]], &all.failed[try_reasons[i]]);
	log_u64(&line, "queued", queue.waiting);
	log_u64(&line, "queue_served", queue.served);
	log_u64(&line, "queue_abandoned", queue.gone);
	log_u64(&line, "queue_refused", queue.refused);
	if (digest != 0)
		log_digest(&line, digest);
	log_end(&line);
}

static void log_backend(const struct pool *pool, const struct backend *backend)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, "counters_backend"))
		return;
	log_text(&line, "pool", pool_config(pool)->name);
	log_text(&line, "backend", backend->config->name);
	log_text(&line, "state", backend_state_names[atomic_load(&backend->state)]);
	log_u64(&line, "open", atomic_load(&backend->sessions));
	log_u64(&line, "picked", atomic_load(&backend->picked));
	log_u64(&line, "connected", atomic_load(&backend->connects));
	log_u64(&line, "connect_failures", atomic_load(&backend->connect_failures));
	log_u64(&line, "no_resources", atomic_load(&backend->local_failures));
	log_end(&line);
}

void counters_log(const struct runtime *runtime)
{
	uint64_t until_ms = clock_now_ms() + PATIENCE_MS;

	if (!log_is_on(LOG_INFO))
		return;
	log_process(runtime);
	for (size_t n = 0; n < runtime->listeners_n; n++) {
		log_wait_for_room(until_ms);
		log_listener(runtime, n);
	}
	for (size_t n = 0; n < runtime->pools_n; n++) {
		struct pool *pool = runtime->pools[n];

		log_pool(runtime, n);
		for (size_t i = 0; i < pool_backends(pool); i++) {
			if (!pool_backend(pool, i))
				continue;
			log_wait_for_room(until_ms);
			log_backend(pool, pool_backend(pool, i));
		}
	}
}
