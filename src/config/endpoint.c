/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The types of the directives that speak of addresses and pools: bind,
 * backend, pool.
 */
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

#include "config/setting.h"
#include "config/tokens.h"

const char *spec_format(const struct addr_spec *spec, char text[SPEC_TEXT_BYTES])
{
	const bool has_colon = strchr(spec->host, ':') != NULL;
	const char *host = spec->host[0] ? spec->host : "*";
	int n;

	if (spec->is_unix) {
		snprintf(text, SPEC_TEXT_BYTES, "unix:%s", spec->host);
		return text;
	}
	n = snprintf(text, SPEC_TEXT_BYTES, has_colon ? "[%s]:%u" : "%s:%u", host,
		     spec->port_first);
	if (spec->port_last != spec->port_first)
		snprintf(text + n, SPEC_TEXT_BYTES - (size_t)n, "-%u", spec->port_last);
	return text;
}

/* Does it read as an address and port? Gives it. */
static const char *checked(char text[SPEC_TEXT_BYTES])
{
	struct addr_spec spec;
	const char *why;

	return addr_spec_parse(text, &spec, &why) ? text : NULL;
}

/* What was probably meant, or NULL; of a port alone, that of @host. */
static const char *suggest_addr(const char *typed, const char *host, char text[SPEC_TEXT_BYTES])
{
	const char *scheme = strstr(typed, "://");

	if (strlen(typed) > sizeof(((struct addr_spec *)0)->host))
		return NULL;
	if (scheme) {
		snprintf(text, SPEC_TEXT_BYTES, "%s", scheme + strlen("://"));
		text[strcspn(text, "/")] = '\0';
		return checked(text);
	}
	snprintf(text, SPEC_TEXT_BYTES, "%s:%s", host, typed);
	return typed[strspn(typed, "0123456789-")] == '\0' ? checked(text) : NULL;
}

/* ---- bind ---- */

#define MODE_MAX 0777u

static void set_account(const struct setting *s, void *bind)
{
	struct account_config *account =
		(struct account_config *)((char *)bind + s->directive->offset);

	if (s->text[0] == '\0') {
		setting_error(s, NULL, "the value is missing");
		return;
	}
	account->location = s->location;
	account->name = strdup(s->text);
	if (!account->name)
		diag_no_memory(s->diag);
}

static const struct directive_type type_account = {
	.form = "a name or a number",
	.set = set_account,
};

#define AT(field) .offset = offsetof(struct bind_config, field)

/* clang-format off */
static const struct directive bind_options[] = {
	{ .key = "freebind", .type = &type_flag, AT(is_free), .bare = "freebind",
	  .bare_value = "yes" },
	{ .key = "mode", .type = &type_mode, AT(access.mode), .min = 1, .max = MODE_MAX },
	{ .key = "owner", .type = &type_account, AT(owner) },
	{ .key = "group", .type = &type_account, AT(group) },
};
/* clang-format on */

#undef AT

static const char *why_not_together(const struct bind_config *bind)
{
	const bool has_file = bind->spec.is_unix && bind->spec.host[0] == '/';

	if (bind->spec.is_unix && bind->is_free)
		return "freebind is for IP addresses: a unix socket is always here";
	if (!has_file && (bind->access.mode != 0 || bind->owner.name || bind->group.name))
		return "mode, owner and group are for unix sockets that have a path";
	return NULL;
}

static bool read_bind(const struct setting *s, struct bind_config *bind)
{
	char text[SPEC_TEXT_BYTES];
	struct setting address;
	struct tokens tokens;
	const char *why, *host = s->directive->type == &type_status ? "127.0.0.1" : "";

	if (!tokens_split(s, &tokens) || !tokens_are_of_one(&tokens))
		return false;
	address = tokens_setting(&tokens, 0);
	bind->location = address.location;
	if (!addr_spec_parse(address.text, &bind->spec, &why)) {
		setting_error(&address, suggest_addr(address.text, host, text), "%s", why);
		return false;
	}
	tokens_set_options(&tokens, 1, bind_options, ARRAY_LEN(bind_options), bind);
	why = why_not_together(bind);
	if (why)
		setting_error(s, NULL, "%s", why);
	return !why;
}

static void release_bind(struct bind_config *bind)
{
	free(bind->addrs);
	free(bind->owner.name);
	free(bind->group.name);
}

static void set_bind(const struct setting *s, void *section)
{
	struct listener_config *listener = section;
	struct bind_config bind = { 0 }, *binds = NULL;

	if (read_bind(s, &bind))
		binds = setting_grow(s->diag, listener->binds, listener->binds_n, sizeof(*binds));
	if (!binds) {
		release_bind(&bind);
		return;
	}
	binds[listener->binds_n++] = bind;
	listener->binds = binds;
}

