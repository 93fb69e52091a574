/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

/*
 * Objects of one size, at most so many, without malloc(3) after start-up:
 * address space for all of them is reserved at once, memory is touched when
 * an object is first used, and the object freed last is given out first.
 * Not thread-safe: one owner. An object that comes back twice, or that never
 * was the slab's, ends the program.
 *
 *	struct slab sessions;
 *
 *	slab_init(&sessions, sizeof(struct session), 10000);
 *	s = slab_get(&sessions);      NULL when 10000 are out
 *	slab_put(&sessions, s);
 *	slab_finish(&sessions);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

struct slab {
	char *memory;
	size_t object_bytes; /* rounded up to a cache line */
	size_t mapped_bytes;
	uint32_t objects_max;
	uint32_t touched; /* objects ever given out: those above have no memory yet */
	uint32_t used;
	void *free; /* most recently freed first */
};

/* Returns 0 or -ENOMEM. */
MUST_CHECK int slab_init(struct slab *slab, size_t object_bytes, uint32_t objects_max);

/* All objects must be back. Accepts a slab of zeroes. */
void slab_finish(struct slab *slab);

/* Gives a zeroed object, or NULL when all are out. */
MUST_CHECK void *slab_get(struct slab *slab);

/* Takes an object back. Under ASan its bytes are poisoned until it is given out again. */
void slab_put(struct slab *slab, void *object);

/* The object's index, 0 .. objects_max - 1, and back; NULL when no object is out there. */
uint32_t slab_index(const struct slab *slab, const void *object);
void *slab_at(const struct slab *slab, uint32_t index);

#endif
