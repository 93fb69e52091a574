/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/help.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "commands/words.h"

#define WIDTH 80
#define INDENT 8 /* of what a command takes, from its second line on */

/* The one that is the client's own. */
static const struct command top = {
	.name = "top",
	.form = "",
	.help = "listeners, pools, backends and sessions on the terminal, a look each second",
};

static const struct command *command_at(size_t n)
{
	return n < COMMANDS ? &commands[n] : &top;
}

bool help_has(const char *command, const char **ret_near)
{
	const char *names[COMMANDS + 1];

	for (size_t n = 0; n <= COMMANDS; n++) {
		names[n] = command_at(n)->name;
		if (strcmp(names[n], command) == 0)
			return true;
	}
	*ret_near = text_nearest(command, names, ARRAY_LEN(names));
	return false;
}

void help_complete(const char *typed)
{
	for (size_t n = 0; n <= COMMANDS; n++)
		if (strncmp(command_at(n)->name, typed, strlen(typed)) == 0)
			puts(command_at(n)->name);
}

/* Up to the next blank that is not in brackets: "[--client CIDR]" stays whole. */
static size_t piece_bytes(const char *at)
{
	size_t n = 0, depth = 0;

	for (; at[n] && (at[n] != ' ' || depth > 0); n++) {
		depth += at[n] == '[';
		depth -= at[n] == ']' && depth > 0;
	}
	return n;
}

static void print_wrapped(const char *name, const char *form)
{
	size_t column = (size_t)printf("%s", name);

	while (*form) {
		size_t n = piece_bytes(form);

		if (column + 1 + n > WIDTH)
			column = (size_t)printf("\n%*s", INDENT - 1, "") - 1;
		column += (size_t)printf(" %.*s", (int)n, form);
		form += n;
		form += strspn(form, " ");
	}
	putchar('\n');
}

static void show_text(const struct command *command)
{
	print_wrapped(command->name, command->form);
	printf("    %s\n", command->help);
}

static void show_row(json_t *row)
{
	json_dumpf(row, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(row);
}

static void show_json(const struct command *command)
{
	show_row(json_pack("{s:s, s:s, s:s, s:s}", "row", "command", "command", command->name,
			   "takes", command->form, "does", command->help));
}

void help_show(const char *command, bool is_json)
{
	for (size_t n = 0; n <= COMMANDS; n++) {
		if (command && strcmp(command, command_at(n)->name) != 0)
			continue;
		if (is_json)
			show_json(command_at(n));
		else
			show_text(command_at(n));
	}
	if (is_json)
		show_row(json_pack("{s:s, s:s}", "row", "end", "code", "ok"));
}
