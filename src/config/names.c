/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

bool names_init(struct names *names, size_t n, struct diag *diag)
{
	*names = (struct names){ .list = calloc(n + 1, sizeof(*names->list)), .n = n };
	if (!names->list)
		diag_no_memory(diag);
	return names->list != NULL;
}

void names_finish(struct names *names)
{
	free(names->list);
	*names = (struct names){ 0 };
}

static int compare_names(const void *a, const void *b)
{
	const struct named *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	if (order != 0)
		return order;
	return (left->index > right->index) - (left->index < right->index);
}

void names_sort(struct names *names)
{
	qsort(names->list, names->n, sizeof(*names->list), compare_names);
}

const struct named *names_find(const struct names *names, const char *name)
{
	size_t low = 0, high = names->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(names->list[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == names->n || strcmp(names->list[low].name, name) != 0)
		return NULL;
	return &names->list[low];
}

void names_report_twice(const struct names *names, const char *before, const char *after,
			struct diag *diag)
{
	const struct named *first = names->list;

	for (size_t i = 1; i < names->n; i++) {
		const struct named *at = &names->list[i];

		if (strcmp(first->name, at->name) != 0)
			first = at;
		else if (at->name[0] != '\0')
			diag_error(diag, at->location, "%s%s%s given twice; first at %s:%u", before,
				   at->name, after, first->location->file, first->location->line);
	}
}

const char *names_nearest(const struct names *names, const char *typed)
{
	const char **words = calloc(names->n + 1, sizeof(*words));
	const char *nearest;

	if (!words)
		return NULL;
	for (size_t i = 0; i < names->n; i++)
		words[i] = names->list[i].name;
	nearest = text_nearest(typed, words, names->n);
	free(words);
	return nearest;
}
