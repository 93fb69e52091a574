/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/validate.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/directive.h"
#include "config/names.h"
#include "config/source.h"

#define SOMAXCONN_PATH "/proc/sys/net/core/somaxconn"

unsigned config_workers(const struct global_config *global)
{
	cpu_set_t cpus;
	long n;

	if (global->workers != 0)
		return global->workers;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = CPU_COUNT(&cpus);
	else
		n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : MIN((unsigned)n, CONFIG_WORKERS_MAX);
}

static void report_missing(const struct config_place *given, enum config_section section,
			   const char *title, const struct config_place *place, struct diag *diag)
{
	char allowed[DIRECTIVE_ALLOWED_BYTES];

	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		if (d->section == section && d->required && given[i].line == 0)
			diag_error(diag, place, "%s: no '%s' in this section (%s)", title, d->key,
				   directive_allowed(d, allowed));
	}
}

/* ---- [global] ---- */

static void check_buffer_memory(const struct global_config *global, struct diag *diag)
{
	const struct config_place *place =
		directive_place(global->given, SECTION_GLOBAL, "buffer_memory");
	const uint64_t workers = config_workers(global);
	const uint64_t least = workers * CONFIG_WORKER_BUFFERS_MIN * CONFIG_BUFFER_BYTES;
	const uint64_t most = workers * CONFIG_WORKER_BUFFERS_MAX * CONFIG_BUFFER_BYTES;
	char text[TEXT_NUMBER_BYTES];

	if (global->buffer_memory_bytes < least)
		diag_error(diag, place,
			   "[global] buffer_memory: too little for %u workers (at least %s, %u "
			   "buffers of %u bytes for each)",
			   (unsigned)workers, text_from_bytes(least, text),
			   CONFIG_WORKER_BUFFERS_MIN, CONFIG_BUFFER_BYTES);
	if (global->buffer_memory_bytes > most)
		diag_warning(diag, place,
			     "[global] buffer_memory: more than %u workers can use (%u buffers of "
			     "%u bytes for each)",
			     (unsigned)workers, CONFIG_WORKER_BUFFERS_MAX, CONFIG_BUFFER_BYTES);
}

/* ---- [pool] ---- */

static void check_backend_names(const struct pool_config *pool, struct diag *diag)
{
	char before[CONFIG_NAME_BYTES + 32];
	struct names names;

	if (!names_init(&names, pool->backends_n, diag))
		return;
	for (size_t i = 0; i < pool->backends_n; i++) {
		const struct backend_config *b = &pool->backends[i];

		names.list[i] = (struct named){ .name = b->name, .place = &b->place, .index = i };
	}
	names_sort(&names);
	snprintf(before, sizeof(before), "[pool %s] backend: '", pool->name);
	names_report_twice(&names, before, "'", diag);
	names_finish(&names);
}

static void check_weights(const struct pool_config *pool, struct diag *diag)
{
	for (size_t i = 0; i < pool->backends_n; i++) {
		if (pool->backends[i].weight > 0)
			return;
	}
	if (pool->backends_n > 0)
		diag_warning(diag, &pool->place,
			     "[pool %s]: all weights are 0: no session gets a backend", pool->name);
}

/* The place of whichever of the two was written, to point at. */
static const struct config_place *place_of_either(const struct config_place *given,
						  enum config_section section, const char *key,
						  const char *other)
{
	const struct config_place *place = directive_place(given, section, key);

	return place->line ? place : directive_place(given, section, other);
}

static void check_connect_times(const struct pool_config *pool, struct diag *diag)
{
	char one[TEXT_NUMBER_BYTES], all[TEXT_NUMBER_BYTES];

	if (pool->connect_timeout_ms <= pool->connect_total_ms)
		return;
	diag_error(diag,
		   place_of_either(pool->given, SECTION_POOL, "connect_timeout", "connect_total"),
		   "[pool %s] connect_timeout: one try may take longer (%s) than all of them "
		   "(connect_total = %s)",
		   pool->name, text_from_ms(pool->connect_timeout_ms, one),
		   text_from_ms(pool->connect_total_ms, all));
}

static void check_pool(const struct pool_config *pool, struct diag *diag)
{
	char title[CONFIG_NAME_BYTES + 16];

	snprintf(title, sizeof(title), "[pool %s]", pool->name);
	if (pool->name[0] != '\0')
		report_missing(pool->given, SECTION_POOL, title, &pool->place, diag);
	check_backend_names(pool, diag);
	check_weights(pool, diag);
	check_connect_times(pool, diag);
}

/* ---- [listener] ---- */

static void check_session_limits(const struct listener_config *listener,
				 const struct global_config *global, struct diag *diag)
{
	if (global->sessions_max == 0 || listener->sessions_max <= global->sessions_max)
		return;
	diag_warning(diag, directive_place(listener->given, SECTION_LISTENER, "max_sessions"),
		     "[listener %s] max_sessions: never reached: [global] max_sessions is %u",
		     listener->name, global->sessions_max);
}

/* Switched off and yet configured: one of the two is not meant. */
static void check_keepalive(const struct listener_config *listener, struct diag *diag)
{
	static const char *const keys[] = { "keepalive_idle", "keepalive_interval",
					    "keepalive_count" };

	if (listener->keepalive)
		return;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct config_place *place =
			directive_place(listener->given, SECTION_LISTENER, keys[i]);

		if (place->line)
			diag_warning(diag, place,
				     "[listener %s] %s: means nothing with keepalive = no",
				     listener->name, keys[i]);
	}
}

