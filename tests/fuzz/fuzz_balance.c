/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Random pools and random lives of them: picks, releases, queues, states,
 * weights, failures, time, other configurations. After each step a plain
 * search over all backends says what may be and must be; the pool has to
 * agree.
 *
 * An input is a header (see read_config()) and then two bytes for each step,
 * three for another configuration.
 */

#include "fuzz/fuzz.h"
#include "unit/health_defaults.h"

#include "unit/pool_pick.h"
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKENDS_MAX 40
#define NAMES 41
#define HELD_MAX 256
#define WAITERS_MAX 16

struct life {
	const uint8_t *bytes, *end;
	struct pool_config configs[2]; /* that of the pool, and the one before or after it */
	struct backend_config lists[2][NAMES];
	struct pool_config *config;
	unsigned wishes[NAMES]; /* weights that the operator wants, by name */
	struct pool *pool;
	struct backend *held[HELD_MAX];
	unsigned held_n;
	struct pool_waiter waiters[WAITERS_MAX]; /* those that wait: node.is_waiting */
	uint64_t now_ms;
	unsigned tiers_open; /* as open_tiers() has it now */
};

static uint8_t take(struct life *l)
{
	return l->bytes < l->end ? *l->bytes++ : 0;
}

static void read_config(struct life *l)
{
	static const unsigned bounds[] = { 0, 100, 125, 200 };
	uint8_t flags;

	for (unsigned i = 0; i < NAMES; i++)
		l->wishes[i] = POOL_WEIGHT_CONFIGURED;
	l->config = &l->configs[0];
	l->config->balance = take(l) % BALANCE_KINDS;
	l->config->backends = l->lists[0];
	l->config->backends_n = 1 + take(l) % BACKENDS_MAX;
	flags = take(l);
	l->config->tier_ready_min = flags & 3;
	l->config->hash_table_slots = 251; /* prime, and built at once */
	l->config->hash_balance_percent = bounds[flags >> 2 & 3];
	l->config->slow_start_ms = flags & 16 ? 1000 : 0;
	l->config->check = health_check_default;
	if (flags & 32)
		until_a_check_passes(l->config);
	l->config->queue_max = flags & 128 ? WAITERS_MAX / 2 : 0;
	l->config->queue_timeout_ms = 5000;
	if (flags & 64)
		l->config->eject = health_eject_default;
	for (size_t i = 0; i < l->config->backends_n; i++) {
		struct backend_config *b = &l->config->backends[i];
		uint8_t kind = take(l);

		snprintf(b->name, sizeof(b->name), "n%zu", i * 7 % NAMES);
		b->weight = kind & 15 ? kind & 15 : (unsigned)take(l) + (kind & 1);
		b->sessions_max = kind & 16 ? 1 + (kind >> 6) : 0;
		b->tier = kind & 32 ? kind >> 6 : 0;
	}
}

static bool is_tried(const struct pool_ask *ask, unsigned index)
{
	for (unsigned i = 0; i < ask->tried_n; i++)
		if (ask->tried[i] == index)
			return true;
	return false;
}

static unsigned name_of(const struct backend_config *config)
{
	return (unsigned)strtoul(config->name + 1, NULL, 10);
}

static unsigned weight_of(const struct life *l, const struct backend *b)
{
	unsigned wish = l->wishes[name_of(b->config)];

	return wish == POOL_WEIGHT_CONFIGURED ? b->config->weight : wish;
}

static unsigned indexes(const struct life *l)
{
	return (unsigned)pool_backends(l->pool);
}

/* Nobody has some of the indexes. */
static bool is_ready(struct life *l, unsigned i)
{
	struct backend *b = pool_backend(l->pool, i);

	return b && b->state == BACKEND_READY && weight_of(l, b) > 0;
}

static unsigned tier_of(struct life *l, unsigned i)
{
	return pool_backend(l->pool, i)->config->tier;
}

static bool is_full(struct life *l, unsigned i)
{
	struct backend *b = pool_backend(l->pool, i);

	return b->config->sessions_max > 0 && b->sessions >= b->config->sessions_max;
}

