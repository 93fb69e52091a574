/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_CONFIG_BED_H
#define UNIT_CONFIG_BED_H

/*
 * A configuration for a test, from a text, and what is said about it:
 *
 *	static void keys_have_a_section(void **state)
 *	{
 *		struct bed *st = *state;
 *
 *		bed_load(st, "bind = :80\n");
 *		bed_expect(st, "x.ini:1:1: error: ...");
 *	}
 *
 * The text is the file x.ini. bed_test() sets up and tears down.
 */

#include "config/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct bed {
	struct diag diag;
	struct config *config;
	char *said;
};

/* All that is printed, lines of the file included. */
static inline const char *bed_said(struct bed *st)
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
static inline void bed_reset(struct bed *st)
{
	config_destroy(st->config);
	st->config = NULL;
	diag_finish(&st->diag);
}

static inline void bed_load_bytes(struct bed *st, const char *text, size_t bytes)
{
	bed_reset(st);
	st->config = config_load_text("x.ini", text, bytes, &st->diag);
	assert_int_equal(st->config == NULL, diag_has_errors(&st->diag));
}

static inline void bed_load(struct bed *st, const char *text)
{
	bed_load_bytes(st, text, strlen(text));
}

/* Takes the lines of files out of what was said: they begin with a blank. */
static inline const char *bed_messages(struct bed *st)
{
	char *from, *to;

	(void)bed_said(st);
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

static inline void bed_expect(struct bed *st, const char *messages)
{
	assert_string_equal(bed_messages(st), messages);
}

/* Nothing at all was said. */
static inline void bed_expect_good(struct bed *st)
{
	bed_expect(st, "");
	assert_non_null(st->config);
}

static inline int bed_setup(void **state)
{
	struct bed *st = calloc(1, sizeof(*st));

	*state = st;
	if (st)
		diag_init(&st->diag);
	return st ? 0 : -1;
}

static inline int bed_teardown(void **state)
{
	struct bed *st = *state;

	bed_reset(st);
	free(st->said);
	free(st);
	return 0;
}

#define bed_test(function) cmocka_unit_test_setup_teardown(function, bed_setup, bed_teardown)

/* A small configuration with nothing wrong, to put something wrong behind. */
#define BED_GOOD                     \
	"[listener l]\nbind = :80\n" \
	"pool = p\n[pool p]\n"       \
	"backend = b 192.0.2.1:5432\n"
#define BED_GOOD_LINES 5

/* What is allowed where a backend is named, as messages show it. */
#define BED_BACKEND_FORM                                           \
	"NAME ADDRESS [weight=0..256] [max_sessions=0..16777216] " \
	"[tier=0..7 or backup] [check_address=ADDRESS]"

#endif
