/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "health/checker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "checker_parts.h"
#include "net/sock.h"
#include "opening/local_addr.h"
#include "opening/opening.h"
#include "state/peers.h"
#include "state/backend_report.h"

/* As POOL_TIMER_MS, where roles are wanted: what sessions meet there is to be looked into soon. */
#define ROLE_TIMER_MS 100

/* The same after a check that has changed something; others may do so at the same time. */
#define POOL_TIMER_SOON_MS 5

static void pool_timer_reschedule(struct pool_timer *w)
{
	struct checker *c = w->checker;

	if (c->is_leaving)
		return;
	timer_set(&c->loop->timers, &w->timer,
		  MIN(w->timer.due_ms, c->loop->now_ms + POOL_TIMER_SOON_MS));
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

void probe_let_go(struct probe *p)
{
	probe_drop(p);
	if (p->backend)
		pool_unhold(p->backend);
	p->backend = NULL;
}

/* The next one begins then, unless another checker is to begin it. */
static void probe_schedule(struct probe *p, uint64_t at_ms)
{
	if (p->checker->is_leaving)
		probe_let_go(p);
	else
		timer_set(&p->checker->loop->timers, &p->timer, at_ms);
}

static void count_answer(struct probe *p, bool passed)
{
	p->answers = passed == p->has_passed ? p->answers + 1 : 1;
	p->has_passed = passed;
}

/*
 * Nothing is said, so the server's process need not see that somebody was
 * there: a reset comes before the last acknowledgement.
 */
static bool is_quiet(const struct probe *p)
{
	return !p->talk && !addr_is_unix(&p->addr) && pool_config(p->pool)->send_proxy == PROXY_OFF;
}

static void count_check(const struct probe *p, bool passed)
{
	struct backend *b = p->backend;

	atomic_fetch_add(passed ? &b->checks_passed : &b->checks_failed, 1);
	atomic_fetch_add(&b->checks_ms, p->checker->loop->now_ms - p->started_ms);
}

static void probe_close(struct probe *p, bool passed)
{
	if (passed && !is_quiet(p))
		sock_close_orderly(p->fd);
	else
		sock_close_abort(p->fd); /* it may be connected with itself, too */
	p->fd = -1;
}

bool probe_is_under_way(const struct probe *p)
{
	return p->connect.in_kernel || p->cancel.in_kernel || p->is_talking ||
	       (p->talk && conversation_is_busy(&p->talk->conversation));
}

/* Something has happened to one of them: the others are asked at once. */
static void check_soon(struct pool_timer *w)
{
	struct checker *c = w->checker;
	const uint64_t now_ms = c->loop->now_ms;

	if (now_ms < w->hurried_ms + pool_config(w->pool)->check.fast_interval_ms)
		return;
	w->hurried_ms = now_ms;
	for (size_t n = 0; n < c->probes_n; n++) {
		struct probe *p = &c->probes[n];

		if (p->pool_timer == w && p->backend && p->fd < 0 && !probe_is_under_way(p))
			timer_set(&c->loop->timers, &p->timer, MIN(p->timer.due_ms, now_ms + 1));
	}
}

/* Tells the pool's roles; @facts NULL: the check got no answer. */
static void judge_role(struct probe *p, const struct check_facts *facts, enum health_change change)
{
	struct pool_timer *w = p->pool_timer;
	const uint64_t now_ms = p->checker->loop->now_ms;
	bool is_urgent = !p->has_passed && p->answers == 1;

	if (facts)
		role_watch_note(w->roles, p->backend, facts, now_ms);
	if (change == HEALTH_WENT_DOWN)
		role_watch_note_down(w->roles, p->backend);
	is_urgent |= role_watch_decide(w->roles, now_ms);
	if (is_urgent)
		check_soon(w);
}

/* While nobody has the role that is wanted, all are asked fast. */
static uint64_t next_delay_ms(const struct probe *p, uint64_t delay_ms)
{
	const struct role_watch *roles = p->pool_timer->roles;

	if (!roles || role_watch_is_served(roles))
		return delay_ms;
	return MIN(delay_ms, pool_config(p->pool)->check.fast_interval_ms);
}

/* A time-out of the connect is silence, too: a black hole, or a hung server's full backlog. */
static enum down_cause cause_of(enum health_answer answer, int err)
{
	return answer == HEALTH_ANSWER_REFUSED || (err != 0 && err != -ETIMEDOUT) ? DOWN_REFUSED
										  : DOWN_SILENT;
}

/* For the pool to judge by; @report says why it did not pass. */
static void probe_judge(struct probe *p, enum health_answer answer, struct backend_report *report,
			const struct check_facts *facts)
{
	struct checker *c = p->checker;
	const bool passed = answer != HEALTH_ANSWER_FAILED && answer != HEALTH_ANSWER_REFUSED;
	uint64_t delay_ms;

	probe_close(p, passed);
	count_answer(p, passed);
	count_check(p, passed);
	report->answers = p->answers;
	report->now_ms = c->loop->now_ms;
	report->took_ms = c->loop->now_ms - p->started_ms;
	report->change = pool_on_check(p->pool, p->backend, answer, &delay_ms);
	if (report->change != HEALTH_SAME) {
		backend_report_change(p->pool, p->backend, report);
		pool_timer_reschedule(p->pool_timer);
	}
	if (report->change == HEALTH_WENT_DOWN)
		on_down_note(&p->pool_timer->downs, p->backend, cause_of(answer, report->err),
			     c->loop->now_ms);
	if (p->pool_timer->roles && !c->is_leaving)
		judge_role(p, facts, report->change);
	peers_serve_queue(c->runtime, p->pool, c->loop->now_ms);
	delay_ms = next_delay_ms(p, delay_ms);
	probe_schedule(p, MAX(p->started_ms + delay_ms, c->loop->now_ms + 1));
}

/* @err: 0, it passed; or -errno. */
static void probe_answered(struct probe *p, int err)
{
	probe_judge(p, err == 0 ? HEALTH_ANSWER_PASSED : HEALTH_ANSWER_FAILED,
		    &(struct backend_report){ .err = err }, NULL);
}

/* Nothing was asked: for trouble of our own, such as no port left, or in maintenance. */
static void probe_later(struct probe *p)
{
	probe_drop(p);
	probe_schedule(p, p->checker->loop->now_ms + pool_config(p->pool)->check.interval_ms);
}

static uint64_t probe_until_ms(const struct probe *p)
{
	return p->started_ms + pool_config(p->pool)->check.timeout_ms;
}

static void probe_connect(struct probe *p)
{
	io_connect(p->checker->loop->ring, &p->connect, p->fd, &p->addr);
	timer_set(&p->checker->loop->timers, &p->timer, probe_until_ms(p));
}

static void probe_connect_later(struct probe *p)
{
	timer_set(&p->checker->loop->timers, &p->timer,
		  MIN(p->checker->loop->now_ms + BACKLOG_PAUSE_MS, probe_until_ms(p)));
}

/* The first bytes of a connection always fit. */
static int send_to_socket(void *owner, const void *bytes, size_t n)
{
	const struct probe *p = owner;

	return send(p->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* A PROXY header of the check's own connection (LOCAL). */
static void fill_header(const struct probe *p, struct proxyhdr *ret_header)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	*ret_header = (struct proxyhdr){
		.version = pool_config(p->pool)->send_proxy == PROXY_V1 ? 1 : 2,
		.is_local = true,
	};
	(void)!sock_local_addr(p->fd, &ret_header->source);
	if (getpeername(p->fd, (struct sockaddr *)&peer, &len) == 0)
		addr_from_sockaddr(&ret_header->destination, (struct sockaddr *)&peer, len);
}

static void send_header(struct probe *p)
{
	struct proxyhdr header;
	struct opening opening = { .header = &header, .send = send_to_socket, .owner = p };
	uint8_t step;

	fill_header(p, &header);
	(void)!opening_start(&opening, &step); /* what failed shows in the check */
}

/* ---- what is said to it --------------------------------------------------- */

/* A check that cannot log in: how often that is said of one backend. */
#define WARN_EVERY_MS 60000

static void warn_of_own_fault(struct probe *p, const char *words)
{
	const uint64_t now_ms = p->checker->loop->now_ms;

	if (p->warned_ms > 0 && now_ms - p->warned_ms < WARN_EVERY_MS)
		return;
	p->warned_ms = MAX(now_ms, 1);
	check_plan_warn(p->pool_timer->plan, p->backend->config, words);
}

/* A server that answers is up, also when the check cannot log in. */
static enum health_answer answer_of(const struct probe *p, const struct check_facts *facts)
{
	const struct role_watch *roles = p->pool_timer->roles;

	switch (facts->verdict) {
	case CHECK_PASSED:
		if (roles && !role_watch_is_served(roles) && role_watch_wants(roles, facts))
			return HEALTH_ANSWER_NEEDED;
		return HEALTH_ANSWER_PASSED;
	case CHECK_OWN_FAULT:
		return HEALTH_ANSWER_PASSED;
	case CHECK_FULL:
		return HEALTH_ANSWER_FULL;
	case CHECK_NOT_READY:
		return HEALTH_ANSWER_REFUSED;
	default:
		return HEALTH_ANSWER_FAILED;
	}
}

static void probe_on_talked(struct conversation *c, int err)
{
	struct probe *p = container_of(c, struct probe_talk, conversation)->probe;
	const struct check_facts *facts = &c->exchange.facts;

	timer_stop(&p->checker->loop->timers, &p->timer);
	p->is_talking = false;
	if (p->checker->is_stopped) {
		probe_drop(p);
	} else if (err < 0) {
		probe_later(p);
	} else {
		if (facts->verdict == CHECK_OWN_FAULT) {
			warn_of_own_fault(p, facts->words);
			check_plan_refresh(p->pool_timer->plan);
		}
		probe_judge(p, answer_of(p, facts),
			    &(struct backend_report){ .words = facts->words }, facts);
	}
}

static void probe_talk(struct probe *p)
{
	const bool has_header = pool_config(p->pool)->send_proxy != PROXY_OFF;
	struct proxyhdr header;

	p->is_talking = true;
	timer_set(&p->checker->loop->timers, &p->timer, probe_until_ms(p));
	if (has_header)
		fill_header(p, &header);
	conversation_start(&p->talk->conversation, &p->talk->plan, p->fd,
			   has_header ? &header : NULL);
}

static void probe_on_connect(struct io_op *op, int res, unsigned flags)
{
	struct probe *p = container_of(op, struct probe, connect);

	(void)flags;
	timer_stop(&p->checker->loop->timers, &p->timer);
	if (res == 0 && sock_is_self_connected(p->fd, &p->addr))
		res = -ECONNREFUSED;
	if (res == 0 && !p->talk && pool_config(p->pool)->send_proxy != PROXY_OFF)
		send_header(p);
	if (p->checker->is_stopped)
		probe_drop(p);
	else if (res == 0 && p->talk)
		probe_talk(p);
	else if (res == -EAGAIN && addr_is_unix(&p->addr))
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
		io_cancel(p->checker->loop->ring, &p->cancel, &p->connect);
}

static void probe_start(struct probe *p)
{
	const struct addr *addr = &p->addr;
	const struct sock_options options = { .resets = true };
	const char *step;

	if (sock_dialer(addr, &options, &p->fd, &step) < 0 ||
	    local_addr_bind(pool_config(p->pool), addr, &p->local_addr_turn, p->fd, &step) < 0) {
		probe_later(p);
		return;
	}
	if (is_quiet(p))
		sock_delay_ack(p->fd);
	p->started_ms = p->checker->loop->now_ms;
	probe_connect(p);
}

static void probe_on_timer(struct timer *timer)
{
	struct probe *p = container_of(timer, struct probe, timer);

	if (p->checker->is_stopped)
		return;
	if (p->connect.in_kernel)
		probe_cancel(p); /* it completes with -ECANCELED: no answer in time */
	else if (p->is_talking)
		conversation_expire(&p->talk->conversation);
	else if (probe_is_under_way(p))
		timer_set(&p->checker->loop->timers, &p->timer, p->checker->loop->now_ms + 1);
	else if (p->checker->is_leaving || p->backend->state == BACKEND_LEAVING)
		probe_let_go(p);
	else if (p->fd < 0 && p->backend->state == BACKEND_MAINT)
		probe_later(p);
	else if (p->fd < 0)
		probe_start(p);
	else if (p->checker->loop->now_ms < probe_until_ms(p))
		probe_connect(p);
	else
		probe_answered(p, -EAGAIN);
}

/* ---- a pool in time ------------------------------------------------------ */

/* Evidence grows old, and sessions may have met what no check has seen yet. */
static uint64_t watch_roles(struct pool_timer *w)
{
	const uint64_t now_ms = w->checker->loop->now_ms;
	bool is_urgent = role_watch_decide(w->roles, now_ms);

	is_urgent |= pool_take_alarm(w->pool);
	if (is_urgent)
		check_soon(w);
	return MIN(role_watch_next_ms(w->roles, now_ms), now_ms + ROLE_TIMER_MS);
}

static void pool_timer_on_timer(struct timer *timer)
{
	struct pool_timer *w = container_of(timer, struct pool_timer, timer);
	struct checker *c = w->checker;
	struct backend_report report = { .change = HEALTH_RETURNED };
	struct backend *returned;
	uint64_t next_ms, next_role_ms = UINT64_MAX;

	if (w->roles)
		next_role_ms = watch_roles(w);
	do {
		next_ms = pool_tick(w->pool, c->loop->now_ms, &returned);
		report.now_ms = c->loop->now_ms;
		if (returned)
			backend_report_change(w->pool, returned, &report);
	} while (returned);
	peers_serve_queue(c->runtime, w->pool, c->loop->now_ms);
	pool_alert_tick(runtime_alert(c->runtime, w->pool), w->pool, c->loop->now_ms);
	if (!c->is_stopped)
		timer_set(&c->loop->timers, &w->timer,
			  MIN(MIN(next_ms, next_role_ms), c->loop->now_ms + POOL_TIMER_MS));
}

/* ---- all of them --------------------------------------------------------- */

static void add_talk(struct checker *c, struct probe *p)
{
	struct probe_talk *talk;

	CHECK(c->talks_n < c->talks_max);
	talk = &c->talks[c->talks_n++];

	talk->probe = p;
	talk->plan = check_plan_of(p->pool_timer->plan, p->backend->config);
	p->talk = talk;
}

void probe_begin(struct probe *p, const atomic_bool *is_over)
{
	struct loop *loop = p->checker->loop;

	if (p->talk)
		conversation_init(&p->talk->conversation, loop, probe_on_talked, is_over);
	timer_set(&loop->timers, &p->timer, loop->now_ms + pool_first_check_ms(p->pool));
}

static void add_probe(struct checker *c, struct pool_timer *w, struct backend *backend)
{
	struct probe *p = &c->probes[c->probes_n++];

	p->checker = c;
	p->pool_timer = w;
	p->pool = w->pool;
	p->backend = backend;
	pool_hold(backend);
	p->addr = check_plan_addr(w->plan, backend->config);
	p->fd = -1;
	timer_init(&p->timer, probe_on_timer);
	io_op_init(&p->connect, probe_on_connect);
	io_op_init(&p->cancel, probe_on_cancelled);
	if (check_plan_talks(w->plan))
		add_talk(c, p);
}

static bool is_checked(const struct backend *backend)
{
	return backend && backend->state != BACKEND_LEAVING;
}

static void on_role_lost(void *owner, struct backend *backend)
{
	struct pool_timer *w = owner;

	on_down_note(&w->downs, backend, DOWN_ROLE, w->checker->loop->now_ms);
}

/* False without memory. */
static bool add_pool(struct checker *c, struct pool *pool)
{
	struct pool_timer *w = &c->pool_timers[c->pool_timers_n++];

	w->checker = c;
	w->pool = pool;
	w->downs = (struct down_count){ .runtime = c->runtime, .pool = pool };
	timer_init(&w->timer, pool_timer_on_timer);
	if (pool_config(pool)->check.kind == CHECK_NONE)
		return true;
	w->plan = check_plan_create(c->runtime, pool);
	for (size_t n = 0; w->plan && n < pool_backends(pool); n++)
		if (is_checked(pool_backend(pool, n)))
			add_probe(c, w, pool_backend(pool, n));
	if (w->plan && !role_is_any(&pool_config(pool)->role))
		w->roles = role_watch_create(pool, on_role_lost, w);
	return w->plan && (w->roles || role_is_any(&pool_config(pool)->role));
}

/* How many of its checks say something: these are large. */
static size_t talks_of(const struct pool *pool)
{
	const enum check_kind kind = pool_config(pool)->check.kind;

	return kind == CHECK_NONE || kind == CHECK_TCP ? 0 : pool_backends(pool);
}

struct checker *checker_create(struct runtime *runtime)
{
	struct checker *c = calloc(1, sizeof(*c));
	size_t backends = 0, talks = 0;

	if (!c)
		return NULL;
	runtime_for_each_pool(runtime, n)
	{
		backends += pool_backends(runtime->pools[n]);
		talks += talks_of(runtime->pools[n]);
	}
	c->runtime = runtime;
	c->talks_max = talks;
	c->probes = calloc(MAX(backends, 1), sizeof(*c->probes));
	c->talks = calloc(MAX(talks, 1), sizeof(*c->talks));
	c->pool_timers = calloc(MAX(runtime->pools_n, 1), sizeof(*c->pool_timers));
	if (!c->probes || !c->talks || !c->pool_timers) {
		checker_destroy(c);
		return NULL;
	}
	runtime_for_each_pool(runtime, n)
	{
		if (runtime_pool_leaves(runtime, n) || add_pool(c, runtime->pools[n]))
			continue;
		checker_destroy(c);
		return NULL;
	}
	return c;
}

void checker_stop(struct checker *c)
{
	c->is_stopped = true;
	for (size_t n = 0; n < c->probes_n; n++) {
		struct probe *p = &c->probes[n];

		if (p->connect.in_kernel)
			probe_cancel(p);
		else if (p->is_talking)
			conversation_stop(&p->talk->conversation);
		else
			probe_drop(p);
	}
}

bool checker_is_idle(const struct checker *c)
{
	for (size_t n = 0; n < c->probes_n; n++)
		if (probe_is_under_way(&c->probes[n]) || (!c->is_stopped && c->probes[n].backend))
			return false;
	return c->is_stopped || c->is_leaving;
}

void checker_destroy(struct checker *c)
{
	if (!c)
		return;
	for (size_t n = 0; n < c->probes_n; n++) {
		CHECK(c->probes[n].fd < 0);
		probe_let_go(&c->probes[n]);
		if (c->loop)
			timer_stop(&c->loop->timers, &c->probes[n].timer);
	}
	for (size_t n = 0; n < c->pool_timers_n; n++) {
		if (c->loop)
			timer_stop(&c->loop->timers, &c->pool_timers[n].timer);
		role_watch_destroy(c->pool_timers[n].roles);
		check_plan_destroy(c->pool_timers[n].plan);
	}
	free(c->probes);
	free(c->talks);
	free(c->pool_timers);
	free(c);
}
