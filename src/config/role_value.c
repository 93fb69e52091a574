/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of the directives that say which roles are wanted. */
#include <string.h>

#include "config/setting.h"
#include "config/value.h"

/* ---- max_lag ---- */

#define LAG_OFF "off"

static struct lag_limit *lag_of(const struct directive *d, void *section)
{
	return (struct lag_limit *)(void *)((char *)section + d->offset);
}

/* A size never ends like a duration, but for a number alone, which is bytes. */
static void set_lag(const struct setting *s, void *section)
{
	struct lag_limit lag = { 0 };

	if (strcmp(s->text, LAG_OFF) == 0) {
		*lag_of(s->directive, section) = lag;
		return;
	}
	if (!text_to_bytes(s->text, &lag.max))
		lag.is_time = text_to_ms(s->text, &lag.max);
	if (lag.max == 0)
		setting_error(s, NULL, "'%.60s' is neither a size nor a time", s->text);
	else
		*lag_of(s->directive, section) = lag;
}

static void print_lag(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct lag_limit *lag =
		(const struct lag_limit *)(const void *)((const char *)section + d->offset);
	char text[TEXT_NUMBER_BYTES];

	(void)index;
	if (lag->max == 0)
		fputs(LAG_OFF, to);
	else
		fputs(lag->is_time ? text_from_ms(lag->max, text) : text_from_bytes(lag->max, text),
		      to);
}

const struct directive_type type_lag = {
	.form = "off, a size with k, M or G, a time with ms, s, m or h",
	.set = set_lag,
	.print = print_lag,
};

/* ---- failback ---- */

static const char *const failback_words[] = {
	[FAILBACK_SETTING_NO] = "no",
	[FAILBACK_SETTING_YES] = "yes",
};

#define AFTER "after "
#define AFTER_MS_MAX (365ull * 24 * 3600 * 1000)

static bool read_after(const char *text, uint64_t *ret_ms)
{
	const size_t n = strlen(AFTER);

	return strncmp(text, AFTER, n) == 0 &&
	       text_to_ms(text + n + strspn(text + n, " \t"), ret_ms) && *ret_ms > 0 &&
	       *ret_ms <= AFTER_MS_MAX;
}

static void set_failback(const struct setting *s, void *section)
{
	struct role_settings *role = &((struct pool_config *)section)->role;
	uint64_t ms = 0;

	for (size_t i = 0; i < ARRAY_LEN(failback_words); i++) {
		if (strcmp(s->text, failback_words[i]) != 0)
			continue;
		role->failback.setting = (enum failback_setting)i;
		return;
	}
	if (!read_after(s->text, &ms)) {
		setting_error(s, NULL, "unknown value '%.60s'", s->text);
		return;
	}
	role->failback.setting = FAILBACK_SETTING_AFTER;
	role->failback.after_ms = ms;
}

static void print_failback(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct role_settings *role = &((const struct pool_config *)section)->role;
	char text[TEXT_NUMBER_BYTES];

	(void)d;
	(void)index;
	if (role->failback.setting == FAILBACK_SETTING_AFTER)
		fprintf(to, AFTER "%s", text_from_ms(role->failback.after_ms, text));
	else
		fputs(failback_words[role->failback.setting], to);
}

const struct directive_type type_failback = {
	.form = "no, yes, after TIME",
	.set = set_failback,
	.print = print_failback,
};
