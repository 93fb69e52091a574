/* SPDX-License-Identifier: GPL-2.0-or-later */

/* sessions, errors and kill: which sessions there are and were, and an end to some. */

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands/cmd.h"
#include "admin/command.h"
#include "admin/context.h"
#include "admin/session_rates.h"
#include "io/loop.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 20000

/* Between the two looks that give rates. */
#define RATE_MS 1000

enum sort { SORT_BYTES, SORT_AGE, SORT_IDLE, SORT_ID, SORT_RATE, SORT_END };

/* One of the two commands at work. */
struct search {
	struct call *call;
	struct walk *walk;
	struct session_filter filter;
	enum sort sort;
	uint64_t limit;
	bool is_counting; /* how many would be ended? */
	uint64_t found;
	struct session_facts *rows; /* the first @limit in the order wanted, and some more */
	size_t rows_n, room;
	bool looks_twice;
	struct timer second;
	struct session_rates first;
};

/* ---- which ones ---------------------------------------------------------- */

static bool read_name(struct call *call, const char *option, char ret_name[CONFIG_NAME_BYTES])
{
	const char *typed = call_option(call, option);

	if (!typed || text_copy(ret_name, CONFIG_NAME_BYTES, typed))
		return true;
	call_fail(call, REPLY_UNKNOWN, NULL, "--%s: no name is that long", option);
	return false;
}

/* A name that is none would find nothing, and say nothing. */
static bool read_names(struct call *call, struct session_filter *f)
{
	const char *typed = call_option(call, "backend");
	struct listener *listener;
	struct backend *backend;
	struct pool *pool;

	if (!read_name(call, "pool", f->pool) || !read_name(call, "listener", f->listener))
		return false;
	if (f->pool[0] && !cmd_find_pool(call, f->pool, &pool))
		return false;
	if (f->listener[0] && !cmd_find_listener(call, f->listener, &listener))
		return false;
	if (!typed)
		return true;
	if (!cmd_find_any_backend(call, typed, &pool, &backend))
		return false;
	return text_copy(f->pool, sizeof(f->pool), pool_config(pool)->name) &&
	       text_copy(f->backend, sizeof(f->backend), backend->config->name);
}

static bool read_client(struct call *call, struct session_filter *f)
{
	const char *typed = call_option(call, "client"), *why;
	char text[ADDR_BLOCK_TEXT_BYTES];

	f->has_client = typed != NULL;
	if (!typed || addr_block_parse(typed, &f->client, &why))
		return true;
	call_fail(call, REPLY_USAGE, addr_block_suggest(typed, text), "--client: %s", why);
	return false;
}

static bool read_filter(struct call *call, struct session_filter *f)
{
	return read_names(call, f) && read_client(call, f) &&
	       call_option_ms(call, "older", &f->older_ms) &&
	       call_option_ms(call, "idle", &f->idle_ms);
}

static bool read_ids(struct call *call, struct session_filter *f)
{
	for (unsigned n = 0; n < call->words_n; n++) {
		if (n == QUERY_IDS) {
			call_fail(call, REPLY_USAGE, NULL, "no more than %d ids at a time",
				  QUERY_IDS);
			return false;
		}
		if (!text_to_u64(call->words[n], &f->ids[n])) {
			call_fail(call, REPLY_USAGE, NULL, "'%.40s' is no id of a session",
				  call->words[n]);
			return false;
		}
		f->ids_n++;
	}
	session_filter_sort(f);
	return true;
}

static bool read_order(struct call *call, struct search *search)
{
	const char *typed = call_option(call, "sort");
	const char *choices = "bytes|age|idle|id|rate";

	search->sort = SORT_ID;
	search->limit = LIMIT_DEFAULT;
	if (typed && choice_find(choices, typed) < 0)
		return call_wrong_word(call, typed, choices);
	if (typed)
		search->sort = (enum sort)choice_find(choices, typed);
	search->looks_twice = call_option(call, "rates") || search->sort == SORT_RATE;
	if (!call_option_u64(call, "limit", &search->limit))
		return false;
	if (search->limit > 0 && search->limit <= LIMIT_MAX)
		return true;
	call_fail(call, REPLY_USAGE, NULL, "--limit: 1 to %d", LIMIT_MAX);
	return false;
}

/* ---- in order ------------------------------------------------------------ */

static uint64_t weight_of(const struct session_facts *f, enum sort sort)
{
	switch (sort) {
	case SORT_BYTES:
		return f->bytes[LANE_UP] + f->bytes[LANE_DOWN];
	case SORT_AGE:
		return f->age_ms;
	case SORT_IDLE:
		return f->idle_ms;
	case SORT_RATE:
		return f->rates[LANE_UP] + f->rates[LANE_DOWN];
	case SORT_END:
		return f->ended_ms;
	default:
		return UINT64_MAX - f->id;
	}
}

