/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/maglev.h"

#include "balance/tournament.h"
#include "base/hash.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Any two numbers; but other ones make other tables, so every node has these. */
#define SEED_START 0x6d61676c65763031
#define SEED_SKIP 0x6d61676c65763032

/* Time between two turns of weight 1; (2k + 1) of them, k below 2^20, fit into 63 bits. */
#define ROUND (1ull << 40)

struct walk {
	uint32_t at;
	uint32_t skip;
	uint32_t turns;
};

struct builder {
	uint16_t *slots;
	uint32_t slots_n;
	uint64_t *taken; /* a bit for each slot: small enough for the cache */
	struct walk *walks;
	struct tournament turns;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct maglev_name *)a)->name, ((const struct maglev_name *)b)->name);
}

static bool is_taken(const struct builder *m, uint32_t slot)
{
	return m->taken[slot / 64] >> slot % 64 & 1;
}

/* The next slot of its permutation that nobody has. */
static uint32_t take_slot(struct builder *m, struct walk *walk)
{
	uint32_t slot;

	while (is_taken(m, walk->at)) {
		walk->at += walk->skip;
		if (walk->at >= m->slots_n)
			walk->at -= m->slots_n;
	}
	slot = walk->at;
	m->taken[slot / 64] |= 1ull << slot % 64;
	return slot;
}

static void await_turn(struct builder *m, uint32_t i, unsigned weight)
{
	uint64_t when = (2ull * m->walks[i].turns++ + 1) * ROUND / (2 * weight);

	tournament_put(&m->turns, i, when);
}

static void fill(struct builder *m, const struct maglev_name *names)
{
	for (uint32_t left = m->slots_n; left > 0; left--) {
		uint32_t i = tournament_first(&m->turns);

		m->slots[take_slot(m, &m->walks[i])] = names[i].index;
		await_turn(m, i, names[i].weight);
	}
}

static int prepare(struct builder *m, const struct maglev_name *names, size_t n)
{
	m->taken = calloc(m->slots_n / 64 + 1, sizeof(*m->taken));
	m->walks = calloc(n + 1, sizeof(*m->walks));
	if (!m->taken || !m->walks || tournament_init(&m->turns, (uint32_t)n) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		m->walks[i] = (struct walk){
			.at = (uint32_t)(hash_text(names[i].name, SEED_START) % m->slots_n),
			.skip = (uint32_t)(hash_text(names[i].name, SEED_SKIP) % (m->slots_n - 1)) +
				1,
		};
		if (names[i].weight > 0)
			await_turn(m, i, names[i].weight);
	}
	return 0;
}

int maglev_build(uint16_t *slots, uint32_t slots_n, struct maglev_name *names, size_t n)
{
	struct builder m = { .slots = slots, .slots_n = slots_n };
	int err;

	qsort(names, n, sizeof(*names), by_name);
	memset(slots, 0xff, slots_n * sizeof(*slots));
	err = prepare(&m, names, n);
	if (err == 0 && tournament_first(&m.turns) != TOURNAMENT_NOBODY)
		fill(&m, names);
	free(m.taken);
	free(m.walks);
	tournament_finish(&m.turns);
	return err;
}
