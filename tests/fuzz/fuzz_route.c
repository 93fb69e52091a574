/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Which route fits. Lines, of which each is a route, the first letter its
 * kind, "s*.example.com", "apostgresql", "dshop*" or "uana"; an empty line; the
 * name that the client asks for; the ALPN ids that it offers, a line each. The
 * name is also that of the database and the user that it logs in with.
 */

#include "fuzz/fuzz.h"

#include "base/check.h"
#include "config/login_route.h"
#include "preread/route.h"

#include <stdio.h>
#include <string.h>

#define ROUTES_MAX 16
#define LINE_BYTES 256

struct text {
	const uint8_t *at;
	size_t left;
};

/* The next line, cut to fit; false at the end. What is behind a zero in it is lost. */
static bool next_line(struct text *text, char ret_line[LINE_BYTES])
{
	const uint8_t *end = memchr(text->at, '\n', text->left);
	size_t n = end ? (size_t)(end - text->at) : text->left;
	size_t kept = n < LINE_BYTES - 1 ? n : LINE_BYTES - 1;

	if (text->left == 0)
		return false;
	memcpy(ret_line, text->at, kept);
	ret_line[kept] = '\0';
	n += end != NULL;
	text->at += n;
	text->left -= n;
	return true;
}

static enum route_kind kind_of(char letter)
{
	switch (letter) {
	case 'a':
		return ROUTE_ALPN;
	case 'd':
		return ROUTE_DATABASE;
	case 'u':
		return ROUTE_USER;
	default:
		return ROUTE_SNI;
	}
}

static void read_routes(struct text *text, struct route_config *routes,
			const struct pool_config *pools, struct listener_config *config)
{
	char line[LINE_BYTES];

	while (config->routes_n < ROUTES_MAX && next_line(text, line) && line[0]) {
		struct route_config *r = &routes[config->routes_n];

		r->kind = kind_of(line[0]);
		snprintf(r->pattern, sizeof(r->pattern), "%s", line + 1);
		r->pool = &pools[config->routes_n++];
	}
	config->routes = routes;
}

/* As hello_read() leaves it: a host name or none, and whole ids. */
static void read_hello(struct text *text, struct hello *hello)
{
	char line[LINE_BYTES];

	if (next_line(text, line) && !hello_set_name(hello, line, strlen(line)))
		hello->name[0] = '\0';
	while (next_line(text, line)) {
		size_t n = strlen(line);

		if (n == 0 || hello->alpn_bytes + 1 + n > HELLO_ALPN_BYTES)
			continue;
		hello->alpn[hello->alpn_bytes++] = (uint8_t)n;
		memcpy(hello->alpn + hello->alpn_bytes, line, n);
		hello->alpn_bytes += n;
	}
}

/* The same once more, label by label. */
static bool name_fits(const char *pattern, const char *name)
{
	size_t label = strcspn(name, ".");

	if (pattern[0] != '*' || pattern[1] != '.')
		return strcmp(pattern, name) == 0;
	return label > 0 && name[label] == '.' && strcmp(pattern + 2, name + label + 1) == 0;
}

static bool is_offered(const struct hello *hello, const char *id)
{
	for (size_t at = 0; at < hello->alpn_bytes; at += 1 + (size_t)hello->alpn[at])
		if (strlen(id) == hello->alpn[at] &&
		    strncmp(id, (const char *)hello->alpn + at + 1, hello->alpn[at]) == 0)
			return true;
	return false;
}

static bool fits(const struct route_config *route, const struct hello *hello)
{
	if (route->kind == ROUTE_ALPN)
		return is_offered(hello, route->pattern);
	return route->kind == ROUTE_SNI && hello->name[0] && name_fits(route->pattern, hello->name);
}

/* The beginning up to a star at the end, or all of it. */
static bool login_fits(const struct route_config *route, const char *name)
{
	size_t at = 0, n = strlen(route->pattern);

	if (route->kind != ROUTE_DATABASE && route->kind != ROUTE_USER)
		return false;
	while (name[at] && name[at] == route->pattern[at])
		at++;
	if (n > 0 && route->pattern[n - 1] == '*' && at >= n - 1)
		return true;
	return name[at] == route->pattern[at];
}

static void check_log_in(const struct listener_config *config, const char *name)
{
	unsigned right = 0;

	for (size_t n = config->routes_n; n > 0; n--)
		if (login_fits(&config->routes[n - 1], name))
			right = (unsigned)n;
	CHECK(login_route_find(config, name, name) == right);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct route_config routes[ROUTES_MAX];
	static struct pool_config pools[ROUTES_MAX + 1];
	struct listener_config config = { .pool = &pools[ROUTES_MAX] };
	const struct pool_config *right = config.pool;
	struct text text = { data, size };
	struct hello hello = { 0 };

	read_routes(&text, routes, pools, &config);
	read_hello(&text, &hello);
	for (size_t n = config.routes_n; n > 0; n--)
		if (fits(&routes[n - 1], &hello))
			right = routes[n - 1].pool;
	CHECK(route_find(&config, &hello) == right);
	CHECK(route_find(&config, NULL) == config.pool);
	check_log_in(&config, hello.name);
	return 0;
}