static void write_bind(const struct bind_config *bind, FILE *to)
{
	char text[SPEC_TEXT_BYTES], mode[TEXT_NUMBER_BYTES];

	expand_print(spec_format(&bind->spec, text), to);
	if (bind->is_free)
		fputs(" freebind", to);
	if (bind->access.mode != 0)
		fprintf(to, " mode=%s", type_mode.format(bind->access.mode, mode));
	if (bind->owner.name)
		fprintf(to, " owner=%s", bind->owner.name);
	if (bind->group.name)
		fprintf(to, " group=%s", bind->group.name);
}

static void print_bind(const struct directive *d, const void *section, size_t index, FILE *to)
{
	(void)d;
	write_bind(&((const struct listener_config *)section)->binds[index], to);
}

static size_t count_binds(const void *section)
{
	return ((const struct listener_config *)section)->binds_n;
}

static void release_binds(const struct directive *d, void *section)
{
	struct listener_config *listener = section;

	(void)d;
	for (size_t i = 0; i < listener->binds_n; i++)
		release_bind(&listener->binds[i]);
	free(listener->binds);
	listener->binds = NULL;
	listener->binds_n = 0;
}

const struct directive_type type_bind = {
	.form = "HOST:PORT, HOST:FIRST-LAST, *:PORT or :PORT [freebind], unix:PATH [mode=0660] "
		"[owner=NAME] [group=NAME]",
	.set = set_bind,
	.print = print_bind,
	.count = count_binds,
	.release = release_binds,
	.options_context = FOREIGN_BIND,
};

/* ---- control ---- */

static void set_control(const struct setting *s, void *section)
{
	struct control_config *control = &((struct global_config *)section)->control;
	struct bind_config at = { 0 };
	bool is_good = true;

	if (strcmp(s->text, "auto") != 0 && strcmp(s->text, "off") != 0) {
		is_good = read_bind(s, &at);
		if (is_good && (!at.spec.is_unix || at.spec.host[0] != '/')) {
			setting_error(s, NULL, "it is a unix socket that has a path");
			is_good = false;
		}
	}
	if (!is_good) {
		release_bind(&at);
		return;
	}
	release_bind(&control->at);
	control->is_off = strcmp(s->text, "off") == 0;
	control->at = at;
}

static void print_control(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct control_config *control = &((const struct global_config *)section)->control;

	(void)d;
	(void)index;
	if (control->at.spec.host[0])
		write_bind(&control->at, to);
	else
		fputs(control->is_off ? "off" : "auto", to);
}

static void release_control(const struct directive *d, void *section)
{
	struct control_config *control = &((struct global_config *)section)->control;

	(void)d;
	release_bind(&control->at);
	*control = (struct control_config){ 0 };
}

const struct directive_type type_control = {
	.form = "auto, off, unix:PATH [mode=0660] [owner=NAME] [group=NAME]",
	.set = set_control,
	.print = print_control,
	.release = release_control,
	.options_context = FOREIGN_BIND,
};

/* ---- status ---- */

static void set_status(const struct setting *s, void *section)
{
	struct status_config *status = &((struct global_config *)section)->status;
	const bool is_on = strcmp(s->text, "off") != 0;
	struct bind_config at = { 0 };

	if (is_on && !read_bind(s, &at)) {
		release_bind(&at);
		return;
	}
	release_bind(&status->at);
	status->is_on = is_on;
	status->at = at;
}

static void print_status(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct status_config *status = &((const struct global_config *)section)->status;

	(void)d;
	(void)index;
	if (status->is_on)
		write_bind(&status->at, to);
	else
		fputs("off", to);
}

static void release_status(const struct directive *d, void *section)
{
	struct status_config *status = &((struct global_config *)section)->status;

	(void)d;
	release_bind(&status->at);
	status->at = (struct bind_config){ 0 };
}

const struct directive_type type_status = {
	.form = "off, ADDRESS:PORT, unix:PATH [mode=0660] [owner=NAME] [group=NAME]",
	.set = set_status,
	.print = print_status,
	.release = release_status,
	.options_context = FOREIGN_BIND,
};

/* ---- pool ---- */

static void set_pool(const struct setting *s, void *section)
{
	struct listener_config *listener = section;

	if (setting_name(s, listener->pool_name))
		listener->pool_location = s->location;
}

static void print_pool_name(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct listener_config *listener = section;

	(void)d;
	(void)index;
	fputs(listener->pool_name, to);
}

static bool has_pool(const struct directive *d, const void *section)
{
	(void)d;
	return ((const struct listener_config *)section)->pool_name[0] != '\0';
}

const struct directive_type type_pool = {
	.form = "the NAME of a [pool NAME]",
	.set = set_pool,
	.print = print_pool_name,
	.has = has_pool,
};

/* ---- like ---- */

static void set_like(const struct setting *s, void *section)
{
	struct pool_config *pool = section;

	if (!setting_name(s, pool->like))
		pool->like[0] = '\0';
}

static void print_like(const struct directive *d, const void *section, size_t index, FILE *to)
{
	(void)d;
	(void)index;
	fputs(((const struct pool_config *)section)->like, to);
}

