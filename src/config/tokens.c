/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/tokens.h"

#include <string.h>

#include "base/check.h"
#include "config/foreign.h"

#define BLANKS " \t"
#define TITLE_BYTES 256
#define KEY_BYTES 64
#define SUGGESTION_BYTES 128

/* A blank that is not within quotes. */
static bool is_gap(const struct setting *s, size_t at)
{
	return strchr(BLANKS, s->text[at]) && !(s->marks && s->marks[at] & EXPAND_QUOTED);
}

bool tokens_split(const struct setting *s, struct tokens *ret_tokens)
{
	struct tokens *w = ret_tokens;
	size_t bytes = strlen(s->text), at = 0;

	CHECK(bytes < sizeof(w->text));
	memcpy(w->text, s->text, bytes + 1);
	w->whole = s;
	w->n = 0;
	while (at < bytes) {
		if (w->n == TOKENS_MAX) {
			setting_error(s, NULL, "more than %d words", TOKENS_MAX);
			return false;
		}
		w->at[w->n++] = at;
		while (at < bytes && !is_gap(s, at))
			at++;
		if (at == bytes)
			break;
		do
			w->text[at++] = '\0';
		while (at < bytes && is_gap(s, at));
	}
	return true;
}

struct setting tokens_setting(const struct tokens *tokens, size_t i)
{
	const char *text;

	CHECK(i < tokens->n);
	text = tokens->text + tokens->at[i];
	return setting_part(tokens->whole, tokens->at[i], text, strlen(text));
}

/* Several of something on one line: a path may have a comma in it, an address may not. */
static bool is_list_word(const char *word)
{
	const size_t n = strlen(word);

	if (n > 0 && word[n - 1] == ',')
		return true;
	return word[0] != '/' && strncmp(word, "unix:", 5) != 0 && strchr(word, ',');
}

static bool has_list_word(const struct tokens *tokens)
{
	for (size_t i = 0; i < tokens->n; i++) {
		if (is_list_word(tokens->text + tokens->at[i]))
			return true;
	}
	return false;
}

/* The value with blanks for commas, or NULL when it is too long to be shown. */
static const char *without_commas(const char *from, char text[SUGGESTION_BYTES])
{
	size_t n = 0;

	for (; *from != '\0'; from++) {
		const bool is_gap = *from == ',' || strchr(BLANKS, *from);

		if (is_gap && (n == 0 || text[n - 1] == ' '))
			continue;
		if (n == SUGGESTION_BYTES - 1)
			return NULL;
		text[n++] = is_gap ? ' ' : *from;
	}
	while (n > 0 && text[n - 1] == ' ')
		n--;
	text[n] = '\0';
	return n > 0 ? text : NULL;
}

bool tokens_are_a_list(const struct tokens *tokens)
{
	char text[SUGGESTION_BYTES];

	if (!has_list_word(tokens))
		return true;
	setting_error(tokens->whole, without_commas(tokens->whole->text, text),
		      "separate them by blanks, without commas");
	return false;
}

bool tokens_are_of_one(const struct tokens *tokens)
{
	const struct setting *s = tokens->whole;

	if (!has_list_word(tokens))
		return true;
	setting_error(s, NULL,
		      "separate words by blanks, without commas; each %s has a line of its own",
		      s->directive->key);
	return false;
}

/* ---- options ---- */

/* What options there are, and which were given. */
struct option_set {
	const struct directive *options;
	size_t n;
	void *to;
	bool is_set[TOKENS_MAX];
	bool was_unexpected; /* one that follows it would be told of, too */
};

static const struct foreign *find_foreign(const struct setting *word, const char *key)
{
	enum foreign_context place = word->directive->type->options_context;

	return place ? foreign_find(place, key) : NULL;
}

static const struct directive *find_option(const struct option_set *set, const char *key)
{
	for (size_t i = 0; i < set->n; i++) {
		if (strcmp(key, set->options[i].key) == 0)
			return &set->options[i];
	}
	return NULL;
}

static const char *nearest_option(const struct option_set *set, const char *key)
{
	const char *keys[2 * TOKENS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		keys[n++] = set->options[i].key;
		if (set->options[i].bare)
			keys[n++] = set->options[i].bare;
	}
	return text_nearest(key, keys, n);
}

static void report_unknown_option(const struct setting *word, const struct option_set *set,
				  const char *key)
{
	const struct foreign *foreign = find_foreign(word, key);
	char text[FOREIGN_TEXT_BYTES];

	if (foreign)
		diag_error(word->diag, &word->location, "%s: unknown option '%s'%s", word->title,
			   key, foreign_format(foreign, text));
	else
		setting_error(word, nearest_option(set, key), "unknown option '%s'", key);
}

