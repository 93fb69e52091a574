/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/resolve.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

static bool needs_asking(const struct addr_spec *spec)
{
	return spec->is_name || (spec->host[0] == '\0' && !spec->is_unix);
}

static void report_unresolved(struct diag *diag, const struct config_location *location,
			      const char *title, const struct addr_spec *spec, const char *why)
{
	diag_error(diag, location, "%s: host '%s' has no address: %s", title, spec->host, why);
}

/* ---- owners of unix sockets' files ---- */

/* A number that is none of the kernel's for "leave it". */
static bool is_id(const char *text, uint64_t *ret_id)
{
	return text_to_u64(text, ret_id) && *ret_id < UINT32_MAX;
}

/* @title: "[listener pg] bind". */
static void report_account(const char *title, const char *key, const struct account_config *account,
			   struct diag *diag)
{
	diag_error(diag, &account->location,
		   "%s: %s: this machine has no %s '%.60s' (a name or a number)", title, key,
		   strcmp(key, "owner") == 0 ? "user" : "group", account->name);
}

static void resolve_owner(const char *title, struct bind_config *bind, struct diag *diag)
{
	const struct passwd *user;
	uint64_t id = 0;

	if (!bind->owner.name)
		return;
	user = getpwnam(bind->owner.name);
	bind->access.has_owner = user || is_id(bind->owner.name, &id);
	bind->access.owner = user ? user->pw_uid : (uid_t)id;
	if (!bind->access.has_owner)
		report_account(title, "owner", &bind->owner, diag);
}

static void resolve_group(const char *title, struct bind_config *bind, struct diag *diag)
{
	const struct group *group;
	uint64_t id = 0;

	if (!bind->group.name)
		return;
	group = getgrnam(bind->group.name);
	bind->access.has_group = group || is_id(bind->group.name, &id);
	bind->access.group = group ? group->gr_gid : (gid_t)id;
	if (!bind->access.has_group)
		report_account(title, "group", &bind->group, diag);
}

static void resolve_accounts(const char *title, struct bind_config *bind, struct diag *diag)
{
	resolve_owner(title, bind, diag);
	resolve_group(title, bind, diag);
}

/* ---- addresses ---- */

#define TITLE_BYTES (CONFIG_NAME_BYTES + 32)

static const char *bind_title(const struct listener_config *listener, char text[TITLE_BYTES])
{
	snprintf(text, TITLE_BYTES, "[listener %s] bind", listener->name);
	return text;
}

/* Without a zone the kernel does not know which link is meant, and refuses. */
static bool check_zone(const struct addr *addr, const struct config_location *location,
		       const char *title, struct diag *diag)
{
	char text[ADDR_TEXT_BYTES];

	if (!addr_needs_zone(addr))
		return true;
	diag_error(diag, location,
		   "%s: %s is link-local and needs its interface, as in [fe80::1%%eth0]:80", title,
		   addr_format(addr, text));
	return false;
}

/* ---- what names were before ---- */

static bool is_same_name(const struct addr_spec *a, const struct addr_spec *b)
{
	return a->is_name && b->is_name && strcmp(a->host, b->host) == 0;
}

static size_t known_of_binds(const struct config *known, const struct addr_spec *spec,
			     struct addr *ret_addrs)
{
	for (size_t l = 0; known && l < known->listeners_n; l++) {
		for (size_t b = 0; b < known->listeners[l].binds_n; b++) {
			const struct bind_config *bind = &known->listeners[l].binds[b];

			if (!is_same_name(&bind->spec, spec))
				continue;
			memcpy(ret_addrs, bind->addrs, bind->addrs_n * sizeof(*ret_addrs));
			for (size_t n = 0; n < bind->addrs_n; n++)
				addr_set_port(&ret_addrs[n], spec->port_first);
			return bind->addrs_n;
		}
	}
	return 0;
}

static size_t known_of_backends(const struct config *known, const struct addr_spec *spec,
				struct addr *ret_addr)
{
	for (size_t p = 0; known && p < known->pools_n; p++) {
		for (size_t n = 0; n < known->pools[p].backends_n; n++) {
			const struct backend_config *backend = &known->pools[p].backends[n];

			if (!is_same_name(&backend->spec, spec) || backend->addr.len == 0)
				continue;
			*ret_addr = backend->addr;
			addr_set_port(ret_addr, spec->port_first);
			return 1;
		}
	}
	return 0;
}

static void warn_of_known(struct diag *diag, const struct config_location *location,
			  const char *title, const struct addr_spec *spec, const char *why)
{
	diag_warning(diag, location, "%s: host '%s' has no address now: %s; it keeps its last one",
		     title, spec->host, why);
}

