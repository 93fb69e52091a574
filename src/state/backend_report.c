/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/backend_report.h"

#include <string.h>

#include "base/def.h"
#include "base/log.h"
#include "base/text.h"
#include "net/sock_error.h"
#include "state/events.h"

/* When it went this way: by its checks, or by its sessions. */
static atomic_uint_fast64_t *away_since(struct backend *backend, enum health_change change)
{
	bool is_ejection = change == HEALTH_EJECTED || change == HEALTH_RETURNED;

	return is_ejection ? &backend->ejected_since_ms : &backend->down_since_ms;
}

static bool is_for_the_worse(enum health_change change)
{
	return change == HEALTH_WENT_DOWN || change == HEALTH_STAYED_DOWN ||
	       change == HEALTH_EJECTED || change == HEALTH_FILLED;
}

static void log_failure(struct log_line *line, const struct backend_report *report)
{
	if (report->words && is_for_the_worse(report->change))
		log_text(line, "reason", report->words);
	if (report->err == 0)
		return;
	log_text(line, "reason", sock_fault_words(report->err));
	if (report->detail)
		log_text(line, "detail", report->detail);
}

static void log_why(struct log_line *line, const struct backend *backend,
		    const struct backend_report *report)
{
	unsigned connects = atomic_load(&backend->blamed_connects);

	switch (report->change) {
	case HEALTH_WENT_DOWN:
	case HEALTH_STAYED_DOWN:
		log_text(line, "by", "checks");
		log_u64(line, "failures", report->answers);
		log_u64(line, "took_ms", report->took_ms);
		break;
	case HEALTH_WENT_UP:
		log_text(line, "by", "checks");
		log_u64(line, "passes", report->answers);
		log_u64(line, "took_ms", report->took_ms);
		break;
	case HEALTH_FILLED:
	case HEALTH_HAS_ROOM:
		log_text(line, "by", "checks");
		log_u64(line, "took_ms", report->took_ms);
		break;
	case HEALTH_EJECTED:
		log_text(line, "by", "sessions");
		log_u64(line, "failures", atomic_load(&backend->blamed_failures));
		if (connects > 0)
			log_u64(line, "connects", connects);
		break;
	default:
		break;
	}
	log_failure(line, report);
}

void backend_tell(const struct pool *pool, const struct backend *backend, const char *what,
		  const char *detail, uint64_t now_ms)
{
	struct event event = { .kind = EVENT_BACKEND, .what = what, .at_ms = now_ms };

	if (!events_are_wanted())
		return;
	event.by = backend_state_names[atomic_load(&backend->state)];
	(void)!text_copy(event.pool, sizeof(event.pool), pool_config(pool)->name);
	(void)!text_copy(event.backend, sizeof(event.backend), backend->config->name);
	if (detail)
		(void)!text_copy(event.detail, sizeof(event.detail), detail);
	events_put(&event);
}

static bool is_return(enum health_change change)
{
	return change == HEALTH_WENT_UP || change == HEALTH_RETURNED;
}

void backend_report_change(struct pool *pool, struct backend *backend,
			   const struct backend_report *report)
{
	atomic_uint_fast64_t *went = away_since(backend, report->change);
	uint64_t went_ms = atomic_load(went);
	struct log_line line;

	atomic_store(went, is_return(report->change) ? 0 : report->now_ms);
	/* A backend that comes back from an ejection may still be down, for the same reason. */
	if (!is_return(report->change) || atomic_load(&backend->state) == BACKEND_READY) {
		atomic_store(&backend->changed_error, report->err);
		pool_note_words(pool, backend, report->err == 0 ? report->words : NULL);
	}
	if (report->change == HEALTH_EJECTED)
		atomic_fetch_add(&backend->ejections, 1);
	backend_tell(pool, backend, health_change_names[report->change], NULL, report->now_ms);
	if (!log_begin(&line, LOG_WARN, "backend"))
		return;
	log_text(&line, "pool", pool_config(pool)->name);
	log_text(&line, "backend", backend->config->name);
	log_text(&line, "change", health_change_names[report->change]);
	log_text(&line, "state", backend_state_names[atomic_load(&backend->state)]);
	log_why(&line, backend, report);
	if (is_return(report->change) && went_ms > 0)
		log_u64(&line, "down_for_ms", report->now_ms - went_ms);
	log_end(&line);
}
