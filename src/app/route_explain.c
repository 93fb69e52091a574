/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "app/route_explain.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/balance_explain.h"
#include "balance/maglev_table.h"
#include "pool/pool.h"
#include "base/check.h"
#include "config/access.h"
#include "config/directive.h"
#include "config/expand.h"
#include "config/login_route.h"
#include "config/protocol_facts.h"
#include "proto/hello.h"
#include "balance/client_key.h"
#include "preread/route.h"

/* Who would be next, when those before have failed: more than that nobody reads. */
#define NEXT_MAX 3u

/* A client, as it was typed. */
struct subject {
	const char *text;
	struct addr addr; /* of length 0: a name */
	bool has_port;
	struct hello hello; /* that asks for this name; "": an address, or nothing */
	char database[LOGIN_NAME_BYTES], user[LOGIN_NAME_BYTES]; /* that it logs in to and as */
};

/* ---- what was typed ------------------------------------------------------ */

static bool read_addr(const char *text, struct subject *subject)
{
	char with_port[ADDR_TEXT_BYTES];
	const bool has_colon = strchr(text, ':') != NULL;
	int n;

	subject->has_port = addr_parse(text, &subject->addr) && !addr_is_unix(&subject->addr);
	if (subject->has_port)
		return true;
	n = snprintf(with_port, sizeof(with_port), has_colon ? "[%s]:0" : "%s:0", text);
	if (n > 0 && (size_t)n < sizeof(with_port) && addr_parse(with_port, &subject->addr) &&
	    !addr_is_unix(&subject->addr))
		return true;
	subject->addr = (struct addr){ 0 };
	return false;
}

static bool is_login(const struct subject *subject)
{
	return subject->database[0] != '\0' || subject->user[0] != '\0';
}

/* One of "database=NAME" and "user=NAME", as it is once quotes are off. */
static bool read_login_word(const char *word, size_t bytes, struct subject *subject)
{
	const bool is_database = strncmp(word, "database=", strlen("database=")) == 0;
	char *to = is_database ? subject->database : subject->user;
	size_t key_bytes = strcspn(word, "=") + 1, n;

	if (!is_database && strncmp(word, "user=", strlen("user=")) != 0)
		return false;
	n = MIN(bytes - key_bytes, sizeof(subject->user) - 1); /* as much as PostgreSQL keeps */
	memcpy(to, word + key_bytes, n);
	to[n] = '\0';
	return n > 0;
}

/* Up to the next blank that is not within quotes. */
static size_t word_bytes(const struct expanded *value, size_t from)
{
	size_t to = from;

	while (to < value->bytes &&
	       (!strchr(" \t", value->text[to]) || (value->marks[to] & EXPAND_QUOTED)))
		to++;
	return to - from;
}

/* One or both of them, written as values are in the file. */
static bool read_login(const char *text, struct subject *subject)
{
	const struct config_location nowhere = { 0 };
	struct expanded value;
	struct diag unsaid;
	bool is_good;
	size_t n;

	diag_init(&unsaid);
	is_good = strlen(text) <= CONFIG_LINE_BYTES_MAX &&
		  expand_value(text, strlen(text), &nowhere, &unsaid, &value);
	diag_finish(&unsaid);
	for (size_t at = 0; is_good && at < value.bytes; at += n) {
		n = word_bytes(&value, at);
		is_good = n > 0 && read_login_word(value.text + at, n, subject);
		while (at + n < value.bytes && strchr(" \t", value.text[at + n]))
			n++;
	}
	return is_good;
}

static void read_subject(const char *text, struct subject *subject)
{
	*subject = (struct subject){ .text = text };
	if (read_login(text, subject))
		return;
	subject->database[0] = subject->user[0] = '\0';
	if (read_addr(text, subject)) {
		addr_unmap(&subject->addr);
		return;
	}
	if (!hello_set_name(&subject->hello, text, strlen(text)))
		subject->hello.name[0] = '\0';
}

/* False: this pool knows clients by something else. */
static bool key_of(const struct subject *s, const struct key_config *config, uint64_t *ret_key)
{
	if (config->kind == CLIENT_KEY_DESTINATION)
		return s->has_port && client_key_of_destination(&s->addr, ret_key);
	if (s->addr.len > 0)
		return client_key_of_addr(&s->addr, config, ret_key);
	*ret_key = client_key_of_name(s->hello.name);
	return config->kind == CLIENT_KEY_SNI && s->hello.name[0] != '\0';
}

/* ---- listeners ----------------------------------------------------------- */

/* Who gives no database logs in to that of its own name. */
static const struct pool_config *pool_of_login(const struct listener_config *listener,
					       const struct subject *s)
{
	const char *database = s->database[0] ? s->database : s->user;
	unsigned number = login_route_find(listener, database, s->user);

	return number > 0 ? listener->routes[number - 1].pool : listener->pool;
}