/* ---- asking ---- */

/*
 * Names that were asked for in vain may cost so much together: a resolver that is away takes
 * some seconds for each. Then known ones keep their addresses unasked, and new ones are asked
 * (a file of the machine may have them) until that of one of them is in vain, too.
 */
#define FAILED_MAX_MS 2000

struct asking {
	const struct config *known;
	struct diag *diag;
	bool may_ask;
	uint64_t failed_ms; /* that names without an answer have taken */
	bool is_vain;       /* also for new ones */
	const char *why;    /* the last one has no address */
};

/* What addr_resolve() gives; @is_known: it has an address anyway. */
static size_t ask(struct asking *a, const struct addr_spec *spec, bool is_known,
		  struct addr *ret_addrs, size_t max)
{
	uint64_t begin_ms = clock_now_ms();
	size_t n;

	if (spec->is_name && (a->is_vain || (is_known && a->failed_ms >= FAILED_MAX_MS))) {
		a->why = "the resolver has not answered for another one";
		return 0;
	}
	n = addr_resolve(spec, spec->port_first, ret_addrs, max, &a->why);
	if (n > 0 || !spec->is_name)
		return n;
	a->failed_ms += clock_now_ms() - begin_ms;
	a->is_vain = !is_known && a->failed_ms >= FAILED_MAX_MS;
	return 0;
}

/* ---- all ---- */

static void resolve_bind(const char *title, struct bind_config *bind, struct asking *a)
{
	struct addr addrs[CONFIG_ADDRS_MAX], known[CONFIG_ADDRS_MAX];
	const size_t known_n = known_of_binds(a->known, &bind->spec, known);
	struct diag *diag = a->diag;
	size_t n = ask(a, &bind->spec, known_n > 0, addrs, CONFIG_ADDRS_MAX);

	if (n == 0 && known_n > 0) {
		n = known_n;
		memcpy(addrs, known, n * sizeof(*addrs));
		warn_of_known(diag, &bind->location, title, &bind->spec, a->why);
	}
	if (n == 0) {
		report_unresolved(diag, &bind->location, title, &bind->spec, a->why);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!check_zone(&addrs[i], &bind->location, title, diag))
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
			    struct asking *a)
{
	struct addr known;
	const bool is_known = known_of_backends(a->known, &backend->spec, &known) > 0;
	char title[2 * CONFIG_NAME_BYTES + 32];
	struct diag *diag = a->diag;
	size_t n = ask(a, &backend->spec, is_known, &backend->addr, 1);

	snprintf(title, sizeof(title), "[pool %s] backend: %s", pool->name, backend->name);
	if (n == 0 && is_known) {
		n = 1;
		backend->addr = known;
		warn_of_known(diag, &backend->addr_location, title, &backend->spec, a->why);
	}
	if (n == 0) {
		report_unresolved(diag, &backend->addr_location, title, &backend->spec, a->why);
	} else if (!check_zone(&backend->addr, &backend->addr_location, title, diag)) {
		backend->addr.len = 0;
	} else if (addr_is_any(&backend->addr)) {
		diag_error(diag, &backend->addr_location, "%s: a backend needs one host, not any",
			   title);
		backend->addr.len = 0;
	}
}

static void resolve_listener(struct listener_config *listener, struct asking *a)
{
	char title[TITLE_BYTES];

	for (size_t j = 0; j < listener->binds_n; j++) {
		struct bind_config *bind = &listener->binds[j];

		bind_title(listener, title);
		if (a->may_ask || !needs_asking(&bind->spec))
			resolve_bind(title, bind, a);
		if (a->may_ask)
			resolve_accounts(title, bind, a->diag);
	}
}

static void resolve_status(struct status_config *status, struct asking *a)
{
	if (status->is_on && (a->may_ask || !needs_asking(&status->at.spec)))
		resolve_bind("[global] status", &status->at, a);
	if (a->may_ask)
		resolve_accounts("[global] status", &status->at, a->diag);
}

void config_resolve(struct config *config, const struct config *known, struct diag *diag, bool ask)
{
	struct asking asking = { .known = known, .diag = diag, .may_ask = ask };

	if (ask)
		resolve_accounts("[global] control", &config->global.control.at, diag);
	resolve_status(&config->global.status, &asking);
	for (size_t i = 0; i < config->listeners_n; i++)
		resolve_listener(&config->listeners[i], &asking);
	for (size_t i = 0; i < config->pools_n; i++) {
		struct pool_config *pool = &config->pools[i];

		for (size_t j = 0; j < pool->backends_n; j++) {
			if (ask || !needs_asking(&pool->backends[j].spec))
				resolve_backend(pool, &pool->backends[j], &asking);
		}
	}
}
