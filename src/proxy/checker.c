/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/checker.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "net/sock.h"
#include "proxy/alarm.h"
#include "proxy/introduce.h"
#include "proxy/origin.h"
#include "proxy/report.h"

/* One backend's check. */
struct probe {
	struct checker *checker;
	struct clockwork *clockwork; /* its pool's */
	struct pool *pool;
	struct backend *backend;
	struct timer timer; /* the next start, or the deadline of the one under way */
	struct io_op connect;
	struct io_op cancel;
	uint64_t started_ms;
	int fd;          /* -1: none under way; without a connect: see probe_connect_later() */
	bool has_passed; /* the last answer, and how many in a row were like it */
	unsigned answers;
	uint16_t origin_turn;
};

/* One pool's steps in time. */
struct clockwork {
	struct checker *checker;
	struct pool *pool;
	struct timer timer;
};

struct checker {
	struct proxy *proxy;
	struct ring *ring;
	struct timers *timers;
	const uint64_t *now_ms;
	struct probe *probes;
	size_t probes_n;
	struct clockwork *clockworks;
	size_t clockworks_n;
	bool is_stopped;
};

/*
 * A pool's steps are taken when they are due, and this often it is asked
 * when that is: an ejection may begin at any time, in a worker, and is not so
 * urgent that it would be worth a wake-up.
 */
#define CLOCKWORK_MS 500

/* The same after a check that has changed something; others may do so at the same time. */
#define CLOCKWORK_SOON_MS 5

static void clockwork_hurry(struct clockwork *w)
{
	struct checker *c = w->checker;

	timer_set(c->timers, &w->timer, MIN(w->timer.due_ms, *c->now_ms + CLOCKWORK_SOON_MS));
}

/* How soon a unix socket with a full backlog is asked again: nobody tells when it has room. */
#define BACKLOG_PAUSE_MS 20

/* ---- one check ----------------------------------------------------------- */