/* Tiers below the result are open. */
static unsigned open_tiers(struct life *l)
{
	unsigned wanted = l->config->tier_ready_min ? l->config->tier_ready_min : 1;
	unsigned ready = 0, open = 0;

	for (; open < POOL_TIERS_MAX && ready < wanted; open++)
		for (unsigned i = 0; i < indexes(l); i++)
			ready += is_ready(l, i) && tier_of(l, i) == open;
	return open;
}

/* Who may be picked among the open tiers, or among the closed ones. */
static bool may_be_picked(struct life *l, const struct pool_ask *ask, unsigned i, bool is_open)
{
	return is_ready(l, i) && !is_full(l, i) && !is_tried(ask, i) &&
	       (tier_of(l, i) < l->tiers_open) == is_open;
}

static unsigned count(struct life *l, const struct pool_ask *ask, bool is_open)
{
	unsigned n = 0;

	for (unsigned i = 0; i < indexes(l); i++)
		n += may_be_picked(l, ask, i, is_open);
	return n;
}

/* Is somebody of the open tiers ready and untried, though full? */
static bool is_worth_waiting(struct life *l, const struct pool_ask *ask)
{
	for (unsigned i = 0; i < indexes(l); i++)
		if (is_ready(l, i) && !is_tried(ask, i) && tier_of(l, i) < l->tiers_open)
			return true;
	return false;
}

/* Nobody could be picked: is that so? In slow start a backend may be full before its limit. */
static void check_none(struct life *l, const struct pool_ask *ask, enum pool_answer why)
{
	if (l->config->slow_start_ms == 0) {
		CHECK(count(l, ask, true) == 0);
		CHECK(is_worth_waiting(l, ask) || ask->tried_n == 0 || count(l, ask, false) == 0);
	}
	CHECK(why == (is_worth_waiting(l, ask) ? POOL_ALL_FULL : POOL_NONE_READY));
}

/*
 * May @i have one more session by hash_balance? At most ceil(bound of its
 * share of all sessions of those who take any), the new one counted in.
 */
static bool is_within_bound(struct life *l, unsigned i)
{
	static const struct pool_ask anybody;
	uint64_t sessions = 1, weight = 0;
	struct backend *b = pool_backend(l->pool, i);

	for (unsigned k = 0; k < indexes(l); k++) {
		struct backend *other = pool_backend(l->pool, k);

		if (!may_be_picked(l, &anybody, k, true))
			continue;
		sessions += other->sessions;
		weight += weight_of(l, other);
	}
	return b->sessions * 100 * weight <
	       sessions * l->config->hash_balance_percent * weight_of(l, b);
}

/* Nobody is lifted above the bound while another one is below it. */
static void check_bound(struct life *l, const struct pool_ask *ask, const struct backend *b)
{
	if (l->config->balance != BALANCE_MAGLEV || l->config->hash_balance_percent == 0 ||
	    is_within_bound(l, b->index))
		return;
	for (unsigned i = 0; i < indexes(l); i++)
		CHECK(!may_be_picked(l, ask, i, true) || !is_within_bound(l, i));
}

static size_t place_of(const struct life *l, const struct backend *b)
{
	size_t place = 0;

	while (strcmp(l->config->backends[place].name, b->config->name) != 0)
		place++;
	return place;
}

/* Before its new session was counted: the best by what the balancer promises. */
static void check_best(struct life *l, const struct pool_ask *ask, const struct backend *b)
{
	for (unsigned i = 0; i < indexes(l); i++) {
		struct backend *other = pool_backend(l->pool, i);

		if (!may_be_picked(l, ask, i, true) || l->config->slow_start_ms > 0)
			continue;
		if (l->config->balance == BALANCE_FIRST)
			CHECK(place_of(l, b) <= place_of(l, other));
		if (l->config->balance == BALANCE_LEASTCONN)
			CHECK((uint64_t)(b->sessions + 1) * weight_of(l, other) <=
			      (uint64_t)(other->sessions + 1) * weight_of(l, b));
	}
}

