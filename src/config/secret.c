/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/secret.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/def.h"

static bool is_word_letter(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool ends_in(const char *word, size_t n, const char *end)
{
	const size_t bytes = strlen(end);

	return n >= bytes && strncasecmp(word + n - bytes, end, bytes) == 0;
}

/* Of which nobody thinks but to say a password: also with a blank behind. */
static bool is_clear(const char *word, size_t n)
{
	static const char *const ends[] = { "password", "passwd", "passphrase", "requirepass" };
	static const char *const verbs[] = { "AUTH", "PASS" }; /* of what check_step sends */

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (ends_in(word, n, ends[i]))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (n == strlen(verbs[i]) && memcmp(word, verbs[i], n) == 0)
			return true;
	return false;
}

/* These may be names of somebody's, too. */
static bool is_key(const char *word, size_t n)
{
	static const char *const ends[] = { "auth_pass", "auth-pass", "pwd", "secret", "token" };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (ends_in(word, n, ends[i]))
			return true;
	return (n == 4 && strncasecmp(word, "pass", n) == 0) ||
	       (n == 2 && strncasecmp(word, "pw", n) == 0);
}

static size_t skip_blanks(const char *text, size_t at, size_t n)
{
	while (at < n && (text[at] == ' ' || text[at] == '\t'))
		at++;
	return at;
}

/* Behind the word that ends at @at: where its value begins; @n: there is none. */
static size_t value_at(const char *text, size_t at, size_t n, const char *separators)
{
	size_t value;

	if (at < n && text[at] == '"') /* the word may have been in quotes */
		at++;
	value = skip_blanks(text, at, n);
	if (value < n && strchr("=:", text[value]))
		return strchr(separators, text[value]) ? value + 1 : n;
	return strchr(separators, ' ') && value > at ? value : n;
}

/* "redis://user:password@host": @at is behind the scheme. */
static size_t password_of_url(const char *text, size_t at, size_t n)
{
	size_t colon = n;

	if (n - at < 3 || memcmp(text + at, "://", 3) != 0)
		return n;
	for (size_t i = at + 3; i < n && !strchr(" \t/", text[i]); i++) {
		if (text[i] == '@' && colon < i)
			return colon + 1;
		if (text[i] == ':' && colon == n)
			colon = i;
	}
	return n;
}

/* What may stand between a word and its value. */
#define IN_SENTENCES "=" /* for a key in front, or a word of ours, has the others behind it, too */
#define OF_KEYS "=:"
#define OF_CLEAR_WORDS "=: "

/* Of the word from @at to @end. */
static size_t secret_behind(const char *text, size_t at, size_t end, size_t n, bool is_sentence)
{
	const char *word = text + at;

	if (is_clear(word, end - at))
		return value_at(text, end, n, is_sentence ? IN_SENTENCES : OF_CLEAR_WORDS);
	if (is_key(word, end - at))
		return value_at(text, end, n, is_sentence ? IN_SENTENCES : OF_KEYS);
	return password_of_url(text, end, n);
}

static size_t find(const char *text, size_t n, bool is_sentence)
{
	size_t at = 0, found = n;

	while (at < n && found == n) {
		size_t end = at;

		while (end < n && is_word_letter(text[end]))
			end++;
		if (end > at)
			found = secret_behind(text, at, end, n, is_sentence);
		at = end + 1;
	}
	return found;
}

size_t secret_in_line(const char *line, size_t n)
{
	return find(line, n, false);
}

/* Its first word, or all that is in quotes: enough to know it again. */
static size_t secret_bytes(const char *line, size_t at, size_t n)
{
	const bool is_quoted = at > 0 && line[at - 1] == '"';
	size_t end = at;

	while (end < n && line[end] != '"' && (is_quoted || !strchr(" \t", line[end])))
		end++;
	return end - at;
}

/* Where the sentence has what the line has as a secret. */
static size_t find_quoted(const char *sentence, size_t n, const char *line, size_t line_n)
{
	size_t at = skip_blanks(line, secret_in_line(line, line_n), line_n), bytes;
	const char *found;

	at += at < line_n && line[at] == '"';
	bytes = secret_bytes(line, at, line_n);
	found = bytes > 0 ? memmem(sentence, n, line + at, bytes) : NULL;
	return found ? (size_t)(found - sentence) : n;
}

size_t secret_in_sentence(const char *sentence, const char *line, size_t line_n)
{
	const size_t n = strlen(sentence), found = find(sentence, n, true);

	return line ? MIN(found, find_quoted(sentence, n, line, line_n)) : found;
}