/* Once it has what the other one has, it is a pool as any. */
static bool is_never(const struct directive *d, const void *section)
{
	(void)d;
	(void)section;
	return false;
}

const struct directive_type type_like = {
	.form = "the NAME of a [pool NAME]",
	.set = set_like,
	.print = print_like,
	.has = is_never,
};

/* ---- backend ---- */

#define AT(field) .offset = offsetof(struct backend_config, field)

static const struct directive backend_options[] = {
	{ .key = "weight", .type = &type_number, AT(weight), .fallback = "1", .max = 256 },
	{ .key = "max_sessions",
	  .type = &type_number,
	  AT(sessions_max),
	  .fallback = "0",
	  .zero = "0",
	  .min = 1,
	  .max = CONFIG_SESSIONS_MAX },
	{ .key = "tier",
	  .type = &type_number,
	  AT(tier),
	  .fallback = "0",
	  .max = CONFIG_TIERS_MAX - 1,
	  .bare = "backup",
	  .bare_value = "1" },
	{ .key = "check_address", .type = &type_bare_addr, AT(check_addr) },
};

static const char *spec_why_not_backend(const struct addr_spec *spec)
{
	if (spec->is_unix)
		return NULL;
	if (spec->port_first != spec->port_last)
		return "a backend has one port, not a range";
	if (spec->port_first == 0)
		return "there is no port 0 to connect to";
	if (spec->host[0] == '\0')
		return "a backend needs one host, not any";
	return NULL;
}

static bool read_spec(const struct setting *word, struct addr_spec *ret_spec)
{
	char text[SPEC_TEXT_BYTES];
	const char *why;

	if (addr_spec_parse(word->text, ret_spec, &why))
		why = spec_why_not_backend(ret_spec);
	if (why)
		setting_error(word, suggest_addr(word->text, "", text), "%s", why);
	return !why;
}

/* An address alone or in front of the name: whoever comes from elsewhere is used to that. */
static bool report_order(const struct setting *s, const struct tokens *tokens)
{
	const char *first = tokens->text + tokens->at[0];
	char text[SPEC_TEXT_BYTES + CONFIG_NAME_BYTES];
	struct addr_spec spec;
	const char *why;

	if (!addr_spec_parse(first, &spec, &why))
		return false;
	snprintf(text, sizeof(text), "%.60s %.200s",
		 tokens->n > 1 && !strchr(tokens->text + tokens->at[1], '=')
			 ? tokens->text + tokens->at[1]
			 : "NAME",
		 first);
	setting_error(s, text, "a name of its own comes before the address");
	return true;
}

static bool read_backend(const struct setting *s, struct backend_config *ret_backend)
{
	struct tokens tokens;
	struct setting name, address;
	bool is_good;

	if (!tokens_split(s, &tokens) || !tokens_are_of_one(&tokens) || report_order(s, &tokens))
		return false;
	if (tokens.n < 2) {
		setting_error(s, NULL, "a name and an address are needed");
		return false;
	}
	name = tokens_setting(&tokens, 0);
	address = tokens_setting(&tokens, 1);
	ret_backend->location = name.location;
	ret_backend->addr_location = address.location;
	is_good = setting_name(&name, ret_backend->name);
	is_good &= read_spec(&address, &ret_backend->spec);
	tokens_set_options(&tokens, 2, backend_options, ARRAY_LEN(backend_options), ret_backend);
	return is_good;
}

static void set_backend(const struct setting *s, void *section)
{
	struct pool_config *pool = section;
	struct backend_config backend = { 0 }, *backends;

	if (!read_backend(s, &backend))
		return;
	backends = setting_grow(s->diag, pool->backends, pool->backends_n, sizeof(*backends));
	if (!backends)
		return;
	backends[pool->backends_n++] = backend;
	pool->backends = backends;
}

static void print_backend_value(const struct directive *d, const void *section, size_t index,
				FILE *to)
{
	const struct backend_config *b = &((const struct pool_config *)section)->backends[index];
	char text[SPEC_TEXT_BYTES];

	(void)d;
	fprintf(to, "%s ", b->name);
	expand_print(spec_format(&b->spec, text), to);
	tokens_print_options(backend_options, ARRAY_LEN(backend_options), b, to);
}

static size_t count_backends(const void *section)
{
	return ((const struct pool_config *)section)->backends_n;
}

static void release_backends(const struct directive *d, void *section)
{
	struct pool_config *pool = section;

	(void)d;
	free(pool->backends);
	pool->backends = NULL;
	pool->backends_n = 0;
}

const struct directive_type type_backend = {
	.form = "NAME ADDRESS [weight=0..256] [max_sessions=0..16777216] [tier=0..7 or backup] "
		"[check_address=ADDRESS]",
	.set = set_backend,
	.print = print_backend_value,
	.count = count_backends,
	.release = release_backends,
	.options_context = FOREIGN_BACKEND,
};