static void check_picked(struct life *l, const struct pool_ask *ask, struct backend *b)
{
	bool is_open = b->config->tier < l->tiers_open;

	CHECK(may_be_picked(l, ask, b->index, is_open));
	CHECK(is_open || count(l, ask, true) == 0);
	if (is_open) {
		check_best(l, ask, b);
		check_bound(l, ask, b);
	}
}

static void hold(struct life *l, struct backend *b)
{
	if (l->held_n < HELD_MAX)
		l->held[l->held_n++] = b;
	else
		pool_release(l->pool, b);
}

static void pick(struct life *l, uint8_t arg)
{
	struct pool_ask ask = { .key = (uint64_t)arg * 0x9e3779b97f4a7c15 };
	struct pool_route route;
	enum pool_answer why;

	l->tiers_open = open_tiers(l);
	for (unsigned tries = 1 + (arg >> 5); tries > 0; tries--) {
		bool has_route = pool_route(l->pool, &ask, &route);
		struct backend *b = pool_pick(l->pool, &ask, &why);

		if (!b) {
			check_none(l, &ask, why);
			return;
		}
		CHECK(why == POOL_PICKED);
		pool_release(l->pool, b);
		check_picked(l, &ask, b);
		if (has_route && route.chosen >= 0)
			CHECK(route.chosen == (int)b->index);
		if (tries == 1 || ask.tried_n == POOL_TRIES_MAX)
			break;
		ask.tried[ask.tried_n++] = (uint16_t)b->index;
	}

	/* The last one goes on. */
	struct backend *b = pool_pick(l->pool, &ask, &why);

	if (b)
		hold(l, b);
}

/* Nobody waits who could be served: whoever can is served at once. */
static void call_waiters(struct life *l)
{
	struct pool_waiter *w;

	while (pool_may_serve_queue(l->pool) && (w = pool_serve_next(l->pool, l->now_ms))) {
		CHECK(!w->node.is_waiting);
		CHECK(w->node.deadline_ms > l->now_ms);
		hold(l, w->backend);
	}
	l->tiers_open = open_tiers(l);
	for (unsigned i = 0; i < WAITERS_MAX; i++) {
		w = &l->waiters[i];
		if (w->node.is_waiting && w->node.deadline_ms > l->now_ms &&
		    l->config->slow_start_ms == 0)
			CHECK(count(l, &w->ask, true) == 0);
	}
}

static void wait(struct life *l, uint8_t arg)
{
	struct pool_waiter *w = &l->waiters[arg % WAITERS_MAX];
	enum pool_answer answer;

	if (w->node.is_waiting) {
		CHECK(pool_leave(l->pool, w));
		CHECK(!w->node.is_waiting);
		return;
	}
	w->ask = (struct pool_ask){ .key = arg,
				    .tried_n = arg >> 7,
				    .tried = { (uint16_t)(arg % indexes(l)) } };
	l->tiers_open = open_tiers(l);
	answer = pool_pick_or_wait(l->pool, w, l->now_ms);
	CHECK((answer == POOL_PICKED) == (w->backend != NULL));
	CHECK((answer == POOL_WAITING) == w->node.is_waiting);
	if (answer == POOL_PICKED)
		hold(l, w->backend);
	else
		check_none(l, &w->ask, answer == POOL_WAITING ? POOL_ALL_FULL : answer);
}

static void release(struct life *l, uint8_t arg)
{
	unsigned at;

	if (l->held_n == 0)
		return;
	at = arg % l->held_n;
	pool_release(l->pool, l->held[at]);
	l->held[at] = l->held[--l->held_n];
}

static void pass_time(struct life *l, uint8_t arg)
{
	struct backend *returned;
	uint64_t next_ms;

	l->now_ms += (uint64_t)arg * arg;
	do {
		next_ms = pool_tick(l->pool, l->now_ms, &returned);
		CHECK(!returned || returned->state != BACKEND_EJECTED);
		CHECK(next_ms >= l->now_ms);
	} while (returned);
	CHECK(next_ms == POOL_NEVER || next_ms > l->now_ms);
}

