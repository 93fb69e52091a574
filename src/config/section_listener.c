/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fits together within a [listener NAME]. */
#include "config/section.h"

#include <string.h>

#include "base/text.h"
#include "config/client_rules.h"
#include "config/login_route.h"
#include "config/names.h"
#include "config/protocol_facts.h"
#include "tls/context.h"

#define SOMAXCONN_PATH "/proc/sys/net/core/somaxconn"

static void check_session_limits(const struct listener_config *listener,
				 const struct global_config *global, struct diag *diag)
{
	if (global->sessions_max == 0 || listener->sessions_max <= global->sessions_max)
		return;
	diag_warning(diag, directive_location(listener->set_at, SECTION_LISTENER, "max_sessions"),
		     "[listener %s] max_sessions: never reached: [global] max_sessions is %u",
		     listener->name, global->sessions_max);
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
static void check_backlog(const struct listener_config *listener, struct diag *diag)
{
	const struct config_location *location =
		directive_location(listener->set_at, SECTION_LISTENER, "backlog");
	uint64_t somaxconn = location->line ? read_somaxconn() : 0;

	if (somaxconn > 0 && listener->backlog > somaxconn)
		diag_warning(diag, location,
			     "[listener %s] backlog: the kernel cuts it down to %llu "
			     "(net.core.somaxconn)",
			     listener->name, (unsigned long long)somaxconn);
}

/* ---- who may connect ---- */

static bool was_given(const struct listener_config *listener, const char *key)
{
	return directive_location(listener->set_at, SECTION_LISTENER, key)->line > 0;
}

static bool is_for_unix_only(const struct listener_config *listener)
{
	for (size_t i = 0; i < listener->binds_n; i++) {
		if (!listener->binds[i].spec.is_unix)
			return false;
	}
	return true;
}

/* All of IPv6, or all of IPv4. */
static bool is_everybody(const struct addr_block *block)
{
	static const struct addr_block ipv4 = { .bytes = { [10] = 0xff, [11] = 0xff }, .bits = 96 };

	return block->bits == 0 || (block->bits == ipv4.bits &&
				    memcmp(block->bytes, ipv4.bytes, sizeof(ipv4.bytes)) == 0);
}

static void check_proxy(const struct listener_config *listener, struct diag *diag)
{
	if (listener->proxy_protocol == PROXY_HEADER_OFF)
		return;
	if (!was_given(listener, "proxy_protocol_from") && !is_for_unix_only(listener))
		diag_error(diag,
			   directive_location(listener->set_at, SECTION_LISTENER, "proxy_protocol"),
			   "[listener %s] proxy_protocol: accept: needs proxy_protocol_from, the "
			   "addresses of the proxies that may say who a client is",
			   listener->name);
	for (size_t i = 0; i < listener->proxy_protocol_from_n; i++) {
		if (!is_everybody(&listener->proxy_protocol_from[i].block))
			continue;
		diag_warning(
			diag,
			directive_location(listener->set_at, SECTION_LISTENER,
					   "proxy_protocol_from"),
			"[listener %s] proxy_protocol_from: everybody may pretend to be anybody",
			listener->name);
		return;
	}
}

/* ---- routes ---- */

static void check_routes_of(const struct listener_config *listener, enum route_kind kind,
			    struct diag *diag)
{
	char before[CONFIG_NAME_BYTES + 32];
	struct names names;
	size_t n = 0;

	if (!names_init(&names, listener->routes_n, diag))
		return;
	for (size_t i = 0; i < listener->routes_n; i++) {
		const struct route_config *r = &listener->routes[i];

		if (r->kind == kind)
			names.list[n++] = (struct named){ r->pattern, &r->location, i };
	}
	names.n = n;
	names_sort(&names);
	snprintf(before, sizeof(before), "[listener %s] route: '%s ", listener->name,
		 route_kind_names[kind]);
	names_report_twice(&names, before, "'", diag);
	names_finish(&names);
}

/* Does "*.example.com" fit "db.example.com"? */
static bool fits_wildcard(const char *name, const char *wildcard)
{
	const char *dot = strchr(name, '.');

	return dot && wildcard[0] == '*' && name[0] != '*' && strcmp(dot, wildcard + 1) == 0;
}

static bool is_wider(const struct route_config *before, const struct route_config *route)
{
	if (before->kind != route->kind || strcmp(before->pattern, route->pattern) == 0)
		return false;
	if (route->kind == ROUTE_SNI)
		return fits_wildcard(route->pattern, before->pattern);
	return route->kind != ROUTE_ALPN && text_fits(before->pattern, route->pattern);
}

/* The first wildcard before the route at @at that takes all its sessions, or NULL. */
static const struct route_config *find_wider(const struct listener_config *listener, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (is_wider(&listener->routes[i], &listener->routes[at]))
			return &listener->routes[i];
	}
	return NULL;
}

