/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_TALLY_H
#define BASE_TALLY_H

/*
 * How often each of a few words was said: rows in the order in which the
 * words came up, which never go away. One thread adds, any thread may read at
 * the same time. Begins as a structure of zeroes.
 *
 *	tally_add(&t, CLOSE_CLIENT_TLS, "HTTP on a TLS port", 1);
 *
 *	for (unsigned i = 0; i < tally_rows(&t); i++)
 *		printf("%s: %lu\n", t.rows[i].word, t.rows[i].n);
 */

#include <stdatomic.h>
#include <stdint.h>

#include "base/def.h"

#define TALLY_ROWS_MAX 128 /* of more different words the rest is counted together */
#define TALLY_WORD_BYTES 112
#define TALLY_REST "others" /* the word of the last row */

struct tally_row {
	char word[TALLY_WORD_BYTES]; /* cut off where it is longer */
	unsigned kind;               /* the same word of another kind has a row of its own */
	_Atomic uint64_t n;
};

struct tally {
	atomic_uint rows_n;
	struct tally_row rows[TALLY_ROWS_MAX];
};

/* Borrows @word. For the one thread that owns the tally. */
void tally_add(struct tally *tally, unsigned kind, const char *word, uint64_t n);
/* Adds all of @from, which another thread may be adding to, to @to, which is the caller's. */
void tally_merge(struct tally *to, const struct tally *from);

/* Those that may be read now. */
static inline unsigned tally_rows(const struct tally *tally)
{
	return atomic_load_explicit(&tally->rows_n, memory_order_acquire);
}

#endif
