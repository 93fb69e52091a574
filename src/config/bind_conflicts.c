/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/bind_conflicts.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/value.h"

/* What one socket, or one for each port of a range, is bound to. */
struct bound {
	struct host {
		const char *path; /* of a unix socket, else NULL */
		uint8_t bytes[16];
		uint32_t zone;
	} host;
	uint16_t port_first, port_last;
	size_t index; /* in the order of the file */
	const struct bind_config *bind;
	const struct listener_config *listener; /* NULL: it is for the operator */
	const char *key;                        /* of [global], then */
};

/* Sorted by host, then by port. */
struct bounds {
	struct bound *list;
	size_t n;
};

static const struct addr_spec any_spec;

static struct host host_of(const struct addr_spec *spec, const struct addr *addr)
{
	struct host host = { .path = spec->is_unix ? spec->host : NULL };

	if (spec->is_unix || !addr_bytes(addr, host.bytes))
		return host;
	if (addr_family(addr) == AF_INET6)
		host.zone = addr->in6.sin6_scope_id;
	return host;
}

static struct host any_host(int family)
{
	struct addr addr = { .len = sizeof(addr.in6) };

	addr.sa.sa_family = (sa_family_t)family;
	return host_of(&any_spec, &addr);
}

/* IPv4, as ::ffff:a.b.c.d? */
static bool is_mapped_host(const struct host *host)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(host->bytes, prefix, sizeof(prefix)) == 0;
}

static int compare_hosts(const struct host *a, const struct host *b)
{
	int order;

	if (!a->path != !b->path)
		return a->path ? 1 : -1;
	if (a->path)
		return strcmp(a->path, b->path);
	order = memcmp(a->bytes, b->bytes, sizeof(a->bytes));
	if (order != 0)
		return order;
	return (a->zone > b->zone) - (a->zone < b->zone);
}

static int compare_bounds(const void *a, const void *b)
{
	const struct bound *left = a, *right = b;
	int order = compare_hosts(&left->host, &right->host);

	if (order == 0)
		order = (left->port_first > right->port_first) -
			(left->port_first < right->port_first);
	if (order == 0)
		order = (left->index > right->index) - (left->index < right->index);
	return order;
}

/* ---- collecting ---- */

static bool is_any(const struct addr_spec *spec)
{
	return spec->host[0] == '\0' && !spec->is_unix;
}

/* "Any" is bound for both families at once; a path is not resolved everywhere. */
static size_t count_of(const struct bind_config *bind)
{
	if (bind->spec.is_unix)
		return 1;
	return is_any(&bind->spec) ? 2 : bind->addrs_n;
}

static size_t count_all(const struct config *config)
{
	size_t n = count_of(&config->global.status.at) + 1; /* and that of `control` */

	for (size_t i = 0; i < config->listeners_n; i++) {
		for (size_t j = 0; j < config->listeners[i].binds_n; j++)
			n += count_of(&config->listeners[i].binds[j]);
	}
	return n;
}

/* Adds @bind of @listener, or if that is NULL, of @key in [global]. */
static void add_bound(struct bounds *bounds, const struct listener_config *listener,
		      const char *key, const struct bind_config *bind)
{
	const struct addr_spec *spec = &bind->spec;

	/* The kernel picks a port of its own for each port 0. */
	if (spec->port_first == 0 && !spec->is_unix)
		return;
	for (size_t i = 0; i < count_of(bind); i++) {
		bounds->list[bounds->n] = (struct bound){
			.host = is_any(spec) ? any_host(i == 0 ? AF_INET : AF_INET6)
					     : host_of(spec, bind->addrs + i),
			.port_first = spec->port_first,
			.port_last = spec->port_last,
			.index = bounds->n,
			.bind = bind,
			.listener = listener,
			.key = key,
		};
		bounds->n++;
	}
}

/* What [global] has for the operator. */
static void add_own(struct bounds *bounds, const struct global_config *global)
{
	if (global->control.at.spec.is_unix)
		add_bound(bounds, NULL, "control", &global->control.at);
	if (global->status.is_on)
		add_bound(bounds, NULL, "status", &global->status.at);
}

static bool collect(struct bounds *bounds, const struct config *config)
{
	bounds->n = 0;
	bounds->list = calloc(count_all(config) + 1, sizeof(*bounds->list));
	if (!bounds->list)
		return false;
	add_own(bounds, &config->global);
	for (size_t i = 0; i < config->listeners_n; i++) {
		const struct listener_config *listener = &config->listeners[i];

		for (size_t j = 0; j < listener->binds_n; j++)
			add_bound(bounds, listener, NULL, &listener->binds[j]);
	}
	qsort(bounds->list, bounds->n, sizeof(*bounds->list), compare_bounds);
	return true;
}

/* ---- bound twice ---- */

static void report_twice(const struct bound *a, const struct bound *b, struct diag *diag)
{
	const struct bound *first = a->index < b->index ? a : b;
	const struct bound *later = a->index < b->index ? b : a;
	char text[SPEC_TEXT_BYTES];

	diag_error(diag, &later->bind->location,
		   "[%s%s] %s: this address is bound twice; first as %s at %s:%u",
		   later->listener ? "listener " : "global",
		   later->listener ? later->listener->name : "",
		   later->listener ? "bind" : later->key, spec_format(&first->bind->spec, text),
		   first->bind->location.file, first->bind->location.line);
}

