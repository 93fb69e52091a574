/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/tls_contexts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/check_channel.h"
#include "config/client_rules.h"
#include "config/directive.h"
#include "protocol/registry.h"
#include "tls/client.h"
#include "tls/library.h"
#include "tls/server.h"
#include "tls/tickets.h"
#include "x509/ca_share.h"
#include "x509/problem.h"

#define KEY_BYTES 32
#define TITLE_BYTES (CONFIG_NAME_BYTES + 16)

/* ---- problems of the TLS floor, in the configuration's words ---- */

/* Whose settings were loaded. */
struct owner {
	struct diag *diag;
	enum config_section section;
	const char *title; /* "[listener web]" */
	const struct config_location *location, *set_at;
	const struct listener_config *listener; /* NULL: another section */
};

/* The TLS floor has one word for both roles; a pool's keys have a prefix. */
static void name_key(const struct owner *o, const char *key, char ret_key[KEY_BYTES])
{
	snprintf(ret_key, KEY_BYTES, "%s%s", o->section == SECTION_POOL ? "tls_" : "", key);
}

/* Of several certificates the line of this one. */
static const struct config_location *location_of_file(const struct listener_config *l,
						      const char *file)
{
	for (size_t i = 0; l && file && i < l->certificates_n; i++) {
		const struct certificate_config *c = &l->certificates[i];

		if (strcmp(c->chain, file) == 0 || (c->key && strcmp(c->key, file) == 0))
			return &c->location;
	}
	return NULL;
}

static const struct config_location *location_of(const struct owner *o, const char *key,
						 const char *file)
{
	const struct config_location *location = NULL;

	if (strcmp(key, "certificate") == 0)
		location = location_of_file(o->listener, file);
	if (!location && directive_find(o->section, key))
		location = directive_location(o->set_at, o->section, key);
	return location && location->line ? location : o->location;
}

