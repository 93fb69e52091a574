/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/resolve.h"

#include <stdlib.h>
#include <string.h>

static bool needs_asking(const struct addr_spec *spec)
{
	return spec->is_name || (spec->host[0] == '\0' && !spec->is_unix);
}

static void report(struct diag *diag, const struct config_place *place, const char *title,
		   const struct addr_spec *spec, const char *why)
{
	diag_error(diag, place, "%s: host '%s' has no address: %s", title, spec->host, why);
}

static void resolve_bind(const struct listener_config *listener, struct bind_config *bind,
			 struct diag *diag)
{
	struct addr addrs[CONFIG_ADDRS_MAX];
	char title[CONFIG_NAME_BYTES + 32];
	const char *why;
	size_t n = addr_resolve(&bind->spec, bind->spec.port_first, addrs, CONFIG_ADDRS_MAX, &why);

	if (n == 0) {
		snprintf(title, sizeof(title), "[listener %s] bind", listener->name);
		report(diag, &bind->place, title, &bind->spec, why);
		return;
	}
	bind->addrs = malloc(n * sizeof(*addrs));
	if (!bind->addrs) {
		diag_no_memory(diag);
		return;
	}
	memcpy(bind->addrs, addrs, n * sizeof(*addrs));
	bind->addrs_n = n;
}

static void resolve_backend(const struct pool_config *pool, struct backend_config *backend,
			    struct diag *diag)
{
	char title[2 * CONFIG_NAME_BYTES + 32];
	const char *why;
	size_t n = addr_resolve(&backend->spec, backend->spec.port_first, &backend->addr, 1, &why);

	snprintf(title, sizeof(title), "[pool %s] backend: %s", pool->name, backend->name);
	if (n == 0) {
		report(diag, &backend->addr_place, title, &backend->spec, why);
	} else if (addr_is_any(&backend->addr)) {
		diag_error(diag, &backend->addr_place, "%s: a backend needs one host, not any",
			   title);
		backend->addr.len = 0;
	}
}

void config_resolve(struct config *config, struct diag *diag, bool ask)
{
	for (size_t i = 0; i < config->listeners_n; i++) {
		struct listener_config *listener = &config->listeners[i];

		for (size_t j = 0; j < listener->binds_n; j++) {
			if (ask || !needs_asking(&listener->binds[j].spec))
				resolve_bind(listener, &listener->binds[j], diag);
		}
	}
	for (size_t i = 0; i < config->pools_n; i++) {
		struct pool_config *pool = &config->pools[i];

		for (size_t j = 0; j < pool->backends_n; j++) {
			if (ask || !needs_asking(&pool->backends[j].spec))
				resolve_backend(pool, &pool->backends[j], diag);
		}
	}
}
