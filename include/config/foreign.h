/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_FOREIGN_H
#define CONFIG_FOREIGN_H

/*
 * Words of other balancers' configurations, and what they are called here:
 * who comes from HAProxy or nginx is answered with ours.
 */

#include <stddef.h>

enum foreign_context {
	FOREIGN_GLOBAL, /* the first three as enum config_section */
	FOREIGN_LISTENER,
	FOREIGN_POOL,
	FOREIGN_BIND,    /* an option behind its address */
	FOREIGN_BACKEND, /* the same of a backend */
	FOREIGN_SECTION, /* the head of a section */
	FOREIGN_BALANCE, /* a value */
	FOREIGN_LOG_LEVEL,
	FOREIGN_FLAG,
	FOREIGN_CHECK, /* an option of a check */
	FOREIGN_PLACES,
};

struct foreign {
	enum foreign_context place;
	const char *words; /* with blanks between, '_' for '-', too */
	const char *ours;  /* the word that stands in this place here, or NULL */
	const char *says;  /* what else is to be said, or NULL */
};

/* What is known of @word, however it is written; NULL: nothing. */
const struct foreign *foreign_find(enum foreign_context place, const char *word);

/* Our word for it, or NULL. */
const char *foreign_ours(enum foreign_context place, const char *word);

/* "; here it is 'max_sessions'", or whatever there is to say. Gives @text. */
#define FOREIGN_TEXT_BYTES 200
const char *foreign_format(const struct foreign *foreign, char text[FOREIGN_TEXT_BYTES]);

#endif
