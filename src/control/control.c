/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control/control.h"

#include "control/ending.h"
#include "control/own_sockets.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "health/checker.h"
#include "health/checker_thread.h"
#include "commands/cmd.h"
#include "commands/commands.h"
#include "process/pulse.h"
#include "reload/reload.h"
#include "io/loop_reader.h"
#include "metrics/counters_log.h"
#include "state/events.h"
#include "state/generation.h"
#include "state/peers.h"
#include "state/tls_contexts.h"
#include "x509/problem.h"
#include "tls/tickets.h"

/* Whoever asks us at once fits; more wait in the ring's queue for a turn. */
#define CONTROL_RING_ENTRIES 256

struct control {
	struct runtime *runtime;
	struct sockets *sockets;
	struct checker_thread *checks;
	struct reload reload;
	struct control_context context; /* for the operator's commands */
	struct own_sockets own;
	struct pulse pulse; /* for the service manager */
	struct loop loop;
	struct ending ending;
	struct timer tickets; /* for new keys of TLS session tickets */
	const struct workers *workers;
	unsigned ended; /* of them */
	int error;      /* -errno: the process cannot go on */
	int signal_fd;
	const char *path; /* of the configuration */
	struct loop_reader signals, ends;
	struct signalfd_siginfo signal;
	eventfd_t ended_now;
};

static void our_signals(sigset_t *ret_set)
{
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGINT);
	sigaddset(ret_set, SIGHUP);
	sigaddset(ret_set, SIGUSR1);
}

