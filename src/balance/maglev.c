/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Consistent hashing with bounded loads. A key has a home, the owner of its
 * slot. When that one is not to be had, the key walks on through the table,
 * in steps that are its own, to the next one that is: nobody else's keys
 * move, the keys of one that failed spread over all others, and they come
 * home when it does.
 *
 * Each tier has a table of its own; at every step a key asks the owner in the
 * first tier, then in the next. So keys of healthy backends stay with them
 * while a further tier stands in for the failed ones.
 *
 * Bounded loads (Mirrokni, Thorup and Zadimoghaddam, Consistent hashing with
 * bounded loads, SODA 2018): nobody gets a session that would lift it above
 * hash_balance percent of the average. Walking in steps of the key's own
 * instead of slot by slot keeps those next to a full one from filling up in
 * turn (Chen, Coleman and Shrivastava, Revisiting consistent hashing with
 * bounded loads, AAAI 2021).
 */

#include "balance/balancer.h"

#include "balance/maglev_table.h"
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>

#define SEED_STEP 0x6d61676c65763033
#define SEED_DIGEST 0x6d61676c65763034
#define SEED_LAST 0x6d61676c65763035

/* So many steps for each backend, then all are looked at: one may be in no slot at all. */
#define STEPS_PER_BACKEND 4

struct maglev {
	struct balancer balancer;
	unsigned steps_max;
	uint32_t slots_n;
	uint16_t *tables[POOL_TIERS_MAX]; /* slots_n of each tier; NULL when it has nobody */
	uint64_t *names;                  /* hashes, by index */
	unsigned *weights;                /* that it was built for, by index */
	uint32_t *counted;                /* sessions of each, as they are in sessions_in */
	unsigned bound_percent;           /* 0: no bound */
	uint64_t sessions_in;             /* of all who are in */
	uint64_t weight_in;
};

static struct maglev *maglev_of(struct balancer *b)
{
	return container_of(b, struct maglev, balancer);
}

static const struct maglev *maglev_of_const(const struct balancer *b)
{
	return container_of(b, const struct maglev, balancer);
}

static void maglev_destroy(struct balancer *b)
{
	struct maglev *m = maglev_of(b);

	for (unsigned t = 0; t < POOL_TIERS_MAX; t++)
		free(m->tables[t]);
	free(m->names);
	free(m->weights);
	free(m->counted);
	free(m);
}

static uint32_t slots_for(const struct balancer_setup *setup)
{
	if (setup->config->hash_table_slots > 0)
		return setup->config->hash_table_slots;
	return setup->members_n * 100 <= MAGLEV_SLOTS_SMALL ? MAGLEV_SLOTS_SMALL
							    : MAGLEV_SLOTS_LARGE;
}

/* Gives NULL in *ret_slots when nobody is of that tier. */
static int build_tier(struct maglev *m, const struct balancer_setup *setup, unsigned tier,
		      uint16_t **ret_slots)
{
	struct maglev_name *names = calloc(setup->members_n + 1, sizeof(*names));
	size_t n = 0;
	int err = -ENOMEM;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < setup->members_n; i++) {
		const struct balancer_member *b = &setup->members[i];

		if (b->tier == tier)
			names[n++] = (struct maglev_name){ b->name, (uint16_t)b->index, b->weight };
	}
	*ret_slots = n > 0 ? malloc(m->slots_n * sizeof(**ret_slots)) : NULL;
	if (n == 0)
		err = 0;
	else if (*ret_slots)
		err = maglev_build(*ret_slots, m->slots_n, names, n);
	free(names);
	return err;
}

/* The same for the same configuration, whatever it was before: all nodes are to agree. */
static struct balancer *maglev_create(const struct balancer_setup *setup)
{
	struct maglev *m = calloc(1, sizeof(*m));
	size_t n = setup->n + 1;

	if (!m)
		return NULL;
	m->steps_max = STEPS_PER_BACKEND * (unsigned)setup->members_n;
	m->slots_n = slots_for(setup);
	m->bound_percent = setup->config->hash_balance_percent;
	m->names = calloc(n, sizeof(*m->names));
	m->weights = calloc(n, sizeof(*m->weights));
	m->counted = calloc(n, sizeof(*m->counted));
	if (!m->names || !m->weights || !m->counted)
		goto fail;
	for (size_t i = 0; i < setup->members_n; i++) {
		const struct balancer_member *b = &setup->members[i];

		m->weights[b->index] = b->weight;
		m->names[b->index] = hash_text(b->name, SEED_DIGEST);
	}
	for (unsigned t = 0; t < POOL_TIERS_MAX; t++)
		if (build_tier(m, setup, t, &m->tables[t]) < 0)
			goto fail;
	return &m->balancer;

fail:
	maglev_destroy(&m->balancer);
	return NULL;
}

static void maglev_join(struct balancer *b, unsigned index)
{
	struct maglev *m = maglev_of(b);

	m->counted[index] = b->loads[index].sessions;
	m->sessions_in += m->counted[index];
	m->weight_in += m->weights[index];
}

static void maglev_leave(struct balancer *b, unsigned index)
{
	struct maglev *m = maglev_of(b);

	m->sessions_in -= m->counted[index];
	m->weight_in -= m->weights[index];
}

static void maglev_on_load(struct balancer *b, unsigned index)
{
	struct maglev *m = maglev_of(b);

	m->sessions_in += (uint64_t)b->loads[index].sessions - m->counted[index];
	m->counted[index] = b->loads[index].sessions;
}

