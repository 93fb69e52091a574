/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The types of the directives that speak of TLS: texts, files, certificates,
 * routes.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config/client_rules.h"
#include "config/login_route.h"
#include "config/setting.h"
#include "config/tokens.h"
#include "config/value.h"
#include "net/addr.h"

/* ---- texts, files ---- */

static char **text_field(const struct directive *d, const void *section)
{
	return (char **)((const char *)section + d->offset);
}

static void set_text(const struct setting *s, void *section)
{
	char **field = text_field(s->directive, section);

	if (s->text[0] == '\0') {
		setting_error(s, NULL, "the value is missing");
		return;
	}
	free(*field);
	*field = strdup(s->text);
	if (!*field)
		diag_no_memory(s->diag);
}

static void print_text(const struct directive *d, const void *section, size_t index, FILE *to)
{
	(void)index;
	expand_print(*text_field(d, section), to);
}

static bool has_text(const struct directive *d, const void *section)
{
	return *text_field(d, section) != NULL;
}

static void release_text(const struct directive *d, void *section)
{
	free(*text_field(d, section));
	*text_field(d, section) = NULL;
}

const struct directive_type type_text = {
	.form = "a list",
	.set = set_text,
	.print = print_text,
	.has = has_text,
	.release = release_text,
};

const struct directive_type type_file = {
	.form = "the name of a file",
	.set = set_text,
	.print = print_text,
	.has = has_text,
	.release = release_text,
};

/* ---- names of hosts ---- */

/* Why @text is no host's name, or NULL. */
static const char *why_no_host(const char *text)
{
	if (addr_is_host_name(text))
		return NULL;
	for (const char *at = text; *at; at++) {
		if ((unsigned char)*at >= 0x80)
			return "a host name has ASCII letters only (others are xn--... in DNS)";
	}
	if (text[0] == '[' || strchr(text, ':'))
		return "a host name has no brackets and no port";
	if (strchr(text, '*'))
		return "a * stands for no host name here";
	return "this is no host name (letters, digits, '-' and '_', with dots between)";
}

static void set_name(const struct setting *s, void *section)
{
	const char *why = addr_is_literal(s->text) ? NULL : why_no_host(s->text);

	if (why && s->text[0] != '\0')
		setting_error(s, NULL, "'%.60s': %s", s->text, why);
	else
		set_text(s, section);
}

static void set_sni(const struct setting *s, void *section)
{
	const char *why = addr_is_literal(s->text)
				  ? "an address is not asked for as a name (RFC 6066, 3)"
				  : why_no_host(s->text);

	if (why && s->text[0] != '\0')
		setting_error(s, NULL, "'%.60s': %s", s->text, why);
	else
		set_text(s, section);
}

const struct directive_type type_name = {
	.form = "a host name or an address",
	.set = set_name,
	.print = print_text,
	.has = has_text,
	.release = release_text,
};

const struct directive_type type_sni = {
	.form = "a host name",
	.set = set_sni,
	.print = print_text,
	.has = has_text,
	.release = release_text,
};

/* ---- certificate ---- */

#define AT(field) .offset = offsetof(struct certificate_config, field)

static const struct directive certificate_options[] = {
	{ .key = "key", .type = &type_file, AT(key) },
};

static void set_certificate(const struct setting *s, void *section)
{
	struct listener_config *listener = section;
	struct certificate_config *all;
	struct tokens tokens;

	if (s->text[0] == '\0') {
		setting_error(s, NULL, "the value is missing");
		return;
	}
	if (!tokens_split(s, &tokens))
		return;
	all = setting_grow(s->diag, listener->certificates, listener->certificates_n, sizeof(*all));
	if (!all)
		return;
	listener->certificates = all;
	all += listener->certificates_n++;
	all->location = s->location;
	all->chain = strdup(tokens.text + tokens.at[0]);
	if (!all->chain)
		diag_no_memory(s->diag);
	tokens_set_options(&tokens, 1, certificate_options, ARRAY_LEN(certificate_options), all);
}