static void check_ejected(struct life *l)
{
	unsigned ejected = 0, with_weight = 0;

	for (unsigned i = 0; i < indexes(l); i++) {
		struct backend *b = pool_backend(l->pool, i);

		if (!b || b->state == BACKEND_LEAVING || weight_of(l, b) == 0)
			continue;
		with_weight++;
		ejected += b->state == BACKEND_EJECTED;
	}
	CHECK(ejected * 2 <= with_weight);
}

/* ---- another configuration ---- */

/* Numbers for what would take too many bytes of the input. */
static unsigned next_random(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return *random >> 16;
}

static void write_backend(struct backend_config *b, unsigned name, uint32_t *random)
{
	unsigned kind = next_random(random);

	memset(b, 0, sizeof(*b));
	snprintf(b->name, sizeof(b->name), "n%u", name);
	CHECK(addr_parse(kind % 16 == 0 ? "10.0.0.2:80" : "10.0.0.1:80", &b->addr));
	b->weight = kind >> 4 & 3;
	b->sessions_max = kind >> 6 & 3;
	b->tier = kind & 0x100 ? kind >> 9 & 3 : 0;
}

/* As it is now, but with other backends, in another order, and perhaps another balancer. */
static struct pool_config *write_next(struct life *l, uint8_t arg)
{
	struct pool_config *next = &l->configs[l->config == l->configs];
	uint32_t random = arg | (uint32_t)take(l) << 8;
	unsigned name = next_random(&random) % NAMES, share = 1 + arg % 8;

	*next = *l->config;
	next->backends = l->lists[l->config == l->configs];
	next->backends_n = 0;
	for (unsigned n = 0; n < NAMES; n++, name = (name + 7) % NAMES)
		if (next_random(&random) % 8 < share)
			write_backend(&next->backends[next->backends_n++], name, &random);
	if (arg & 16)
		next->balance = next_random(&random) % BALANCE_KINDS;
	if (arg & 32)
		next->tier_ready_min = next_random(&random) % 4;
	if (arg & 64)
		next->queue_max = next_random(&random) % WAITERS_MAX;
	return next;
}

static const struct backend_config *config_of(const struct pool_config *config,
					      const struct backend *b)
{
	for (size_t i = 0; i < config->backends_n; i++)
		if (strcmp(config->backends[i].name, b->config->name) == 0 &&
		    addr_is_equal(&config->backends[i].addr, &b->config->addr))
			return &config->backends[i];
	return NULL;
}

/* Everybody is in it or leaves; the one that was at its index before is still there. */
static void check_reconfigured(struct life *l, const uint64_t *ids, unsigned ids_n)
{
	size_t members = 0;

	for (unsigned i = 0; i < indexes(l); i++) {
		struct backend *b = pool_backend(l->pool, i);
		const struct backend_config *wanted = b ? config_of(l->config, b) : NULL;

		CHECK(i >= ids_n || ids[i] == 0 || (b && b->id == ids[i]));
		if (!b)
			continue;
		CHECK((b->state == BACKEND_LEAVING) == !wanted);
		members += wanted != NULL;
		CHECK(!wanted || (b->config->weight == wanted->weight &&
				  b->config->sessions_max == wanted->sessions_max &&
				  b->config->tier == wanted->tier));
	}
	CHECK(members == l->config->backends_n);
}

/* Nodes that were started with it agree, if their operators want the same. */
static void check_digest(struct life *l)
{
	struct pool *fresh;

	for (unsigned i = 0; i < NAMES; i++)
		if (l->wishes[i] != POOL_WEIGHT_CONFIGURED)
			return;
	fresh = pool_create(l->config);
	CHECK(fresh);
	CHECK(pool_digest(fresh) == pool_digest(l->pool));
	pool_destroy(fresh);
}

static void forget_overrides(struct life *l)
{
	bool has[NAMES] = { false };

	for (size_t i = 0; i < l->config->backends_n; i++)
		has[name_of(&l->config->backends[i])] = true;
	for (unsigned i = 0; i < NAMES; i++)
		if (!has[i])
			l->wishes[i] = POOL_WEIGHT_CONFIGURED;
}

