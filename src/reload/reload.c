/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reload/reload.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "admin/context.h"
#include "admin/overrides.h"
#include "base/check.h"
#include "base/log.h"
#include "config/diff.h"
#include "config/late_diag.h"
#include "health/checker.h"
#include "health/checker_thread.h"
#include "net/sock_error.h"
#include "process/sockets_plan.h"
#include "reload/certs.h"
#include "reload/leaving.h"
#include "state/peers.h"
#include "state/runtime_change.h"
#include "state/runtime_collect.h"
#include "state/tls_contexts.h"

#define MS_PER_S 1000u

/* How often it is looked whether all workers have passed, which takes them a turn. */
#define PASSING_MS 2

/* The same for what older configurations have left behind: soon, and then now and then. */
#define COLLECT_SOON_MS 100
#define COLLECT_MS 1000

/* A resolver that does not answer gives up after some seconds. */
#define JOIN_MS 500

/* A reload that has not read its files by then waits for names that do not resolve. */
#define PATIENCE_MS 2000

static const char slow_reload[] =
	"another reload or plan is under way and waits for names; a reload reads certificates, "
	"too: try again when it has ended (history), or give names as addresses";

static void next_request(struct reload *r);

/* ---- the end of one ------------------------------------------------------ */

static void answer(struct reload_request *request, const struct reload_report *report)
{
	if (request->done)
		request->done(request, report);
	else
		free(request);
}

static void log_plan_too(struct reload *r)
{
	if (r->report.kind != RELOAD_PLAN)
		report_log(&r->report);
}

static void count(struct reload *r, enum reload_outcome outcome)
{
	struct reload_tally *tally = &r->runtime->reloads;

	tally->done += outcome == RELOAD_DONE && r->report.differs;
	tally->unchanged += outcome == RELOAD_DONE && !r->report.differs;
	tally->failed += outcome == RELOAD_FAILED;
	if (r->report.kind != RELOAD_CERTS) /* which says nothing of the configuration's files */
		tally->has_failed = outcome == RELOAD_FAILED;
	tally->certs_failed = outcome == RELOAD_FAILED;
	tally->last_ms = r->loop->now_ms;
}

static void finish(struct reload *r, enum reload_outcome outcome)
{
	struct reload_request *request = r->request;
	struct reload_report *report = &r->report;

	loader_drop(&r->loader);
	r->state = RELOAD_IDLE;
	r->request = NULL;
	report->outcome = outcome;
	report->took_ms = r->loop->now_ms - r->began_ms;
	log_plan_too(r);
	if (report->kind != RELOAD_PLAN) {
		count(r, outcome);
		r->ended(r);
	}
	answer(request, report);
	if (report->kind != RELOAD_PLAN)
		history_add(&r->history, report);
	report_finish(report);
	if (!r->closed)
		next_request(r);
}

static void fail(struct reload *r, const char *why)
{
	report_add(&r->report, "%s", why);
	finish(r, RELOAD_FAILED);
}

/* ---- what is left behind ------------------------------------------------- */

/*
 * Checks of the new configuration. Without memory those of the old one go on,
 * and nothing that they look at is freed until it was tried again.
 */
static bool follow_with_checks(struct reload *r)
{
	struct checker *next = checker_create(r->runtime);

	r->checks_are_behind = !next || !checker_thread_give(r->checks, next);
	if (r->checks_are_behind)
		checker_destroy(next);
	return !r->checks_are_behind;
}

static void on_collect(struct timer *timer)
{
	struct reload *r = container_of(timer, struct reload, collect);
	bool is_left = true, was_freed = false;

	leaving_drain_waiting(r->runtime, r->drains);
	if (r->checks_are_behind)
		(void)!follow_with_checks(r);
	if (!r->checks_are_behind && checker_thread_is_settled(r->checks))
		is_left = runtime_collect(r->runtime, r->loop->now_ms, &was_freed);
	if (was_freed)
		malloc_trim(0);
	if (is_left)
		timer_set(&r->loop->timers, timer, r->loop->now_ms + COLLECT_MS);
}

unsigned reload_older(const struct reload *r)
{
	unsigned n = 0;

	for (struct generation *g = atomic_load(&r->runtime->generation)->older; g; g = g->older)
		n++;
	return n;
}

