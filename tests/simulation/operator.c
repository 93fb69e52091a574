/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "simulation.h"

#include "state/peers.h"

/* ---- a backend ----------------------------------------------------------- */

static unsigned ready_ones(struct pool *pool)
{
	unsigned n = 0;

	for (size_t i = 0; i < pool_backends(pool); i++)
		if (pool_backend(pool, i) && pool_backend(pool, i)->state == BACKEND_READY)
			n++;
	return n;
}

static void set_state(struct simulation *sim, struct backend *b, enum backend_state state)
{
	struct pool *pool = bed_pool(sim->st);

	pool_set_state(pool, b, state, 0);
	if (state == BACKEND_READY)
		peers_serve_queue(sim->st->runtime, pool, sim->st->now_ms);
}

/* In a gentle run everybody is served. */
static void a_backend_drains_or_comes_back(struct simulation *sim)
{
	struct pool *pool = bed_pool(sim->st);
	struct backend *b = pool_backend(pool, below(sim, (unsigned)pool_backends(pool)));

	if (!b || b->state == BACKEND_LEAVING)
		return;
	if (b->state == BACKEND_DRAIN)
		set_state(sim, b, BACKEND_READY);
	else if (!sim->is_gentle || ready_ones(pool) > 1)
		set_state(sim, b, BACKEND_DRAIN);
}

static void none_drains(struct simulation *sim)
{
	struct pool *pool = bed_pool(sim->st);

	for (size_t i = 0; i < pool_backends(pool); i++)
		if (pool_backend(pool, i) && pool_backend(pool, i)->state == BACKEND_DRAIN)
			set_state(sim, pool_backend(pool, i), BACKEND_READY);
}

/* ---- the listener -------------------------------------------------------- */

static bool refuses(const struct engine *e)
{
	for (size_t n = 0; n < e->acceptors_n; n++)
		if (e->acceptors[n].paused == LISTENER_REFUSES)
			return true;
	return false;
}

/* While it refuses there is nobody to connect to. */
bool may_clients_come(const struct simulation *sim)
{
	if (sim->is_stopped || !bed_may_reload(sim->st) ||
	    atomic_load(&bed_listener(sim->st)->pause) == LISTENER_REFUSES)
		return false;
	for (unsigned w = 0; w < sim->st->workers_n; w++)
		if (refuses(&sim->st->engines[w]))
			return false;
	return true;
}

static void the_listener_pauses_or_goes_on(struct simulation *sim)
{
	static const enum listener_pause wishes[] = { LISTENER_OPEN, LISTENER_OPEN, LISTENER_WAITS,
						      LISTENER_REFUSES };
	enum listener_pause wish = wishes[below(sim, ARRAY_LEN(wishes))];

	if (sim->is_stopped || (wish == LISTENER_REFUSES && !sim->may_refuse))
		return;
	peers_pause(sim->st->runtime, bed_listener(sim->st), wish);
}

/* ---- sessions ------------------------------------------------------------ */

static void an_answer_comes(struct simulation *sim)
{
	struct query *q = query_take_answers(sim->st->runtime);

	if (!q)
		return;
	assert_ptr_equal(q, &sim->query);
	assert_null(q->next);
	sim->is_asked = false;
}

/* In a gentle run he only looks. */
static void a_worker_is_asked(struct simulation *sim)
{
	static const enum query_kind kinds[] = { QUERY_SESSIONS, QUERY_FAILURES, QUERY_PART,
						 QUERY_END, QUERY_KILL };

	an_answer_comes(sim);
	if (sim->is_asked)
		return;
	sim->query = (struct query){
		.kind = kinds[below(sim, sim->is_gentle ? 2 : ARRAY_LEN(kinds))],
		.worker = below(sim, sim->st->workers_n),
		.filter.older_ms = one_in(sim, 2) ? 300 : 0,
	};
	sim->is_asked = true;
	query_send(sim->st->runtime, &sim->query);
}

static struct session *any_session(struct simulation *sim)
{
	struct slab *slab = &sim->st->engines[below(sim, sim->st->workers_n)].host.sessions;

	return slab->touched > 0 ? slab_at(slab, below(sim, slab->touched)) : NULL;
}

/* ---- what comes when ----------------------------------------------------- */

void the_operator_does_something(struct simulation *sim)
{
	switch (below(sim, 5)) {
	case 0:
		a_backend_drains_or_comes_back(sim);
		break;
	case 1:
		the_listener_pauses_or_goes_on(sim);
		break;
	case 2:
		a_worker_is_asked(sim);
		break;
	default:
		if (sim->is_gentle)
			none_drains(sim); /* who is left may all be such */
		a_reload_comes(sim);
	}
}

void an_order_comes(struct simulation *sim)
{
	static const enum worker_order orders[] = { ORDER_DRAIN, ORDER_DRAIN_TIMEOUT, ORDER_STOP };
	struct session *s = any_session(sim);
	struct engine *e = &sim->st->engines[below(sim, sim->st->workers_n)];

	if (sim->is_gentle)
		return;
	switch (below(sim, 10)) {
	case 0:
		engine_drain(e);
		sim->is_stopped = true;
		break;
	case 1:
		engine_stop(e, CLOSE_SHUTDOWN);
		sim->is_stopped = true;
		break;
	case 2:
		peers_order(sim->st->runtime, orders[below(sim, ARRAY_LEN(orders))]);
		sim->is_stopped = true;
		break;
	default:
		if (s)
			session_close(s, CLOSE_IDLE, BY_RINGMAIN);
	}
}

void the_operator_leaves(struct simulation *sim)
{
	an_answer_comes(sim);
	none_drains(sim);
	if (atomic_load(&bed_listener(sim->st)->pause) != LISTENER_OPEN)
		peers_pause(sim->st->runtime, bed_listener(sim->st), LISTENER_OPEN);
}
