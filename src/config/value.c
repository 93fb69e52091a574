/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/value.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "config/foreign.h"
#include "config/guess.h"
#include "config/setting.h"

static_assert(sizeof(enum relay_mode) == sizeof(unsigned), "a choice is stored as one");

/* ---- quantities: numbers, durations, sizes ---- */

static void store(const struct directive *d, void *section, uint64_t value)
{
	char *field = (char *)section + d->offset;
	unsigned narrow = (unsigned)value;

	if (d->type->bytes == sizeof(value))
		memcpy(field, &value, sizeof(value));
	else
		memcpy(field, &narrow, sizeof(narrow));
}

static uint64_t fetch(const struct directive *d, const void *section)
{
	const char *field = (const char *)section + d->offset;
	uint64_t value;
	unsigned narrow;

	if (d->type->bytes == sizeof(value)) {
		memcpy(&value, field, sizeof(value));
		return value;
	}
	memcpy(&narrow, field, sizeof(narrow));
	return narrow;
}

static bool is_zero_allowed(const struct directive *d)
{
	return d->zero && strcmp(d->zero, "0") == 0;
}

static bool is_in_range(const struct directive *d, uint64_t value)
{
	if (value == 0 && is_zero_allowed(d))
		return true;
	return value >= d->min && value <= d->max;
}

static bool is_endless(const char *text)
{
	static const char *const words[] = { "never", "none",     "no",       "off",      "-1",
					     "inf",   "infinity", "infinite", "unlimited" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcasecmp(text, words[i]) == 0)
			return true;
	}
	return false;
}

/* What was probably meant, if it is allowed, or NULL. */
static const char *guess(const struct setting *s, char text[TEXT_NUMBER_BYTES])
{
	const struct directive *d = s->directive;
	const char *guessed = NULL;
	uint64_t value;

	if (is_endless(s->text))
		return d->zero;
	if (d->type->guess)
		guessed = d->type->guess(s->text, text);
	if (!guessed || !d->type->parse(guessed, &value) || !is_in_range(d, value))
		return NULL;
	return !d->step || value % d->step == 0 ? guessed : NULL;
}

static bool read_quantity(const struct setting *s, uint64_t *ret_value)
{
	const struct directive *d = s->directive;
	char text[TEXT_NUMBER_BYTES];

	if (d->zero && strcmp(s->text, d->zero) == 0) {
		*ret_value = 0;
		return true;
	}
	if (!d->type->parse(s->text, ret_value)) {
		setting_error(s, guess(s, text), "'%.60s' is not a %s", s->text, d->type->noun);
		return false;
	}
	if (!is_in_range(d, *ret_value)) {
		setting_error(s, NULL, "'%.60s' is out of range", s->text);
		return false;
	}
	if (d->step && *ret_value % d->step != 0) {
		setting_error(s, NULL, "'%.60s' is not a multiple of %s", s->text,
			      d->type->format(d->step, text));
		return false;
	}
	return true;
}

static void set_quantity(const struct setting *s, void *section)
{
	uint64_t value;

	if (read_quantity(s, &value))
		store(s->directive, section, value);
}

static void print_quantity(const struct directive *d, const void *section, size_t index, FILE *to)
{
	uint64_t value = fetch(d, section);
	char text[TEXT_NUMBER_BYTES];

	(void)index;
	if (value == 0 && d->zero)
		fputs(d->zero, to);
	else
		fputs(d->type->format(value, text), to);
}

static void allow_quantity(const struct directive *d, FILE *to)
{
	char min[TEXT_NUMBER_BYTES], max[TEXT_NUMBER_BYTES];

	if (d->zero)
		fprintf(to, "%s, ", d->zero);
	fprintf(to, "%s..%s", d->type->format(d->min, min), d->type->format(d->max, max));
}

static const char *format_number(uint64_t value, char ret_text[TEXT_NUMBER_BYTES])
{
	snprintf(ret_text, TEXT_NUMBER_BYTES, "%" PRIu64, value);
	return ret_text;
}

const struct directive_type type_number = {
	.allow = allow_quantity,
	.set = set_quantity,
	.print = print_quantity,
	.noun = "number",
	.guess = guess_number,
	.parse = text_to_u64,
	.format = format_number,
	.bytes = sizeof(unsigned),
};

const struct directive_type type_duration = {
	.allow = allow_quantity,
	.set = set_quantity,
	.print = print_quantity,
	.noun = "duration, a number with ms, s, m, h or d",
	.guess = guess_duration,
	.parse = text_to_ms,
	.format = text_from_ms,
	.bytes = sizeof(uint64_t),
};

const struct directive_type type_size = {
	.allow = allow_quantity,
	.set = set_quantity,
	.print = print_quantity,
	.noun = "size, a number with k, M or G",
	.guess = guess_size,
	.parse = text_to_bytes,
	.format = text_from_bytes,
	.bytes = sizeof(uint64_t),
};

/* ---- rates: numbers and sizes per second ---- */

static const char per_second[] = "/s";