void reload_attention(const struct control_context *context, struct attention *ret)
{
	const struct reload *r = context->reload;
	const struct reload_report *failed = history_failed(&r->history);
	struct attention_about about = {
		.runtime = r->runtime,
		.now_ms = r->loop->now_ms,
		.has_no_page = context->has_no_page,
	};

	if (failed) {
		about.reload_why = report_why(failed) ? report_why(failed) : "";
		about.reload_ago_ms = (uint64_t)MAX(time(NULL) - failed->at, 0) * MS_PER_S;
	}
	attention_take(ret, &about);
}

/* ---- from the old to the new --------------------------------------------- */

static void on_passing(struct timer *timer)
{
	struct reload *r = container_of(timer, struct reload, timer);

	if (!runtime_has_passed(r->runtime)) {
		timer_set(&r->loop->timers, timer, r->loop->now_ms + PASSING_MS);
		return;
	}
	/* One after the other, without a pause, they must not put it off again and again. */
	if (!timer_is_set(&r->collect) || r->collect.due_ms > r->loop->now_ms + COLLECT_SOON_MS)
		timer_set(&r->loop->timers, &r->collect, r->loop->now_ms + COLLECT_SOON_MS);
	finish(r, RELOAD_DONE);
}

/* Whoever moves its file away by a schedule of its own tells us so by a reload. */
static void reopen_log(struct reload *r)
{
	int err = log_reopen();

	if (err < 0 && err != -ENOTSUP)
		report_add(&r->report, "warning: the log's file stays as it was: %s",
			   log_reopen_why(err));
}

static void apply_global(const struct config *now, const struct config *then)
{
	if (then->global.log_level != now->global.log_level)
		log_set_level(then->global.log_level);
	log_set_format(then->global.log_format);
}

static void serve_queues(struct reload *r)
{
	runtime_for_each_pool(r->runtime, n)
	{
		peers_serve_queue(r->runtime, r->runtime->pools[n], r->loop->now_ms);
	}
}

/* Nothing can fail any more. */
static void publish(struct reload *r, struct runtime_change *change, struct sockets_change *sockets)
{
	const struct config *before = runtime_config(r->runtime);

	runtime_publish(change);
	sockets_commit(sockets);
	r->commit(r);
	apply_global(before, runtime_config(r->runtime));
	overrides_apply(r->overrides);
	leaving_drain(r->runtime, r->drains, &r->report);
	if (!follow_with_checks(r))
		report_add(&r->report, "warning: no memory: checks go on as they were for a while");
	r->report.generation = atomic_load(&r->runtime->generation)->number;
	peers_ask(r->runtime);
	serve_queues(r);
	r->state = RELOAD_PASSING;
	timer_set(&r->loop->timers, &r->timer, r->loop->now_ms + 1);
}

static void report_socket(struct reload *r, const struct sockets_failure *f)
{
	char text[ADDR_TEXT_BYTES];

	if (!f->listener) {
		report_add(&r->report, f->err == -ENOSPC
					       ? "more listening sockets than there is room for: "
						 "this takes a restart"
					       : "out of memory");
		return;
	}
	late_diag_error(&f->location, report_line, &r->report,
			"[listener %s] bind: cannot listen on %s: %s: %s%s%s", f->listener,
			addr_format(&f->addr, text), f->step, strerror(-f->err),
			f->hint ? "; " : "", f->hint ? f->hint : "");
}

/* False: not all can be had, and what cannot is told. */
static bool open_sockets(struct reload *r, struct generation *g, struct sockets_change **ret)
{
	struct sockets_failures failures;
	const bool has_own = r->prepare(r, g->config);

	*ret = sockets_prepare(r->sockets, r->runtime, g, &failures);
	if (has_own && *ret)
		return true;
	for (size_t n = 0; n < failures.n; n++)
		report_socket(r, &failures.all[n]);
	sockets_abandon(*ret);
	if (has_own)
		r->abandon(r);
	return false;
}