static const struct pool_config *pool_of(const struct listener_config *listener,
					 const struct subject *s)
{
	return is_login(s) ? pool_of_login(listener, s) : route_find(listener, &s->hello);
}

static void print_listener(const struct listener_config *listener, const struct subject *s,
			   FILE *to)
{
	const struct pool_config *pool = pool_of(listener, s);

	fprintf(to, "[listener %s]: %s ", listener->name, s->text);
	if (pool)
		fprintf(to, "goes to [pool %s]\n", pool->name);
	else
		fputs("is refused: no route fits, and there is no pool\n", to);
}

static void print_access(const struct listener_config *listener, const struct subject *s, FILE *to)
{
	const struct directive *allow = directive_find(SECTION_LISTENER, "allow");
	const struct access_rule *rule = access_rule_of(listener, &s->addr);
	bool is_in = access_is_allowed(listener, &s->addr);

	CHECK(allow);
	fprintf(to, "[listener %s]: %s is %s: ", listener->name, s->text,
		is_in ? "allowed" : "denied");
	if (rule) {
		fprintf(to, "%s = ", rule->is_allowed ? "allow" : "deny");
		allow->type->print(allow, listener, (size_t)(rule - listener->access), to);
		putc('\n', to);
	} else {
		fprintf(to, "it fits no rule, and the last one is of %s\n",
			is_in ? "deny" : "allow");
	}
}

/* Gives how many have anything to say of it. */
static unsigned explain_listeners(const struct config *config, const struct subject *s, FILE *to)
{
	unsigned n = 0;

	for (size_t i = 0; i < config->listeners_n; i++) {
		const struct listener_config *listener = &config->listeners[i];

		if ((s->hello.name[0] && listener->routes_n > 0) ||
		    (is_login(s) && login_route_exists(listener)))
			print_listener(listener, s, to);
		else if (s->addr.len > 0 && listener->access_n > 0)
			print_access(listener, s, to);
		else
			continue;
		n++;
	}
	return n;
}

static bool leads_to(const struct listener_config *listener, const struct pool_config *pool)
{
	bool leads = listener->pool == pool;

	for (size_t i = 0; i < listener->routes_n; i++)
		leads |= listener->routes[i].pool == pool;
	return leads;
}

/* Does every listener that leads to @pool deny it? */
static bool is_kept_out(const struct config *config, const struct pool_config *pool,
			const struct subject *s)
{
	unsigned leading = 0, closed = 0;

	for (size_t i = 0; s->addr.len > 0 && i < config->listeners_n; i++) {
		if (!leads_to(&config->listeners[i], pool))
			continue;
		leading++;
		closed += !access_is_allowed(&config->listeners[i], &s->addr);
	}
	return leading > 0 && leading == closed;
}

/* Can it be meant? An address always; a name, if a listener that reads names sends it there. */
static bool may_come(const struct config *config, const struct pool_config *pool,
		     const struct subject *s)
{
	for (size_t i = 0; s->addr.len == 0 && i < config->listeners_n; i++) {
		const struct listener_config *listener = &config->listeners[i];
		bool is_read = is_login(s) ? protocol_facts[listener->protocol].has_logins
					   : listener_reads_hello(listener);

		if (is_read && pool_of(listener, s) == pool)
			return true;
	}
	return s->addr.len > 0;
}

/* ---- pools --------------------------------------------------------------- */

static void print_backend(struct pool *pool, int index, FILE *to)
{
	const struct backend_config *b = pool_backend(pool, (size_t)index)->config;
	char addr[ADDR_TEXT_BYTES];

	fprintf(to, "%s (%s)", b->name, addr_format(&b->addr, addr));
}

static void print_reason(struct pool *pool, const struct pool_route *route, FILE *to)
{
	if (route->home < 0) {
		fprintf(to, ", for slot %" PRIu32 " belongs to nobody", route->slot);
	} else if (route->home == route->chosen) {
		fprintf(to, ", which slot %" PRIu32 " belongs to", route->slot);
	} else {
		fprintf(to, ", %u steps from slot %" PRIu32 ", which belongs to ", route->steps,
			route->slot);
		print_backend(pool, route->home, to);
	}
}

/* Those that get the key when the ones before are down, be they of a further tier. */
static void print_next(struct pool *pool, const struct pool_ask *ask,
		       const struct pool_route *route, FILE *to)
{
	struct pool_route next = *route;

	for (unsigned n = 0; n < NEXT_MAX; n++) {
		pool_set_state(pool, pool_backend(pool, (size_t)next.chosen), BACKEND_DOWN, 0);
		if (!pool_route(pool, ask, &next) || next.chosen < 0)
			break;
		fputs(n == 0 ? "; after it " : ", ", to);
		print_backend(pool, next.chosen, to);
	}
	putc('\n', to);
}