static void print_certificate(const struct directive *d, const void *section, size_t index,
			      FILE *to)
{
	const struct listener_config *listener = section;
	const struct certificate_config *c = &listener->certificates[index];

	(void)d;
	expand_print(c->chain, to);
	if (!c->key)
		return;
	fputs(" key=", to);
	expand_print(c->key, to);
}

static size_t count_certificates(const void *section)
{
	return ((const struct listener_config *)section)->certificates_n;
}

static void release_certificates(const struct directive *d, void *section)
{
	struct listener_config *listener = section;

	(void)d;
	for (size_t i = 0; i < listener->certificates_n; i++) {
		free(listener->certificates[i].chain);
		free(listener->certificates[i].key);
	}
	free(listener->certificates);
	listener->certificates = NULL;
	listener->certificates_n = 0;
}

const struct directive_type type_certificate = {
	.form = "FILE [key=FILE]",
	.set = set_certificate,
	.print = print_certificate,
	.count = count_certificates,
	.release = release_certificates,
};

/* ---- route ---- */

#define ROUTE_TEXT_BYTES 140 /* of a suggestion */

/* dns:NAME, which is kept in lower case, or uri:NAME. */
static bool check_client_san(const struct setting *word, char *pattern)
{
	enum identity_kind kind;
	const char *name = client_rules_san(pattern, &kind), *star;

	if (!name) {
		setting_error(word, NULL, "'%.60s' begins with neither dns: nor uri:", word->text);
		return false;
	}
	if (kind == IDENTITY_DNS)
		identity_tidy_host(pattern);
	star = strchr(name, '*');
	if (!star || (kind == IDENTITY_URI && star[1] == '\0') ||
	    (kind == IDENTITY_DNS && star == name && star[1] == '.' && !strchr(star + 1, '*')))
		return true;
	setting_error(word, NULL, "'%.60s': a * stands %s", word->text,
		      kind == IDENTITY_DNS ? "for the first label only"
					   : "at the end only, for any end");
	return false;
}

/* As the server does itself, and pgsql_read() with what clients say. */
static void cut_login_name(const struct setting *word, struct route_config *route)
{
	const bool has_star = strchr(route->pattern, '*');
	size_t n = strlen(route->pattern) - has_star;

	if (n < LOGIN_NAME_BYTES)
		return;
	diag_warning(word->diag, &word->location,
		     "%s: the name has %zu bytes; PostgreSQL keeps %d of a name, and so many are "
		     "compared",
		     word->title, n, LOGIN_NAME_BYTES - 1);
	snprintf(route->pattern + LOGIN_NAME_BYTES - 1, 2, "%s", has_star ? "*" : "");
}