static void reconfigure(struct life *l, uint8_t arg)
{
	static uint64_t ids[POOL_INDEXES_MAX];
	struct pool_config *next = write_next(l, arg);
	unsigned n = indexes(l);

	for (unsigned i = 0; i < n; i++)
		ids[i] = pool_backend(l->pool, i) ? pool_backend(l->pool, i)->id : 0;
	if (pool_reconfigure(l->pool, next) < 0) {
		CHECK(n + NAMES > POOL_INDEXES_MAX);
		return;
	}
	l->config = next;
	CHECK(pool_config(l->pool) == next);
	forget_overrides(l);
	check_reconfigured(l, ids, n);
	check_digest(l);
}

/* Whoever waits has tried somebody perhaps. */
static void collect(struct life *l)
{
	uint64_t passed = pool_generation(l->pool);
	unsigned leaving = 0;

	for (unsigned i = 0; i < WAITERS_MAX; i++)
		if (l->waiters[i].node.is_waiting)
			passed = 0;
	unsigned said = pool_collect(l->pool, passed);

	for (unsigned i = 0; i < indexes(l); i++) {
		struct backend *b = pool_backend(l->pool, i);

		if (!b || b->state != BACKEND_LEAVING)
			continue;
		leaving++;
		CHECK(passed == 0 || b->sessions > 0);
	}
	CHECK(said == leaving);
}

/* ---- steps ---- */

static void set_weight(struct life *l, struct backend *b, unsigned weight)
{
	if (b->state != BACKEND_LEAVING)
		l->wishes[name_of(b->config)] = weight;
	CHECK(pool_set_weight(l->pool, b, weight) == 0);
}

/* What is done to one backend. */
static void step_backend(struct life *l, struct backend *b, uint8_t what)
{
	static const unsigned weights[] = { 0, 1, 2, 5, 31, 255, POOL_WEIGHT_CONFIGURED };
	enum health_change change;
	uint64_t delay_ms;

	switch (what % 8) {
	case 3:
		pool_set_state(l->pool, b, (enum backend_state)(what / 8 % BACKEND_EJECTED), 0);
		break;
	case 4:
		set_weight(l, b, weights[what / 8 % ARRAY_LEN(weights)]);
		break;
	case 5:
		change = pool_on_connect(l->pool, b, what / 8 % HEALTH_RESULTS, l->now_ms);
		if (change == HEALTH_EJECTED)
			check_ejected(l);
		break;
	default:
		pool_on_check(l->pool, b, what / 8 % 2, 0, &delay_ms);
		CHECK(delay_ms >= 450 && delay_ms <= 2200);
		break;
	}
}

static void step(struct life *l)
{
	uint8_t what = take(l), arg = take(l);
	struct backend *b = pool_backend(l->pool, arg % indexes(l));

	switch (what % 8) {
	case 0:
		wait(l, arg);
		break;
	case 1:
		pick(l, (uint8_t)(arg ^ what));
		break;
	case 2:
		release(l, arg);
		break;
	case 7:
		if (what / 8 % 4 == 3)
			reconfigure(l, arg);
		else if (what / 8 % 4 == 2)
			collect(l);
		else
			pass_time(l, arg);
		break;
	default:
		if (b)
			step_backend(l, b, what);
		break;
	}
}

static void check_sessions(struct life *l)
{
	unsigned sessions = 0;

	for (unsigned i = 0; i < indexes(l); i++)
		sessions += pool_backend(l->pool, i) ? pool_backend(l->pool, i)->sessions : 0;
	CHECK(sessions == l->held_n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct life l = { .bytes = data, .end = data + size };

	read_config(&l);
	l.pool = pool_create(l.config);
	CHECK(l.pool);
	pool_seed(l.pool, 1);
	while (l.bytes < l.end) {
		step(&l);
		call_waiters(&l);
		check_sessions(&l);
	}
	for (unsigned i = 0; i < WAITERS_MAX; i++)
		if (l.waiters[i].node.is_waiting)
			CHECK(pool_leave(l.pool, &l.waiters[i]));
	while (l.held_n > 0)
		release(&l, 0);
	pool_destroy(l.pool);
	return 0;
}
