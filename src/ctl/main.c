/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ringmainctl: says one command to a running ringmain and shows the answer.
 * What is wrong with one ringmain knows; what there are, both do.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/cell.h"
#include "ctl/help.h"
#include "ctl/link.h"
#include "ctl/screen.h"
#include "ctl/top.h"

#define SOCKET_DEFAULT "/run/ringmain/control.sock"

/* As ringmainctl(8) lists them. */
enum exit_code {
	CTL_OK,
	CTL_FAILED,
	CTL_USAGE,
	CTL_UNKNOWN,
	CTL_DECLINED,
	CTL_NOBODY, /* no answer, or no whole one */
};

static const struct {
	const char *code;
	enum exit_code status;
} codes[] = {
	{ "ok", CTL_OK },           { "failed", CTL_FAILED },    { "usage", CTL_USAGE },
	{ "unknown", CTL_UNKNOWN }, { "confirm", CTL_DECLINED },
};

struct options {
	const char *path;
	bool is_json, completes;
};

static const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

static bool is_kind(const json_t *row, const char *kind)
{
	return strcmp(text_of(row, "row"), kind) == 0;
}

static enum exit_code status_of(const json_t *end)
{
	for (size_t n = 0; n < ARRAY_LEN(codes); n++)
		if (strcmp(codes[n].code, text_of(end, "code")) == 0)
			return codes[n].status;
	return CTL_FAILED;
}

static void say_error(const json_t *end)
{
	char error[CELL_BYTES], hint[CELL_BYTES];

	cell_clean(text_of(end, "error"), error);
	cell_clean(text_of(end, "hint"), hint);
	if (*error)
		fprintf(stderr, "ringmainctl: %s%s%s%s\n", error, *hint ? "; did you mean '" : "",
			hint, *hint ? "'?" : "");
	if (json_is_true(json_object_get(end, "truncated")))
		fprintf(stderr, "ringmainctl: the answer was too long, the rest is left out\n");
}

/* Rows as they come: shown at once, or kept for a table. */
static void take_row(const struct options *o, const struct link *link, json_t *row, json_t *rows)
{
	if (o->is_json) {
		fputs(link->line, stdout);
		fflush(stdout);
	} else if (o->completes) {
		puts(text_of(row, "word"));
	} else if (is_kind(row, "event")) {
		screen_show_event(row);
	} else {
		json_array_append(rows, row);
	}
}

/* Gives the last row, the caller's; NULL when none came. */
static json_t *show_answer(const struct options *o, struct link *link)
{
	json_t *rows = json_array(), *row;

	while ((row = link_receive(link)) && !is_kind(row, "end")) {
		take_row(o, link, row, rows);
		json_decref(row);
	}
	screen_show(rows);
	json_decref(rows);
	return row;
}

static json_t *ctl_ask(const struct options *o, struct link *link, char *const *words)
{
	int err = link_send(link, words, o->completes);
	int stopped = err == 0 ? link_wait(link) : 0;
	json_t *end = err == 0 && stopped == 0 ? show_answer(o, link) : NULL;

	if (stopped != 0 && !o->completes)
		fprintf(stderr,
			"ringmainctl: ringmain, process %d, is stopped; it does this once "
			"it goes on (SIGCONT)\n",
			stopped);
	else if (!end && !o->completes)
		fprintf(stderr, "ringmainctl: the connection to ringmain broke off\n");
	return end;
}

