/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The types of the directives that list addresses without ports: source,
 * proxy_protocol_from, allow, deny, status_allow. A line may have several, and
 * all but source may name a file that has them.
 */
#include "config/value.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/address_list.h"
#include "config/setting.h"
#include "config/tokens.h"

/* Calls @read for each word of a value. */
static void for_each_word(const struct setting *s, void *section,
			  void (*read)(const struct setting *word, void *section))
{
	struct tokens tokens;

	if (!tokens_split(s, &tokens) || !tokens_are_a_list(&tokens))
		return;
	for (size_t i = 0; i < tokens.n; i++) {
		struct setting word = tokens_setting(&tokens, i);

		read(&word, section);
	}
}

/* The same, and for each address in the files that are named. */
static void for_each_entry(const struct setting *s, void *section, struct address_lists *lists,
			   address_list_fn *read)
{
	const bool may_be_empty = s->directive->type == &type_deny;
	struct tokens tokens;

	if (!tokens_split(s, &tokens) || !tokens_are_a_list(&tokens))
		return;
	for (size_t i = 0; i < tokens.n; i++) {
		struct setting word = tokens_setting(&tokens, i);

		if (address_list_is_named(&word))
			address_list_read(&word, lists, may_be_empty, read, section);
		else
			read(&word, section);
	}
}

/* ---- source: addresses of ours ---- */

/* The forms of addr_parse(), without the port. */
static bool read_bare_host(const char *text, struct addr *ret_addr)
{
	char with_port[ADDR_TEXT_BYTES];
	const bool has_colon = strchr(text, ':') != NULL;
	int n = snprintf(with_port, sizeof(with_port), has_colon ? "[%s]:0" : "%s:0", text);

	return n > 0 && (size_t)n < sizeof(with_port) && text[0] != '[' &&
	       addr_parse(with_port, ret_addr) && !addr_is_unix(ret_addr) && !addr_is_any(ret_addr);
}

static bool read_addr(const struct setting *word, struct addr *ret_addr)
{
	if (!read_bare_host(word->text, ret_addr)) {
		setting_error(word, NULL, "'%.60s' is not an address%s", word->text,
			      word->text[0] != '/' && strpbrk(word->text, "/:")
				      ? ", without a port or a prefix"
				      : "");
		return false;
	}
	if (addr_needs_zone(ret_addr)) {
		setting_error(word, NULL,
			      "'%.60s' is link-local and needs its interface, as in fe80::1%%eth0",
			      word->text);
		return false;
	}
	return true;
}

static void read_local_addr(const struct setting *word, void *section)
{
	struct pool_config *pool = section;
	struct local_addr_config local = { .location = word->location }, *addrs;

	if (!read_addr(word, &local.addr))
		return;
	addrs = setting_grow(word->diag, pool->local_addrs, pool->local_addrs_n, sizeof(*addrs));
	if (!addrs)
		return;
	addrs[pool->local_addrs_n++] = local;
	pool->local_addrs = addrs;
}

static void set_local_addr(const struct setting *s, void *section)
{
	for_each_word(s, section, read_local_addr);
}

/* "10.0.0.1:0" or "[::1]:0", without what is around the host. */
static void print_host(const struct addr *addr, FILE *to)
{
	char text[ADDR_TEXT_BYTES], *host = text;

	(void)addr_format(addr, text);
	if (text[0] == '[') {
		host++;
		host[strcspn(host, "]")] = '\0';
	} else {
		host[strcspn(host, ":")] = '\0';
	}
	fputs(host, to);
}

static void print_local_addr(const struct directive *d, const void *section, size_t index, FILE *to)
{
	(void)d;
	print_host(&((const struct pool_config *)section)->local_addrs[index].addr, to);
}

static size_t count_local_addrs(const void *section)
{
	return ((const struct pool_config *)section)->local_addrs_n;
}

static void release_local_addrs(const struct directive *d, void *section)
{
	struct pool_config *pool = section;

	(void)d;
	free(pool->local_addrs);
	pool->local_addrs = NULL;
	pool->local_addrs_n = 0;
}

const struct directive_type type_local_addr = {
	.form = "ADDRESS",
	.set = set_local_addr,
	.print = print_local_addr,
	.count = count_local_addrs,
	.release = release_local_addrs,
};

/* ---- one address without a port ---- */

static struct addr_short *bare_addr_of(const struct directive *d, const void *section)
{
	return (struct addr_short *)((uintptr_t)section + d->offset);
}

static void set_bare_addr(const struct setting *s, void *section)
{
	struct addr addr;

	if (read_addr(s, &addr))
		addr_shorten(bare_addr_of(s->directive, section), &addr);
}

static bool has_bare_addr(const struct directive *d, const void *section)
{
	return bare_addr_of(d, section)->len > 0;
}

static void print_bare_addr(const struct directive *d, const void *section, size_t index, FILE *to)
{
	struct addr addr;

	(void)index;
	addr_lengthen(&addr, bare_addr_of(d, section));
	print_host(&addr, to);
}

const struct directive_type type_bare_addr = {
	.form = "ADDRESS",
	.set = set_bare_addr,
	.print = print_bare_addr,
	.has = has_bare_addr,
};

/* ---- blocks of addresses ---- */

/* Where everybody can be meant, there is a word for it. */
static const char *suggest_block(const struct setting *word, char text[ADDR_BLOCK_TEXT_BYTES])
{
	static const char *const everybody[] = { "any", "*", "0/0", "everyone", "everybody" };

	for (size_t i = 0; i < ARRAY_LEN(everybody); i++) {
		if (word->directive->type != &type_proxy_protocol_from &&
		    word->directive->type != &type_status_allow &&
		    strcasecmp(word->text, everybody[i]) == 0)
			return "all";
	}
	return addr_block_suggest(word->text, text);
}

