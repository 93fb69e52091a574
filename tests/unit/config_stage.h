/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_STAGE_H
#define CONFIG_STAGE_H

/*
 * A configuration for a test, from a text, and what is said about it:
 *
 *	static void keys_have_a_section(void **state)
 *	{
 *		struct stage *st = *state;
 *
 *		stage_load(st, "bind = :80\n");
 *		stage_expect(st, "x.ini:1:1: error: ...");
 *	}
 *
 * The text is the file x.ini. stage_test() sets up and tears down.
 */

#include "config/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct stage {
	struct diag diag;
	struct config *config;
	char *said;
};

/* All that is printed, lines of the file included. */
static inline const char *stage_said(struct stage *st)
{
	size_t bytes;
	FILE *to;

	free(st->said);
	to = open_memstream(&st->said, &bytes);
	assert_non_null(to);
	diag_write(&st->diag, to);
	assert_int_equal(fclose(to), 0);
	return st->said;
}

/* Forgets what was loaded and said before. */
static inline void stage_reset(struct stage *st)
{
	config_destroy(st->config);
	st->config = NULL;
	diag_finish(&st->diag);
}

static inline void stage_load_bytes(struct stage *st, const char *text, size_t bytes)
{
	stage_reset(st);
	st->config = config_load_text("x.ini", text, bytes, &st->diag);
	assert_int_equal(st->config == NULL, diag_has_errors(&st->diag));
}

static inline void stage_load(struct stage *st, const char *text)
{
	stage_load_bytes(st, text, strlen(text));
}

/* Takes the lines of files out of what was said: they begin with a blank. */
static inline const char *stage_messages(struct stage *st)
{
	char *from, *to;

	(void)stage_said(st);
	from = to = st->said;
	while (*from) {
		size_t bytes = strcspn(from, "\n") + 1;

		if (*from != ' ') {
			memmove(to, from, bytes);
			to += bytes;
		}
		from += bytes;
	}
	*to = '\0';
	return st->said;
}

static inline void stage_expect(struct stage *st, const char *messages)
{
	assert_string_equal(stage_messages(st), messages);
}

/* Nothing at all was said. */
static inline void stage_expect_good(struct stage *st)
{
	stage_expect(st, "");
	assert_non_null(st->config);
}

static inline int stage_setup(void **state)
{
	struct stage *st = calloc(1, sizeof(*st));

	*state = st;
	if (st)
		diag_init(&st->diag);
	return st ? 0 : -1;
}

static inline int stage_teardown(void **state)
{
	struct stage *st = *state;

	stage_reset(st);
	free(st->said);
	free(st);
	return 0;
}

#define stage_test(function) cmocka_unit_test_setup_teardown(function, stage_setup, stage_teardown)

/* A small configuration with nothing wrong, to put something wrong behind. */
#define STAGE_GOOD                   \
	"[listener l]\nbind = :80\n" \
	"pool = p\n[pool p]\n"       \
	"backend = b 192.0.2.1:5432\n"
#define STAGE_GOOD_LINES 5

/* What is allowed where a backend is named, as messages show it. */
#define STAGE_BACKEND_FORM                                         \
	"NAME ADDRESS [weight=0..256] [max_sessions=0..16777216] " \
	"[tier=0..7 or backup]"

#endif