/* Of the ports of one host, in order, the one that reaches farthest is the one to bump into. */
static void check_twice(const struct bounds *bounds, struct diag *diag)
{
	const struct bound *farthest = bounds->list;
	const struct bind_config *reported = NULL;

	for (size_t i = 1; i < bounds->n; i++) {
		const struct bound *at = &bounds->list[i];
		bool is_same_host = compare_hosts(&farthest->host, &at->host) == 0;

		if (is_same_host && at->port_first <= farthest->port_last) {
			/* A bind of several addresses is one mistake. */
			if (at->bind != reported && at->bind != farthest->bind)
				report_twice(farthest, at, diag);
			reported = at->bind;
		}
		if (!is_same_host || at->port_last > farthest->port_last)
			farthest = at;
	}
}

/* Of listeners, where @any has all of @at's: else it is of use there; of others, where one is. */
static bool takes_ports(const struct bound *any, const struct bound *at)
{
	if (any->listener && at->listener)
		return any->port_first <= at->port_first && at->port_last <= any->port_last;
	return any->port_first <= at->port_last && at->port_first <= any->port_last;
}

/* Two listeners may share a port so; of what is for the operator, it is one socket's alone. */
static bool is_free_beside_any(const struct bound *a, const struct bound *b)
{
	return a->listener && b->listener && a->listener != b->listener;
}

/* The other bind to "any" that takes connections to @at, too, and is in its way, or NULL. */
static const struct bound *find_any(const struct bounds *bounds, const struct bound *at)
{
	const struct host any[] = { any_host(AF_INET), any_host(AF_INET6) };
	const struct host *wanted = &any[!is_mapped_host(&at->host)];

	if (at->host.path || compare_hosts(&at->host, wanted) == 0)
		return NULL;
	for (size_t i = 0; i < bounds->n; i++) {
		const struct bound *other = &bounds->list[i];

		if (!is_free_beside_any(other, at) && compare_hosts(&other->host, wanted) == 0 &&
		    takes_ports(other, at))
			return other;
	}
	return NULL;
}

/* The kernel prefers a precise address, which is of use only to another listener. */
static void check_within_any(const struct bounds *bounds, struct diag *diag)
{
	const struct bind_config *reported = NULL;
	char text[SPEC_TEXT_BYTES];

	for (size_t i = 0; i < bounds->n; i++) {
		const struct bound *at = &bounds->list[i];
		const struct bound *any = find_any(bounds, at);

		if (!any || at->bind == reported)
			continue;
		reported = at->bind;
		if (!any->listener || !at->listener) {
			report_twice(any, at, diag);
			continue;
		}
		diag_warning(diag, &at->bind->location,
			     "[listener %s] bind: means nothing beside %s at %s:%u, which has this "
			     "address, too",
			     at->listener->name, spec_format(&any->bind->spec, text),
			     any->bind->location.file, any->bind->location.line);
	}
}

/* ---- backends that are listeners ---- */

/* Who is bound to this, or NULL. Where binds overlap, it may miss one: that is reported anyway. */
static const struct bound *find_bound(const struct bounds *bounds, const struct host *host,
				      uint16_t port)
{
	size_t low = 0, high = bounds->n;
	const struct bound *at;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_hosts(&bounds->list[middle].host, host);

		if (order < 0 || (order == 0 && bounds->list[middle].port_first <= port))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	at = &bounds->list[low - 1];
	return compare_hosts(&at->host, host) == 0 && port <= at->port_last ? at : NULL;
}

/* Which listener would accept a connection to @backend? */
static const struct bound *find_own(const struct bounds *bounds,
				    const struct backend_config *backend, bool ask)
{
	struct addr addr = backend->addr;
	struct host host, any;
	const struct bound *own;

	addr_unmap(&addr);
	host = host_of(&backend->spec, &addr);
	own = find_bound(bounds, &host, addr_port(&addr));
	if (own || addr_is_unix(&addr) || !ask)
		return own;
	any = any_host(addr_family(&addr));
	own = find_bound(bounds, &any, addr_port(&addr));
	return own && addr_is_local(&addr) ? own : NULL;
}

static void check_pool(const struct bounds *bounds, const struct pool_config *pool,
		       struct diag *diag, bool ask)
{
	for (size_t i = 0; i < pool->backends_n; i++) {
		const struct backend_config *backend = &pool->backends[i];
		const struct bound *own;

		if (backend->addr.len == 0)
			continue;
		own = find_own(bounds, backend, ask);
		if (own && own->listener)
			diag_error(diag, &backend->addr_location,
				   "[pool %s] backend: %s is [listener %s] itself, bound at %s:%u: "
				   "it would connect to itself",
				   pool->name, backend->name, own->listener->name,
				   own->bind->location.file, own->bind->location.line);
	}
}

void config_check_bind_conflicts(const struct config *config, struct diag *diag, bool ask)
{
	struct bounds bounds;

	if (!collect(&bounds, config)) {
		diag_no_memory(diag);
		return;
	}
	check_twice(&bounds, diag);
	check_within_any(&bounds, diag);
	for (size_t i = 0; i < config->pools_n; i++)
		check_pool(&bounds, &config->pools[i], diag, ask);
	free(bounds.list);
}
