/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/words.h"

#include <string.h>

#include "base/check.h"

#define BLANKS " \t"
#define TITLE_BYTES 256

bool words_split(const struct setting *s, struct words *ret_words)
{
	struct words *w = ret_words;
	size_t bytes = strlen(s->text), at = 0;

	CHECK(bytes < sizeof(w->text));
	memcpy(w->text, s->text, bytes + 1);
	w->whole = s;
	w->n = 0;
	while (at < bytes) {
		if (w->n == WORDS_MAX) {
			setting_error(s, NULL, "more than %d words", WORDS_MAX);
			return false;
		}
		w->at[w->n++] = at;
		at += strcspn(w->text + at, BLANKS);
		if (at == bytes)
			break;
		w->text[at++] = '\0';
		at += strspn(w->text + at, BLANKS);
	}
	return true;
}

struct setting words_setting(const struct words *words, size_t i)
{
	struct setting s = *words->whole;

	CHECK(i < words->n);
	s.text = words->text + words->at[i];
	s.place.column += (unsigned)words->at[i];
	s.place.width = (unsigned)strlen(s.text);
	return s;
}

static const struct directive *find_option(const struct setting *word, size_t key_bytes,
					   const struct directive *options, size_t n)
{
	const char *keys[WORDS_MAX];
	char key[64];

	CHECK(n <= ARRAY_LEN(keys));
	snprintf(key, sizeof(key), "%.*s", (int)MIN(key_bytes, sizeof(key) - 1), word->text);
	for (size_t i = 0; i < n; i++) {
		keys[i] = options[i].key;
		if (strcmp(key, keys[i]) == 0)
			return &options[i];
	}
	setting_error(word, text_nearest(key, keys, n), "unknown option '%s'", key);
	return NULL;
}

static const struct directive *find_bare(const char *word, const struct directive *options,
					 size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (options[i].bare && strcmp(word, options[i].bare) == 0)
			return &options[i];
	}
	return NULL;
}

/* Of "weight=2" or "backup": the value, as a setting of its own. */
static void set_option(const struct setting *word, const struct directive *option, void *to)
{
	size_t key_bytes = strcspn(word->text, "=");
	struct setting s = *word;
	char title[TITLE_BYTES];

	snprintf(title, sizeof(title), "%s: %s", word->title, option->key);
	s.title = title;
	s.directive = option;
	s.text = option->bare_value;
	if (word->text[key_bytes] != '\0') {
		s.text = word->text + key_bytes + 1;
		s.place.column += (unsigned)key_bytes + 1;
		s.place.width = (unsigned)strlen(s.text);
	}
	option->type->set(&s, to);
}

static void set_once(const struct setting *word, const struct directive *options, size_t n,
		     bool *is_set, void *to)
{
	size_t key_bytes = strcspn(word->text, "=");
	const struct directive *option;

	option = find_bare(word->text, options, n);
	if (!option && word->text[key_bytes] == '\0') {
		setting_error(word, NULL, "unexpected '%.60s'", word->text);
		return;
	}
	if (!option)
		option = find_option(word, key_bytes, options, n);
	if (!option)
		return;
	if (is_set[option - options])
		setting_error(word, NULL, "'%s' given twice", option->key);
	else
		set_option(word, option, to);
	is_set[option - options] = true;
}

void words_set_options(const struct words *words, size_t first, const struct directive *options,
		       size_t options_n, void *to)
{
	bool is_set[WORDS_MAX] = { false };

	CHECK(options_n <= ARRAY_LEN(is_set));
	for (size_t i = 0; i < options_n; i++)
		directive_set_default(&options[i], to, words->whole->diag);
	for (size_t i = first; i < words->n; i++) {
		struct setting word = words_setting(words, i);

		set_once(&word, options, options_n, is_set, to);
	}
}

void words_print_options(const struct directive *options, size_t options_n, const void *from,
			 FILE *to)
{
	for (size_t i = 0; i < options_n; i++) {
		fprintf(to, " %s=", options[i].key);
		options[i].type->print(&options[i], from, 0, to);
	}
}