static void check_shadows(const struct listener_config *listener, struct diag *diag)
{
	for (size_t i = 1; i < listener->routes_n; i++) {
		const struct route_config *route = &listener->routes[i];
		const struct route_config *wider = find_wider(listener, i);

		if (wider)
			diag_warning(diag, &route->location,
				     "[listener %s] route: '%s %s' is never reached: '%s %s' at "
				     "%s:%u comes first",
				     listener->name, route_kind_names[route->kind], route->pattern,
				     route_kind_names[wider->kind], wider->pattern,
				     wider->location.file, wider->location.line);
	}
}

/* Why a log-in's names cannot be read here, or are not when they are needed; NULL: they can. */
static const char *logins_fault(const struct listener_config *listener)
{
	if (!protocol_facts[listener->protocol].has_logins)
		return "what clients say is read with protocol = postgres only";
	if (listener->tls == TLS_MODE_AUTO)
		return "who asks for TLS is to be answered before a log-in names a pool: say tls = "
		       "terminate or off";
	if (listener->tls == TLS_MODE_PASSTHROUGH && listener->plaintext == UNMATCHED_REJECT)
		return "all of it is inside TLS that passes through (tls = terminate or off, or "
		       "plaintext = allow)";
	return NULL;
}

static void check_route(const struct listener_config *listener, const struct route_config *route,
			struct diag *diag)
{
	const char *fault = NULL;

	if (login_route_has(route))
		fault = logins_fault(listener);
	else if (route->kind == ROUTE_CLIENT_SAN && listener->client_verify == 0)
		fault = "no client is asked for a certificate (client_verify = optional or "
			"require)";
	else if (!listener_reads_hello(listener))
		fault = "without TLS there is no name to route by (tls = passthrough or terminate)";
	if (fault)
		diag_error(diag, &route->location, "[listener %s] route: %s", listener->name,
			   fault);
}

enum route_needs { NEEDS_HELLO, NEEDS_LOGIN, NEEDS_CERTIFICATE, ROUTE_NEEDS };

static enum route_needs needs_of(const struct route_config *route)
{
	if (route->kind == ROUTE_CLIENT_SAN)
		return NEEDS_CERTIFICATE;
	return login_route_has(route) ? NEEDS_LOGIN : NEEDS_HELLO;
}

/* The first of those that need the same speaks for all. */
static void check_route_kinds(const struct listener_config *listener, struct diag *diag)
{
	bool was[ROUTE_NEEDS] = { false };

	for (size_t i = 0; i < listener->routes_n; i++) {
		enum route_needs needs = needs_of(&listener->routes[i]);

		if (!was[needs])
			check_route(listener, &listener->routes[i], diag);
		was[needs] = true;
	}
}

static void check_routes(const struct listener_config *listener, struct diag *diag)
{
	check_route_kinds(listener, diag);
	for (unsigned kind = 0; kind < ROUTE_KINDS; kind++)
		check_routes_of(listener, (enum route_kind)kind, diag);
	check_shadows(listener, diag);
}

static void check_client_rules(const struct listener_config *listener, struct diag *diag)
{
	const char *key = was_given(listener, "client_allow") ? "client_allow" : "client_deny";

	if (listener->client_rules_n > 0 &&
	    (listener->tls != TLS_MODE_TERMINATE || listener->client_verify == 0))
		diag_error(diag, directive_location(listener->set_at, SECTION_LISTENER, key),
			   "[listener %s] %s: no client is asked for a certificate (tls = "
			   "terminate and client_verify = optional or require)",
			   listener->name, key);
}

/* Of an ECDSA signature, s may be replaced by its negative; the certificate is as good then. */
static void check_denied_fingerprints(const struct listener_config *listener, struct diag *diag)
{
	for (size_t i = 0; i < listener->client_rules_n; i++) {
		const struct client_rule *rule = &listener->client_rules[i];

		if (rule->is_allowed || rule->kind != IDENTITY_FINGERPRINT)
			continue;
		diag_warning(diag,
			     directive_location(listener->set_at, SECTION_LISTENER, "client_deny"),
			     "[listener %s] client_deny: fingerprint: who has the certificate can "
			     "give it another one; client_crl keeps its key out",
			     listener->name);
		return;
	}
}

