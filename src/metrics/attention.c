/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "metrics/attention.h"

#include <string.h>
#include <time.h>

#include "attention_pool.h"
#include "base/def.h"
#include "base/log_queue.h"
#include "base/process_usage.h"
#include "base/text.h"
#include "state/runtime.h"
#include "tls/server.h"

#define SECONDS_PER_DAY 86400
#define EXPIRES_DAYS 14
#define EXPIRES_BAD_DAYS 2

/* How long it is told that lines of the log were dropped. */
#define LOG_MS (5 * 60 * 1000)

/* Open files are scarce when more than 4 of 5 are in use. */
#define FILES_OF 5
#define FILES_USED 4

/* ---- the process ----------------------------------------------------------- */

static void add_reload(struct attention *a, const struct attention_about *about)
{
	char ago[TEXT_NUMBER_BYTES];
	struct attention_note *note;

	if (!about->reload_why)
		return;
	note = attention_add(a, ATTENTION_RELOAD, true);
	ATTENTION_SAY(note->what, "The last reload failed");
	ATTENTION_SAY(note->why, "%s", about->reload_why);
	ATTENTION_SAY(note->now, "%s ago", text_age(about->reload_ago_ms, ago));
}

static void add_page(struct attention *a, const struct attention_about *about)
{
	struct attention_note *note;

	if (!about->has_no_page)
		return;
	note = attention_add(a, ATTENTION_STATUS_PAGE, true);
	ATTENTION_SAY(note->what, "The status page cannot be had");
	ATTENTION_SAY(note->why, "its address is in use (status); it is tried again");
}

static void add_files(struct attention *a)
{
	struct process_usage usage;
	struct attention_note *note;

	process_usage_read(&usage);
	if (usage.open_fds * FILES_OF <= usage.fds_max * FILES_USED)
		return;
	note = attention_add(a, ATTENTION_FILES, true);
	ATTENTION_SAY(note->what, "Open files");
	ATTENTION_SAY(note->why, "nearly all are in use");
	ATTENTION_SAY(note->now, "%llu of %llu", (unsigned long long)usage.open_fds,
		      (unsigned long long)usage.fds_max);
}

static void add_sessions(struct attention *a, const struct runtime *runtime)
{
	struct attention_note *note;

	if (atomic_load(&runtime->sessions) < runtime->sessions_max)
		return;
	note = attention_add(a, ATTENTION_SESSIONS, true);
	ATTENTION_SAY(note->what, "ringmain has all the sessions that it may have");
	ATTENTION_SAY(note->why, "new clients wait until one ends (max_sessions)");
	ATTENTION_SAY(note->now, "%u of %u", atomic_load(&runtime->sessions),
		      runtime->sessions_max);
}

static void add_log(struct attention *a, uint64_t now_ms)
{
	const uint64_t lost_ms = log_queue_lost_ms(), lost = log_queue_lost();
	char ago[TEXT_NUMBER_BYTES];
	struct attention_note *note;

	if (lost == 0 || now_ms > lost_ms + LOG_MS)
		return;
	note = attention_add(a, ATTENTION_LOG, false);
	ATTENTION_SAY(note->what, "Lines of the log were dropped");
	ATTENTION_SAY(note->why,
		      "its reader is too slow or gone, the disk is full, or the directory is gone");
	ATTENTION_SAY(note->now, "%llu, the last %s ago", (unsigned long long)lost,
		      text_age(now_ms - MIN(lost_ms, now_ms), ago));
}

/* ---- listeners -------------------------------------------------------------- */

static void add_paused(struct attention *a, const struct listener *listener)
{
	const enum listener_pause pause = atomic_load(&listener->pause);
	struct attention_note *note;

	if (pause == LISTENER_OPEN)
		return;
	note = attention_add(a, ATTENTION_PAUSED, false);
	ATTENTION_SAY(note->what, "Listener %s is paused", listener->config->name);
	ATTENTION_SAY(note->why, "by the operator: new clients %s",
		      pause == LISTENER_WAITS ? "wait" : "are refused");
}

static void add_cannot_listen(struct attention *a, const struct listener *listener)
{
	struct attention_note *note;

	if (atomic_load(&listener->cannot_listen) == 0)
		return;
	note = attention_add(a, ATTENTION_CANNOT_LISTEN, true);
	ATTENTION_SAY(note->what, "Listener %s cannot listen", listener->config->name);
	ATTENTION_SAY(note->why, "%s; it is tried again",
		      strerror(-atomic_load(&listener->listen_error)));
}

static void add_full(struct attention *a, const struct listener *listener)
{
	const unsigned max = listener->config->sessions_max;
	const unsigned sessions = atomic_load(&listener->sessions);
	struct attention_note *note;

	if (max == 0 || sessions < max)
		return;
	note = attention_add(a, ATTENTION_LISTENER_FULL, true);
	ATTENTION_SAY(note->what, "Listener %s is full", listener->config->name);
	ATTENTION_SAY(note->why, "new clients wait until a session ends (max_sessions)");
	ATTENTION_SAY(note->now, "%u of %u sessions", sessions, max);
}

static void say_expiry(char *what, size_t room, int64_t left_s, const char *file)
{
	const int64_t days = left_s / SECONDS_PER_DAY;

	if (left_s <= 0)
		attention_say(what, room, "Expired: %s", file);
	else if (days == 0)
		attention_say(what, room, "Expires within a day: %s", file);
	else
		attention_say(what, room, "Expires in %d day%s: %s", (int)days,
			      days == 1 ? "" : "s", file);
}

static void add_certificate(struct attention *a, const struct listener *listener, size_t n,
			    time_t until)
{
	const int64_t left_s = (int64_t)until - (int64_t)time(NULL);
	struct attention_note *note;

	if (until == 0 || left_s >= EXPIRES_DAYS * SECONDS_PER_DAY)
		return;
	note = attention_add(a, left_s <= 0 ? ATTENTION_EXPIRED : ATTENTION_EXPIRES,
			     left_s < EXPIRES_BAD_DAYS * SECONDS_PER_DAY);
	note->weight = (unsigned)(EXPIRES_DAYS * SECONDS_PER_DAY - MAX(left_s, 0));
	say_expiry(note->what, sizeof(note->what), left_s, listener->config->certificates[n].chain);
	ATTENTION_SAY(note->why, "a certificate of %s", listener->config->name);
}

static void add_certificates(struct attention *a, const struct runtime *runtime,
			     const struct listener *listener)
{
	const struct tls_server *tls = runtime_tls_server(runtime, listener);

	for (size_t n = 0; tls && n < listener->config->certificates_n; n++)
		add_certificate(a, listener, n, tls_server_certificate(tls, n).until);
}

static void add_listeners(struct attention *a, const struct runtime *runtime)
{
	runtime_for_each_listener(runtime, l)
	{
		if (runtime_listener_leaves(runtime, l->slot))
			continue;
		add_cannot_listen(a, l);
		add_paused(a, l);
		add_full(a, l);
		add_certificates(a, runtime, l);
	}
}

/* ---- all of them ------------------------------------------------------------ */

void attention_take(struct attention *a, const struct attention_about *about)
{
	const struct runtime *runtime = about->runtime;

	*a = (struct attention){ 0 };
	add_reload(a, about);
	add_page(a, about);
	add_files(a);
	add_sessions(a, runtime);
	add_log(a, about->now_ms);
	add_listeners(a, runtime);
	runtime_for_each_pool(runtime, n)
	{
		if (!runtime_pool_leaves(runtime, n))
			attention_add_pool(a, runtime, runtime->pools[n], about->now_ms);
	}
	attention_sort(a);
}
