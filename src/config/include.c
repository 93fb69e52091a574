/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The type of `include`: what is named is read by load.c. */
#include <stdlib.h>
#include <string.h>

#include "config/setting.h"
#include "config/value.h"

static void set_include(const struct setting *s, void *section)
{
	struct global_config *global = section;
	struct include_config *all =
		setting_grow(s->diag, global->includes, global->includes_n, sizeof(*all));

	if (!all)
		return;
	global->includes = all;
	all += global->includes_n;
	all->location = s->location;
	all->path = strdup(s->text);
	if (all->path)
		global->includes_n++;
	else
		diag_no_memory(s->diag);
}

/* A configuration that is written back has in it what was included. */
static size_t count_no_includes(const void *section)
{
	(void)section;
	return 0;
}

static void print_include(const struct directive *d, const void *section, size_t index, FILE *to)
{
	(void)d;
	expand_print(((const struct global_config *)section)->includes[index].path, to);
}

static void release_includes(const struct directive *d, void *section)
{
	struct global_config *global = section;

	(void)d;
	for (size_t i = 0; i < global->includes_n; i++)
		free(global->includes[i].path);
	free(global->includes);
	global->includes = NULL;
	global->includes_n = 0;
}

const struct directive_type type_include = {
	.form = "FILE, DIRECTORY",
	.set = set_include,
	.print = print_include,
	.count = count_no_includes,
	.release = release_includes,
};