/* What is asked of clients in TLS alone; in which place the file has it, and what then is so. */
static void warn_of_clear_clients(const struct listener_config *listener,
				  const struct config_location *at, const char *key,
				  const char *what, struct diag *diag)
{
	diag_warning(diag, at,
		     "[listener %s] %s: clients in clear, whom plaintext = allow lets in, %s",
		     listener->name, key, what);
}

static void check_clear_key(const struct listener_config *listener, const char *key,
			    const char *what, struct diag *diag)
{
	if (was_given(listener, key))
		warn_of_clear_clients(listener,
				      directive_location(listener->set_at, SECTION_LISTENER, key),
				      key, what, diag);
}

/* They are let in whatever the rules for certificates say. */
static void check_clear_rules(const struct listener_config *listener, struct diag *diag)
{
	static const char what[] = "have no certificate that it could look at";

	check_clear_key(listener, "client_allow", what, diag);
	check_clear_key(listener, "client_deny", what, diag);
	for (size_t i = 0; i < listener->routes_n; i++) {
		if (listener->routes[i].kind != ROUTE_CLIENT_SAN)
			continue;
		warn_of_clear_clients(listener, &listener->routes[i].location, "route", what, diag);
		return;
	}
}

static void check_clear_clients(const struct listener_config *listener, struct diag *diag)
{
	if (!protocol_facts[listener->protocol].tls_request || !listener_reads_hello(listener) ||
	    listener->plaintext == UNMATCHED_REJECT)
		return;
	if (listener->no_sni == UNMATCHED_REJECT)
		check_clear_key(listener, "no_sni",
				"name no server; plaintext = reject keeps them out", diag);
	if (listener->tls != TLS_MODE_TERMINATE)
		return;
	if (listener->client_verify == TLS_VERIFY_REQUIRE)
		check_clear_key(listener, "client_verify",
				"are not asked for a certificate; plaintext = reject keeps them "
				"out",
				diag);
	check_clear_rules(listener, diag);
}

/* Both are good by themselves; together they leave no client of today. */
static void check_alpn(const struct listener_config *listener, struct diag *diag)
{
	const struct protocol_facts *facts = &protocol_facts[listener->protocol];

	if (listener->tls == TLS_MODE_TERMINATE &&
	    protocol_lacks_alpn(listener->protocol, listener->alpn))
		diag_warning(diag, directive_location(listener->set_at, SECTION_LISTENER, "alpn"),
			     "[listener %s] alpn: lacks %s, all that clients of %s offer: they are "
			     "refused",
			     listener->name, facts->alpn, facts->alpn_by);
}

/* ---- all ---- */

static void check_needs(const struct listener_config *listener, struct diag *diag)
{
	if (listener->name[0] != '\0' && listener->pool_name[0] == '\0' &&
	    !was_given(listener, "pool") && !was_given(listener, "route"))
		diag_error(diag, &listener->location,
			   "[listener %s]: neither 'pool' nor 'route' in this section, and no "
			   "[pool %s]: where do sessions go?",
			   listener->name, listener->name);
	if (listener->tls == TLS_MODE_TERMINATE && !was_given(listener, "certificate"))
		diag_error(diag, directive_location(listener->set_at, SECTION_LISTENER, "tls"),
			   "[listener %s] tls: terminate: needs a certificate", listener->name);
}

void section_check_listener(const struct listener_config *listener,
			    const struct global_config *global, struct diag *diag, bool ask)
{
	char title[CONFIG_NAME_BYTES + 16];

	snprintf(title, sizeof(title), "[listener %s]", listener->name);
	if (listener->name[0] != '\0')
		section_report_missing(listener->set_at, SECTION_LISTENER, title,
				       &listener->location, diag);
	check_needs(listener, diag);
	check_session_limits(listener, global, diag);
	check_proxy(listener, diag);
	check_routes(listener, diag);
	check_client_rules(listener, diag);
	check_denied_fingerprints(listener, diag);
	check_clear_clients(listener, diag);
	check_alpn(listener, diag);
	if (ask)
		check_backlog(listener, diag);
}