/* Gives what stands before "/s"; false when it does not end like that. */
static bool strip_second(const char *text, char ret_amount[TEXT_NUMBER_BYTES])
{
	size_t n = strlen(text), end = sizeof(per_second) - 1;

	if (n < end || n - end >= TEXT_NUMBER_BYTES || strcmp(text + n - end, per_second) != 0)
		return false;
	memcpy(ret_amount, text, n - end);
	ret_amount[n - end] = '\0';
	return true;
}

static bool parse_rate(const char *text, uint64_t *ret_value)
{
	char amount[TEXT_NUMBER_BYTES];

	return strip_second(text, amount) && text_to_u64(amount, ret_value);
}

static const char *format_rate(uint64_t value, char ret_text[TEXT_NUMBER_BYTES])
{
	snprintf(ret_text, TEXT_NUMBER_BYTES, "%" PRIu64 "%s", value, per_second);
	return ret_text;
}

static bool parse_byte_rate(const char *text, uint64_t *ret_value)
{
	char amount[TEXT_NUMBER_BYTES];

	return strip_second(text, amount) && text_to_bytes(amount, ret_value);
}

static const char *format_byte_rate(uint64_t value, char ret_text[TEXT_NUMBER_BYTES])
{
	char amount[TEXT_NUMBER_BYTES];

	snprintf(ret_text, TEXT_NUMBER_BYTES, "%.20s%s", text_from_bytes(value, amount),
		 per_second);
	return ret_text;
}

const struct directive_type type_rate = {
	.allow = allow_quantity,
	.set = set_quantity,
	.print = print_quantity,
	.noun = "rate, a number with /s",
	.guess = guess_rate,
	.parse = parse_rate,
	.format = format_rate,
	.bytes = sizeof(unsigned),
};

const struct directive_type type_byte_rate = {
	.allow = allow_quantity,
	.set = set_quantity,
	.print = print_quantity,
	.noun = "rate, a number of bytes (k, M or G) with /s",
	.guess = guess_byte_rate,
	.parse = parse_byte_rate,
	.format = format_byte_rate,
	.bytes = sizeof(uint64_t),
};

/* ---- modes of files, in octal ---- */

#define MODE_DIGITS_MAX 4

static bool parse_mode(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	size_t digits = strspn(text, "01234567");

	if (digits == 0 || digits > MODE_DIGITS_MAX || text[digits] != '\0')
		return false;
	for (; *text != '\0'; text++)
		value = value * 8 + (uint64_t)(*text - '0');
	*ret_value = value;
	return true;
}

static const char *format_mode(uint64_t value, char ret_text[TEXT_NUMBER_BYTES])
{
	snprintf(ret_text, TEXT_NUMBER_BYTES, "%04o", (unsigned)value);
	return ret_text;
}

const struct directive_type type_mode = {
	.allow = allow_quantity,
	.set = set_quantity,
	.print = print_quantity,
	.noun = "mode in octal",
	.parse = parse_mode,
	.format = format_mode,
	.bytes = sizeof(unsigned),
};

/* ---- words ---- */

/* The index of the word that was typed, or -1. */
static int find_word(const struct setting *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(s->text, words[i]) == 0)
			return (int)i;
	}
	return -1;
}

/* Another balancer's word for one of ours, or a slip of the pen. */
static const char *suggest_word(const struct setting *s)
{
	const struct directive *d = s->directive;
	const char *ours = NULL;

	if (d->words == balance_kind_names)
		ours = foreign_ours(FOREIGN_BALANCE, s->text);
	else if (d->words == log_level_names)
		ours = foreign_ours(FOREIGN_LOG_LEVEL, s->text);
	return ours ? ours : text_nearest(s->text, d->words, d->words_n);
}

static void set_choice(const struct setting *s, void *section)
{
	const struct directive *d = s->directive;
	int value = find_word(s, d->words, d->words_n);

	if (value < 0)
		setting_error(s, suggest_word(s), "unknown value '%.60s'", s->text);
	else
		memcpy((char *)section + d->offset, &value, sizeof(value));
}

static void print_choice(const struct directive *d, const void *section, size_t index, FILE *to)
{
	unsigned value;

	(void)index;
	memcpy(&value, (const char *)section + d->offset, sizeof(value));
	CHECK(value < d->words_n);
	fputs(d->words[value], to);
}

static void allow_choice(const struct directive *d, FILE *to)
{
	for (size_t i = 0; i < d->words_n; i++)
		fprintf(to, "%s%s", i ? ", " : "", d->words[i]);
}

const struct directive_type type_choice = {
	.allow = allow_choice,
	.set = set_choice,
	.print = print_choice,
};

static const char *const flag_words[] = { "no", "yes" };

static void set_flag(const struct setting *s, void *section)
{
	int value = find_word(s, flag_words, ARRAY_LEN(flag_words));

	/* Not the nearest: of 'on' that is 'no'. */
	if (value < 0)
		setting_error(s, foreign_ours(FOREIGN_FLAG, s->text), "unknown value '%.60s'",
			      s->text);
	else
		*(bool *)((char *)section + s->directive->offset) = value != 0;
}

static void print_flag(const struct directive *d, const void *section, size_t index, FILE *to)
{
	(void)index;
	fputs(flag_words[*(const bool *)((const char *)section + d->offset)], to);
}

const struct directive_type type_flag = {
	.form = "yes, no",
	.set = set_flag,
	.print = print_flag,
};