/* A name that clients can ask for, without its final dot; an IPv4 address is read as one. */
static bool tidy_server_name(const struct setting *word, char *pattern)
{
	const char *name = strncmp(pattern, "*.", 2) == 0 ? pattern + 2 : pattern;
	const char *why = addr_is_literal(name) && !strchr(name, ':') ? NULL : why_no_host(name);
	size_t n;

	if (strchr(name, '*'))
		why = "a * stands for the first label only";
	if (why) {
		setting_error(word, NULL, "'%.60s': %s", word->text, why);
		return false;
	}
	for (char *at = pattern; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	n = strlen(pattern);
	if (pattern[n - 1] == '.')
		pattern[n - 1] = '\0';
	return true;
}

static bool read_pattern(const struct setting *word, struct route_config *route)
{
	const size_t n = strlen(word->text);
	const char *star = strchr(word->text, '*');
	const bool has_end_star = route->kind == ROUTE_DATABASE || route->kind == ROUTE_USER;

	if (n >= sizeof(route->pattern)) {
		setting_error(word, NULL, "'%.60s' is too long", word->text);
		return false;
	}
	if (has_end_star && star && star[1] != '\0') {
		setting_error(word, NULL, "'%.60s': a * stands at the end only, for any end",
			      word->text);
		return false;
	}
	memcpy(route->pattern, word->text, n + 1);
	if (has_end_star)
		cut_login_name(word, route);
	if (route->kind == ROUTE_SNI)
		return tidy_server_name(word, route->pattern);
	return route->kind != ROUTE_CLIENT_SAN || check_client_san(word, route->pattern);
}

static bool read_route_kind(const struct setting *word, struct route_config *route)
{
	for (unsigned i = 0; i < ROUTE_KINDS; i++) {
		if (strcmp(word->text, route_kind_names[i]) != 0)
			continue;
		route->kind = (enum route_kind)i;
		return true;
	}
	setting_error(word, text_nearest(word->text, route_kind_names, ROUTE_KINDS),
		      "unknown kind of route '%.60s'", word->text);
	return false;
}

static bool is_route_kind(const char *word)
{
	for (unsigned i = 0; i < ROUTE_KINDS; i++) {
		if (strcmp(word, route_kind_names[i]) == 0)
			return true;
	}
	return false;
}

/* Three or four words of a route, or a name and a pool, as they should stand. */
static const char *suggest_route(const struct tokens *tokens, char text[ROUTE_TEXT_BYTES])
{
	const char *last = tokens->text + tokens->at[tokens->n - 1];
	const char *first = tokens->text + tokens->at[0];
	const char *kind = "sni", *pattern = first;

	if (tokens->n < 2 || tokens->n > 4)
		return NULL;
	if (is_route_kind(first)) {
		kind = first;
		pattern = tokens->text + tokens->at[1];
	}
	if (pattern == last || strchr(pattern, '>'))
		return NULL;
	snprintf(text, ROUTE_TEXT_BYTES, "%s %.60s -> %.60s", kind, pattern, last);
	return text;
}

static bool read_route(const struct setting *s, struct route_config *route)
{
	struct setting kind, pattern, pool;
	char text[ROUTE_TEXT_BYTES];
	struct tokens tokens;

	if (!tokens_split(s, &tokens) || !tokens_are_of_one(&tokens))
		return false;
	if (tokens.n != 4 || strcmp(tokens.text + tokens.at[2], "->") != 0) {
		setting_error(s, suggest_route(&tokens, text), "this is not a route");
		return false;
	}
	kind = tokens_setting(&tokens, 0);
	pattern = tokens_setting(&tokens, 1);
	pool = tokens_setting(&tokens, 3);
	route->location = pool.location;
	return read_route_kind(&kind, route) && read_pattern(&pattern, route) &&
	       setting_name(&pool, route->pool_name);
}

static void set_route(const struct setting *s, void *section)
{
	struct listener_config *listener = section;
	struct route_config route = { 0 }, *routes;

	if (!read_route(s, &route))
		return;
	routes = setting_grow(s->diag, listener->routes, listener->routes_n, sizeof(*routes));
	if (!routes)
		return;
	routes[listener->routes_n++] = route;
	listener->routes = routes;
}

static void print_route(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct route_config *r = &((const struct listener_config *)section)->routes[index];

	(void)d;
	fprintf(to, "%s ", route_kind_names[r->kind]);
	expand_print(r->pattern, to);
	fprintf(to, " -> %s", r->pool_name);
}

static size_t count_routes(const void *section)
{
	return ((const struct listener_config *)section)->routes_n;
}

static void release_routes(const struct directive *d, void *section)
{
	struct listener_config *listener = section;

	(void)d;
	free(listener->routes);
	listener->routes = NULL;
	listener->routes_n = 0;
}

const struct directive_type type_route = {
	.form = "sni NAME -> POOL, sni *.NAME -> POOL, alpn ID -> POOL, database NAME -> POOL, "
		"user NAME -> POOL, client_san dns:NAME -> POOL, client_san uri:URI -> POOL",
	.set = set_route,
	.print = print_route,
	.count = count_routes,
	.release = release_routes,
};