static void check_listener(const struct listener_config *listener,
			   const struct global_config *global, struct diag *diag)
{
	char title[CONFIG_NAME_BYTES + 16];

	snprintf(title, sizeof(title), "[listener %s]", listener->name);
	if (listener->name[0] != '\0')
		report_missing(listener->given, SECTION_LISTENER, title, &listener->place, diag);
	check_session_limits(listener, global, diag);
	check_keepalive(listener, diag);
}

/* 0 when it cannot be told. */
static uint64_t read_somaxconn(void)
{
	FILE *from = fopen(SOMAXCONN_PATH, "re");
	char line[TEXT_NUMBER_BYTES] = "";
	uint64_t value = 0;

	if (!from)
		return 0;
	if (fgets(line, sizeof(line), from))
		line[strcspn(line, "\n")] = '\0';
	fclose(from);
	return text_to_u64(line, &value) ? value : 0;
}

/* Only where it was asked for: the default is the kernel's own, and less is no surprise. */
static void check_backlogs(const struct config *config, struct diag *diag)
{
	uint64_t somaxconn = read_somaxconn();

	for (size_t i = 0; i < config->listeners_n && somaxconn > 0; i++) {
		const struct listener_config *listener = &config->listeners[i];
		const struct config_place *place =
			directive_place(listener->given, SECTION_LISTENER, "backlog");

		if (place->line && listener->backlog > somaxconn)
			diag_warning(diag, place,
				     "[listener %s] backlog: the kernel cuts it down to %llu "
				     "(net.core.somaxconn)",
				     listener->name, (unsigned long long)somaxconn);
	}
}

/* ---- links ---- */

/* Where a listener names a pool. */
struct pool_link {
	const char *key, *name;
	const struct config_place *place;
};

struct linker {
	bool *is_used; /* by index of the pool */
	struct diag *diag;
};

static void report_unknown_pool(const struct listener_config *listener, const struct names *pools,
				const struct pool_link *link, struct diag *diag)
{
	const char *near = NULL;

	if (diag_has_room(diag))
		near = names_nearest(pools, link->name);
	diag_error(diag, link->place, "[listener %s] %s: there is no [pool %s]%s%s%s",
		   listener->name, link->key, link->name, near ? "; did you mean '" : "",
		   near ? near : "", near ? "'?" : "");
}

/* Gives the pool of that name, and notes that it is used; reports it when there is none. */
static const struct pool_config *find_pool(const struct config *config,
					   const struct listener_config *listener,
					   const struct names *pools, const struct pool_link *link,
					   struct linker *l)
{
	const struct named *found = names_find(pools, link->name);

	if (link->name[0] == '\0')
		return NULL;
	if (!found) {
		report_unknown_pool(listener, pools, link, l->diag);
		return NULL;
	}
	l->is_used[found->index] = true;
	return &config->pools[found->index];
}

static void link_listener(const struct config *config, struct listener_config *listener,
			  const struct names *pools, struct linker *l)
{
	const struct pool_link own = { "pool", listener->pool_name, &listener->pool_place };

	listener->pool = find_pool(config, listener, pools, &own, l);
	for (size_t i = 0; i < listener->routes_n; i++) {
		struct route_config *route = &listener->routes[i];
		const struct pool_link link = { "route", route->pool_name, &route->place };

		route->pool = find_pool(config, listener, pools, &link, l);
	}
}

/* Not beside errors: the section that would use it may be the one that is wrong. */
static void report_unused(const struct config *config, const bool *is_used, struct diag *diag)
{
	for (size_t i = 0; i < config->pools_n && !diag_has_errors(diag); i++) {
		if (!is_used[i])
			diag_warning(diag, &config->pools[i].place,
				     "[pool %s]: no listener uses it", config->pools[i].name);
	}
}

static void check_links(struct config *config, const struct names *pools, struct diag *diag)
{
	bool *is_used = calloc(config->pools_n + 1, sizeof(*is_used));

	if (!is_used) {
		diag_no_memory(diag);
		return;
	}
	for (size_t i = 0; i < config->listeners_n; i++)
		link_listener(config, &config->listeners[i], pools,
			      &(struct linker){ .is_used = is_used, .diag = diag });
	report_unused(config, is_used, diag);
	free(is_used);
}

static void check_listener_names(const struct config *config, struct diag *diag)
{
	struct names names;

	if (!names_init(&names, config->listeners_n, diag))
		return;
	for (size_t i = 0; i < config->listeners_n; i++) {
		const struct listener_config *l = &config->listeners[i];

		names.list[i] = (struct named){ .name = l->name, .place = &l->place, .index = i };
	}
	names_sort(&names);
	names_report_twice(&names, "[listener ", "]", diag);
	names_finish(&names);
}

static void check_pool_names(struct config *config, struct diag *diag)
{
	struct names names;

	if (!names_init(&names, config->pools_n, diag))
		return;
	for (size_t i = 0; i < config->pools_n; i++) {
		const struct pool_config *p = &config->pools[i];

		names.list[i] = (struct named){ .name = p->name, .place = &p->place, .index = i };
	}
	names_sort(&names);
	names_report_twice(&names, "[pool ", "]", diag);
	check_links(config, &names, diag);
	names_finish(&names);
}

void config_validate(struct config *config, struct diag *diag, bool ask)
{
	if (ask || config->global.workers != 0)
		check_buffer_memory(&config->global, diag);
	for (size_t i = 0; i < config->listeners_n; i++)
		check_listener(&config->listeners[i], &config->global, diag);
	for (size_t i = 0; i < config->pools_n; i++)
		check_pool(&config->pools[i], diag);
	check_listener_names(config, diag);
	check_pool_names(config, diag);
	if (ask)
		check_backlogs(config, diag);
}