/* What word @i is followed by, behind a "=" that stands free or before it. */
static const char *value_behind(const struct tokens *tokens, size_t i)
{
	const char *value = "";

	while (*value == '\0' && ++i < tokens->n) {
		value = tokens->text + tokens->at[i];
		value += *value == '=';
	}
	return value;
}

/* "weight:2", "weight 2" or "weight = 2", where "weight=2" is meant. */
static const char *suggest_option(const struct tokens *tokens, size_t i,
				  const struct option_set *set, char text[SUGGESTION_BYTES])
{
	const char *word = tokens->text + tokens->at[i], *value;
	size_t key_bytes = strcspn(word, ":");
	char key[KEY_BYTES];

	snprintf(key, sizeof(key), "%.*s", (int)MIN(key_bytes, sizeof(key) - 1), word);
	if (!find_option(set, key))
		return nearest_option(set, word);
	if (word[key_bytes] == ':')
		value = word + key_bytes + 1;
	else
		value = value_behind(tokens, i);
	snprintf(text, SUGGESTION_BYTES, "%s=%.60s", key, value);
	return text;
}

static void report_unexpected(const struct tokens *tokens, size_t i, struct option_set *set)
{
	const struct setting word = tokens_setting(tokens, i);
	char text[SUGGESTION_BYTES];

	if (set->was_unexpected)
		return;
	set->was_unexpected = true;
	if (find_foreign(&word, word.text))
		report_unknown_option(&word, set, word.text);
	else
		setting_error(&word, suggest_option(tokens, i, set, text), "unexpected '%.60s'",
			      word.text);
}

static const struct directive *find_bare(const struct option_set *set, const char *word)
{
	for (size_t i = 0; i < set->n; i++) {
		if (set->options[i].bare && strcmp(word, set->options[i].bare) == 0)
			return &set->options[i];
	}
	return NULL;
}

/* Of "weight=2" or "backup": the value, as a setting of its own. */
static void set_option(const struct setting *word, const struct directive *option, void *to)
{
	size_t key_bytes = strcspn(word->text, "=");
	struct setting s = *word;
	char title[TITLE_BYTES];

	s.text = option->bare_value;
	if (word->text[key_bytes] != '\0')
		s = setting_part(word, key_bytes + 1, word->text + key_bytes + 1,
				 strlen(word->text + key_bytes + 1));
	snprintf(title, sizeof(title), "%s: %s", word->title, option->key);
	s.title = title;
	s.directive = option;
	option->type->set(&s, to);
}

static void set_once(const struct tokens *tokens, size_t i, struct option_set *set)
{
	const struct setting word = tokens_setting(tokens, i);
	const struct directive *option = find_bare(set, word.text);
	char key[KEY_BYTES];

	if (!option && (!strchr(word.text, '=') || (set->was_unexpected && word.text[0] == '='))) {
		report_unexpected(tokens, i, set);
		return;
	}
	snprintf(key, sizeof(key), "%.*s", (int)MIN(strcspn(word.text, "="), sizeof(key) - 1),
		 word.text);
	if (!option)
		option = find_option(set, key);
	if (!option && find_bare(set, key)) {
		setting_error(&word, key, "'%s' has no value", key);
		return;
	}
	if (!option) {
		report_unknown_option(&word, set, key);
		return;
	}
	if (set->is_set[option - set->options])
		setting_error(&word, NULL, "'%s' given twice", option->key);
	else
		set_option(&word, option, set->to);
	set->is_set[option - set->options] = true;
}

void tokens_set_options(const struct tokens *tokens, size_t first, const struct directive *options,
			size_t options_n, void *to)
{
	struct option_set set = { .options = options, .n = options_n, .to = to };

	CHECK(options_n <= ARRAY_LEN(set.is_set));
	for (size_t i = 0; i < options_n; i++)
		setting_default(&options[i], to, tokens->whole->diag);
	for (size_t i = first; i < tokens->n; i++)
		set_once(tokens, i, &set);
}

void tokens_print_options(const struct directive *options, size_t options_n, const void *from,
			  FILE *to)
{
	for (size_t i = 0; i < options_n; i++) {
		if (options[i].type->has && !options[i].type->has(&options[i], from))
			continue;
		fprintf(to, " %s=", options[i].key);
		options[i].type->print(&options[i], from, 0, to);
	}
}
