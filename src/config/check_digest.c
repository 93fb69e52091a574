/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/check_digest.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "config/directive.h"

static size_t count_of(const struct directive *d, const struct pool_config *pool)
{
	if (d->type->has && !d->type->has(d, pool))
		return 0;
	return d->type->count ? d->type->count(pool) : 1;
}

static void write_all(const struct pool_config *pool, FILE *to)
{
	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		if (d->section != SECTION_POOL || !d->shapes_check)
			continue;
		for (size_t n = 0; n < count_of(d, pool); n++) {
			fprintf(to, "\n%s ", d->key);
			d->type->print(d, pool, n, to);
		}
	}
}

bool check_digest(const struct pool_config *pool, uint64_t *ret_digest)
{
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);
	bool is_good;

	if (!to)
		return false;
	write_all(pool, to);
	is_good = !ferror(to);
	is_good &= fclose(to) == 0;
	if (is_good)
		*ret_digest = hash_bytes(text, n, 0);
	free(text);
	return is_good;
}
