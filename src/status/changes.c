/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "changes.h"

#include <stdio.h>
#include <time.h>

#include "admin/context.h"
#include "base/text.h"
#include "io/loop.h"
#include "reload/reload.h"

#define MS_PER_S 1000u

/* What is as old as the process has not changed. */
#define START_MS 50

static void add_backend(const struct sample_backend *b, const struct control_context *context,
			struct change *to)
{
	struct backend_snapshot s;

	snapshot_backend(context->runtime, b->pool, b->backend, context->loop->now_ms, &s);
	*to = (struct change){
		.ago_ms = s.since_ms,
		.state = backend_state_names[s.facts.state],
		.role = s.role,
		.by = s.why_by,
	};
	snprintf(to->what, sizeof(to->what), "%s / %s", s.pool, s.name);
	text_copy_cut(to->why, sizeof(to->why), s.why);
}

static bool is_change(const struct sample *s, const struct sample_backend *b)
{
	return b->values.since_ms != METRIC_NONE &&
	       b->values.since_ms + START_MS < s->process.uptime_ms;
}

/* Puts it among those found so far, which are in order, if it is one of the newest. */
static size_t insert(const struct sample_backend **found, size_t n, const struct sample_backend *b)
{
	size_t at = n;

	while (at > 0 && found[at - 1]->values.since_ms > b->values.since_ms)
		at--;
	if (at == CHANGES_MAX)
		return n;
	n = MIN(n + 1, (size_t)CHANGES_MAX);
	for (size_t i = n - 1; i > at; i--)
		found[i] = found[i - 1];
	found[at] = b;
	return n;
}

static uint64_t age_of(const struct reload_report *report)
{
	return (uint64_t)MAX(time(NULL) - report->at, 0) * MS_PER_S;
}

static void add_reload(const struct reload_report *report, struct change *to)
{
	const char *why = report_why(report);

	*to = (struct change){
		.ago_ms = age_of(report),
		.state = reload_outcome_names[report->outcome],
		.by = report->by,
	};
	text_copy_cut(to->what, sizeof(to->what), reload_kind_names[report->kind]);
	text_copy_cut(to->why, sizeof(to->why), why ? why : "");
}

size_t changes_take(const struct sample *s, const struct control_context *context,
		    struct change ret[CHANGES_MAX])
{
	const struct reload_report *reload = history_last(&context->reload->history);
	const struct sample_backend *found[CHANGES_MAX];
	size_t found_n = 0, n = 0;

	for (size_t i = 0; i < s->backends_n; i++)
		if (is_change(s, &s->backends[i]))
			found_n = insert(found, found_n, &s->backends[i]);
	for (size_t i = 0; i < found_n && n < CHANGES_MAX; i++) {
		if (reload && age_of(reload) <= found[i]->values.since_ms) {
			add_reload(reload, &ret[n++]);
			reload = NULL;
		}
		if (n < CHANGES_MAX)
			add_backend(found[i], context, &ret[n++]);
	}
	if (reload && n < CHANGES_MAX)
		add_reload(reload, &ret[n++]);
	return n;
}
