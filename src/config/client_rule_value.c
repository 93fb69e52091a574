/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of client_allow and client_deny, which are one list. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config/client_rules.h"
#include "config/setting.h"
#include "config/tokens.h"
#include "config/value.h"

static const char *const kinds[] = { "cn", "ou", "san", "fingerprint" };

/* Without the colons that openssl puts between its bytes, in lower case; false: it is none. */
static bool tidy_fingerprint(char *text)
{
	size_t n = 0;

	for (const char *from = text; *from; from++) {
		if (*from == ':')
			continue;
		if (!isxdigit((unsigned char)*from))
			return false;
		text[n++] = (char)tolower((unsigned char)*from);
	}
	text[n] = '\0';
	return n == IDENTITY_FINGERPRINT_HEX;
}

static bool tidy_host(const struct setting *word, char *host)
{
	const char *star = strchr(host, '*');

	identity_tidy_host(host);
	if (!star || (star == host && star[1] == '.' && !strchr(star + 1, '*')))
		return true;
	setting_error(word, NULL, "'%.60s': a * stands for the first label only", word->text);
	return false;
}

static bool check_star(const struct setting *word, const char *pattern)
{
	const char *star = strchr(pattern, '*');

	if (!star || star[1] == '\0')
		return true;
	setting_error(word, NULL, "'%.60s': a * stands at the end only, for any end", word->text);
	return false;
}

/* Gives the pattern in *ret_kind's form, to be freed, or NULL: reported. */
static char *read_pattern(const struct setting *word, const char *kind,
			  enum identity_kind *ret_kind)
{
	const char *name = word->text;
	char *pattern;
	bool is_good;

	*ret_kind = IDENTITY_FINGERPRINT;
	if (strcmp(kind, "san") == 0)
		name = client_rules_san(word->text, ret_kind);
	else if (strcmp(kind, "fingerprint") != 0)
		*ret_kind = strcmp(kind, "cn") == 0 ? IDENTITY_CN : IDENTITY_OU;
	if (!name) {
		setting_error(word, NULL, "'%.60s' begins with neither dns: nor uri:", word->text);
		return NULL;
	}
	pattern = strdup(name);
	if (!pattern) {
		diag_no_memory(word->diag);
		return NULL;
	}
	if (*ret_kind == IDENTITY_FINGERPRINT) {
		is_good = tidy_fingerprint(pattern);
		if (!is_good)
			setting_error(
				word, NULL,
				"'%.60s' has not 64 hexadecimal digits (SHA-256), colons apart",
				word->text);
	} else if (*ret_kind == IDENTITY_DNS) {
		is_good = tidy_host(word, pattern);
	} else {
		is_good = check_star(word, pattern);
	}
	if (is_good)
		return pattern;
	free(pattern);
	return NULL;
}

static const char *find_kind(const struct setting *word)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strcmp(word->text, kinds[i]) == 0)
			return kinds[i];
	}
	setting_error(word, text_nearest(word->text, kinds, ARRAY_LEN(kinds)),
		      "unknown kind of name '%.60s'", word->text);
	return NULL;
}

/* False, and reported, when it is no rule. */
static bool read_rule(const struct setting *s, struct client_rule *rule)
{
	struct setting kind_word, name_word;
	struct tokens tokens;
	const char *kind;

	if (!tokens_split(s, &tokens))
		return false;
	if (tokens.n != 2) {
		setting_error(s, NULL, "this is not a kind of name and a name");
		return false;
	}
	kind_word = tokens_setting(&tokens, 0);
	name_word = tokens_setting(&tokens, 1);
	kind = find_kind(&kind_word);
	rule->pattern = kind ? read_pattern(&name_word, kind, &rule->kind) : NULL;
	if (!rule->pattern)
		return false;
	if (asprintf(&rule->text, "%s = %s %s", rule->is_allowed ? "client_allow" : "client_deny",
		     kind, name_word.text) < 0) {
		free(rule->pattern);
		diag_no_memory(s->diag);
		return false;
	}
	return true;
}

static void add_rule(const struct setting *s, struct listener_config *listener, bool is_allowed)
{
	struct client_rule rule = { .is_allowed = is_allowed }, *rules;

	if (!read_rule(s, &rule))
		return;
	rules = setting_grow(s->diag, listener->client_rules, listener->client_rules_n,
			     sizeof(*rules));
	if (!rules) {
		free(rule.pattern);
		free(rule.text);
		return;
	}
	rules[listener->client_rules_n++] = rule;
	listener->client_rules = rules;
}

static void set_allow(const struct setting *s, void *section)
{
	add_rule(s, section, true);
}

static void set_deny(const struct setting *s, void *section)
{
	add_rule(s, section, false);
}

static void print_rule(const struct directive *d, const void *section, size_t index, FILE *to)
{
	static const char *const before[IDENTITY_KINDS] = { "cn ", "ou ", "san dns:", "san uri:",
							    "fingerprint " };
	const struct listener_config *listener = section;
	const struct client_rule *rule = &listener->client_rules[index];
	size_t blank = strcspn(before[rule->kind], " ") + 1;
	char *whole;

	(void)d;
	if (asprintf(&whole, "%s%s", before[rule->kind] + blank, rule->pattern) < 0)
		return;
	fprintf(to, "%.*s", (int)blank, before[rule->kind]);
	expand_print(whole, to);
	free(whole);
}

static const char *rule_key(const void *section, size_t index)
{
	const struct listener_config *listener = section;

	return listener->client_rules[index].is_allowed ? "client_allow" : "client_deny";
}

static size_t count_rules(const void *section)
{
	return ((const struct listener_config *)section)->client_rules_n;
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
	for (size_t i = 0; i < listener->client_rules_n; i++) {
		free(listener->client_rules[i].pattern);
		free(listener->client_rules[i].text);
	}
	free(listener->client_rules);
	listener->client_rules = NULL;
	listener->client_rules_n = 0;
}

#define RULE_FORM "cn NAME, ou NAME, san dns:NAME, san uri:URI, fingerprint SHA256"

const struct directive_type type_client_allow = {
	.form = RULE_FORM,
	.set = set_allow,
	.print = print_rule,
	.count = count_rules,
	.key = rule_key,
	.release = release_rules,
};

/* Its rules are printed and released with those of `client_allow`. */
const struct directive_type type_client_deny = {
	.form = RULE_FORM,
	.set = set_deny,
	.print = print_rule,
	.count = count_none,
};
