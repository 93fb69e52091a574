/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_DIRECTIVE_TYPE_H
#define CONFIG_DIRECTIVE_TYPE_H

/*
 * What a row of a table of directives says: its key, the field it fills, how
 * its values are read and written. The table of the configuration is in
 * directive.c; values of several words have little tables of their own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/def.h"
#include "base/text.h"
#include "config/config.h"
#include "config/foreign.h"

struct setting;

enum config_section { SECTION_GLOBAL, SECTION_LISTENER, SECTION_POOL, CONFIG_SECTIONS };

extern const char *const config_section_names[CONFIG_SECTIONS];

/* When a reload makes another value of it count. */
enum directive_reload {
	RELOAD_NOW,      /* for all that is done from then on, whichever session it is for */
	RELOAD_SESSIONS, /* for sessions that are accepted from then on */
	RELOAD_RESTART,  /* not at all: at the next start */
	DIRECTIVE_RELOADS,
};

extern const char *const directive_reload_names[DIRECTIVE_RELOADS];

struct directive {
	enum config_section section;
	const char *key;
	const char *old_key; /* its name before, read with a warning for one release; or NULL */
	const struct directive_type *type;
	size_t offset;            /* of the field in the section's struct */
	const char *fallback;     /* the default, as one would write it; NULL: none */
	uint64_t min, max;        /* of a quantity */
	uint64_t step;            /* it must be a multiple of this; 0: any */
	const char *zero;         /* how 0 is written where it is allowed beside min..max */
	const char *const *words; /* of a choice, by value */
	size_t words_n;
	const char *bare, *bare_value; /* of an option: a word that alone says KEY=BARE_VALUE */
	bool required, repeatable;
	bool shapes_check; /* a health check of another value is another one: check_digest.h */
	enum directive_reload reload;
	const char *help;
};

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
	/* Where an entry may stand in another file: in which; NULL: with the directive. */
	struct list_origin (*origin)(const void *section, size_t index);
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
	/* Of several words: where other balancers' words for its options are; 0: nowhere. */
	enum foreign_context options_context;
};

/* What is allowed for @d: "auto, 1..256", "yes, no". Gives @text. */
#define DIRECTIVE_ALLOWED_BYTES 256
const char *directive_allowed(const struct directive *d, char text[DIRECTIVE_ALLOWED_BYTES]);

#endif
