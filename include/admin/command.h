/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ADMIN_COMMAND_H
#define ADMIN_COMMAND_H

/*
 * What a command is, and one that is being answered. A command is a row of the table
 * in commands/words.c, which the context has, and what it takes; the function that runs it
 * writes rows to call.reply and ends with call_ok() or call_fail(), at once or
 * later: what it needs until then is call.work, and call.abandon gives it back
 * when the client leaves first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/def.h"
#include "admin/reply.h"
#include "admin/request.h"

struct call;
struct control_context;

#define COMMAND_OPTIONS_MAX 12
#define COMMAND_PARAMS_MAX 4

/* What a word may be, for its completion. */
enum param_kind {
	PARAM_TEXT,
	PARAM_CHOICE,
	PARAM_BACKEND,
	PARAM_POOL,
	PARAM_LISTENER,
	PARAM_COMMAND,
};

struct param {
	const char *form; /* "TIME"; the choices, with bars between; NULL: there is no value */
	enum param_kind kind;
};

struct command_option {
	const char *name;
	struct param value;
};

struct command {
	const char *name;
	const char *form; /* what follows the name, for people */
	const char *help;
	struct param params[COMMAND_PARAMS_MAX]; /* the last one also stands for more of it */
	unsigned params_n, words_min, words_max;
	struct command_option options[COMMAND_OPTIONS_MAX];
	bool changes; /* it is logged, and by whom */
};

typedef void command_run_fn(struct call *call);

struct call {
	struct control_context *context;
	struct reply *reply;
	struct ucred peer;
	/* There is something to send, or it is over. */
	void (*wrote)(struct call *call);

	struct request request;
	const struct command *command;
	const char *words[REQUEST_WORDS_MAX];
	unsigned words_n;
	const char *options[COMMAND_OPTIONS_MAX]; /* "" for one without value; NULL: not given */

	bool is_over;
	void *work;
	void (*abandon)(struct call *call);
};

/*
 * Reads a line and begins to answer it. The fields down to wrote are the
 * caller's, and so is the memory, until the call is over or was abandoned.
 */
void call_begin(struct call *call, const char *line, size_t n);
/* Ends one that is not over; nothing more is written. */
void call_abandon(struct call *call);

/* The value of an option: "" for one without, NULL when it was not given. */
const char *call_option(const struct call *call, const char *name);

/* How it ended. The call is the caller's again. */
void call_ok(struct call *call);
void call_fail(struct call *call, enum reply_code code, const char *hint, const char *format, ...)
	PRINTF_LIKE(4, 5);

/* Of a value that is none of those that are allowed, with what was meant. Gives false. */
bool call_wrong_word(struct call *call, const char *typed, const char *choices);
/* Is @typed one of the words in @choices, which have bars between? Gives its index, or -1. */
int choice_find(const char *choices, const char *typed);

/* Options with a value of a kind; false: the call has failed. Left alone when not given. */
MUST_CHECK bool call_option_u64(struct call *call, const char *name, uint64_t *ret_value);
MUST_CHECK bool call_option_ms(struct call *call, const char *name, uint64_t *ret_ms);
/* And where 0 would be no time at all: it fails the call, too. */
MUST_CHECK bool call_option_span(struct call *call, const char *name, uint64_t *ret_ms);

#endif