/* The largest first; ids, which count up, the smallest. */
static int compare(const void *a, const void *b, void *sort)
{
	uint64_t x = weight_of(a, *(const enum sort *)sort);
	uint64_t y = weight_of(b, *(const enum sort *)sort);

	return x < y ? 1 : x > y ? -1 : 0;
}

static void sort_and_cut(struct search *search)
{
	if (search->rows_n == 0)
		return;
	qsort_r(search->rows, search->rows_n, sizeof(*search->rows), compare, &search->sort);
	search->rows_n = MIN(search->rows_n, search->limit);
}

/* Twice as many as are wanted have room; each time that they fill it, half of them go. */
static void sessions_keep(struct search *search, const struct session_facts *facts)
{
	if (search->rows_n == search->room && search->room < 2 * search->limit) {
		size_t room = MIN(MAX(search->room * 2, 64), 2 * search->limit);
		void *rows = realloc(search->rows, room * sizeof(*search->rows));

		if (rows) {
			search->rows = rows;
			search->room = room;
		}
	}
	if (search->rows_n == search->room)
		sort_and_cut(search);
	if (search->rows_n < search->room)
		search->rows[search->rows_n++] = *facts;
}

/* ---- the answers --------------------------------------------------------- */

static void search_free(struct search *search)
{
	session_rates_finish(&search->first);
	free(search->rows);
	free(search);
}

