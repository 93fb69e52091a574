/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fits together within a [pool NAME]. */
#include "config/section.h"

#include <string.h>

#include "config/names.h"
#include "config/protocol_facts.h"

static void check_backend_names(const struct pool_config *pool, struct diag *diag)
{
	char before[CONFIG_NAME_BYTES + 32];
	struct names names;

	if (!names_init(&names, pool->backends_n, diag))
		return;
	for (size_t i = 0; i < pool->backends_n; i++) {
		const struct backend_config *b = &pool->backends[i];

		names.list[i] =
			(struct named){ .name = b->name, .location = &b->location, .index = i };
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
		diag_warning(diag, &pool->location,
			     "[pool %s]: all weights are 0: no session gets a backend", pool->name);
}

/* The location of whichever of the two was written, to point at. */
static const struct config_location *place_of_either(const struct config_location *set_at,
						     enum config_section section, const char *key,
						     const char *other)
{
	const struct config_location *location = directive_location(set_at, section, key);

	return location->line ? location : directive_location(set_at, section, other);
}

static void check_connect_times(const struct pool_config *pool, struct diag *diag)
{
	char one[TEXT_NUMBER_BYTES], all[TEXT_NUMBER_BYTES];

	if (pool->connect_timeout_ms <= pool->connect_total_ms)
		return;
	diag_error(diag,
		   place_of_either(pool->set_at, SECTION_POOL, "connect_timeout", "connect_total"),
		   "[pool %s] connect_timeout: one try may take longer (%s) than all of them "
		   "(connect_total = %s)",
		   pool->name, text_from_ms(pool->connect_timeout_ms, one),
		   text_from_ms(pool->connect_total_ms, all));
}

/* Where its own interval was given and the fast one was not: fast is not slower. */
static void fit_fast_interval(struct pool_config *pool, struct diag *diag)
{
	const struct config_location *location =
		directive_location(pool->set_at, SECTION_POOL, "check_fast_interval");
	char fast[TEXT_NUMBER_BYTES], slow[TEXT_NUMBER_BYTES];

	if (pool->check.fast_interval_ms <= pool->check.interval_ms)
		return;
	if (location->line)
		diag_warning(diag, location,
			     "[pool %s] check_fast_interval: slower (%s) than check_interval = %s",
			     pool->name, text_from_ms(pool->check.fast_interval_ms, fast),
			     text_from_ms(pool->check.interval_ms, slow));
	else
		pool->check.fast_interval_ms = pool->check.interval_ms;
}

static void check_backends_n(const struct pool_config *pool, struct diag *diag)
{
	if (pool->backends_n > CONFIG_BACKENDS_MAX)
		diag_error(diag, &pool->backends[CONFIG_BACKENDS_MAX].location,
			   "[pool %s] backend: more than %u", pool->name, CONFIG_BACKENDS_MAX);
}

/* Each is good by itself. */
static void check_stick(const struct pool_config *pool, struct diag *diag)
{
	if (pool->stick.kind != CLIENT_KEY_NONE && pool->balance == BALANCE_MAGLEV)
		diag_warning(diag, directive_location(pool->set_at, SECTION_POOL, "stick"),
			     "[pool %s] stick: undoes what balance = maglev is for: a client that "
			     "this node moved while its backend was down stays where it is, and "
			     "other nodes send it home",
			     pool->name);
}

/* ---- where connections come from ---- */

/* Of the same kind of socket: not IPv4 for ::ffff:10.0.0.1. */
static bool has_local_addr_for(const struct pool_config *pool, const struct addr *backend)
{
	for (size_t i = 0; i < pool->local_addrs_n; i++) {
		if (addr_family(&pool->local_addrs[i].addr) == addr_family(backend))
			return true;
	}
	return false;
}

static void check_families(const struct pool_config *pool, struct diag *diag)
{
	for (size_t i = 0; i < pool->backends_n && pool->local_addrs_n > 0; i++) {
		const struct backend_config *b = &pool->backends[i];

		if (b->addr.len == 0 || addr_is_unix(&b->addr) ||
		    has_local_addr_for(pool, &b->addr))
			continue;
		diag_warning(diag, &b->addr_location,
			     "[pool %s] backend: %s has no source of its family: the kernel picks "
			     "one",
			     pool->name, b->name);
		return;
	}
}

static void check_local_addrs(const struct pool_config *pool, struct diag *diag, bool ask)
{
	if (pool->is_transparent && pool->local_addrs_n > 0)
		diag_error(diag, directive_location(pool->set_at, SECTION_POOL, "transparent"),
			   "[pool %s] transparent: yes: the source is the client's own, and cannot "
			   "be one of 'source', too",
			   pool->name);
	for (size_t i = 0; i < pool->local_addrs_n && ask; i++) {
		const struct local_addr_config *local = &pool->local_addrs[i];

		if (!addr_is_local(&local->addr))
			diag_warning(diag, &local->location,
				     "[pool %s] source: this machine does not have this address",
				     pool->name);
	}
	check_families(pool, diag);
}

/* ---- TLS ---- */

static void check_tls(const struct pool_config *pool, struct diag *diag)
{
	if (pool->tls_key && !pool->tls_certificate)
		diag_error(diag, directive_location(pool->set_at, SECTION_POOL, "tls_key"),
			   "[pool %s] tls_key: there is no tls_certificate that it could belong to",
			   pool->name);
	for (size_t i = 0; i < pool->backends_n && pool->tls; i++) {
		if (pool->tls_verify && !pool->tls_name && pool->backends[i].spec.is_unix)
			diag_error(diag, &pool->backends[i].addr_location,
				   "[pool %s] backend: a unix socket has no name to verify "
				   "(tls_name)",
				   pool->name);
	}
}

static void check_alpn(const struct pool_config *pool, struct diag *diag)
{
	const struct protocol_facts *facts = &protocol_facts[pool->protocol];

	if (pool->tls && protocol_lacks_alpn(pool->protocol, pool->tls_alpn))
		diag_warning(diag, directive_location(pool->set_at, SECTION_POOL, "tls_alpn"),
			     "[pool %s] tls_alpn: lacks %s: servers of %s refuse TLS that offers "
			     "something else",
			     pool->name, facts->alpn, facts->alpn_by);
}

void section_check_pool(struct pool_config *pool, struct diag *diag, bool ask)
{
	char title[CONFIG_NAME_BYTES + 16];

	snprintf(title, sizeof(title), "[pool %s]", pool->name);
	if (pool->name[0] != '\0')
		section_report_missing(pool->set_at, SECTION_POOL, title, &pool->location, diag);
	check_backends_n(pool, diag);
	check_backend_names(pool, diag);
	check_weights(pool, diag);
	check_stick(pool, diag);
	check_connect_times(pool, diag);
	fit_fast_interval(pool, diag);
	check_local_addrs(pool, diag, ask);
	check_tls(pool, diag);
	check_alpn(pool, diag);
	section_check_check(pool, diag, ask);
}