/* Slots, memory and sockets: all that may fail. */
static void prepare(struct reload *r, struct generation *g)
{
	struct runtime_change *change;
	struct sockets_change *sockets;
	int err = -ENOMEM;

	change = runtime_prepare(r->runtime, g, &err);
	if (!change) {
		generation_destroy(g);
		fail(r, err == -ENOSPC ? "too many listeners, pools, leaving backends or "
					 "tables of other sizes: this takes a restart, or "
					 "some time"
				       : "out of memory");
		return;
	}
	if (open_sockets(r, g, &sockets)) {
		publish(r, change, sockets);
		return;
	}
	runtime_abandon(change);
	generation_destroy(g);
	finish(r, RELOAD_FAILED);
}

/* A reference of the caller's; the present one when only certificates are new. */
static struct shared_config *take_config(struct reload *r)
{
	struct generation *now = atomic_load(&r->runtime->generation);
	struct shared_config *shared;

	if (r->request->kind == RELOAD_CERTS) {
		now->shared->refs++;
		return now->shared;
	}
	shared = shared_config_create(r->loader.config);
	if (shared)
		r->loader.config = NULL;
	return shared;
}

static void begin_generation(struct reload *r)
{
	struct runtime *runtime = r->runtime;
	struct shared_config *shared = take_config(r);
	struct generation *g = NULL;

	if (shared)
		g = generation_create(shared, r->loader.made, runtime->slots_max,
				      runtime->workers_n);
	shared_config_unref(shared);
	if (!g) {
		fail(r, "out of memory");
		return;
	}
	r->loader.made = NULL;
	prepare(r, g);
}

/* ---- the plan ------------------------------------------------------------ */

/* Gives whether anything differs; *ret_is_bad: it is not to be. */
static bool make_plan(struct reload *r, bool *ret_is_bad)
{
	const struct generation *now = atomic_load(&r->runtime->generation);
	const struct config *then = r->loader.config ? r->loader.config : now->config;
	const struct certs certs = { now->config, now->tls }, certs_then = { then, r->loader.made };
	size_t before = r->report.lines_n;

	if (r->loader.config)
		config_diff(now->config, then, &r->started, report_line, &r->report);
	if (r->report.lines_n > before) {
		leaving_tell(r->runtime, r->drains, then, &r->report);
		leaving_tell_returns(r->overrides, then, &r->report);
		leaving_tell_paused(r->runtime, then, &r->report);
		sockets_warn(r->sockets, now->config, then, report_line, &r->report);
	}
	certs_compare(&certs, &certs_then, report_line, &r->report);
	*ret_is_bad = certs_are_worse(&certs, &certs_then, time(NULL), report_line, &r->report);
	return r->report.lines_n + r->report.lines_left_out > before;
}

static void on_loaded(struct reload *r)
{
	bool is_bad;

	timer_stop(&r->loop->timers, &r->patience);
	r->is_slow = false;
	loader_join(&r->loader);
	report_add_text(&r->report, r->loader.text ? r->loader.text : "out of memory");
	if (r->closed) {
		fail(r, r->closed);
		return;
	}
	if (r->loader.has_errors || !r->loader.made ||
	    (r->request->kind != RELOAD_CERTS && !r->loader.config)) {
		finish(r, RELOAD_FAILED);
		return;
	}
	r->report.differs = make_plan(r, &is_bad);
	if (is_bad)
		finish(r, RELOAD_FAILED);
	else if (r->request->kind == RELOAD_PLAN)
		finish(r, r->report.differs ? RELOAD_DONE : RELOAD_UNCHANGED);
	else
		begin_generation(r);
}

static void on_told(struct loop_reader *reader, int res)
{
	struct reload *r = container_of(reader, struct reload, told);

	if (res == sizeof(r->told_n) && r->state == RELOAD_LOADING)
		on_loaded(r);
}

/* ---- in line ------------------------------------------------------------- */

static void reload_begin(struct reload *r, struct reload_request *request)
{
	struct generation *now = atomic_load(&r->runtime->generation);
	int err;

	r->request = request;
	r->state = RELOAD_LOADING;
	r->began_ms = r->loop->now_ms;
	r->report = (struct reload_report){ .kind = request->kind, .at = time(NULL) };
	memcpy(r->report.by, request->by, sizeof(r->report.by));
	if (request->kind != RELOAD_PLAN) {
		r->began(r);
		reopen_log(r); /* whatever comes of the rest */
	}
	r->loader = (struct loader){
		.path = request->kind == RELOAD_CERTS ? NULL : r->path,
		.known = now->config,
		.tls = now->tls,
		.done_fd = r->told_fd,
		.quiet_ms = LOADER_QUIET_MS,
	};
	err = loader_start(&r->loader);
	timer_set(&r->loop->timers, &r->patience, r->loop->now_ms + PATIENCE_MS);
	if (err < 0)
		fail(r, "no thread can be started");
}