static bool read_block_token(const struct setting *word, struct addr_block *ret_block)
{
	char text[ADDR_BLOCK_TEXT_BYTES];
	const char *why;

	if (addr_block_parse(word->text, ret_block, &why))
		return true;
	setting_error(word, suggest_block(word, text), "'%.60s': %s", word->text, why);
	return false;
}

static void print_block(const struct addr_block *block, FILE *to)
{
	char text[ADDR_BLOCK_TEXT_BYTES];

	fputs(addr_block_format(block, text), to);
}

/* ---- proxy_protocol_from ---- */

static void read_proxy_protocol_from(const struct setting *word, void *section)
{
	struct listener_config *listener = section;
	struct listed_block block = { .from = address_list_origin(word) }, *blocks;

	if (!read_block_token(word, &block.block))
		return;
	blocks = setting_grow(word->diag, listener->proxy_protocol_from,
			      listener->proxy_protocol_from_n, sizeof(*blocks));
	if (!blocks)
		return;
	blocks[listener->proxy_protocol_from_n++] = block;
	listener->proxy_protocol_from = blocks;
}

static void set_proxy_protocol_from(const struct setting *s, void *section)
{
	for_each_entry(s, section, &((struct listener_config *)section)->lists,
		       read_proxy_protocol_from);
}

static void print_proxy_protocol_from(const struct directive *d, const void *section, size_t index,
				      FILE *to)
{
	(void)d;
	print_block(&((const struct listener_config *)section)->proxy_protocol_from[index].block,
		    to);
}

static size_t count_proxy_protocol_from(const void *section)
{
	return ((const struct listener_config *)section)->proxy_protocol_from_n;
}

static struct list_origin origin_of_proxy(const void *section, size_t index)
{
	return ((const struct listener_config *)section)->proxy_protocol_from[index].from;
}

static void release_proxy_protocol_from(const struct directive *d, void *section)
{
	struct listener_config *listener = section;

	(void)d;
	free(listener->proxy_protocol_from);
	listener->proxy_protocol_from = NULL;
	listener->proxy_protocol_from_n = 0;
}

const struct directive_type type_proxy_protocol_from = {
	.form = "ADDRESS, ADDRESS/BITS, file:PATH",
	.set = set_proxy_protocol_from,
	.print = print_proxy_protocol_from,
	.origin = origin_of_proxy,
	.count = count_proxy_protocol_from,
	.release = release_proxy_protocol_from,
};

/* ---- status_allow ---- */

static void read_status_allow(const struct setting *word, void *section)
{
	struct status_config *status = &((struct global_config *)section)->status;
	struct listed_block block = { .from = address_list_origin(word) }, *blocks;

	if (!read_block_token(word, &block.block))
		return;
	blocks = setting_grow(word->diag, status->allow, status->allow_n, sizeof(*blocks));
	if (!blocks)
		return;
	blocks[status->allow_n++] = block;
	status->allow = blocks;
}

static void set_status_allow(const struct setting *s, void *section)
{
	for_each_entry(s, section, &((struct global_config *)section)->status.lists,
		       read_status_allow);
}

static void print_status_allow(const struct directive *d, const void *section, size_t index,
			       FILE *to)
{
	(void)d;
	print_block(&((const struct global_config *)section)->status.allow[index].block, to);
}

static size_t count_status_allow(const void *section)
{
	return ((const struct global_config *)section)->status.allow_n;
}

static struct list_origin origin_of_status_allow(const void *section, size_t index)
{
	return ((const struct global_config *)section)->status.allow[index].from;
}

static void release_status_allow(const struct directive *d, void *section)
{
	struct status_config *status = &((struct global_config *)section)->status;

	(void)d;
	free(status->allow);
	status->allow = NULL;
	status->allow_n = 0;
	address_lists_release(&status->lists);
}

const struct directive_type type_status_allow = {
	.form = "ADDRESS, ADDRESS/BITS, file:PATH",
	.set = set_status_allow,
	.print = print_status_allow,
	.origin = origin_of_status_allow,
	.count = count_status_allow,
	.release = release_status_allow,
};

/* ---- allow, deny: one list, in the order of the file ---- */

static void add_rule(const struct setting *word, struct listener_config *listener, bool is_allowed)
{
	struct access_rule rule = { .is_allowed = is_allowed, .from = address_list_origin(word) };
	struct access_rule *rules;

	rule.is_all = strcmp(word->text, "all") == 0;
	if (!rule.is_all && !read_block_token(word, &rule.block))
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
	for_each_entry(s, section, &((struct listener_config *)section)->lists, read_allow);
}

static void set_deny(const struct setting *s, void *section)
{
	for_each_entry(s, section, &((struct listener_config *)section)->lists, read_deny);
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

static struct list_origin origin_of_rule(const void *section, size_t index)
{
	return ((const struct listener_config *)section)->access[index].from;
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
	address_lists_release(&listener->lists);
}

const struct directive_type type_allow = {
	.form = "ADDRESS, ADDRESS/BITS, all, file:PATH",
	.set = set_allow,
	.print = print_rule,
	.origin = origin_of_rule,
	.count = count_rules,
	.key = rule_key,
	.release = release_rules,
};

/* Its rules are printed and released with those of `allow`. */
const struct directive_type type_deny = {
	.form = "ADDRESS, ADDRESS/BITS, all, file:PATH",
	.set = set_deny,
	.print = print_rule,
	.count = count_none,
};