static void report(const struct owner *o, struct tls_problems *problems)
{
	char key[KEY_BYTES];

	for (size_t i = 0; i < problems->n; i++) {
		const struct tls_problem *p = &problems->at[i];
		void (*say)(struct diag *, const struct config_location *, const char *, ...) =
			p->severity == TLS_ERROR ? diag_error : diag_warning;

		name_key(o, p->key, key);
		say(o->diag, location_of(o, key, p->file), "%s %s: %s%s%s", o->title, key, p->file,
		    p->file[0] ? ": " : "", p->text);
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

/* A protocol may want to see its id agreed on, where TLS begins at once. */
static const char *alpn_of(const char *wanted, enum protocol_kind protocol)
{
	const struct protocol *known = protocol_of(protocol);

	return !wanted && known ? known->direct_alpn : wanted;
}

/* ---- listeners ---- */

static void create_server(const struct listener_config *l, struct tls_tickets *tickets,
			  struct diag *diag, struct tls_server **ret_server)
{
	char title[TITLE_BYTES];
	const struct owner owner = { diag, SECTION_LISTENER, title, &l->location, l->set_at, l };
	struct tls_files *files = calloc(l->certificates_n + 1, sizeof(*files));
	struct tls_problems problems = { 0 };
	const struct tls_server_config wanted = {
		.policy = { .version_min = version_of(l->tls_min),
			    .version_max = version_of(l->tls_max),
			    .ciphers = l->ciphers,
			    .groups = l->groups,
			    .alpn = alpn_of(l->alpn, l->protocol) },
		.certificates = files,
		.certificates_n = l->certificates_n,
		.unknown_sni = l->unknown_sni == UNMATCHED_REJECT ? TLS_UNKNOWN_REJECT
								  : TLS_UNKNOWN_DEFAULT,
		.client_verify = (enum tls_verify)l->client_verify,
		.client_ca = l->client_ca,
		.client_crl = l->client_crl,
		.asks_identities = client_rules_ask(l),
		.tickets = l->tickets ? tickets : NULL,
	};

	snprintf(title, sizeof(title), "[listener %s]", l->name);
	for (size_t i = 0; files && i < l->certificates_n; i++)
		files[i] = (struct tls_files){ l->certificates[i].chain, l->certificates[i].key };
	if (!files || tls_server_create(&wanted, &problems, ret_server) == -ENOMEM)
		diag_no_memory(diag);
	report(&owner, &problems);
	free(files);
}

static void create_servers(struct tls_contexts *contexts, const struct config *config,
			   struct diag *diag)
{
	for (size_t i = 0; i < config->listeners_n; i++) {
		const struct listener_config *l = &config->listeners[i];

		if (l->tls == TLS_MODE_TERMINATE && l->certificates_n > 0)
			create_server(l, contexts->tickets, diag, &contexts->servers[i]);
	}
}

static bool anybody_terminates(const struct config *config)
{
	for (size_t i = 0; i < config->listeners_n; i++)
		if (config->listeners[i].tls == TLS_MODE_TERMINATE)
			return true;
	return false;
}

/* What is in force, for what is made beside it; zero: nothing is. */
struct in_force {
	const struct config *config;
	const struct tls_contexts *contexts;
};

/* Keys that came by chance are kept; those of a file are read again. */
static struct tls_tickets *keep_tickets(const struct config *config, const struct in_force *now)
{
	if (!now->contexts || config->global.ticket_keys || now->config->global.ticket_keys)
		return NULL;
	return tls_tickets_ref(now->contexts->tickets);
}

static struct tls_tickets *create_tickets(const struct config *config, struct diag *diag)
{
	const struct global_config *g = &config->global;
	const struct owner owner = {
		diag, SECTION_GLOBAL, "[global]", &g->location, g->set_at, NULL
	};
	struct tls_problems problems = { 0 };
	struct tls_tickets *tickets = tls_tickets_create(g->ticket_keys, &problems);

	if (!tickets && problems.n == 0)
		diag_no_memory(diag);
	report(&owner, &problems);
	return tickets;
}

/* ---- pools ---- */

/* What is agreed on with sessions' backends is not for a check on another port. */
static void create_client(const struct pool_config *p, bool is_check, struct ca_share *share,
			  struct diag *diag, struct tls_client **ret_client)
{
	char title[TITLE_BYTES];
	const struct owner owner = { diag, SECTION_POOL, title, &p->location, p->set_at, NULL };
	struct tls_problems problems = { 0 };
	const struct tls_client_config wanted = {
		.policy = { .alpn = is_check ? NULL : alpn_of(p->tls_alpn, p->protocol) },
		.insecure = is_check ? !check_channel_is_verified(p) : !p->tls_verify,
		.ca = p->tls_ca,
		.crl = p->tls_crl,
		.verify_name = p->tls_name,
		.sni = p->tls_sni,
		.certificate = { p->tls_certificate, p->tls_key },
		.no_tickets = !p->tls_tickets,
		.share = share,
	};

	snprintf(title, sizeof(title), "[pool %s]", p->name);
	if (tls_client_create(&wanted, &problems, ret_client) == -ENOMEM)
		diag_no_memory(diag);
	/* A check that takes TLS where it is offered verifies nobody: warnings are dropped. */
	if (is_check && problems.errors_n == 0)
		tls_problems_finish(&problems);
	else
		report(&owner, &problems);
}

static bool checks_have_own_tls(const struct pool_config *p)
{
	const enum check_channel_kind kind = check_channel_kind(p);

	return kind == CHECK_CHANNEL_OFFERED || kind == CHECK_CHANNEL_TLS;
}

static void create_clients(struct tls_contexts *contexts, const struct config *config,
			   struct diag *diag)
{
	struct ca_share *share = ca_share_create();

	if (!share)
		diag_no_memory(diag);
	for (size_t i = 0; share && i < config->pools_n; i++) {
		const struct pool_config *p = &config->pools[i];

		if (p->tls)
			create_client(p, false, share, diag, &contexts->clients[i]);
		else if (checks_have_own_tls(p))
			create_client(p, true, share, diag, &contexts->checks[i]);
	}
	ca_share_destroy(share);
}

/* ---- all ---- */

static bool anybody_encrypts(const struct config *config)
{
	for (size_t i = 0; i < config->pools_n; i++)
		if (config->pools[i].tls)
			return true;
	return anybody_terminates(config);
}

static void warn_if_slow(const struct config *config, struct diag *diag)
{
	if (anybody_encrypts(config) && tls_library_cost())
		diag_warning(diag, NULL, "%s: %s", tls_library_version(), tls_library_cost());
}

static void fill(struct tls_contexts *contexts, const struct config *config, struct diag *diag,
		 const struct in_force *now)
{
	if (anybody_terminates(config)) {
		contexts->tickets = keep_tickets(config, now);
		if (!contexts->tickets)
			contexts->tickets = create_tickets(config, diag);
		create_servers(contexts, config, diag);
	}
	warn_if_slow(config, diag);
	create_clients(contexts, config, diag);
}

static struct tls_contexts *create(const struct config *config, struct diag *diag,
				   const struct in_force *now)
{
	struct tls_contexts *contexts = calloc(1, sizeof(*contexts));

	if (!contexts)
		goto fail;
	contexts->servers = calloc(config->listeners_n + 1, sizeof(struct tls_server *));
	contexts->clients = calloc(config->pools_n + 1, sizeof(struct tls_client *));
	contexts->checks = calloc(config->pools_n + 1, sizeof(struct tls_client *));
	if (!contexts->servers || !contexts->clients || !contexts->checks)
		goto fail;
	contexts->servers_n = config->listeners_n;
	contexts->clients_n = config->pools_n;
	tls_files_read(&contexts->files, config);
	fill(contexts, config, diag, now);
	return contexts;

fail:
	diag_no_memory(diag);
	tls_contexts_destroy(contexts);
	return NULL;
}

struct tls_contexts *tls_contexts_create(const struct config *config, struct diag *diag)
{
	const struct in_force nothing = { 0 };

	return create(config, diag, &nothing);
}

struct tls_contexts *tls_contexts_create_next(const struct config *config, struct diag *diag,
					      const struct config *known,
					      const struct tls_contexts *contexts)
{
	const struct in_force now = { known, contexts };

	return create(config, diag, &now);
}

void tls_contexts_destroy(struct tls_contexts *contexts)
{
	if (!contexts)
		return;
	for (size_t i = 0; i < contexts->servers_n; i++)
		tls_server_unref(contexts->servers[i]);
	for (size_t i = 0; i < contexts->clients_n; i++)
		tls_client_unref(contexts->clients[i]);
	for (size_t i = 0; i < contexts->clients_n; i++)
		tls_client_unref(contexts->checks[i]);
	tls_tickets_unref(contexts->tickets);
	tls_files_finish(&contexts->files);
	free(contexts->servers);
	free(contexts->clients);
	free(contexts->checks);
	free(contexts);
}

void tls_contexts_check(const struct config *config, struct diag *diag, void *owner)
{
	struct tls_contexts **contexts = owner;

	*contexts = tls_contexts_create(config, diag);
}