static void probe_drop(struct probe *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void count_answer(struct probe *p, bool passed)
{
	p->answers = passed == p->has_passed ? p->answers + 1 : 1;
	p->has_passed = passed;
}

/* @err: 0, it passed; or -errno. */
static void probe_answered(struct probe *p, int err)
{
	struct checker *c = p->checker;
	struct report report = { .err = err, .now_ms = *c->now_ms };
	bool passed = err == 0;
	uint64_t delay_ms;

	if (passed)
		close(p->fd);
	else
		sock_close_abort(
			p->fd); /* it may be connected with itself, and is to leave no trace */
	p->fd = -1;
	count_answer(p, passed);
	report.answers = p->answers;
	report.change = pool_on_check(p->pool, p->backend, passed, &delay_ms);
	if (report.change != HEALTH_SAME) {
		report_change(p->pool, p->backend, &report);
		clockwork_hurry(p->clockwork);
	}
	proxy_call_waiting(c->proxy, p->pool, *c->now_ms);
	timer_set(c->timers, &p->timer, MAX(p->started_ms + delay_ms, *c->now_ms + 1));
}

/* Trouble of our own, such as no port left: says nothing of the backend. */
static void probe_later(struct probe *p)
{
	probe_drop(p);
	timer_set(p->checker->timers, &p->timer,
		  *p->checker->now_ms + pool_config(p->pool)->check.interval_ms);
}

static uint64_t until_ms(const struct probe *p)
{
	return p->started_ms + pool_config(p->pool)->check.timeout_ms;
}

static void probe_connect(struct probe *p)
{
	io_connect(p->checker->ring, &p->connect, p->fd, &p->backend->config->addr);
	timer_set(p->checker->timers, &p->timer, until_ms(p));
}

static void probe_connect_later(struct probe *p)
{
	timer_set(p->checker->timers, &p->timer,
		  MIN(*p->checker->now_ms + BACKLOG_PAUSE_MS, until_ms(p)));
}

static void probe_on_connect(struct io_op *op, int res, unsigned flags)
{
	struct probe *p = container_of(op, struct probe, connect);

	(void)flags;
	timer_stop(p->checker->timers, &p->timer);
	if (res == 0 && sock_is_self_connected(p->fd, &p->backend->config->addr))
		res = -ECONNREFUSED;
	if (res == 0 && pool_config(p->pool)->send_proxy != PROXY_OFF)
		introduce_check(p->fd, pool_config(p->pool));
	if (p->checker->is_stopped)
		probe_drop(p);
	else if (res == -EAGAIN && addr_is_unix(&p->backend->config->addr))
		probe_connect_later(p);
	else if (res == -EADDRNOTAVAIL || res == -ENOBUFS || res == -ENOMEM)
		probe_later(p);
	else
		probe_answered(p, res == -ECANCELED ? -ETIMEDOUT : res);
}

static void probe_on_cancelled(struct io_op *op, int res, unsigned flags)
{
	(void)op;
	(void)res;
	(void)flags;
}

static void probe_cancel(struct probe *p)
{
	if (p->connect.in_kernel && !p->cancel.in_kernel)
		io_cancel(p->checker->ring, &p->cancel, &p->connect);
}

static void probe_start(struct probe *p)
{
	const struct addr *addr = &p->backend->config->addr;
	const struct sock_options plain = { 0 };
	const char *step;

	if (sock_dialer(addr, &plain, &p->fd, &step) < 0 ||
	    origin_set(pool_config(p->pool), addr, &p->origin_turn, p->fd, &step) < 0) {
		probe_later(p);
		return;
	}
	p->started_ms = *p->checker->now_ms;
	probe_connect(p);
}

static void probe_on_timer(struct timer *timer)
{
	struct probe *p = container_of(timer, struct probe, timer);

	if (p->checker->is_stopped)
		return;
	if (p->connect.in_kernel)
		probe_cancel(p); /* it completes with -ECANCELED: no answer in time */
	else if (p->cancel.in_kernel)
		timer_set(p->checker->timers, &p->timer, *p->checker->now_ms + 1);
	else if (p->fd < 0)
		probe_start(p);
	else if (*p->checker->now_ms < until_ms(p))
		probe_connect(p);
	else
		probe_answered(p, -EAGAIN);
}

/* ---- a pool in time ------------------------------------------------------ */

static void clockwork_on_timer(struct timer *timer)
{
	struct clockwork *w = container_of(timer, struct clockwork, timer);
	struct checker *c = w->checker;
	struct report report = { .change = HEALTH_RETURNED };
	struct backend *returned;
	uint64_t next_ms;

	do {
		next_ms = pool_tick(w->pool, *c->now_ms, &returned);
		report.now_ms = *c->now_ms;
		if (returned)
			report_change(w->pool, returned, &report);
	} while (returned);
	proxy_call_waiting(c->proxy, w->pool, *c->now_ms);
	alarm_tick(proxy_alarm(c->proxy, pool_config(w->pool)), w->pool, *c->now_ms);
	if (!c->is_stopped)
		timer_set(c->timers, &w->timer, MIN(next_ms, *c->now_ms + CLOCKWORK_MS));
}

/* ---- all of them --------------------------------------------------------- */

static void add_probe(struct checker *c, struct clockwork *w, struct backend *backend)
{
	struct probe *p = &c->probes[c->probes_n++];

	p->checker = c;
	p->clockwork = w;
	p->pool = w->pool;
	p->backend = backend;
	p->fd = -1;
	timer_init(&p->timer, probe_on_timer);
	io_op_init(&p->connect, probe_on_connect);
	io_op_init(&p->cancel, probe_on_cancelled);
	timer_set(c->timers, &p->timer, *c->now_ms + pool_first_check_ms(w->pool));
}

static void add_pool(struct checker *c, struct pool *pool)
{
	struct clockwork *w = &c->clockworks[c->clockworks_n++];

	w->checker = c;
	w->pool = pool;
	timer_init(&w->timer, clockwork_on_timer);
	timer_set(c->timers, &w->timer, *c->now_ms + CLOCKWORK_MS);
	if (pool_config(pool)->check.kind == CHECK_NONE)
		return;
	for (size_t n = 0; n < pool_backends(pool); n++)
		add_probe(c, w, pool_backend(pool, n));
}

struct checker *checker_create(struct proxy *proxy, struct ring *ring, struct timers *timers,
			       const uint64_t *now_ms)
{
	struct checker *c = calloc(1, sizeof(*c));
	size_t backends = 0;

	if (!c)
		return NULL;
	for (size_t n = 0; n < proxy->pools_n; n++)
		backends += pool_backends(proxy->pools[n]);
	c->proxy = proxy;
	c->ring = ring;
	c->timers = timers;
	c->now_ms = now_ms;
	c->probes = calloc(MAX(backends, 1), sizeof(*c->probes));
	c->clockworks = calloc(MAX(proxy->pools_n, 1), sizeof(*c->clockworks));
	if (!c->probes || !c->clockworks) {
		checker_destroy(c);
		return NULL;
	}
	for (size_t n = 0; n < proxy->pools_n; n++)
		add_pool(c, proxy->pools[n]);
	return c;
}

void checker_stop(struct checker *c)
{
	c->is_stopped = true;
	for (size_t n = 0; n < c->probes_n; n++) {
		if (c->probes[n].connect.in_kernel)
			probe_cancel(&c->probes[n]);
		else
			probe_drop(&c->probes[n]);
	}
}

bool checker_is_idle(const struct checker *c)
{
	for (size_t n = 0; n < c->probes_n; n++)
		if (c->probes[n].connect.in_kernel || c->probes[n].cancel.in_kernel)
			return false;
	return c->is_stopped;
}

void checker_destroy(struct checker *c)
{
	if (!c)
		return;
	for (size_t n = 0; n < c->probes_n; n++) {
		CHECK(c->probes[n].fd < 0);
		timer_stop(c->timers, &c->probes[n].timer);
	}
	for (size_t n = 0; n < c->clockworks_n; n++)
		timer_stop(c->timers, &c->clockworks[n].timer);
	free(c->probes);
	free(c->clockworks);
	free(c);
}
