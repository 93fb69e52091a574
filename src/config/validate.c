/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/validate.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/directive.h"
#include "config/ineffective.h"
#include "config/login_route.h"
#include "config/names.h"
#include "config/protocol_facts.h"
#include "config/section.h"

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

/* ---- [global] ---- */

static void check_log(const struct global_config *global, struct diag *diag)
{
	const bool is_logfmt = global->log_format == LOG_LOGFMT && !global->log_template;

	if (global->log.target == LOG_TO_JOURNALD && !is_logfmt)
		diag_error(diag, directive_location(global->set_at, SECTION_GLOBAL, "log_format"),
			   "[global] log_format: log = journald shows the fields of logfmt, which "
			   "%s has not",
			   global->log_template ? "a text" : "json");
}

static void check_buffer_memory(const struct global_config *global, struct diag *diag)
{
	const struct config_location *location =
		directive_location(global->set_at, SECTION_GLOBAL, "buffer_memory");
	const uint64_t workers = config_workers(global);
	const uint64_t least = workers * CONFIG_WORKER_BUFFERS_MIN * CONFIG_BUFFER_BYTES;
	const uint64_t most = workers * CONFIG_WORKER_BUFFERS_MAX * CONFIG_BUFFER_BYTES;
	char text[TEXT_NUMBER_BYTES];

	if (global->buffer_memory_bytes < least)
		diag_error(diag, location,
			   "[global] buffer_memory: too little for %u workers (at least %s, %u "
			   "buffers of %u bytes for each)",
			   (unsigned)workers, text_from_bytes(least, text),
			   CONFIG_WORKER_BUFFERS_MIN, CONFIG_BUFFER_BYTES);
	if (global->buffer_memory_bytes > most)
		diag_warning(diag, location,
			     "[global] buffer_memory: more than %u workers can use (%u buffers of "
			     "%u bytes for each)",
			     (unsigned)workers, CONFIG_WORKER_BUFFERS_MAX, CONFIG_BUFFER_BYTES);
}

/* ---- links ---- */

