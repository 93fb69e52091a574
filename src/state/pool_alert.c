/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/pool_alert.h"

#include "base/log.h"

void pool_alert_note_full(struct pool_alert *alert, uint64_t now_ms)
{
	atomic_store_explicit(&alert->full_ms, now_ms, memory_order_relaxed);
}

/* Notes how it is now; true when that is new. */
static bool has_changed(bool *was, bool is)
{
	bool has = *was != is;

	*was = is;
	return has;
}

static void log_pool_alert(const struct pool *pool, const char *what)
{
	struct log_line line;

	if (!log_begin(&line, LOG_WARN, what))
		return;
	log_text(&line, "pool", pool_config(pool)->name);
	log_u64(&line, "backends", pool_config(pool)->backends_n);
	log_end(&line);
}

/* Of those who wait for room; who is held waits for a backend that serves at all. */
static bool has_queue(struct pool *pool)
{
	struct queue_stats stats;

	pool_queue_stats(pool, &stats);
	return stats.waiting > stats.held;
}

/* Its first checks have not answered, and are not late: there is nothing to be told yet. */
static bool is_early(const struct pool_alert *alert, struct pool *pool, uint64_t now_ms)
{
	const struct check_config *check = &pool_config(pool)->check;

	return now_ms < alert->began_ms + check->timeout_ms * check->fall &&
	       pool_awaits_checks(pool);
}

void pool_alert_tick(struct pool_alert *alert, struct pool *pool, uint64_t now_ms)
{
	if (alert->began_ms == 0)
		alert->began_ms = now_ms;
	if (has_queue(pool))
		pool_alert_note_full(alert, now_ms);

	uint64_t full_ms = atomic_load_explicit(&alert->full_ms, memory_order_relaxed);
	bool is_full = full_ms > 0 && now_ms < full_ms + POOL_ALERT_CALM_MS;
	bool is_out = pool_ready(pool) == 0 && !is_early(alert, pool, now_ms);

	if (has_changed(&alert->is_out, is_out))
		log_pool_alert(pool,
			       is_out ? "pool has no backend left" : "pool has a backend again");
	if (has_changed(&alert->is_panicking, pool_is_panicking(pool)))
		log_pool_alert(pool, alert->is_panicking
					     ? "too few backends are ready: all are used"
					     : "enough backends are ready again");
	if (has_changed(&alert->is_full, is_full))
		log_pool_alert(pool,
			       is_full ? "all backends of a pool are full" : "pool has room again");
}