static void print_pool(struct pool *pool, const struct subject *s, uint64_t key, FILE *to)
{
	const struct pool_config *config = pool_config(pool);
	const struct directive *hash = directive_find(SECTION_POOL, "hash");
	const struct pool_ask ask = { .key = key };
	struct pool_route route;

	CHECK(hash);
	CHECK(pool_route(pool, &ask, &route));
	fprintf(to, "[pool %s]: hash = ", config->name);
	hash->type->print(hash, config, 0, to);
	fprintf(to, ", %" PRIu32 " slots, digest %016" PRIx64 "\n", route.slots, pool_digest(pool));
	fprintf(to, "[pool %s]: %s gets ", config->name, s->text);
	if (route.chosen < 0) {
		fputs("no backend: none may have it\n", to);
		return;
	}
	print_backend(pool, route.chosen, to);
	print_reason(pool, &route, to);
	print_next(pool, &ask, &route, to);
}

static int explain_hash(const struct pool_config *config, const struct subject *s, FILE *to)
{
	struct pool *pool;
	uint64_t key;

	if (!key_of(s, &config->hash, &key))
		return -ENOENT;
	pool = pool_create(config);
	if (!pool)
		return -ENOMEM;
	print_pool(pool, s, key, to);
	pool_destroy(pool);
	return 0;
}

static int explain_pool(const struct config *all, const struct pool_config *config,
			const struct subject *s, FILE *to)
{
	bool does_hash = config->balance == BALANCE_MAGLEV;
	bool is_client = !does_hash || config->hash.kind != CLIENT_KEY_DESTINATION;
	int err = 0;

	if (is_client && is_kept_out(all, config, s)) {
		fprintf(to,
			"[pool %s]: %s gets no backend: no listener that leads here lets it in\n",
			config->name, s->text);
		return 0;
	}
	if (does_hash)
		err = explain_hash(config, s, to);
	else if (may_come(all, config, s))
		balance_explain(config, to);
	else
		err = -ENOENT;
	if (err == 0)
		balance_explain_stick(config, to);
	return err;
}

int route_explain(const struct config *config, const char *text, FILE *to)
{
	struct subject subject;
	unsigned said;

	read_subject(text, &subject);
	if (subject.addr.len == 0 && subject.hello.name[0] == '\0' && !is_login(&subject))
		return -EINVAL;
	said = explain_listeners(config, &subject, to);
	for (size_t i = 0; i < config->pools_n; i++) {
		int err = explain_pool(config, &config->pools[i], &subject, to);

		if (err == -ENOMEM)
			return err;
		said += err == 0;
	}
	return said > 0 ? 0 : -ENOENT;
}

/* ---- digests ------------------------------------------------------------- */

struct hashing {
	const struct pool_config *pool;
};

static int by_name(const void *a, const void *b)
{
	const struct hashing *left = a, *right = b;

	return strcmp(left->pool->name, right->pool->name);
}

/* The pools that hash, sorted. Gives an array to be freed, or NULL without memory. */
static struct hashing *find_hashing(const struct config *config, size_t *ret_n)
{
	struct hashing *found = calloc(config->pools_n + 1, sizeof(*found));
	size_t n = 0;

	for (size_t i = 0; found && i < config->pools_n; i++) {
		if (config->pools[i].balance == BALANCE_MAGLEV)
			found[n++].pool = &config->pools[i];
	}
	if (found)
		qsort(found, n, sizeof(*found), by_name);
	*ret_n = n;
	return found;
}

static int print_digest(const struct pool_config *config, uint64_t *all, FILE *to)
{
	struct pool *pool = pool_create(config);
	const struct pool_ask ask = { 0 };
	struct pool_route route;

	if (!pool)
		return -ENOMEM;
	CHECK(pool_route(pool, &ask, &route));
	CHECK(pool_digest_add(pool, all));
	fprintf(to, "%s %" PRIu32 " %016" PRIx64 "\n", config->name, route.slots,
		pool_digest(pool));
	pool_destroy(pool);
	return 0;
}

int route_digest(const struct config *config, FILE *to)
{
	size_t n;
	struct hashing *found = find_hashing(config, &n);
	uint64_t all = 0;
	int err = found ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && err == 0; i++)
		err = print_digest(found[i].pool, &all, to);
	/* No pool can have this name. */
	if (err == 0 && n > 0)
		fprintf(to, "* %zu %016" PRIx64 "\n", n, all);
	free(found);
	return err;
}
