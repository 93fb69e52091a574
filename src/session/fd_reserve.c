/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/fd_reserve.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "session/host.h"
#include "session/side.h"

/* How often a worker looks for files that sessions of other workers have given back. */
#define RETRY_MS 20

#define WANT_LOG_MS 1000

static void fd_reserve_on_retry(struct timer *timer);

/* A file of its own, not a second descriptor of another: the system may be short of files, too. */
static bool take_spare(struct host *h)
{
	if (h->fds.spare_fd < 0)
		h->fds.spare_fd = eventfd(0, EFD_CLOEXEC);
	return h->fds.spare_fd >= 0;
}

void fd_reserve_init(struct host *h, unsigned pipes_max)
{
	h->fds = (struct fd_reserve){ .spare_fd = -1, .pipes_max = pipes_max };
	h->pipes.max = pipes_max;
	list_init(&h->fds.waiting);
	timer_init(&h->fds.retry, fd_reserve_on_retry);
	(void)take_spare(h);
}

void fd_reserve_finish(struct host *h)
{
	CHECK(list_is_empty(&h->fds.waiting));
	if (h->fds.is_short)
		atomic_fetch_sub(&h->runtime->workers_short, 1);
	timer_stop(&h->loop.timers, &h->fds.retry);
	if (h->fds.spare_fd >= 0)
		close(h->fds.spare_fd);
}

bool fd_is_want(int err)
{
	return err == -EMFILE || err == -ENFILE;
}

bool fds_are_short(const struct runtime *runtime)
{
	return atomic_load_explicit(&runtime->workers_short, memory_order_relaxed) > 0;
}

static void log_want(struct host *h)
{
	struct log_line line;
	uint64_t suppressed;

	if (!log_rate_allows(&h->fds.warned, h->loop.now_ms, WANT_LOG_MS, &suppressed))
		return;
	if (!log_begin(&line, LOG_WARN, "no files left to connect to backends, sessions wait"))
		return;
	log_u64(&line, "worker", h->worker);
	log_u64(&line, "suppressed", suppressed);
	log_end(&line);
}

/* While it is, pipes give their files up as they become free, and no new ones are opened. */
static void begin_want(struct host *h)
{
	if (!h->fds.is_short)
		atomic_fetch_add(&h->runtime->workers_short, 1);
	h->fds.is_short = true;
	h->pipes.max = 0;
	timer_set(&h->loop.timers, &h->fds.retry, h->loop.now_ms + RETRY_MS);
}

static void end_want(struct host *h)
{
	if (h->fds.is_short)
		atomic_fetch_sub(&h->runtime->workers_short, 1);
	h->fds.is_short = false;
	h->pipes.max = h->fds.pipes_max;
	timer_stop(&h->loop.timers, &h->fds.retry);
}

bool fd_reserve_make_room(struct host *h)
{
	begin_want(h);
	if (pipe_pool_trim(&h->pipes) > 0)
		return true;
	if (h->fds.spare_fd < 0)
		return false;
	close(h->fds.spare_fd);
	h->fds.spare_fd = -1;
	log_want(h);
	return true;
}

void fd_reserve_wait(struct session *s)
{
	list_append(&s->host->fds.waiting, &s->sides[SIDE_BACKEND].waiting);
}

/* The spare one comes first: with it the next can be dialed for sure, and with what is left. */
static void serve_waiting(struct host *h)
{
	while (take_spare(h)) {
		struct list *node = list_take_first(&h->fds.waiting);

		if (!node) {
			end_want(h);
			return;
		}
		side_resume(container_of(node, struct side, waiting));
		if (!list_is_empty(node))
			break; /* it waits again: another thread was faster */
	}
	begin_want(h);
}

static void fd_reserve_on_retry(struct timer *timer)
{
	serve_waiting(container_of(timer, struct host, fds.retry));
}

void fd_reserve_on_session_end(struct host *h)
{
	if (h->fds.is_short)
		serve_waiting(h);
}