int control_init(void)
{
	sigset_t set;

	our_signals(&set);
	/* Of a peer, or of a log that may grow no more (ulimit -f): the calls say so, too. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return -errno;
	return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* ---- what signals mean --------------------------------------------------- */

static bool is_over(const struct control *c)
{
	return c->ended >= c->runtime->workers_n;
}

static void on_stuck(struct timer *timer)
{
	struct control *c = container_of(timer, struct control, ending.stuck);

	if (is_over(c) && !checker_thread_has_ended(c->checks))
		log_say(LOG_ERROR, "the thread of the checks does not end");
	c->error = -ETIMEDOUT;
}

static struct tls_tickets *tickets_of(const struct control *c)
{
	return atomic_load(&c->runtime->generation)->tls->tickets;
}

static void on_tickets(struct timer *timer)
{
	struct control *c = container_of(timer, struct control, tickets);
	struct tls_problems problems = { 0 };

	if (tls_tickets_rotate(tickets_of(c), &problems) < 0)
		log_say(LOG_ERROR, "ticket_keys: %s: the keys stay as they were",
			problems.n > 0 ? problems.at[0].text : "cannot be read");
	tls_problems_finish(&problems);
	timer_set(&c->loop.timers, &c->tickets, c->loop.now_ms + TLS_TICKET_LIFE_S * 1000ull);
}

static void set_tickets_timer(struct control *c)
{
	if (tickets_of(c) && !timer_is_set(&c->tickets))
		timer_set(&c->loop.timers, &c->tickets,
			  c->loop.now_ms + TLS_TICKET_LIFE_S * 1000ull);
}

static void on_reload_begun(struct reload *reload)
{
	struct control *c = container_of(reload, struct control, reload);

	if (c->ending.state == ENDING_NOT)
		pulse_reloading(&c->pulse);
}

static void on_reload_ended(struct reload *reload)
{
	struct control *c = container_of(reload, struct control, reload);

	set_tickets_timer(c);
	events_tell_change(EVENT_PROCESS, NULL, reload_kind_names[reload->report.kind],
			   reload_outcome_names[reload->report.outcome]);
	if (c->ending.state == ENDING_NOT)
		pulse_ready(&c->pulse);
	pulse_tell(&c->pulse);
}

static bool on_reload_prepare(struct reload *reload, const struct config *then)
{
	struct control *c = container_of(reload, struct control, reload);

	return own_sockets_prepare(&c->own, &then->global, &reload->report);
}

static void on_reload_commit(struct reload *reload)
{
	own_sockets_commit(&container_of(reload, struct control, reload)->own);
}

static void on_reload_abandon(struct reload *reload)
{
	own_sockets_abandon(&container_of(reload, struct control, reload)->own);
}

/* A signal has no client to answer: the result is logged. */
static void on_signal_reload_done(struct reload_request *request,
				  const struct reload_report *report)
{
	(void)report;
	free(request);
}

static void reload(struct control *c)
{
	struct reload_request *request = calloc(1, sizeof(*request));
	const char *why = "out of memory";

	if (request) {
		request->kind = RELOAD_ALL;
		request->done = on_signal_reload_done;
		(void)!text_copy(request->by, sizeof(request->by), "SIGHUP");
	}
	if (request && reload_want(&c->reload, request, &why))
		return;
	free(request);
	log_say(LOG_WARN, "SIGHUP: nothing is reloaded: %s", why);
}

static void handle_signal(struct control *c, int signo)
{
	if (signo == SIGHUP)
		reload(c);
	else if (signo == SIGUSR1)
		counters_log(c->runtime);
	else
		ending_advance(&c->ending);
}

/* ---- the loop ------------------------------------------------------------ */

/* Of a read that would fail for ever. */
static void note_error(struct control *c, int err)
{
	if (err < 0 && err != -ECANCELED && err != -EINTR && err != -EAGAIN && c->error == 0)
		c->error = err;
}

static void on_signal(struct loop_reader *reader, int res)
{
	struct control *c = container_of(reader, struct control, signals);

	note_error(c, res);
	if (res == sizeof(c->signal))
		handle_signal(c, (int)c->signal.ssi_signo);
}

static void on_ended(struct loop_reader *reader, int res)
{
	struct control *c = container_of(reader, struct control, ends);

	note_error(c, res);
	if (res == sizeof(c->ended_now))
		c->ended += (unsigned)c->ended_now;
	if (c->error == 0)
		c->error = workers_error(c->workers);
	if (is_over(c))
		loop_reader_stop(&c->ends);
}

static void start_reading(struct control *c)
{
	c->signals = (struct loop_reader){
		.loop = &c->loop,
		.fd = c->signal_fd,
		.bytes = &c->signal,
		.room = sizeof(c->signal),
		.arrived = on_signal,
	};
	c->ends = (struct loop_reader){
		.loop = &c->loop,
		.fd = c->workers->ended_fd,
		.bytes = &c->ended_now,
		.room = sizeof(c->ended_now),
		.arrived = on_ended,
	};
	loop_reader_start(&c->signals);
	loop_reader_start(&c->ends);
	checker_thread_run(c->checks, &c->loop);
	walks_start(&c->context.walks);
	own_sockets_start(&c->own);
	reload_start(&c->reload);
	pulse_start(&c->pulse);
}

static void log_failed(const char *what, const char *step, int err)
{
	struct log_line line;

	if (!log_begin(&line, LOG_ERROR, what))
		return;
	log_text(&line, "call", step);
	log_errno(&line, "error", err);
	log_end(&line);
}

static int turn(struct control *c)
{
	int err = loop_turn(&c->loop);

	if (err < 0)
		log_failed("the ring of the main thread broke: ringmain cannot go on", NULL, err);
	note_error(c, checker_thread_error(c->checks));
	return err < 0 ? err : c->error;
}

static bool is_idle(const struct control *c)
{
	return checker_thread_has_ended(c->checks) && reload_is_idle(&c->reload) &&
	       own_sockets_are_idle(&c->own) && walks_are_idle(&c->context.walks) &&
	       loop_reader_is_idle(&c->signals);
}

static int run_until_over(struct control *c)
{
	int err = 0;

	start_reading(c);
	while (err == 0 && !is_over(c))
		err = turn(c);
	if (err < 0)
		return err;
	ending_expect(&c->ending);
	checker_thread_stop(c->checks);
	reload_stop(&c->reload);
	walks_settle(&c->context.walks);
	own_sockets_stop(&c->own);
	drains_stop(&c->context.drains);
	walks_stop(&c->context.walks);
	loop_reader_stop(&c->signals);
	while (err == 0 && !is_idle(c))
		err = turn(c);
	return err;
}

/* It has buffers because a ring wants some; nothing is received here. */
static const struct loop_hooks no_hooks = { 0 };

static int open_loop(struct control *c, const struct ring_features *features, const char **ret_step)
{
	const struct loop_options options = {
		.ring = {
			.entries = CONTROL_RING_ENTRIES,
			.completions = CONTROL_RING_ENTRIES * 4,
			.buffers_offered = BUF_COUNT_MIN / 2,
			.features = *features,
		},
		.buffers = BUF_COUNT_MIN,
		.hooks = &no_hooks,
	};

	return loop_init(&c->loop, &options, ret_step);
}

static int open_signals(struct control *c, const char **ret_step)
{
	sigset_t set;

	*ret_step = "signalfd";
	our_signals(&set);
	c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return c->signal_fd < 0 ? -errno : 0;
}

/* They begin with the workers, by control_run(). */
static int open_checks(struct control *c, const struct ring_features *features,
		       const char **ret_step)
{
	struct checker *checker;
	int err;

	c->checks = checker_thread_create(features, &err, ret_step);
	if (!c->checks)
		return err;
	*ret_step = "memory";
	checker = checker_create(c->runtime);
	if (checker && checker_thread_give(c->checks, checker))
		return 0;
	checker_destroy(checker);
	checker_thread_destroy(c->checks);
	return -ENOMEM;
}

static int open_reload(struct control *c)
{
	c->reload = (struct reload){
		.loop = &c->loop,
		.runtime = c->runtime,
		.sockets = c->sockets,
		.overrides = &c->context.overrides,
		.drains = &c->context.drains,
		.checks = c->checks,
		.path = c->path,
		.began = on_reload_begun,
		.ended = on_reload_ended,
		.prepare = on_reload_prepare,
		.commit = on_reload_commit,
		.abandon = on_reload_abandon,
	};
	return reload_init(&c->reload);
}

/* Those who use the loop. */
static int open_users(struct control *c, const char **ret_step)
{
	int err;

	*ret_step = "eventfd";
	err = open_reload(c);
	if (err < 0)
		return err;
	c->context = (struct control_context){
		.commands = commands,
		.runs = command_runs,
		.commands_n = COMMANDS,
		.loop = &c->loop,
		.runtime = c->runtime,
		.sockets = c->sockets,
		.reload = &c->reload,
		.state = "running",
		.is_accepting = true,
	};
	overrides_init(&c->context.overrides, &c->loop, c->runtime, &c->context.drains);
	cmd_deny_init(&c->context);
	cmd_follow_init(&c->context);
	*ret_step = "eventfd";
	err = walks_init(&c->context.walks, &c->loop, c->runtime);
	if (err < 0)
		goto fail;
	drains_init(&c->context.drains, &c->loop, &c->context.walks);
	err = own_sockets_open(&c->own, &c->context, ret_step);
	if (err < 0)
		goto fail_walks;
	pulse_init(&c->pulse, &c->loop, c->runtime, c->checks, &c->context.state);
	return 0;
fail_walks:
	walks_finish(&c->context.walks);
fail:
	reload_stop(&c->reload);
	(void)!reload_finish(&c->reload);
	return err;
}

static int open_parts(struct control *c, const struct ring_features *features,
		      const char **ret_step)
{
	int err = open_signals(c, ret_step);

	if (err < 0)
		return err;
	err = open_loop(c, features, ret_step);
	if (err < 0)
		goto fail;
	err = open_checks(c, features, ret_step);
	if (err < 0)
		goto fail_loop;
	err = open_users(c, ret_step);
	if (err == 0)
		return 0;
	checker_thread_destroy(c->checks);
fail_loop:
	loop_finish(&c->loop);
fail:
	close(c->signal_fd);
	return err;
}

static void init_timers(struct control *c)
{
	const struct ending_parts ending = {
		.context = &c->context,
		.sockets = c->sockets,
		.admin = c->own.admin,
		.pulse = &c->pulse,
		.stuck = on_stuck,
	};

	ending_init(&c->ending, &ending);
	timer_init(&c->tickets, on_tickets);
	set_tickets_timer(c);
}

struct control *control_create(struct runtime *runtime, struct sockets *sockets,
			       const struct control_options *options, int *ret_err)
{
	struct control *c = calloc(1, sizeof(*c));
	const char *step = "memory";
	int err = -ENOMEM;

	if (!c)
		goto fail;
	c->runtime = runtime;
	c->sockets = sockets;
	c->path = options->config_path;
	err = open_parts(c, &options->features, &step);
	if (err < 0)
		goto fail;
	init_timers(c);
	return c;
fail:
	log_failed("the main thread cannot start", step, err);
	free(c);
	*ret_err = err;
	return NULL;
}

int control_run(struct control *c, const struct workers *workers)
{
	int err;

	c->workers = workers;
	err = run_until_over(c);
	if (err == 0)
		counters_log(c->runtime); /* the workers have ended: to the last session */
	return err;
}

bool control_destroy(struct control *c)
{
	if (!c)
		return true;
	if (!reload_finish(&c->reload))
		return false;
	checker_thread_destroy(c->checks);
	pulse_finish(&c->pulse);
	own_sockets_close(&c->own);
	drains_stop(&c->context.drains);
	walks_finish(&c->context.walks);
	timer_stop(&c->loop.timers, &c->context.bans_timer);
	overrides_finish(&c->context.overrides);
	loop_finish(&c->loop);
	close(c->signal_fd);
	free(c);
	return true;
}
