/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_DIRECTIVE_H
#define CONFIG_DIRECTIVE_H

/*
 * The table of everything that can be written in a configuration. One row
 * feeds the parser, the defaults, --dump, the list of what exists and the
 * check of the manual page.
 *
 * To add a directive: a field in config.h, a row in directive.c, an entry in
 * etc/ringmain.ini.5 and a test. A value that is not a number, a duration, a
 * size, a word or a name needs a type of its own: a file like backend.c with
 * a struct directive_type in it, declared in value.h; words.h takes values of
 * several words to pieces.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/def.h"
#include "base/text.h"
#include "config/config.h"
#include "config/diag.h"

struct setting;

enum config_section { SECTION_GLOBAL, SECTION_LISTENER, SECTION_POOL, CONFIG_SECTIONS };

extern const char *const config_section_names[CONFIG_SECTIONS];

struct directive {
	enum config_section section;
	const char *key;
	const struct directive_type *type;
	size_t offset;            /* of the field in the section's struct */
	const char *fallback;     /* the default, as one would write it; NULL: none */
	uint64_t min, max;        /* of a quantity */
	uint64_t step;            /* it must be a multiple of this; 0: any */
	const char *zero;         /* how 0 is written where it is allowed beside min..max */
	const char *const *words; /* of a choice, by value */
	size_t words_n;
	const char *bare, *bare_value; /* of an option: a word that alone says KEY=BARE_VALUE */
	bool required, repeatable, reloadable;
	const char *help;
};

extern const struct directive directives[];
extern const size_t directives_n;

/* How values of a kind are read and written. */
struct directive_type {
	/* What is allowed, for people: a fixed text, or written from the row. */
	const char *form;
	void (*allow)(const struct directive *d, FILE *to);
	/* Stores the value in @section, a struct of the row's section, or reports why it cannot. */
	void (*set)(const struct setting *s, void *section);
	/* Writes the value, or the one of that index where a directive is repeatable. */
	void (*print)(const struct directive *d, const void *section, size_t index, FILE *to);
	/* Of a repeatable one: how many there are. */
	size_t (*count)(const void *section);
	/* Where one list is written with several keys: that of one of them; NULL: the row's. */
	const char *(*key)(const void *section, size_t index);
	/* Where one may be left out and has no default: was it given? NULL: it has a value. */
	bool (*has)(const struct directive *d, const void *section);
	/* Gives back what set() allocated; NULL: nothing. */
	void (*release)(const struct directive *d, void *section);
	/* Of quantities: what one is called, what was meant with another form, the field's size. */
	const char *noun;
	const char *(*guess)(const char *typed, char text[TEXT_NUMBER_BYTES]);
	bool (*parse)(const char *text, uint64_t *ret_value);
	const char *(*format)(uint64_t value, char ret_text[TEXT_NUMBER_BYTES]);
	size_t bytes;
};

/* The row of @key, or NULL. */
const struct directive *directive_find(enum config_section section, const char *key);

/* Gives every directive of @section that has a default its default. */
void directive_set_defaults(enum config_section section, void *to, struct diag *diag);

/* Gives back what the directives of a section allocated in @from. */
void directive_release(enum config_section section, void *from);

/* The same for one row, of this table or another. */
void directive_set_default(const struct directive *d, void *to, struct diag *diag);

/*
 * Where @key was written; @given is the array in a section's struct. The line
 * is 0 where it is a default. CHECKs that there is such a key.
 */
const struct config_place *directive_place(const struct config_place *given,
					   enum config_section section, const char *key);

/* What is allowed for @d: "auto, 1..256", "yes, no". Gives @text. */
#define DIRECTIVE_ALLOWED_BYTES 256
const char *directive_allowed(const struct directive *d, char text[DIRECTIVE_ALLOWED_BYTES]);

#endif
