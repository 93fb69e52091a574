/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The types of the directives that say what a health check asks: its kind with
 * its options, and the steps of a conversation.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/foreign.h"
#include "config/setting.h"
#include "config/tokens.h"
#include "config/value.h"

/* ---- texts of bounded length ---- */

static char **field_of(const struct directive *d, const void *section)
{
	return (char **)((const char *)section + d->offset);
}

static bool has_control_byte(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	}
	return false;
}

/* The row's max says how long it may be, with its NUL. */
static bool is_bounded(const struct setting *s)
{
	if (s->text[0] == '\0')
		setting_error(s, NULL, "the value is missing");
	else if (strlen(s->text) >= s->directive->max)
		setting_error(s, NULL, "more than %u bytes", (unsigned)s->directive->max - 1);
	else if (has_control_byte(s->text))
		setting_error(s, NULL, "there is a control character in it");
	else
		return true;
	return false;
}

static void keep_text(const struct setting *s, void *section)
{
	char **field = field_of(s->directive, section);

	free(*field);
	*field = strdup(s->text);
	if (!*field)
		diag_no_memory(s->diag);
}

static void set_bounded(const struct setting *s, void *section)
{
	if (is_bounded(s))
		keep_text(s, section);
}

/* What stands in a request's first line: no blanks. */
static void set_word(const struct setting *s, void *section)
{
	if (!is_bounded(s))
		return;
	if (strchr(s->text, ' '))
		setting_error(s, NULL, "there is a blank in it");
	else
		keep_text(s, section);
}

static void set_path(const struct setting *s, void *section)
{
	if (is_bounded(s) && s->text[0] != '/')
		setting_error(s, NULL, "a path begins with '/'");
	else
		set_word(s, section);
}

