/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_SETTING_H
#define CONFIG_SETTING_H

/*
 * One value on its way from a file into a struct, and what setters need for
 * it. Everything in it is borrowed until the setter returns.
 */

#include <stddef.h>

#include "base/def.h"
#include "config/diag.h"
#include "config/directive_type.h"
#include "config/expand.h"

struct setting {
	const struct directive *directive;
	const char *title;        /* "[pool pg] balance" */
	const char *text;         /* the value, without blanks around it */
	const expand_mark *marks; /* of each of its bytes and of its end; NULL: it is a default */
	struct config_location location;
	bool is_listed; /* it stands in a file of addresses, which the location is in */
	struct diag *diag;
};

/*
 * Reports: TITLE: MESSAGE (WHAT IS ALLOWED); did you mean 'SUGGESTION'?
 * Without the end when @suggestion is NULL. Clip what comes from the file
 * ('%.60s'), lest it leaves no room for the rest.
 */
void setting_error(const struct setting *s, const char *suggestion, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* Gives the field of @d in @to its default, where it has one. */
void setting_default(const struct directive *d, void *to, struct diag *diag);

/* Is s->text fit to be a name? Keeps it, or reports that it is not and returns false. */
MUST_CHECK bool setting_name(const struct setting *s, char ret_name[CONFIG_NAME_BYTES]);

/* The part of @s from byte @at on, @bytes long, written as @text: a setting that points at it. */
struct setting setting_part(const struct setting *s, size_t at, const char *text, size_t bytes);

/*
 * Room for one more at the end of @array, which has @n of @bytes each and may
 * be NULL. Gives the array, perhaps moved, the new element zeroed; or NULL,
 * reported, and @array is as it was. For arrays that only this makes grow.
 */
MUST_CHECK void *setting_grow(struct diag *diag, void *array, size_t n, size_t bytes);

#endif