/* Of two numbers, the same on machines of either byte order. */
static uint64_t hash_pair(uint64_t a, uint64_t b, uint64_t seed)
{
	uint8_t bytes[16];

	for (unsigned i = 0; i < 8; i++) {
		bytes[i] = (uint8_t)(a >> 8 * i);
		bytes[8 + i] = (uint8_t)(b >> 8 * i);
	}
	return hash_bytes(bytes, sizeof(bytes), seed);
}

/* May @index have one more: at most ceil(its share of all, times the bound)? */
static bool is_within_bound(const struct maglev *m, unsigned index)
{
	unsigned __int128 sum = m->sessions_in + 1;
	unsigned __int128 bound = sum * m->bound_percent * m->weights[index];

	if (m->bound_percent == 0)
		return true;
	/* sessions + 1 <= ceil(x)  is  sessions < x */
	return (unsigned __int128)m->balancer.loads[index].sessions * 100 * m->weight_in < bound;
}

static bool may_have(const struct maglev *m, unsigned index, const struct pool_ask *ask)
{
	return m->balancer.loads[index].is_in && !ask_has_tried(ask, index);
}

/* Who owns @slot in the first tier where that one may be had and is not too loaded; or -1. */
static int ask_slot(const struct maglev *m, uint32_t slot, const struct pool_ask *ask)
{
	for (unsigned t = 0; t < POOL_TIERS_MAX; t++) {
		uint16_t index = m->tables[t] ? m->tables[t][slot] : MAGLEV_EMPTY;

		if (index != MAGLEV_EMPTY && may_have(m, index, ask) && is_within_bound(m, index))
			return index;
	}
	return -1;
}

/*
 * Nobody was found by walking: few are in, or those few have hardly a slot.
 * Of those who are in, the one with the highest hash of key and name
 * (rendezvous); the bound is kept as long as somebody keeps it.
 */
static int ask_everybody(const struct maglev *m, const struct pool_ask *ask, bool keep_bound)
{
	uint64_t best = 0;
	int found = -1;

	for (unsigned i = 0; i < m->balancer.n; i++) {
		uint64_t hash;

		if (!may_have(m, i, ask) || (keep_bound && !is_within_bound(m, i)))
			continue;
		hash = hash_pair(ask->key, m->names[i], SEED_LAST);
		if (found < 0 || hash > best) {
			best = hash;
			found = (int)i;
		}
	}
	return found;
}

/* Gives who gets the key and in *ret_steps how far it had to go. */
static int walk_table(const struct maglev *m, const struct pool_ask *ask, unsigned *ret_steps)
{
	uint32_t slot = (uint32_t)balancer_scale(ask->key, m->slots_n);
	int index = ask_slot(m, slot, ask);
	uint32_t step;
	unsigned steps;

	*ret_steps = 0;
	if (index >= 0 || m->weight_in == 0)
		return index;
	step = 1 + (uint32_t)balancer_scale(hash_pair(ask->key, 0, SEED_STEP), m->slots_n - 1);
	for (steps = 1; steps <= m->steps_max; steps++) {
		slot += step;
		if (slot >= m->slots_n)
			slot -= m->slots_n;
		index = ask_slot(m, slot, ask);
		if (index >= 0)
			break;
	}
	*ret_steps = steps;
	if (index < 0)
		index = ask_everybody(m, ask, true);
	return index < 0 ? ask_everybody(m, ask, false) : index;
}

static int maglev_pick(struct balancer *b, const struct pool_ask *ask)
{
	unsigned steps;

	return walk_table(maglev_of(b), ask, &steps);
}

static void maglev_route(const struct balancer *b, const struct pool_ask *ask,
			 struct pool_route *ret_route)
{
	const struct maglev *m = maglev_of_const(b);
	uint32_t slot = (uint32_t)balancer_scale(ask->key, m->slots_n);

	ret_route->slot = slot;
	ret_route->slots = m->slots_n;
	ret_route->home = -1;
	for (unsigned t = 0; t < POOL_TIERS_MAX && ret_route->home < 0; t++)
		if (m->tables[t] && m->tables[t][slot] != MAGLEV_EMPTY)
			ret_route->home = m->tables[t][slot];
	ret_route->chosen = walk_table(m, ask, &ret_route->steps);
}

/* A fingerprint of who owns which slot in which tier, by name. */
static uint64_t maglev_digest(const struct balancer *b)
{
	const struct maglev *m = maglev_of_const(b);
	uint64_t digest = m->slots_n;

	for (unsigned t = 0; t < POOL_TIERS_MAX; t++) {
		if (!m->tables[t])
			continue;
		digest = hash_pair(digest, t, SEED_DIGEST);
		for (uint32_t i = 0; i < m->slots_n; i++) {
			uint16_t index = m->tables[t][i];

			digest = hash_pair(digest, index == MAGLEV_EMPTY ? 0 : m->names[index],
					   SEED_DIGEST);
		}
	}
	return digest;
}

static bool maglev_fits(const struct balancer *b, unsigned index, unsigned weight)
{
	return weight == maglev_of_const(b)->weights[index];
}

const struct balancer_ops maglev_ops = {
	.name = "maglev",
	.is_static = true,
	.create = maglev_create,
	.destroy = maglev_destroy,
	.join = maglev_join,
	.leave = maglev_leave,
	.on_load = maglev_on_load,
	.pick = maglev_pick,
	.route = maglev_route,
	.digest = maglev_digest,
	.fits = maglev_fits,
};
