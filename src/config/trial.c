/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/setting.h"

#define SUGGESTS "did you mean '"

/* Room for any section. */
union fields {
	struct global_config global;
	struct listener_config listener;
	struct pool_config pool;
};

static void set(const struct directive *d, const char *value, struct diag *diag)
{
	union fields *fields = calloc(1, sizeof(*fields));
	const struct setting s = { .directive = d, .title = d->key, .text = value, .diag = diag };

	if (!fields) {
		diag_no_memory(diag);
		return;
	}
	d->type->set(&s, fields);
	directive_release(d->section, fields);
	free(fields);
}

/* What it said: "KEY: ...", without "error: " and the end of the line. */
static void keep_message(const struct diag *diag, char ret_text[TRIAL_BYTES])
{
	static const char severity[] = "error: ";
	const char *said = diag->entries_n > 0 ? diag->entries[0].text : "";

	if (strncmp(said, severity, strlen(severity)) == 0)
		said += strlen(severity);
	snprintf(ret_text, TRIAL_BYTES, "%.*s", (int)strcspn(said, "\n"), said);
}

static bool takes(const struct directive *d, const char *value, char ret_said[TRIAL_BYTES])
{
	struct diag diag;
	bool is_good;

	diag_init(&diag);
	set(d, value, &diag);
	is_good = !diag_has_errors(&diag);
	keep_message(&diag, ret_said);
	diag_finish(&diag);
	return is_good;
}

/* The value that it suggests, as a text of its own within @said; NULL: none. */
static char *suggestion_in(char said[TRIAL_BYTES])
{
	char *from = strstr(said, SUGGESTS), *end;

	if (!from)
		return NULL;
	from += strlen(SUGGESTS);
	end = strstr(from, "'?");
	if (!end)
		return NULL;
	*end = '\0';
	return from;
}

bool trial_pair(const struct directive *d, const char *value, char ret_text[TRIAL_BYTES])
{
	char said[TRIAL_BYTES], again[TRIAL_BYTES];
	const char *other;

	if (takes(d, value, ret_text)) {
		snprintf(ret_text, TRIAL_BYTES, "%s = %.400s", d->key, value);
		return true;
	}
	memcpy(said, ret_text, sizeof(said));
	other = suggestion_in(said);
	/* Of several words it may be one alone. */
	if (!other || (strchr(value, ' ') && !strchr(other, ' ')) || !takes(d, other, again))
		return false;
	snprintf(ret_text, TRIAL_BYTES, "%s = %.400s", d->key, other);
	return true;
}
