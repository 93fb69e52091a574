/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/sock.h"
#include "opening/local_addr.h"
#include "opening/opening.h"

/* How soon a unix socket with a full backlog is asked again: nobody tells when it has room. */
#define BACKLOG_PAUSE_MS 20

static const struct pool_config *config_of(const struct probe *p)
{
	return check_plan_config(p->plan);
}

static void probe_drop(struct probe *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void probe_end(struct probe *p)
{
	probe_drop(p);
	timer_stop(&p->loop->timers, &p->timer);
	p->has_left = true;
	p->hooks->left(p);
}

/* The next one begins then, unless another probe is to begin it. */
static void probe_schedule(struct probe *p, uint64_t at_ms)
{
	if (p->is_leaving)
		probe_end(p);
	else
		timer_set(&p->loop->timers, &p->timer, at_ms);
}

/*
 * Nothing is said, so the server's process need not see that somebody was
 * there: a reset comes before the last acknowledgement.
 */
static bool is_quiet(const struct probe *p)
{
	return !p->talk && !addr_is_unix(&p->addr) && config_of(p)->send_proxy == PROXY_OFF;
}

static void probe_close(struct probe *p, bool in_order)
{
	if (in_order && !is_quiet(p))
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

/* ---- what came of it ------------------------------------------------------ */

static void count_answer(struct probe *p, bool passed)
{
	p->answers = passed == p->has_passed ? p->answers + 1 : 1;
	p->has_passed = passed;
}

static void probe_answered(struct probe *p, bool passed, int err, const struct check_facts *facts)
{
	const uint64_t now_ms = p->loop->now_ms;
	const struct probe_outcome outcome = {
		.has_passed = passed,
		.err = err,
		.facts = facts,
		.took_ms = now_ms - p->started_ms,
	};
	uint64_t delay_ms;

	probe_close(p, passed || (facts && facts->is_complete));
	count_answer(p, passed);
	delay_ms = p->hooks->answered(p, &outcome);
	probe_schedule(p, MAX(p->started_ms + delay_ms, now_ms + 1));
}

/* @err: 0, it takes connections; or -errno. */
static void probe_connected(struct probe *p, int err)
{
	probe_answered(p, err == 0, err, NULL);
}

/* Nothing was asked: for trouble of our own, such as no port left, or nobody wants to know. */
static void probe_later(struct probe *p)
{
	probe_drop(p);
	probe_schedule(p, p->loop->now_ms + config_of(p)->check.interval_ms);
}

/* ---- the connection ------------------------------------------------------- */

static uint64_t probe_until_ms(const struct probe *p)
{
	return p->started_ms + config_of(p)->check.timeout_ms;
}

static void probe_connect(struct probe *p)
{
	io_connect(p->loop->ring, &p->connect, p->fd, &p->addr);
	timer_set(&p->loop->timers, &p->timer, probe_until_ms(p));
}

static void probe_connect_later(struct probe *p)
{
	timer_set(&p->loop->timers, &p->timer,
		  MIN(p->loop->now_ms + BACKLOG_PAUSE_MS, probe_until_ms(p)));
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
		.version = config_of(p)->send_proxy == PROXY_V1 ? 1 : 2,
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

/* ---- what is said --------------------------------------------------------- */

/* A server that answers is up, also when the check cannot log in, or it is full. */
static bool is_answer(const struct check_facts *facts)
{
	return facts->verdict == CHECK_PASSED || facts->verdict == CHECK_OWN_FAULT ||
	       facts->verdict == CHECK_FULL;
}

static void probe_on_talked(struct conversation *c, int err)
{
	struct probe *p = container_of(c, struct probe_talk, conversation)->probe;
	const struct check_facts *facts = &c->exchange.facts;

	timer_stop(&p->loop->timers, &p->timer);
	p->is_talking = false;
	if (p->is_stopped)
		probe_drop(p);
	else if (err < 0)
		probe_later(p);
	else
		probe_answered(p, is_answer(facts), 0, facts);
}

static void probe_talk(struct probe *p)
{
	const bool has_header = config_of(p)->send_proxy != PROXY_OFF;
	struct proxyhdr header;

	p->is_talking = true;
	timer_set(&p->loop->timers, &p->timer, probe_until_ms(p));
	if (has_header)
		fill_header(p, &header);
	conversation_start(&p->talk->conversation, &p->talk->plan, p->fd,
			   has_header ? &header : NULL);
}

static void probe_on_connect(struct io_op *op, int res, unsigned flags)
{
	struct probe *p = container_of(op, struct probe, connect);

	(void)flags;
	timer_stop(&p->loop->timers, &p->timer);
	if (res == 0 && sock_is_self_connected(p->fd, &p->addr))
		res = -ECONNREFUSED;
	if (res == 0 && !p->talk && config_of(p)->send_proxy != PROXY_OFF)
		send_header(p);
	if (p->is_stopped)
		probe_drop(p);
	else if (res == 0 && p->talk)
		probe_talk(p);
	else if (res == -EAGAIN && addr_is_unix(&p->addr))
		probe_connect_later(p);
	else if (res == -EADDRNOTAVAIL || res == -ENOBUFS || res == -ENOMEM)
		probe_later(p);
	else
		probe_connected(p, res == -ECANCELED ? -ETIMEDOUT : res);
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
		io_cancel(p->loop->ring, &p->cancel, &p->connect);
}

/* ---- its turn ------------------------------------------------------------- */

static void probe_start(struct probe *p)
{
	const struct addr *addr = &p->addr;
	const struct sock_options options = { .resets = true };
	const char *step;

	if (sock_dialer(addr, &options, &p->fd, &step) < 0 ||
	    local_addr_bind(config_of(p), addr, &p->local_addr_turn, p->fd, &step) < 0) {
		probe_later(p);
		return;
	}
	if (is_quiet(p))
		sock_delay_ack(p->fd);
	p->started_ms = p->loop->now_ms;
	probe_connect(p);
}

static void probe_on_timer(struct timer *timer)
{
	struct probe *p = container_of(timer, struct probe, timer);

	if (p->is_stopped)
		return;
	if (p->connect.in_kernel)
		probe_cancel(p); /* it completes with -ECANCELED: no answer in time */
	else if (p->is_talking)
		conversation_expire(&p->talk->conversation);
	else if (probe_is_under_way(p))
		timer_set(&p->loop->timers, &p->timer, p->loop->now_ms + 1);
	else if (p->is_leaving)
		probe_end(p);
	else if (p->fd < 0 && !p->hooks->is_due(p))
		probe_later(p);
	else if (p->fd < 0)
		probe_start(p);
	else if (p->loop->now_ms < probe_until_ms(p))
		probe_connect(p);
	else
		probe_connected(p, -EAGAIN);
}

void probe_hurry(struct probe *p)
{
	if (p->fd < 0 && !p->is_leaving && !probe_is_under_way(p))
		timer_set(&p->loop->timers, &p->timer, MIN(p->timer.due_ms, p->loop->now_ms + 1));
}

/* ---- beginning and end ---------------------------------------------------- */

bool probe_init(struct probe *p, const struct probe_hooks *hooks, struct check_plan *plan,
		const struct backend_config *backend)
{
	p->hooks = hooks;
	p->plan = plan;
	p->addr = check_plan_addr(plan, backend);
	p->digest = check_plan_digest(plan, backend);
	p->fd = -1;
	timer_init(&p->timer, probe_on_timer);
	io_op_init(&p->connect, probe_on_connect);
	io_op_init(&p->cancel, probe_on_cancelled);
	if (!check_plan_talks(plan))
		return true;
	p->talk = calloc(1, sizeof(*p->talk));
	if (!p->talk)
		return false;
	p->talk->probe = p;
	p->talk->plan = check_plan_of(plan, backend);
	return true;
}

void probe_finish(struct probe *p)
{
	CHECK(p->fd < 0);
	if (p->loop)
		timer_stop(&p->loop->timers, &p->timer);
	free(p->talk);
}

void probe_begin(struct probe *p, struct loop *loop, uint64_t first_ms, const atomic_bool *is_over)
{
	p->loop = loop;
	if (p->talk)
		conversation_init(&p->talk->conversation, loop, probe_on_talked, is_over);
	timer_set(&loop->timers, &p->timer, first_ms);
}

void probe_take_over(struct probe *p, const struct probe *from)
{
	const uint64_t interval_ms = config_of(p)->check.interval_ms, now_ms = p->loop->now_ms;
	uint64_t due_ms = probe_is_under_way(from) ? from->started_ms + interval_ms
						   : from->timer.due_ms;

	if (p->has_taken_over)
		return;
	p->has_taken_over = true;
	p->has_passed = from->has_passed;
	p->answers = from->answers;
	p->local_addr_turn = from->local_addr_turn;
	due_ms = MAX(due_ms, now_ms + 1);
	timer_set(&p->loop->timers, &p->timer, MIN(due_ms, now_ms + interval_ms));
}

void probe_leave(struct probe *p)
{
	p->is_leaving = true;
	if (!probe_is_under_way(p))
		probe_end(p);
}

void probe_stop(struct probe *p)
{
	p->is_stopped = true;
	if (p->connect.in_kernel)
		probe_cancel(p);
	else if (p->is_talking)
		conversation_stop(&p->talk->conversation);
	else
		probe_drop(p);
}
