/* SPDX-License-Identifier: GPL-2.0-or-later */

/* reload, plan and history: another configuration, and what came of it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/command.h"
#include "admin/context.h"
#include "commands/cmd.h"
#include "reload/reload.h"

#define MS_PER_S 1000ull

struct reload_work {
	struct reload_request request;
	struct call *call;
};

static void tell_lines(struct reply *r, const struct reload_report *report)
{
	for (size_t n = 0; n < report->lines_n; n++) {
		reply_row(r, "line");
		reply_text(r, "plan", report->lines[n]);
		reply_row_end(r);
	}
	if (report->lines_left_out == 0)
		return;
	reply_row(r, "line");
	reply_text(r, "plan", "... and more");
	reply_row_end(r);
}

static const char *nothing_to_do(const struct reload_report *report)
{
	return report->kind == RELOAD_PLAN ? "nothing would change"
					   : "nothing differs from what is in force";
}

static void on_done(struct reload_request *request, const struct reload_report *report)
{
	struct reload_work *work = container_of(request, struct reload_work, request);
	struct call *call = work->call;

	free(work);
	tell_lines(call->reply, report);
	if (report->outcome != RELOAD_FAILED && !report->differs) {
		reply_row(call->reply, "line");
		reply_text(call->reply, "plan", nothing_to_do(report));
		reply_row_end(call->reply);
	}
	if (report->outcome == RELOAD_FAILED)
		call_fail(call, REPLY_FAILED, NULL, "%s: nothing has changed",
			  reload_kind_names[report->kind]);
	else
		call_ok(call);
}

/* Its client has left: it is done all the same. */
static void abandon(struct call *call)
{
	struct reload_work *work = call->work;

	work->request.done = NULL;
}

static void want(struct call *call, enum reload_kind kind)
{
	struct reload_work *work = calloc(1, sizeof(*work));
	const char *why = "out of memory";

	if (work) {
		work->call = call;
		work->request.kind = kind;
		work->request.done = on_done;
		snprintf(work->request.by, sizeof(work->request.by), "control, uid %u",
			 call->peer.uid);
		call->work = work;
		call->abandon = abandon;
	}
	if (work && reload_want(call->context->reload, &work->request, &why))
		return;
	free(work);
	call_fail(call, REPLY_FAILED, NULL, "%s", why);
}

void cmd_reload(struct call *call)
{
	if (call->words_n > 0 && choice_find(call->command->params[0].form, call->words[0]) < 0) {
		(void)call_wrong_word(call, call->words[0], call->command->params[0].form);
		return;
	}
	want(call, call->words_n > 0 ? RELOAD_CERTS : RELOAD_ALL);
}

void cmd_plan(struct call *call)
{
	want(call, RELOAD_PLAN);
}

static void tell_report(struct call *call, const struct reload_report *report)
{
	char at[sizeof("YYYY-MM-DD hh:mm:ss UTC")];
	struct tm tm;

	strftime(at, sizeof(at), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&report->at, &tm));
	reply_row(call->reply, "reload");
	reply_text(call->reply, "at", at);
	reply_text(call->reply, "what", reload_kind_names[report->kind]);
	reply_text(call->reply, "outcome", reload_outcome_names[report->outcome]);
	reply_text(call->reply, "by", report->by);
	reply_u64(call->reply, "took_ms", report->took_ms);
	if (report->generation > 0)
		reply_u64(call->reply, "generation", report->generation);
	reply_row_end(call->reply);
	tell_lines(call->reply, report);
}

void cmd_history(struct call *call)
{
	const struct reload_history *history = &call->context->reload->history;

	for (size_t n = 0; n < history->n; n++)
		tell_report(call, &history->all[n]);
	call_ok(call);
}
