/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELOAD_RELOAD_H
#define RELOAD_RELOAD_H

/*
 * Another configuration for a process that runs:
 *
 *	wanted -> loading -> planned, prepared, published -> passing -> reported
 *	          (a thread)            (in one turn)        (workers)
 *
 * Until all of it is known to be good nothing changes, and what was opened and
 * made is given back. One is under way at a time, more wait in line. What is
 * left of older configurations is freed when nobody has it any more.
 *
 * On the main thread; nobody who works with sessions waits.
 */

#include <stdbool.h>

#include "base/def.h"
#include "base/list.h"
#include "base/timer.h"
#include "config/diff.h"
#include "io/loop_reader.h"
#include "metrics/attention.h"
#include "process/sockets.h"
#include "reload/loader.h"
#include "reload/report.h"
#include "state/runtime.h"

struct checker_thread;
struct control_context;
struct drains;
struct overrides;

#define RELOAD_WAITING_MAX 64 /* that may wait in line */

/* Who wants one, and is told what came of it. The owner's memory until done() is called. */
struct reload_request {
	struct list node;
	enum reload_kind kind;
	char by[REPORT_BY_BYTES];
	/* @report is lent for the call. NULL: nobody wants to know any more. */
	void (*done)(struct reload_request *request, const struct reload_report *report);
};

enum reload_state { RELOAD_IDLE, RELOAD_LOADING, RELOAD_PASSING };

struct reload {
	struct loop *loop;
	struct runtime *runtime;
	struct sockets *sockets;
	struct overrides *overrides;
	struct drains *drains;
	struct checker_thread *checks; /* it is given a checker of the newest configuration */
	const char *path;              /* of the configuration */
	/* Something of the process changes: for the service manager. */
	void (*began)(struct reload *reload);
	void (*ended)(struct reload *reload);
	/*
	 * The process's own sockets, which stand above: they are opened for a configuration, and
	 * then taken or given back. False: one cannot be had, which is in the report.
	 */
	bool (*prepare)(struct reload *reload, const struct config *then);
	void (*commit)(struct reload *reload);
	void (*abandon)(struct reload *reload);

	struct config_started started;
	enum reload_state state;
	const char *closed; /* why there is none any more, or NULL */
	struct list waiting;
	unsigned waiting_n;
	struct reload_request *request; /* under way */
	struct reload_report report;
	uint64_t began_ms;
	struct loader loader;
	struct loop_reader told;
	uint64_t told_n;
	int told_fd;
	struct timer timer;     /* of passing */
	struct timer patience;  /* with one that is loading */
	bool is_slow;           /* it is over: certificates alone are refused */
	struct timer collect;   /* of what is left behind */
	bool checks_are_behind; /* they are not yet those of the newest configuration */
	struct reload_history history;
};

/* With the fields down to abandon set, which are kept. 0 or -errno. */
MUST_CHECK int reload_init(struct reload *reload);
void reload_start(struct reload *reload);

/* Gets in line. False: it is refused, and *ret_why a static text. */
MUST_CHECK bool reload_want(struct reload *reload, struct reload_request *request,
			    const char **ret_why);

/* From now on there is none, for the reason @why, a static text. What is not yet done is not. */
void reload_close(struct reload *reload, const char *why);

/* How many configurations older than the newest are alive. */
unsigned reload_older(const struct reload *reload);

/* What needs attention, with a reload that failed; to be finished. */
void reload_attention(const struct control_context *context, struct attention *ret);

/* Asks the kernel for all requests back. */
void reload_stop(struct reload *reload);
bool reload_is_idle(const struct reload *reload);
/*
 * Workers have ended. False: the thread that reads a configuration is still
 * waiting for a name; then only the end of the process ends it, and what it uses stays.
 */
MUST_CHECK bool reload_finish(struct reload *reload);

#endif