static void next_request(struct reload *r)
{
	struct list *node;

	if (r->state != RELOAD_IDLE)
		return;
	node = list_take_first(&r->waiting);
	if (!node)
		return;
	r->waiting_n--;
	reload_begin(r, container_of(node, struct reload_request, node));
}

/* Kinds from @first on up to @last, which stands in line. */
static void refuse_waiting(struct reload *r, const char *why, enum reload_kind first,
			   enum reload_kind last)
{
	struct list *next;

	for (struct list *node = r->waiting.next; node != &r->waiting; node = next) {
		struct reload_request *request = container_of(node, struct reload_request, node);
		struct reload_report report = { .kind = request->kind, .at = time(NULL) };

		next = node->next;
		if (request->kind < first || request->kind > last)
			continue;
		list_remove(node);
		r->waiting_n--;
		report.outcome = RELOAD_FAILED;
		report_add(&report, "%s", why);
		answer(request, &report);
		report_finish(&report);
	}
}

/* Who waits for new certificates need not wait for a resolver with no end in sight. */
static void on_patience(struct timer *timer)
{
	struct reload *r = container_of(timer, struct reload, patience);

	if (r->state != RELOAD_LOADING || r->request->kind == RELOAD_CERTS)
		return;
	r->is_slow = true;
	refuse_waiting(r, slow_reload, RELOAD_CERTS, RELOAD_CERTS);
}

bool reload_want(struct reload *r, struct reload_request *request, const char **ret_why)
{
	if (r->is_slow && request->kind == RELOAD_CERTS) {
		*ret_why = slow_reload;
		return false;
	}
	if (r->closed || r->waiting_n == RELOAD_WAITING_MAX) {
		*ret_why = r->closed ? r->closed : "too many reloads are waiting";
		return false;
	}
	list_append(&r->waiting, &request->node);
	r->waiting_n++;
	next_request(r);
	return true;
}

void reload_close(struct reload *r, const char *why)
{
	r->closed = why;
	atomic_store(&r->loader.is_over, true);
	refuse_waiting(r, why, 0, RELOAD_KINDS);
}

/* ---- create, destroy ----------------------------------------------------- */

int reload_init(struct reload *r)
{
	r->told_fd = eventfd(0, EFD_CLOEXEC);
	if (r->told_fd < 0)
		return -errno;
	config_started_note(&r->started, runtime_config(r->runtime));
	list_init(&r->waiting);
	timer_init(&r->timer, on_passing);
	timer_init(&r->collect, on_collect);
	timer_init(&r->patience, on_patience);
	return 0;
}

void reload_start(struct reload *r)
{
	r->told = (struct loop_reader){
		.loop = r->loop,
		.fd = r->told_fd,
		.bytes = &r->told_n,
		.room = sizeof(r->told_n),
		.arrived = on_told,
	};
	loop_reader_start(&r->told);
}

void reload_stop(struct reload *r)
{
	reload_close(r, "ringmain is ending");
	timer_stop(&r->loop->timers, &r->timer);
	timer_stop(&r->loop->timers, &r->patience);
	timer_stop(&r->loop->timers, &r->collect);
	if (r->state == RELOAD_PASSING)
		finish(r, RELOAD_DONE); /* the workers have ended */
	loop_reader_stop(&r->told);
}

bool reload_is_idle(const struct reload *r)
{
	return loop_reader_is_idle(&r->told);
}

bool reload_finish(struct reload *r)
{
	if (r->loader.is_running && !loader_join_within(&r->loader, JOIN_MS))
		return false;
	if (r->state == RELOAD_LOADING)
		fail(r, "ringmain is ending");
	history_finish(&r->history);
	timer_stop(&r->loop->timers, &r->timer);
	timer_stop(&r->loop->timers, &r->patience);
	timer_stop(&r->loop->timers, &r->collect);
	close(r->told_fd);
	return true;
}