/* Where a listener names a pool. */
struct pool_link {
	const char *key, *name;
	const struct config_location *location;
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
	diag_error(diag, link->location, "[listener %s] %s: there is no [pool %s]%s%s%s",
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
	if (!found && config->has_lost_section)
		return NULL;
	if (!found) {
		report_unknown_pool(listener, pools, link, l->diag);
		return NULL;
	}
	l->is_used[found->index] = true;
	return &config->pools[found->index];
}

/* Where the two certificates are the same, it works; that is not seen from here, but said. */
static void check_tls_on_both_sides(const struct listener_config *listener,
				    const struct pool_config *pool,
				    const struct config_location *location, struct diag *diag)
{
	const char *bound = protocol_facts[listener->protocol].bound_to_tls;

	if (!bound || listener->tls != TLS_MODE_TERMINATE || !pool->tls || pool->has_shared_tls)
		return;
	diag_warning(
		diag, location,
		"[listener %s]: with TLS on both sides of ringmain %s, unless the backends have "
		"this same certificate: pass TLS through (tls = passthrough), speak to [pool "
		"%s] without TLS, or give this listener the backends' own certificate, and say so "
		"there (tls_shared = yes)",
		listener->name, bound, pool->name);
}

/* Two sections that are good by themselves, and do not go together. */
static void check_listener_and_pool(const struct listener_config *listener,
				    const struct pool_config *pool,
				    const struct config_location *location, struct diag *diag)
{
	const struct protocol_facts *facts = &protocol_facts[listener->protocol];
	const bool wants_name =
		pool->stick.kind == CLIENT_KEY_SNI ||
		(pool->balance == BALANCE_MAGLEV && pool->hash.kind == CLIENT_KEY_SNI);

	if (wants_name && !listener_reads_hello(listener))
		diag_warning(diag, location,
			     "[listener %s]: without tls no client has a name, and [pool %s] knows "
			     "them by it: it will take the source",
			     listener->name, pool->name);
	if (pool->tls && listener->tls == TLS_MODE_PASSTHROUGH)
		diag_warning(diag, location,
			     "[listener %s]: passes TLS through to [pool %s], which puts TLS "
			     "around it once more",
			     listener->name, pool->name);
	if (pool->tls && facts->tls_request && pool->protocol == PROTOCOL_ANY)
		diag_warning(diag, location,
			     "[listener %s]: speaks %s, but [pool %s] begins TLS without %s "
			     "(protocol = %s)",
			     listener->name, facts->title, pool->name, facts->tls_request,
			     protocol_names[listener->protocol]);
	if (pool->tls && listener->protocol == PROTOCOL_ANY &&
	    listener->tls != TLS_MODE_PASSTHROUGH && protocol_facts[pool->protocol].bound_to_tls)
		diag_warning(diag, location,
			     "[listener %s]: is not told that clients speak %s, as [pool %s] is "
			     "(protocol = %s); without it %s",
			     listener->name, protocol_facts[pool->protocol].title, pool->name,
			     protocol_names[pool->protocol],
			     protocol_facts[pool->protocol].bound_to_tls);
	check_tls_on_both_sides(listener, pool, location, diag);
}

/*
 * Auto is for protocols that ask for TLS, and for backends that are to be
 * asked; where ringmain speaks TLS to them, theirs is not the client's.
 */
static void resolve_tls_auto(struct listener_config *listener)
{
	bool is_off = !protocol_facts[listener->protocol].tls_request ||
		      (listener->pool && listener->pool->tls);

	if (listener->tls == TLS_MODE_AUTO && is_off)
		listener->tls = TLS_MODE_OFF;
}

/* Nobody has switched it off, and clients find none where the backends have it. */
static void warn_of_no_tls(const struct listener_config *listener, struct diag *diag)
{
	const struct config_location *given =
		directive_location(listener->set_at, SECTION_LISTENER, "tls");

	diag_warning(
		diag, given->line ? given : &listener->pool_location,
		"[listener %s]: without tls clients that ask for TLS are told that there is "
		"none, as [pool %s] has tls = yes: say tls = terminate, with a certificate, or "
		"leave tls out there, too, so that its backends answer; tls = off says that "
		"it is meant",
		listener->name, listener->pool->name);
}

/* Switched off by hand, though the backends may have it, and may insist on it. */
static void check_tls_off(const struct listener_config *listener, struct diag *diag)
{
	const struct config_location *location =
		directive_location(listener->set_at, SECTION_LISTENER, "tls");

	if (listener->tls != TLS_MODE_OFF || !location->line || !listener->pool ||
	    !protocol_facts[listener->protocol].tls_request || listener->pool->tls ||
	    login_route_exists(listener))
		return;
	diag_warning(
		diag, location,
		"[listener %s] tls: off: clients that ask for TLS are told that there is none, "
		"whatever [pool %s] has; without this line its backends answer",
		listener->name, listener->pool->name);
}

static void link_listener(const struct config *config, struct listener_config *listener,
			  const struct names *pools, struct linker *l)
{
	const struct pool_link own = { "pool", listener->pool_name, &listener->pool_location };
	bool was_auto;

	listener->pool = find_pool(config, listener, pools, &own, l);
	if (listener->pool)
		check_listener_and_pool(listener, listener->pool, own.location, l->diag);
	for (size_t i = 0; i < listener->routes_n; i++) {
		struct route_config *route = &listener->routes[i];
		const struct pool_link link = { "route", route->pool_name, &route->location };

		route->pool = find_pool(config, listener, pools, &link, l);
		if (route->pool)
			check_listener_and_pool(listener, route->pool, link.location, l->diag);
	}
	was_auto = listener->tls == TLS_MODE_AUTO;
	resolve_tls_auto(listener);
	if (was_auto && listener->tls == TLS_MODE_OFF)
		warn_of_no_tls(listener, l->diag);
	else
		check_tls_off(listener, l->diag);
}

/* Not beside errors: the section that would use it may be the one that is wrong. */
static void report_unused(const struct config *config, const bool *is_used, struct diag *diag)
{
	for (size_t i = 0; i < config->pools_n && !diag_has_errors(diag); i++) {
		if (!is_used[i])
			diag_warning(diag, &config->pools[i].location,
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

static bool wants_pool(const struct listener_config *listener)
{
	return listener->pool_name[0] == '\0' && listener->routes_n == 0 &&
	       directive_location(listener->set_at, SECTION_LISTENER, "pool")->line == 0 &&
	       directive_location(listener->set_at, SECTION_LISTENER, "route")->line == 0;
}

/* One that says neither where sessions go has the pool of its own name, if there is one. */
static void give_namesakes(struct config *config, const struct names *pools)
{
	for (size_t i = 0; i < config->listeners_n; i++) {
		struct listener_config *listener = &config->listeners[i];

		if (!wants_pool(listener) || !names_find(pools, listener->name))
			continue;
		memcpy(listener->pool_name, listener->name, sizeof(listener->pool_name));
		listener->pool_location = listener->location;
	}
}

static void check_listener_names(const struct config *config, struct diag *diag)
{
	struct names names;

	if (!names_init(&names, config->listeners_n, diag))
		return;
	for (size_t i = 0; i < config->listeners_n; i++) {
		const struct listener_config *l = &config->listeners[i];

		names.list[i] =
			(struct named){ .name = l->name, .location = &l->location, .index = i };
	}
	names_sort(&names);
	names_report_twice(&names, "[listener ", "]", diag);
	names_finish(&names);
}

static bool sort_pools(const struct config *config, struct names *ret_names, struct diag *diag)
{
	if (!names_init(ret_names, config->pools_n, diag))
		return false;
	for (size_t i = 0; i < config->pools_n; i++) {
		const struct pool_config *p = &config->pools[i];

		ret_names->list[i] =
			(struct named){ .name = p->name, .location = &p->location, .index = i };
	}
	names_sort(ret_names);
	return true;
}

static void check_sections(struct config *config, struct diag *diag, bool ask)
{
	for (size_t i = 0; i < config->listeners_n; i++)
		section_check_listener(&config->listeners[i], &config->global, diag, ask);
	for (size_t i = 0; i < config->pools_n; i++)
		section_check_pool(&config->pools[i], diag, ask);
}

void config_validate(struct config *config, struct diag *diag, bool ask)
{
	struct names pools;

	if (!sort_pools(config, &pools, diag))
		return;
	if (ask || config->global.workers != 0)
		check_buffer_memory(&config->global, diag);
	check_log(&config->global, diag);
	give_namesakes(config, &pools);
	for (size_t i = 0; i < config->listeners_n; i++)
		resolve_tls_auto(&config->listeners[i]);
	check_sections(config, diag, ask);
	config_check_ineffective(config, diag);
	check_listener_names(config, diag);
	names_report_twice(&pools, "[pool ", "]", diag);
	check_links(config, &pools, diag);
	names_finish(&pools);
}
