/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTL_TOP_ACTION_H
#define CTL_TOP_ACTION_H

/* What the keys of ringmainctl top do with a row: a question, and with a yes a command. */

#include <stddef.h>

#define TOP_ACTION_WORDS_MAX 8

struct top_action {
	char key;
	const char *kind;                        /* of the rows that it is for */
	const char *question;                    /* %: the row's name */
	const char *words[TOP_ACTION_WORDS_MAX]; /* of the command; "%" is the name; NULL ends */
};

/* What @key does with a row of @kind, or NULL. */
const struct top_action *top_action_for(int key, const char *kind);

void top_action_question(const struct top_action *action, const char *name, char *text,
			 size_t room);

/* Which rows the key is for; nothing, if for none. */
void top_action_where(int key, char *text, size_t room);

#endif