/* A script has made up its mind; a person is asked. */
static bool is_confirmed(const json_t *end)
{
	char answer[16] = "", error[CELL_BYTES];

	if (!isatty(STDIN_FILENO))
		return true;
	fprintf(stderr, "%s. Go on? [y/N] ", cell_clean(text_of(end, "error"), error));
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static json_t *ask_again(const struct options *o, struct link *link, char *const *words)
{
	char **more;
	size_t n = 0;
	json_t *end;

	while (words[n])
		n++;
	more = calloc(n + 2, sizeof(*more));
	if (!more)
		return NULL;
	memcpy(more, words, n * sizeof(*more));
	more[n] = (char[]){ "--yes" };
	end = ctl_ask(o, link, more);
	free(more);
	return end;
}

static enum exit_code run(const struct options *o, struct link *link, char *const *words)
{
	json_t *end = ctl_ask(o, link, words);
	enum exit_code status;

	if (end && is_kind(end, "end") && strcmp(text_of(end, "code"), "confirm") == 0 &&
	    is_confirmed(end)) {
		json_decref(end);
		end = ask_again(o, link, words);
	}
	if (!end)
		return CTL_NOBODY;
	status = status_of(end);
	if (o->is_json)
		fputs(link->line, stdout);
	if (!o->completes && status != CTL_DECLINED)
		say_error(end);
	json_decref(end);
	return status;
}

static bool has_control(const char *word)
{
	for (; *word; word++)
		if (((unsigned char)*word < ' ' && *word != '\t') || *word == 0x7f)
			return true;
	return false;
}

/*
 * A newline would make another command of what stands behind it; an empty word is the
 * variable of a script that was never set, and no name.
 */
static bool may_be_said(const struct options *o, char *const *words)
{
	const char *why = NULL;

	for (size_t n = 0; words[n] && !why; n++) {
		if (has_control(words[n]))
			why = "there is a control character in a word";
		else if (!words[n][0] && !o->completes)
			why = "there is an empty word";
	}
	if (why && !o->completes)
		fprintf(stderr, "ringmainctl: %s\n", why);
	return !why;
}

/* This and help need no command of ringmain's. */
static bool is_top(char *const *words)
{
	return strcmp(words[0], "top") == 0 && !words[1];
}

/* One that ends has moved its socket away, for the one that comes. */
static int connect_to(struct link *link, struct options *o)
{
	static char path[PATH_MAX];
	int err = link_open(link, o->path);

	snprintf(path, sizeof(path), "%s.draining", o->path);
	if ((err != -ENOENT && err != -ECONNREFUSED) || link_open(link, path) < 0)
		return err;
	if (!o->completes)
		fprintf(stderr, "ringmainctl: %s: this ringmain is ending\n", path);
	o->path = path;
	return 0;
}

static void say_no_connection(const char *path, int err)
{
	fprintf(stderr, "ringmainctl: %s: %s: %s\n", path, strerror(-err),
		err == -EACCES ? "it is for those who may write to this file"
			       : "ringmain does not run, or its control is elsewhere or off (-s "
				 "PATH)");
}

static enum exit_code run_help(const struct options *o, char *const *words)
{
	const char *near = NULL;

	if (words[1] && words[2]) {
		fprintf(stderr, "ringmainctl: there is too much behind help: usage: help "
				"[COMMAND]\n");
		return CTL_USAGE;
	}
	if (words[1] && !help_has(words[1], &near)) {
		fprintf(stderr, "ringmainctl: there is no command '%.60s'%s%s%s\n", words[1],
			near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
		return CTL_UNKNOWN;
	}
	help_show(words[1], o->is_json);
	return CTL_OK;
}

static enum exit_code run_without(const struct options *o, char *const *words, int err)
{
	if (!o->completes)
		say_no_connection(o->path, err);
	else if (words[1] && !words[2])
		help_complete(words[1]);
	return CTL_NOBODY;
}

static int connect_and_run(struct options *o, char *const *words)
{
	struct link link;
	int err = connect_to(&link, o);
	enum exit_code status = CTL_FAILED;

	if (err < 0)
		return (int)run_without(o, words, err);
	if (!is_top(words))
		status = run(o, &link, words);
	link_close(&link);
	if (is_top(words))
		status = top_run(o->path) ? CTL_OK : CTL_FAILED;
	return (int)status;
}

static void print_help(void)
{
	printf("Usage: ringmainctl [-s PATH] [-j] COMMAND [WORD...]\n"
	       "       ringmainctl [-s PATH] top\n"
	       "       ringmainctl [-j] help [COMMAND]\n"
	       "Says a command to a running ringmain; 'ringmainctl help' lists them. 'top' shows\n"
	       "listeners, pools, backends and sessions, a look each second.\n"
	       "\n"
	       "  -s, --socket PATH  where its control socket is (default $RINGMAIN_CONTROL,\n"
	       "                     or %s)\n"
	       "  -j, --json         print the answer as it comes: a line of JSON for each row\n"
	       "  -V, --version      print the version\n"
	       "  -h, --help         print this help\n"
	       "\n"
	       "Exit status: 0; 1 it could not be done; 2 it was not understood; 3 a name is\n"
	       "unknown; 4 it was not confirmed; 5 ringmain gave no answer. See ringmainctl(8).\n",
	       SOCKET_DEFAULT);
}

enum { OPT_COMPLETE = 256 };

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "complete", no_argument, NULL, OPT_COMPLETE }, /* for shells */
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* False when there is nothing more to do: *ret_status says how that went. */
static bool read_options(struct options *o, int argc, char **argv, int *ret_status)
{
	int opt;

	*ret_status = CTL_OK;
	while ((opt = getopt_long(argc, argv, "+s:jVh", long_options, NULL)) != -1) {
		switch (opt) {
		case 's':
			o->path = optarg;
			break;
		case 'j':
			o->is_json = true;
			break;
		case OPT_COMPLETE:
			o->completes = true;
			break;
		case 'V':
			puts("ringmainctl " RINGMAIN_VERSION);
			return false;
		case 'h':
			print_help();
			return false;
		default:
			*ret_status = CTL_USAGE;
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options options = { .path = getenv("RINGMAIN_CONTROL") };
	static char complete[] = "complete";
	int status;

	if (!options.path || !*options.path)
		options.path = SOCKET_DEFAULT;
	if (!read_options(&options, argc, argv, &status))
		return status;
	if (options.completes) { /* the place in front of the words is an option's */
		argv[--optind] = complete;
	} else if (optind == argc) {
		fprintf(stderr,
			"ringmainctl: a command is missing ('ringmainctl help' lists them)\n");
		return CTL_USAGE;
	}
	if (!may_be_said(&options, argv + optind))
		return CTL_USAGE;
	if (!options.completes && strcmp(argv[optind], "help") == 0)
		return (int)run_help(&options, argv + optind);
	return connect_and_run(&options, argv + optind);
}
