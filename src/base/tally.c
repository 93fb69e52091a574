/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/tally.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct tally_row *find(struct tally *tally, unsigned rows_n, unsigned kind, const char *word)
{
	for (unsigned i = 0; i < rows_n; i++) {
		struct tally_row *row = &tally->rows[i];

		if (row->kind == kind && strncmp(row->word, word, TALLY_WORD_BYTES - 1) == 0)
			return row;
	}
	return NULL;
}

/* A row of zero for the word; the last one that is left is for all the words to come. */
static struct tally_row *append(struct tally *tally, unsigned rows_n, unsigned kind,
				const char *word)
{
	struct tally_row *row = &tally->rows[rows_n];
	bool is_last = rows_n == TALLY_ROWS_MAX - 1;

	snprintf(row->word, sizeof(row->word), "%s", is_last ? TALLY_REST : word);
	row->kind = kind;
	atomic_store_explicit(&tally->rows_n, rows_n + 1, memory_order_release);
	return row;
}

void tally_add(struct tally *tally, unsigned kind, const char *word, uint64_t n)
{
	unsigned rows_n = atomic_load_explicit(&tally->rows_n, memory_order_relaxed);
	struct tally_row *row = find(tally, rows_n, kind, word);

	if (!row)
		row = rows_n < TALLY_ROWS_MAX ? append(tally, rows_n, kind, word)
					      : &tally->rows[TALLY_ROWS_MAX - 1];
	atomic_store_explicit(&row->n, atomic_load_explicit(&row->n, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

void tally_merge(struct tally *to, const struct tally *from)
{
	unsigned rows_n = tally_rows(from);

	for (unsigned i = 0; i < rows_n; i++) {
		const struct tally_row *row = &from->rows[i];

		tally_add(to, row->kind, row->word,
			  atomic_load_explicit(&row->n, memory_order_relaxed));
	}
}
