/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/files.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "proxy/dial.h"
#include "proxy/engine.h"
#include "proxy/side.h"

/* Other workers' sessions end too, and nobody tells: so often it is looked. */
#define RETRY_MS 20

#define WANT_LOG_MS 1000

static void files_on_retry(struct timer *timer);

/* A file of its own, not a second descriptor of another: the system may be short of files, too. */
static bool take_spare(struct engine *e)
{
	if (e->files.spare_fd < 0)
		e->files.spare_fd = eventfd(0, EFD_CLOEXEC);
	return e->files.spare_fd >= 0;
}

void files_init(struct engine *e, unsigned pipes_max)
{
	e->files = (struct files){ .spare_fd = -1, .pipes_max = pipes_max };
	e->pipes.max = pipes_max;
	list_init(&e->files.waiting);
	timer_init(&e->files.retry, files_on_retry);
	(void)take_spare(e);
}

void files_finish(struct engine *e)
{
	CHECK(list_is_empty(&e->files.waiting));
	if (e->files.is_short)
		atomic_fetch_sub(&e->proxy->workers_short, 1);
	timer_stop(&e->timers, &e->files.retry);
	if (e->files.spare_fd >= 0)
		close(e->files.spare_fd);
}

bool files_is_want(int err)
{
	return err == -EMFILE || err == -ENFILE;
}

bool files_are_short(const struct proxy *proxy)
{
	return atomic_load_explicit(&proxy->workers_short, memory_order_relaxed) > 0;
}

static void log_want(struct engine *e)
{
	struct log_line line;
	uint64_t suppressed;

	if (!log_rate_allows(&e->files.want, e->now_ms, WANT_LOG_MS, &suppressed))
		return;
	if (!log_begin(&line, LOG_WARN, "no files left to connect to backends, sessions wait"))
		return;
	log_u64(&line, "worker", e->worker);
	log_u64(&line, "suppressed", suppressed);
	log_end(&line);
}

/* While it is, pipes give their files up as they become free, and no new ones are opened. */
static void begin_want(struct engine *e)
{
	if (!e->files.is_short)
		atomic_fetch_add(&e->proxy->workers_short, 1);
	e->files.is_short = true;
	e->pipes.max = 0;
	timer_set(&e->timers, &e->files.retry, e->now_ms + RETRY_MS);
}

static void end_want(struct engine *e)
{
	if (e->files.is_short)
		atomic_fetch_sub(&e->proxy->workers_short, 1);
	e->files.is_short = false;
	e->pipes.max = e->files.pipes_max;
	timer_stop(&e->timers, &e->files.retry);
}

bool files_make_room(struct engine *e)
{
	begin_want(e);
	if (pipe_pool_trim(&e->pipes) > 0)
		return true;
	if (e->files.spare_fd < 0)
		return false;
	close(e->files.spare_fd);
	e->files.spare_fd = -1;
	log_want(e);
	return true;
}

void files_wait(struct session *s)
{
	list_append(&s->engine->files.waiting, &s->sides[SIDE_BACKEND].starved);
}

/* The spare one comes first: with it the next can be dialed for sure, and with what is left. */
static void serve_waiting(struct engine *e)
{
	while (take_spare(e)) {
		struct list *node = list_take_first(&e->files.waiting);

		if (!node) {
			end_want(e);
			return;
		}
		dial_resume(side_session(container_of(node, struct side, starved)));
		if (!list_is_empty(node))
			break; /* it waits again: another thread was faster */
	}
	begin_want(e);
}

static void files_on_retry(struct timer *timer)
{
	serve_waiting(container_of(timer, struct engine, files.retry));
}

void files_on_session_end(struct engine *e)
{
	if (e->files.is_short)
		serve_waiting(e);
}
