/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/like.h"

#include <stdio.h>

#include "config/names.h"

#define TITLE_BYTES (CONFIG_NAME_BYTES + 16)

static const struct config_location *like_location(const struct pool_config *pool)
{
	return directive_location(pool->set_at, SECTION_POOL, "like");
}

/* What it would have had is not missing beside the mistake. */
static void like_excuse(struct pool_config *pool)
{
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].section == SECTION_POOL && directives[i].required &&
		    pool->set_at[i].line == 0)
			pool->set_at[i] = *like_location(pool);
	}
}

static void report_no_pool(const struct pool_config *pool, const struct names *names,
			   struct diag *diag)
{
	const char *near = diag_has_room(diag) ? names_nearest(names, pool->like) : NULL;

	diag_error(diag, like_location(pool), "[pool %s] like: there is no [pool %s]%s%s%s",
		   pool->name, pool->like, near ? "; did you mean '" : "", near ? near : "",
		   near ? "'?" : "");
}

/* Gives the pool that @pool is like; NULL, reported, when it cannot be. */
static const struct pool_config *like_find(const struct config *config,
					   const struct pool_config *pool,
					   const struct names *names, struct diag *diag)
{
	const struct named *found = names_find(names, pool->like);
	const struct pool_config *other = found ? &config->pools[found->index] : NULL;

	if (pool->like[0] == '\0')
		return NULL; /* its value was no good, which is reported */
	if (!other && !config->has_lost_section)
		report_no_pool(pool, names, diag);
	else if (other == pool)
		diag_error(diag, like_location(pool), "[pool %s] like: that is this pool itself",
			   pool->name);
	else if (other && other->like[0] != '\0')
		diag_error(diag, like_location(pool),
			   "[pool %s] like: [pool %s] is itself like [pool %s]; name that one",
			   pool->name, other->name, other->like);
	else
		return other;
	return NULL;
}

static void like_resolve(struct config *config, const struct names *names, const struct kept *kept,
			 struct diag *diag)
{
	char title[TITLE_BYTES];

	for (size_t i = 0; i < config->pools_n; i++) {
		struct pool_config *pool = &config->pools[i];
		const struct pool_config *other;

		if (like_location(pool)->line == 0)
			continue;
		other = like_find(config, pool, names, diag);
		snprintf(title, sizeof(title), "[pool %s]", pool->name);
		if (other)
			kept_apply(&kept[other->number], ORIGIN_LIKE,
				   &(struct kept_section){ pool, pool->set_at, title }, diag);
		else
			like_excuse(pool);
	}
}

static bool has_like(const struct config *config)
{
	for (size_t i = 0; i < config->pools_n; i++) {
		if (like_location(&config->pools[i])->line > 0)
			return true;
	}
	return false;
}

void like_apply(struct config *config, const struct kept *kept, struct diag *diag)
{
	struct names names;

	if (!has_like(config) || !names_init(&names, config->pools_n, diag))
		return;
	for (size_t i = 0; i < config->pools_n; i++) {
		const struct pool_config *pool = &config->pools[i];

		names.list[i] = (struct named){ pool->name, &pool->location, i };
	}
	names_sort(&names);
	like_resolve(config, &names, kept, diag);
	names_finish(&names);
}
