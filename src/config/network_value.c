/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The types of the directives that list addresses without ports: source,
 * proxy_from, allow, deny. A line may have several.
 */
#include "config/value.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "config/setting.h"
#include "config/words.h"

/* Where IPv4 begins in struct addr_block's form of an address. */
#define MAPPED_BITS 96

/* Calls @read for each word of a value. */
static void for_each_word(const struct setting *s, void *section,
			  void (*read)(const struct setting *word, void *section))
{
	struct words words;

	if (!words_split(s, &words))
		return;
	for (size_t i = 0; i < words.n; i++) {
		struct setting word = words_setting(&words, i);

		read(&word, section);
	}
}

/* ---- source ---- */

/* The forms of addr_parse(), without the port. */
static bool read_host(const char *text, struct addr *ret_addr)
{
	char with_port[ADDR_TEXT_BYTES];
	const bool has_colon = strchr(text, ':') != NULL;
	int n = snprintf(with_port, sizeof(with_port), has_colon ? "[%s]:0" : "%s:0", text);

	return n > 0 && (size_t)n < sizeof(with_port) && text[0] != '[' &&
	       addr_parse(with_port, ret_addr) && !addr_is_unix(ret_addr) && !addr_is_any(ret_addr);
}

static void read_source(const struct setting *word, void *section)
{
	struct pool_config *pool = section;
	struct source_config source = { .place = word->place }, *sources;

	if (!read_host(word->text, &source.addr)) {
		setting_error(word, NULL, "'%.60s' is not an address", word->text);
		return;
	}
	if (addr_needs_zone(&source.addr)) {
		setting_error(word, NULL,
			      "'%.60s' is link-local and needs its interface, as in fe80::1%%eth0",
			      word->text);
		return;
	}
	sources = setting_grow(word->diag, pool->sources, pool->sources_n, sizeof(*sources));
	if (!sources)
		return;
	sources[pool->sources_n++] = source;
	pool->sources = sources;
}

static void set_source(const struct setting *s, void *section)
{
	for_each_word(s, section, read_source);
}

/* "10.0.0.1:0" or "[::1]:0", without what is around the host. */
static void print_source(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct pool_config *pool = section;
	char text[ADDR_TEXT_BYTES], *host = text;

	(void)d;
	(void)addr_format(&pool->sources[index].addr, text);
	if (text[0] == '[') {
		host++;
		host[strcspn(host, "]")] = '\0';
	} else {
		host[strcspn(host, ":")] = '\0';
	}
	fputs(host, to);
}

static size_t count_sources(const void *section)
{
	return ((const struct pool_config *)section)->sources_n;
}

static void release_sources(const struct directive *d, void *section)
{
	struct pool_config *pool = section;

	(void)d;
	free(pool->sources);
	pool->sources = NULL;
	pool->sources_n = 0;
}

const struct directive_type type_source = {
	.form = "ADDRESS",
	.set = set_source,
	.print = print_source,
	.count = count_sources,
	.release = release_sources,
};

/* ---- blocks of addresses ---- */

static bool read_block(const struct setting *word, struct addr_block *ret_block)
{
	const char *why;

	if (addr_block_parse(word->text, ret_block, &why))
		return true;
	setting_error(word, NULL, "'%.60s': %s", word->text, why);
	return false;
}

static void print_block(const struct addr_block *block, FILE *to)
{
	struct in6_addr in6;
	char text[INET6_ADDRSTRLEN];
	unsigned first = 0, all = 128;
	int family = AF_INET6;

	memcpy(&in6, block->bytes, sizeof(in6));
	if (block->bits >= MAPPED_BITS && IN6_IS_ADDR_V4MAPPED(&in6)) {
		family = AF_INET;
		first = MAPPED_BITS;
		all = 32;
	}
	fputs(inet_ntop(family, block->bytes + first / 8, text, sizeof(text)), to);
	if (block->bits - first < all)
		fprintf(to, "/%u", block->bits - first);
}

/* ---- proxy_from ---- */

static void read_proxy_from(const struct setting *word, void *section)
{
	struct listener_config *listener = section;
	struct addr_block block, *blocks;

	if (!read_block(word, &block))
		return;
	blocks = setting_grow(word->diag, listener->proxy_from, listener->proxy_from_n,
			      sizeof(*blocks));
	if (!blocks)
		return;
	blocks[listener->proxy_from_n++] = block;
	listener->proxy_from = blocks;
}

static void set_proxy_from(const struct setting *s, void *section)
{
	for_each_word(s, section, read_proxy_from);
}

static void print_proxy_from(const struct directive *d, const void *section, size_t index, FILE *to)
{
	(void)d;
	print_block(&((const struct listener_config *)section)->proxy_from[index], to);
}

static size_t count_proxy_from(const void *section)
{
	return ((const struct listener_config *)section)->proxy_from_n;
}

static void release_proxy_from(const struct directive *d, void *section)
{
	struct listener_config *listener = section;

	(void)d;
	free(listener->proxy_from);
	listener->proxy_from = NULL;
	listener->proxy_from_n = 0;
}

const struct directive_type type_proxy_from = {
	.form = "ADDRESS, ADDRESS/BITS",
	.set = set_proxy_from,
	.print = print_proxy_from,
	.count = count_proxy_from,
	.release = release_proxy_from,
};

/* ---- allow, deny: one list, in the order of the file ---- */

static void add_rule(const struct setting *word, struct listener_config *listener, bool is_allowed)
{
	struct access_rule rule = { .is_allowed = is_allowed }, *rules;

	rule.is_all = strcmp(word->text, "all") == 0;
	if (!rule.is_all && !read_block(word, &rule.block))
		return;
	rules = setting_grow(word->diag, listener->access, listener->access_n, sizeof(*rules));
	if (!rules)
		return;
	rules[listener->access_n++] = rule;
	listener->access = rules;
}

static void read_allow(const struct setting *word, void *section)
{
	add_rule(word, section, true);
}

static void read_deny(const struct setting *word, void *section)
{
	add_rule(word, section, false);
}

static void set_allow(const struct setting *s, void *section)
{
	for_each_word(s, section, read_allow);
}

static void set_deny(const struct setting *s, void *section)
{
	for_each_word(s, section, read_deny);
}

static void print_rule(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct access_rule *rule = &((const struct listener_config *)section)->access[index];

	(void)d;
	if (rule->is_all)
		fputs("all", to);
	else
		print_block(&rule->block, to);
}

static const char *rule_key(const void *section, size_t index)
{
	return ((const struct listener_config *)section)->access[index].is_allowed ? "allow"
										   : "deny";
}

static size_t count_rules(const void *section)
{
	return ((const struct listener_config *)section)->access_n;
}

static size_t count_none(const void *section)
{
	(void)section;
	return 0;
}

static void release_rules(const struct directive *d, void *section)
{
	struct listener_config *listener = section;

	(void)d;
	free(listener->access);
	listener->access = NULL;
	listener->access_n = 0;
}

const struct directive_type type_allow = {
	.form = "ADDRESS, ADDRESS/BITS, all",
	.set = set_allow,
	.print = print_rule,
	.count = count_rules,
	.key = rule_key,
	.release = release_rules,
};

/* Its rules are printed and released with those of `allow`. */
const struct directive_type type_deny = {
	.form = "ADDRESS, ADDRESS/BITS, all",
	.set = set_deny,
	.print = print_rule,
	.count = count_none,
};