static void search_abandon(struct call *call)
{
	struct search *search = call->work;

	timer_stop(&call->context->loop->timers, &search->second);
	if (search->walk)
		walk_abandon(search->walk);
	search_free(search);
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void sessions_tell(struct reply *r, const struct session_facts *f, bool has_rates)
{
	char text[ADDR_TEXT_BYTES];
	struct addr client;

	addr_lengthen(&client, &f->client);
	reply_row(r, "session");
	reply_u64(r, "id", f->id);
	reply_text(r, "client", addr_format(&client, text));
	reply_text(r, "listener", f->listener);
	reply_text(r, "pool", or_null(f->pool));
	reply_text(r, "backend", or_null(f->backend));
	reply_text(r, "address", or_null(f->address));
	reply_text(r, "phase", f->phase);
	reply_u64(r, "age_ms", f->age_ms);
	reply_u64(r, "idle_ms", f->idle_ms);
	reply_u64(r, "bytes_up", f->bytes[LANE_UP]);
	reply_u64(r, "bytes_down", f->bytes[LANE_DOWN]);
	if (has_rates) {
		reply_u64(r, "bytes_up_per_s", f->rates[LANE_UP]);
		reply_u64(r, "bytes_down_per_s", f->rates[LANE_DOWN]);
	}
	reply_text(r, "user", or_null(f->user));
	reply_text(r, "database", or_null(f->database));
	reply_text(r, "tls", or_null(f->tls));
	reply_text(r, "sni", or_null(f->sni));
	reply_row_end(r);
}

static void tell_failure(struct reply *r, const struct session_facts *f, uint64_t now_ms)
{
	char text[ADDR_TEXT_BYTES];
	struct addr client;

	addr_lengthen(&client, &f->client);
	reply_row(r, "failure");
	reply_u64(r, "ago_ms", now_ms - MIN(f->ended_ms, now_ms));
	reply_u64(r, "id", f->id);
	reply_text(r, "client", addr_format(&client, text));
	reply_text(r, "listener", f->listener);
	reply_text(r, "pool", or_null(f->pool));
	reply_text(r, "backend", or_null(f->backend));
	reply_text(r, "address", or_null(f->address));
	reply_text(r, "reason", f->reason);
	reply_text(r, "by", f->by);
	reply_text(r, "detail", or_null(f->detail));
	reply_u64(r, "age_ms", f->age_ms);
	reply_u64(r, "bytes_up", f->bytes[LANE_UP]);
	reply_u64(r, "bytes_down", f->bytes[LANE_DOWN]);
	reply_text(r, "sni", or_null(f->sni));
	reply_row_end(r);
}

/* ---- rates, by two looks ------------------------------------------------- */

static void first_found(void *owner, const struct session_facts *facts)
{
	struct search *search = owner;

	session_rates_note(&search->first, facts);
}

static void first_done(void *owner)
{
	struct search *search = owner;
	struct loop *loop = search->call->context->loop;

	search->walk = NULL;
	session_rates_sort(&search->first);
	timer_set(&loop->timers, &search->second, loop->now_ms + RATE_MS);
}

static const struct walk_events first_events = { .found = first_found, .done = first_done };

static void sessions_found(void *owner, const struct session_facts *facts)
{
	struct search *search = owner;

	struct session_facts rated;

	search->found++;
	if (!search->looks_twice) {
		sessions_keep(search, facts);
		return;
	}
	rated = *facts;
	session_rates_fill(&search->first, &rated, RATE_MS);
	sessions_keep(search, &rated);
}

static void sessions_done(void *owner)
{
	struct search *search = owner;
	struct call *call = search->call;

	sort_and_cut(search);
	for (size_t n = 0; n < search->rows_n; n++)
		sessions_tell(call->reply, &search->rows[n], search->looks_twice);
	if (search->found > search->rows_n) {
		reply_row(call->reply, "left_out");
		reply_u64(call->reply, "found", search->found);
		reply_u64(call->reply, "left_out", search->found - search->rows_n);
		reply_row_end(call->reply);
	}
	search_free(search);
	call_ok(call);
}

static const struct walk_events sessions_events = { .found = sessions_found,
						    .done = sessions_done };

static void sessions_on_second(struct timer *timer);

static struct search *search_create(struct call *call)
{
	struct search *search = calloc(1, sizeof(*search));

	if (search) {
		search->call = call;
		timer_init(&search->second, sessions_on_second);
	} else {
		call_fail(call, REPLY_FAILED, NULL, "out of memory");
	}
	return search;
}

/* Without memory the search is gone afterwards, and the call has failed. */
static void search_start(struct search *search, enum query_kind kind,
			 const struct walk_events *events)
{
	struct call *call = search->call;

	search->walk = walk_start(&call->context->walks, kind, &search->filter, events, search);
	if (!search->walk) {
		search_free(search);
		call_fail(call, REPLY_FAILED, NULL, "out of memory");
		return;
	}
	call->work = search;
	call->abandon = search_abandon;
}

void cmd_sessions(struct call *call)
{
	struct search *search = search_create(call);

	if (!search)
		return;
	if (read_filter(call, &search->filter) && read_order(call, search))
		search_start(search, QUERY_SESSIONS,
			     search->looks_twice ? &first_events : &sessions_events);
	else
		search_free(search);
}

static void sessions_on_second(struct timer *timer)
{
	search_start(container_of(timer, struct search, second), QUERY_SESSIONS, &sessions_events);
}

/* ---- errors -------------------------------------------------------------- */

static void errors_done(void *owner)
{
	struct search *search = owner;
	struct call *call = search->call;

	sort_and_cut(search);
	for (size_t n = 0; n < search->rows_n; n++)
		tell_failure(call->reply, &search->rows[n], call->context->loop->now_ms);
	search_free(search);
	call_ok(call);
}

static const struct walk_events errors_events = { .found = sessions_found, .done = errors_done };

void cmd_errors(struct call *call)
{
	struct search *search = search_create(call);

	if (!search)
		return;
	search->sort = SORT_END;
	search->limit = QUERY_FAILURES_MAX;
	search_start(search, QUERY_FAILURES, &errors_events);
}

/* ---- kill ---------------------------------------------------------------- */

static void kill_found(void *owner, const struct session_facts *facts)
{
	(void)facts;
	((struct search *)owner)->found++;
}

static void say_nobody(struct search *search)
{
	call_fail(search->call, REPLY_UNKNOWN, NULL, "there is no such session");
	search_free(search);
}

static void kill_done(void *owner)
{
	struct search *search = owner;
	struct call *call = search->call;

	if (search->found == 0) {
		say_nobody(search);
		return;
	}
	reply_row(call->reply, "killed");
	reply_u64(call->reply, "killed", search->found);
	reply_row_end(call->reply);
	search_free(search);
	call_ok(call);
}

static const struct walk_events kill_events = { .found = kill_found, .done = kill_done };

static void kill_counted(void *owner)
{
	struct search *search = owner;
	struct call *call = search->call;

	if (search->found > 1) {
		call_fail(call, REPLY_CONFIRM, NULL, "%llu sessions would be ended",
			  (unsigned long long)search->found);
		search_free(search);
	} else if (search->found == 0) {
		say_nobody(search);
	} else {
		search->found = 0;
		search_start(search, QUERY_KILL, &kill_events);
	}
}

static const struct walk_events kill_counts = { .found = kill_found, .done = kill_counted };

static bool is_given(const struct call *call)
{
	static const char *const filters[] = { "all",    "backend", "pool", "listener",
					       "client", "older",   "idle" };

	for (size_t n = 0; n < ARRAY_LEN(filters); n++)
		if (call_option(call, filters[n]))
			return true;
	return call->words_n > 0;
}

void cmd_kill(struct call *call)
{
	bool is_sure = call_option(call, "yes");
	struct search *search;

	if (!is_given(call)) {
		call_fail(call, REPLY_USAGE, NULL,
			  "kill: which ones? Give ids, or --client and others, or --all");
		return;
	}
	search = search_create(call);
	if (!search)
		return;
	if (read_filter(call, &search->filter) && read_ids(call, &search->filter))
		search_start(search, is_sure ? QUERY_KILL : QUERY_SESSIONS,
			     is_sure ? &kill_events : &kill_counts);
	else
		search_free(search);
}
