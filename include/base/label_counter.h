/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_LABEL_COUNTER_H
#define BASE_LABEL_COUNTER_H

/*
 * How often each of a few words was said: rows in the order in which the
 * words came up, which never go away. One thread adds, any thread may read at
 * the same time. Begins as a structure of zeroes.
 *
 *	label_counter_add(&t, CLOSE_CLIENT_TLS, "HTTP on a TLS port", 1);
 *
 *	for (unsigned i = 0; i < label_counter_rows(&t); i++)
 *		printf("%s: %lu\n", t.rows[i].word, t.rows[i].n);
 */

#include <stdatomic.h>
#include <stdint.h>

#include "base/def.h"

#define LABEL_COUNTER_ROWS_MAX 128 /* of more different words the rest is counted together */
#define LABEL_COUNTER_WORD_BYTES 112
#define LABEL_COUNTER_REST "others" /* the word of the last row */

struct label_row {
	char word[LABEL_COUNTER_WORD_BYTES]; /* cut off where it is longer */
	unsigned kind; /* the same word of another kind has a row of its own */
	_Atomic uint64_t n;
};

struct label_counter {
	atomic_uint rows_n;
	struct label_row rows[LABEL_COUNTER_ROWS_MAX];
};

/* Borrows @word. For the one thread that owns the counter. */
void label_counter_add(struct label_counter *counter, unsigned kind, const char *word, uint64_t n);
/* Adds all of @from, which another thread may be adding to, to @to, which is the caller's. */
void label_counter_merge(struct label_counter *to, const struct label_counter *from);

/* Those that may be read now. */
static inline unsigned label_counter_rows(const struct label_counter *counter)
{
	return atomic_load_explicit(&counter->rows_n, memory_order_acquire);
}

#endif
