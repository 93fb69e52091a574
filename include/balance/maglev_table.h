/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_MAGLEV_TABLE_H
#define BALANCE_MAGLEV_TABLE_H

/*
 * The lookup table of Maglev hashing (Eisenbud and others, Maglev: a fast and
 * reliable software network load balancer, NSDI 2016, 3.4). Each backend has
 * a permutation of all slots, from its name alone; in turns, each takes the
 * first of its slots that is free. Equal weights differ by one slot at most,
 * and with one backend more or less few others' slots move.
 *
 * Weights: turns come in proportion to them, each at the middle of its part
 * of a round, so every share is met to about one slot.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "config/config.h"

/* Both are prime. At least a hundred slots for each backend keep shares within 1 %. */
#define MAGLEV_SLOTS_SMALL CONFIG_HASH_SLOTS_SMALL
#define MAGLEV_SLOTS_LARGE CONFIG_HASH_SLOTS_LARGE
#define MAGLEV_EMPTY UINT16_MAX

struct maglev_name {
	const char *name; /* not the same twice */
	uint16_t index;   /* what the table says for it */
	unsigned weight;  /* 0: gets no slot */
};

/*
 * Fills @slots, a prime number @slots_n of them; MAGLEV_EMPTY when there is
 * no name with weight. Sorts @names: the result does not depend on their
 * order. Returns 0 or -ENOMEM.
 */
MUST_CHECK int maglev_build(uint16_t *slots, uint32_t slots_n, struct maglev_name *names, size_t n);

#endif
