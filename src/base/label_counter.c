/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/label_counter.h"

#include "base/text.h"

#include <stdbool.h>
#include <string.h>

static struct label_row *find_row(struct label_counter *counter, unsigned rows_n, unsigned kind,
				  const char *word)
{
	const size_t n = text_cut(word, LABEL_COUNTER_WORD_BYTES - 1);

	for (unsigned i = 0; i < rows_n; i++) {
		struct label_row *row = &counter->rows[i];

		if (row->kind == kind && strncmp(row->word, word, n) == 0 && !row->word[n])
			return row;
	}
	return NULL;
}

/* A row of zero for the word; the last one that is left is for all the words to come. */
static struct label_row *append_row(struct label_counter *counter, unsigned rows_n, unsigned kind,
				    const char *word)
{
	struct label_row *row = &counter->rows[rows_n];
	bool is_last = rows_n == LABEL_COUNTER_ROWS_MAX - 1;

	text_copy_cut(row->word, sizeof(row->word), is_last ? LABEL_COUNTER_REST : word);
	row->kind = kind;
	atomic_store_explicit(&counter->rows_n, rows_n + 1, memory_order_release);
	return row;
}

void label_counter_add(struct label_counter *counter, unsigned kind, const char *word, uint64_t n)
{
	unsigned rows_n = atomic_load_explicit(&counter->rows_n, memory_order_relaxed);
	struct label_row *row = find_row(counter, rows_n, kind, word);

	if (!row)
		row = rows_n < LABEL_COUNTER_ROWS_MAX ? append_row(counter, rows_n, kind, word)
						      : &counter->rows[LABEL_COUNTER_ROWS_MAX - 1];
	atomic_store_explicit(&row->n, atomic_load_explicit(&row->n, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

void label_counter_merge(struct label_counter *to, const struct label_counter *from)
{
	unsigned rows_n = label_counter_rows(from);

	for (unsigned i = 0; i < rows_n; i++) {
		const struct label_row *row = &from->rows[i];

		label_counter_add(to, row->kind, row->word,
				  atomic_load_explicit(&row->n, memory_order_relaxed));
	}
}
