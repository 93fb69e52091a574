/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/maglev_table.h"

#include "base/check.h"
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

/* When somebody's turn comes, and, as its lowest bits, whose it is. */
#define INDEX_BITS 16
#define NO_TURN (~(unsigned __int128)0)

struct builder {
	uint16_t *slots;
	uint32_t slots_n;
	uint64_t *taken; /* a bit for each slot: small enough for the cache */
	struct walk *walks;
	/* A tree, below [i] are [2i] and [2i + 1]: each the earlier of the two below it. */
	unsigned __int128 *turns;
	uint32_t leaves; /* the last so many of them, one for each backend */
};

static int compare_maglev_names(const void *a, const void *b)
{
	return strcmp(((const struct maglev_name *)a)->name, ((const struct maglev_name *)b)->name);
}

static bool is_slot_taken(const struct builder *m, uint32_t slot)
{
	return m->taken[slot / 64] >> slot % 64 & 1;
}

/* The next slot of its permutation that nobody has. */
static uint32_t take_slot(struct builder *m, struct walk *walk)
{
	uint32_t slot;

	while (is_slot_taken(m, walk->at)) {
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
	uint32_t at = m->leaves + i;

	m->turns[at] = (unsigned __int128)when << INDEX_BITS | i;
	while (at > 1) {
		at /= 2;
		m->turns[at] = MIN(m->turns[2 * at], m->turns[2 * at + 1]);
	}
}

static void fill_slots(struct builder *m, const struct maglev_name *names)
{
	for (uint32_t left = m->slots_n; left > 0; left--) {
		uint32_t i = (uint32_t)m->turns[1] & ((1u << INDEX_BITS) - 1);

		m->slots[take_slot(m, &m->walks[i])] = names[i].index;
		await_turn(m, i, names[i].weight);
	}
}

static int prepare_builder(struct builder *m, const struct maglev_name *names, size_t n)
{
	CHECK(n < 1u << INDEX_BITS);
	m->leaves = 1;
	while (m->leaves < n)
		m->leaves *= 2;
	m->turns = malloc(2ul * m->leaves * sizeof(*m->turns));
	m->taken = calloc(m->slots_n / 64 + 1, sizeof(*m->taken));
	m->walks = calloc(n + 1, sizeof(*m->walks));
	if (!m->taken || !m->walks || !m->turns)
		return -ENOMEM;
	for (uint32_t at = 0; at < 2 * m->leaves; at++)
		m->turns[at] = NO_TURN;
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

	qsort(names, n, sizeof(*names), compare_maglev_names);
	memset(slots, 0xff, slots_n * sizeof(*slots));
	err = prepare_builder(&m, names, n);
	if (err == 0 && m.turns[1] != NO_TURN)
		fill_slots(&m, names);
	free(m.taken);
	free(m.walks);
	free(m.turns);
	return err;
}