static void set_method(const struct setting *s, void *section)
{
	const size_t letters = strspn(s->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	if (s->text[letters] != '\0')
		setting_error(s, NULL, "'%.60s' is not a method such as GET or HEAD", s->text);
	else
		set_bounded(s, section);
}

static void print_field(const struct directive *d, const void *section, size_t index, FILE *to)
{
	(void)index;
	expand_print(*field_of(d, section), to);
}

static bool has_field(const struct directive *d, const void *section)
{
	return *field_of(d, section) != NULL;
}

static void release_field(const struct directive *d, void *section)
{
	free(*field_of(d, section));
	*field_of(d, section) = NULL;
}

#define TEXT_TYPE(what, setter)                                                      \
	{                                                                            \
		.form = what, .set = setter, .print = print_field, .has = has_field, \
		.release = release_field,                                            \
	}

static const struct directive_type type_bounded = TEXT_TYPE("a text", set_bounded);
static const struct directive_type type_word = TEXT_TYPE("a word without blanks", set_word);
static const struct directive_type type_path = TEXT_TYPE("/PATH", set_path);
static const struct directive_type type_method = TEXT_TYPE("a word in capitals", set_method);

/* ---- status=200,204,300-399 ---- */

#define STATUS_MIN 100
#define STATUS_MAX 599

static bool read_status(const char **at, uint16_t *ret_status)
{
	char *end;
	const unsigned long value = isdigit((unsigned char)**at) ? strtoul(*at, &end, 10) : 0;

	if (value < STATUS_MIN || value > STATUS_MAX)
		return false;
	*at = end;
	*ret_status = (uint16_t)value;
	return true;
}

static bool read_range(const char **at, struct status_range *ret_range)
{
	if (!read_status(at, &ret_range->first))
		return false;
	ret_range->last = ret_range->first;
	if (**at != '-')
		return true;
	(*at)++;
	return read_status(at, &ret_range->last) && ret_range->last >= ret_range->first;
}

static void set_statuses(const struct setting *s, void *section)
{
	struct http_check_config *http = &((struct check_config *)section)->http;
	const char *at = s->text;

	http->statuses_n = 0;
	do {
		at += http->statuses_n > 0; /* the comma */
		if (http->statuses_n == CONFIG_STATUSES_MAX) {
			setting_error(s, NULL, "more than %u ranges", CONFIG_STATUSES_MAX);
			return;
		}
		if (!read_range(&at, &http->statuses[http->statuses_n])) {
			setting_error(s, NULL, "'%.60s' is not a list of statuses", s->text);
			return;
		}
		http->statuses_n++;
	} while (*at == ',');
	if (*at != '\0')
		setting_error(s, NULL, "'%.60s' is not a list of statuses", s->text);
}

static void print_statuses(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct http_check_config *http = &((const struct check_config *)section)->http;

	(void)d;
	(void)index;
	for (size_t i = 0; i < http->statuses_n; i++) {
		const struct status_range *r = &http->statuses[i];

		fprintf(to, "%s%u", i > 0 ? "," : "", r->first);
		if (r->last != r->first)
			fprintf(to, "-%u", r->last);
	}
}

static bool has_statuses(const struct directive *d, const void *section)
{
	(void)d;
	return ((const struct check_config *)section)->http.statuses_n > 0;
}

static const struct directive_type type_statuses = {
	.form = "100..599, with '-' for ranges and ',' between",
	.set = set_statuses,
	.print = print_statuses,
	.has = has_statuses,
};

/* ---- check ---- */

#define AT(field) .offset = offsetof(struct check_config, field)
#define NAME(field) .key = #field, .type = &type_bounded, AT(field), .max = CONFIG_CHECK_NAME_BYTES

/* A database is not redis's. */
static const struct directive login_options[] = {
	{ NAME(user) },
	{ .key = "password_file", .type = &type_file, AT(password_file) },
	{ NAME(database) },
};

static const struct directive http_options[] = {
	{ .key = "method", .type = &type_method, AT(http.method), .max = 16 },
	{ .key = "path", .type = &type_path, AT(http.path), .max = CONFIG_CHECK_PATH_BYTES },
	{ .key = "host", .type = &type_word, AT(http.host), .max = 256 },
	{ .key = "status", .type = &type_statuses },
	{ .key = "header",
	  .type = &type_bounded,
	  AT(http.header),
	  .max = CONFIG_CHECK_PATTERN_BYTES },
	{ .key = "body", .type = &type_bounded, AT(http.body), .max = CONFIG_CHECK_PATTERN_BYTES },
};

struct options {
	const struct directive *at;
	size_t n;
};

static struct options options_of(enum check_kind kind)
{
	switch (kind) {
	case CHECK_POSTGRES:
	case CHECK_MYSQL:
		return (struct options){ login_options, ARRAY_LEN(login_options) };
	case CHECK_REDIS:
		return (struct options){ login_options, ARRAY_LEN(login_options) - 1 };
	case CHECK_HTTP:
		return (struct options){ http_options, ARRAY_LEN(http_options) };
	default:
		return (struct options){ NULL, 0 };
	}
}

static void release_options(const struct options *options, struct check_config *check)
{
	for (size_t i = 0; i < options->n; i++)
		if (options->at[i].type->release)
			options->at[i].type->release(&options->at[i], check);
}

static void release_check(const struct directive *d, void *section)
{
	struct check_config *check = &((struct pool_config *)section)->check;
	const struct options login = options_of(CHECK_POSTGRES), http = options_of(CHECK_HTTP);

	(void)d;
	release_options(&login, check);
	release_options(&http, check);
	check->http.statuses_n = 0;
}

static void check_login(const struct setting *s, const struct check_config *check)
{
	/* Redis has a password without a user, too: requirepass. */
	if (check->kind != CHECK_REDIS && !check->user && (check->password_file || check->database))
		setting_error(s, NULL, "there is no user= to log in as");
}

static bool find_kind(const struct setting *word, enum check_kind *ret_kind)
{
	const struct directive *d = word->directive;

	for (size_t i = 0; i < d->words_n; i++) {
		if (strcmp(word->text, d->words[i]) != 0)
			continue;
		*ret_kind = (enum check_kind)i;
		return true;
	}
	setting_error(word, text_nearest(word->text, d->words, d->words_n), "unknown value '%.60s'",
		      word->text);
	return false;
}

static void set_check(const struct setting *s, void *section)
{
	struct check_config *check = &((struct pool_config *)section)->check;
	struct options options;
	struct tokens tokens;
	struct setting word;

	release_check(s->directive, section);
	if (!tokens_split(s, &tokens))
		return;
	word = tokens_setting(&tokens, 0);
	if (!find_kind(&word, &check->kind))
		return;
	options = options_of(check->kind);
	tokens_set_options(&tokens, 1, options.at, options.n, check);
	check_login(s, check);
}

static void print_check(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct check_config *check = &((const struct pool_config *)section)->check;
	const struct options options = options_of(check->kind);

	(void)index;
	fputs(d->words[check->kind], to);
	for (size_t i = 0; i < options.n; i++) {
		const struct directive *option = &options.at[i];

		if (!option->type->has(option, check))
			continue;
		fprintf(to, " %s=", option->key);
		option->type->print(option, check, 0, to);
	}
}

static void allow_check(const struct directive *d, FILE *to)
{
	for (size_t i = 0; i < d->words_n; i++)
		fprintf(to, "%s%s", i ? ", " : "", d->words[i]);
}

const struct directive_type type_check = {
	.allow = allow_check,
	.set = set_check,
	.print = print_check,
	.release = release_check,
	.options_context = FOREIGN_CHECK,
};

/* ---- check_step ---- */

static int hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two digits at @at; -1: there are none. */
static int hex_byte(const char *at)
{
	const int high = hex_of(at[0]), low = high < 0 ? -1 : hex_of(at[1]);

	return low < 0 ? -1 : high << 4 | low;
}

/* Digits in pairs, with blanks wherever one likes. */
static bool read_hex(const struct setting *s, struct check_step_config *step)
{
	for (const char *at = s->text; *at != '\0'; at += 2) {
		int byte;

		at += strspn(at, " ");
		if (*at == '\0')
			break;
		byte = hex_byte(at);
		if (byte < 0) {
			setting_error(s, NULL, "'%.60s' is not a row of bytes of two digits",
				      s->text);
			return false;
		}
		step->bytes[step->n++] = (char)byte;
	}
	return true;
}

/* What a letter behind a backslash stands for; -1: for itself. */
static int escaped(char letter)
{
	switch (letter) {
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case '0':
		return '\0';
	default:
		return -1;
	}
}

/* A pattern keeps the backslash of what would mean something there. */
static bool read_escape(const struct setting *s, const char **at, bool is_pattern,
			struct check_step_config *step)
{
	const char letter = (*at)[1];
	int byte = letter == 'x' ? hex_byte(*at + 2) : escaped(letter);
	const bool is_plain = byte < 0 && letter != 'x' && letter != '\0';

	if (byte < 0 && !is_plain) {
		setting_error(s, NULL, "a backslash has r, n, t, 0, xHH or a sign behind it");
		return false;
	}
	if (is_plain && isalnum((unsigned char)letter)) {
		setting_error(s, NULL, "there is no '\\%c' (\\r, \\n, \\t, \\0, \\xHH)", letter);
		return false;
	}
	if (is_plain)
		byte = (unsigned char)letter;
	if (is_pattern && strchr("\\?*^", byte) && byte != '\0')
		step->bytes[step->n++] = '\\';
	step->bytes[step->n++] = (char)byte;
	*at += letter == 'x' ? 4 : 2;
	return true;
}

static bool read_text(const struct setting *s, bool is_pattern, struct check_step_config *step)
{
	for (const char *at = s->text; *at != '\0';) {
		if (*at != '\\')
			step->bytes[step->n++] = *at++;
		else if (!read_escape(s, &at, is_pattern, step))
			return false;
	}
	return true;
}

static bool read_bytes(const struct setting *s, struct check_step_config *step)
{
	const bool is_sent = step->word == EXPECT_WORD_SEND || step->word == EXPECT_WORD_HEX;
	const unsigned max = is_sent ? CONFIG_CHECK_SEND_BYTES : CONFIG_CHECK_PATTERN_BYTES;
	bool is_good;

	step->text = strdup(s->text);
	step->bytes = malloc(strlen(s->text) + 1); /* escapes are longer than what they stand for */
	if (!step->text || !step->bytes) {
		diag_no_memory(s->diag);
		return false;
	}
	is_good = step->word == EXPECT_WORD_HEX ? read_hex(s, step) : read_text(s, !is_sent, step);
	if (is_good && (step->n == 0 || step->n > max)) {
		setting_error(s, NULL, "%zu bytes (1..%u)", step->n, max);
		is_good = false;
	}
	return is_good;
}

static void release_step(struct check_step_config *step)
{
	free(step->text);
	free(step->bytes);
}

static bool read_step(const struct setting *s, struct check_step_config *ret_step)
{
	struct tokens tokens;
	struct setting word;
	size_t i = 0;

	if (!tokens_split(s, &tokens))
		return false;
	if (tokens.n != 2) {
		setting_error(s, NULL,
			      "a word and a text are needed, the text in \"\" where it "
			      "has blanks");
		return false;
	}
	word = tokens_setting(&tokens, 0);
	while (i < EXPECT_WORDS && strcmp(word.text, expect_word_names[i]) != 0)
		i++;
	if (i == EXPECT_WORDS) {
		setting_error(&word, text_nearest(word.text, expect_word_names, EXPECT_WORDS),
			      "unknown step '%.60s'", word.text);
		return false;
	}
	ret_step->word = (enum expect_word)i;
	ret_step->location = s->location;
	word = tokens_setting(&tokens, 1);
	return read_bytes(&word, ret_step);
}

static void set_step(const struct setting *s, void *section)
{
	struct check_config *check = &((struct pool_config *)section)->check;
	struct check_step_config step = { 0 }, *steps = NULL;

	if (check->steps_n == CONFIG_CHECK_STEPS_MAX)
		setting_error(s, NULL, "more than %u steps", CONFIG_CHECK_STEPS_MAX);
	else if (read_step(s, &step))
		steps = setting_grow(s->diag, check->steps, check->steps_n, sizeof(*steps));
	if (!steps) {
		release_step(&step);
		return;
	}
	steps[check->steps_n++] = step;
	check->steps = steps;
}

static void print_step(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct check_step_config *step =
		&((const struct pool_config *)section)->check.steps[index];

	(void)d;
	fprintf(to, "%s ", expect_word_names[step->word]);
	expand_print(step->text, to);
}

static size_t count_steps(const void *section)
{
	return ((const struct pool_config *)section)->check.steps_n;
}

static void release_steps(const struct directive *d, void *section)
{
	struct check_config *check = &((struct pool_config *)section)->check;

	(void)d;
	for (size_t i = 0; i < check->steps_n; i++)
		release_step(&check->steps[i]);
	free(check->steps);
	check->steps = NULL;
	check->steps_n = 0;
}

const struct directive_type type_check_step = {
	.form = "send TEXT, send_hex BYTES, expect PATTERN, or PATTERN, fail PATTERN",
	.set = set_step,
	.print = print_step,
	.count = count_steps,
	.release = release_steps,
};
