/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/security.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/directive.h"
#include "tls/context.h"
#include "tls/library.h"
#include "tls/problem.h"
#include "tls/tickets.h"

/* ---- problems of the TLS floor, in the configuration's words ---- */

struct owner {
	struct diag *diag;
	const char *kind, *name; /* of the section */
	const struct config_place *place, *given;
	enum config_section section;
};

static const struct config_place *place_of(const struct owner *o, const char *key)
{
	const struct config_place *place = NULL;

	if (directive_find(o->section, key))
		place = directive_place(o->given, o->section, key);
	return place && place->line ? place : o->place;
}

static void report(const struct owner *o, struct tls_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++) {
		const struct tls_problem *p = &problems->at[i];
		const struct config_place *place = place_of(o, p->key);
		void (*say)(struct diag *, const struct config_place *, const char *, ...) =
			p->severity == TLS_ERROR ? diag_error : diag_warning;

		say(o->diag, place, "[%s%s%s] %s: %s: %s", o->kind, o->name[0] ? " " : "", o->name,
		    p->key, p->file, p->text);
	}
	tls_problems_finish(problems);
}

static enum tls_version version_of(enum tls_floor floor)
{
	switch (floor) {
	case TLS_FLOOR_12:
		return TLS_1_2;
	case TLS_FLOOR_13:
		return TLS_1_3;
	default:
		return TLS_ANY;
	}
}

/* ---- listeners ---- */

static void create_server(struct config *config, struct listener_config *l, struct diag *diag)
{
	const struct owner owner = { diag, "listener", l->name, &l->place, l->given,
				     SECTION_LISTENER };
	struct tls_files *files = calloc(l->certificates_n + 1, sizeof(*files));
	struct tls_problems problems = { 0 };
	const struct tls_server_config wanted = {
		.policy = { .version_min = version_of(l->tls_min),
			    .version_max = version_of(l->tls_max),
			    .ciphers = l->ciphers,
			    .groups = l->groups,
			    .alpn = l->alpn },
		.certificates = files,
		.certificates_n = l->certificates_n,
		.unknown_sni = l->unknown_sni == STRANGER_REJECT ? TLS_UNKNOWN_REJECT
								 : TLS_UNKNOWN_DEFAULT,
		.client_verify = (enum tls_verify)l->client_verify,
		.client_ca = l->client_ca,
		.client_crl = l->client_crl,
		.tickets = config->tickets,
	};

	for (size_t i = 0; files && i < l->certificates_n; i++)
		files[i] = (struct tls_files){ l->certificates[i].chain, l->certificates[i].key };
	if (!files || tls_server_create(&wanted, &problems, &l->tls_server) == -ENOMEM)
		diag_no_memory(diag);
	report(&owner, &problems);
	free(files);
}

static void check_listener(const struct listener_config *l, struct diag *diag)
{
	const char *const wants_tls[] = { "certificate", "client_ca", "client_crl", "alpn",
					  "ciphers",     "groups",    "tls_min",    "tls_max" };

	if (l->tls == TLS_MODE_TERMINATE && l->certificates_n == 0)
		diag_error(diag, directive_place(l->given, SECTION_LISTENER, "tls"),
			   "[listener %s] tls: terminate needs a certificate", l->name);
	if (l->tls == TLS_MODE_OFF && l->routes_n > 0)
		diag_error(diag, &l->routes[0].place,
			   "[listener %s] route: without TLS there is no name to route by (tls = "
			   "passthrough or terminate)",
			   l->name);
	if (!l->pool_name[0] && l->routes_n == 0 && l->name[0])
		diag_error(diag, &l->place, "[listener %s]: no 'pool' in this section (the NAME of "
			   "a [pool NAME])", l->name);
	for (size_t i = 0; i < ARRAY_LEN(wants_tls) && l->tls != TLS_MODE_TERMINATE; i++) {
		const struct config_place *place =
			directive_place(l->given, SECTION_LISTENER, wants_tls[i]);

		if (place->line)
			diag_warning(diag, place,
				     "[listener %s] %s: means nothing without tls = terminate",
				     l->name, wants_tls[i]);
	}
}

static void create_servers(struct config *config, struct diag *diag)
{
	for (size_t i = 0; i < config->listeners_n; i++) {
		struct listener_config *l = &config->listeners[i];

		if (l->tls == TLS_MODE_TERMINATE && l->certificates_n > 0)
			create_server(config, l, diag);
	}
}

static bool anybody_terminates(const struct config *config)
{
	for (size_t i = 0; i < config->listeners_n; i++)
		if (config->listeners[i].tls == TLS_MODE_TERMINATE)
			return true;
	return false;
}

static void create_tickets(struct config *config, struct diag *diag)
{
	const struct global_config *g = &config->global;
	const struct owner owner = { diag, "global", "", &g->place, g->given, SECTION_GLOBAL };
	struct tls_problems problems = { 0 };

	config->tickets = tls_tickets_create(g->ticket_keys, &problems);
	if (!config->tickets && problems.n == 0)
		diag_no_memory(diag);
	report(&owner, &problems);
}

/* ---- pools ---- */

static void create_client(struct pool_config *p, struct diag *diag)
{
	const struct owner owner = { diag, "pool", p->name, &p->place, p->given, SECTION_POOL };
	struct tls_problems problems = { 0 };
	const struct tls_client_config wanted = {
		.policy = { .alpn = p->tls_alpn },
		.insecure = !p->tls_verify,
		.ca = p->tls_ca,
		.crl = p->tls_crl,
		.verify_name = p->tls_name,
		.sni = p->tls_sni,
		.certificate = { p->tls_certificate, p->tls_key },
	};

	if (tls_client_create(&wanted, &problems, &p->tls_client) == -ENOMEM)
		diag_no_memory(diag);
	report(&owner, &problems);
}

static void check_backends_have_names(const struct pool_config *p, struct diag *diag)
{
	for (size_t i = 0; i < p->backends_n && p->tls_verify && !p->tls_name; i++) {
		if (p->backends[i].spec.is_unix)
			diag_error(diag, &p->backends[i].addr_place,
				   "[pool %s] backend: a unix socket has no name to verify (tls_name)",
				   p->name);
	}
}

static void check_pool(const struct pool_config *p, struct diag *diag)
{
	if (!p->tls)
		return;
	if (!p->tls_verify)
		diag_warning(diag, directive_place(p->given, SECTION_POOL, "tls_verify"),
			     "[pool %s] tls_verify: no: whoever answers is believed, and can read "
			     "everything", p->name);
	check_backends_have_names(p, diag);
}

/* ---- all ---- */

static void warn_if_slow(const struct config *config, struct diag *diag)
{
	if (anybody_terminates(config) && !tls_library_is_fast())
		diag_warning(diag, NULL,
			     "%s was built without this processor's instructions for cryptography: "
			     "TLS will be tens of times slower (build without WOLFSSL=system)",
			     tls_library_version());
}

void config_check_security(struct config *config, struct diag *diag, bool ask)
{
	for (size_t i = 0; i < config->listeners_n; i++)
		check_listener(&config->listeners[i], diag);
	for (size_t i = 0; i < config->pools_n; i++)
		check_pool(&config->pools[i], diag);
	if (!ask)
		return;
	if (anybody_terminates(config)) {
		create_tickets(config, diag);
		create_servers(config, diag);
		warn_if_slow(config, diag);
	}
	for (size_t i = 0; i < config->pools_n; i++)
		if (config->pools[i].tls)
			create_client(&config->pools[i], diag);
}
