/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session's life cycle: one table of phases, one setter, one exit. What
 * happens in a phase is in greet.c, dial.c and lane.c.
 */
#include "proxy/session.h"

#include <assert.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "net/sock.h"
#include "proxy/ack_look.h"
#include "proxy/admission.h"
#include "proxy/choose.h"
#include "proxy/dial.h"
#include "proxy/engine.h"
#include "proxy/facts.h"
#include "proxy/greet.h"
#include "proxy/lane.h"
#include "proxy/postgres.h"
#include "proxy/side.h"

/*
 * A quiet session is looked at with poll(2), in two cases in which the ring
 * does not tell that a side died. A side that has ended its stream is not
 * received from any more, and a ring's poll always includes POLLRDHUP, which
 * is true there. And a multishot receive that found bytes waits for the next
 * wake-up, which never comes when the reset arrived together with the bytes
 * (the kernel makes up for that after a FIN: tcp_inq_hint(), not after a RST).
 */
#define QUIET_LOOK_MS 250

/*
 * One that has ended its stream may die at any time: as long as its session is
 * half-closed it is looked at again and again, each time after it has been
 * quiet for twice as long, up to this. Once it moves it begins anew.
 */
#define QUIET_LOOK_MAX_MS 10000

/* A session that lasts so long gets its keepalive. */
#define SETTLE_MS 1000

/* How often a reset looks whether the bytes before it have been acknowledged. */
#define DOOMED_LOOK_MS 10

static const struct phase {
	const char *name;
	unsigned next; /* bit set of legal successors */
} phases[] = {
	[SESSION_FREE] = { "free", BIT(SESSION_GREETING) },
	[SESSION_GREETING] = { "greeting", BIT(SESSION_DIALING) | BIT(SESSION_CLOSING) },
	[SESSION_DIALING] = { "dialing", BIT(SESSION_RELAYING) | BIT(SESSION_CLOSING) },
	[SESSION_RELAYING] = { "relaying", BIT(SESSION_CLOSING) },
	[SESSION_CLOSING] = { "closing", BIT(SESSION_FREE) },
};
static_assert(sizeof(struct session) <= 768, "an idle session is to cost less than 1 kB");
static_assert(ARRAY_LEN(phases) == SESSION_PHASES, "every phase needs a row");
static_assert(SESSION_PHASES <= 8 && CLOSE_REASONS <= 64 && CLOSE_BYS <= 4,
	      "as struct session has it");

const char *const session_reasons[CLOSE_REASONS] = {
	[CLOSE_NONE] = "none",
	[CLOSE_DONE] = "done",
	[CLOSE_CLIENT_RESET] = "client_reset",
	[CLOSE_BACKEND_RESET] = "backend_reset",
	[CLOSE_CLIENT_LOST] = "client_lost",
	[CLOSE_BACKEND_LOST] = "backend_lost",
	[CLOSE_CLIENT_TRUNCATED] = "client_truncated",
	[CLOSE_BACKEND_TRUNCATED] = "backend_truncated",
	[CLOSE_CLIENT_TLS] = "client_tls_error",
	[CLOSE_BACKEND_TLS] = "backend_tls_error",
	[CLOSE_CLIENT_LEFT] = "client_left",
	[CLOSE_GREETING_TIMEOUT] = "greeting_timeout",
	[CLOSE_BAD_GREETING] = "bad_greeting",
	[CLOSE_REFUSED] = "refused",
	[CLOSE_IDLE] = "idle",
	[CLOSE_HALF_CLOSED_IDLE] = "half_closed_idle",
	[CLOSE_CONNECT_REFUSED] = "connect_refused",
	[CLOSE_CONNECT_TIMEOUT] = "connect_timeout",
	[CLOSE_CONNECT_FAILED] = "connect_failed",
	[CLOSE_NO_BACKEND] = "no_backend",
	[CLOSE_BACKENDS_FULL] = "backends_full",
	[CLOSE_QUEUE_TIMEOUT] = "queue_timeout",
	[CLOSE_FIRST_BYTE_TIMEOUT] = "first_byte_timeout",
	[CLOSE_NO_RESOURCES] = "no_resources",
	[CLOSE_DRAIN_TIMEOUT] = "drain_timeout",
	[CLOSE_SHUTDOWN] = "shutdown",
};

static const char *const by_names[CLOSE_BYS] = {
	[BY_RINGMAIN] = "ringmain",
	[BY_CLIENT] = "client",
	[BY_BACKEND] = "backend",
};

static void session_on_timer(struct timer *timer);

/* ---- begin --------------------------------------------------------------- */

/* A system call that is spared where nobody wants to know who the client is. */
static void learn_client(struct session *s, int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct addr client;

	if (!log_is_on(LOG_INFO) && !s->engine->proxy->needs_clients)
		return;
	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return;
	addr_from_sockaddr(&client, (struct sockaddr *)&ss, len);
	addr_unmap(&client);
	addr_shorten(&s->client, &client);
}

static void session_init(struct session *s, struct engine *e, const struct newcomer *newcomer)
{
	s->engine = e;
	s->listener = newcomer->listener;
	s->source = newcomer->source;
	s->stuck = LRU_NONE;
	s->id = ++e->sessions_begun * e->proxy->workers_n + e->worker;
	s->started_ms = s->active_ms = e->now_ms;
	list_init(&s->reap);
	list_init(&s->handshake);
	timer_init(&s->timer, session_on_timer);
	for (uint8_t n = 0; n < SIDES; n++) {
		side_init(&s->sides[n], n);
		lane_init(&s->lanes[n], n);
	}
	side_open(&s->sides[SIDE_CLIENT], newcomer->fd, newcomer->is_tcp);
	s->sides[SIDE_CLIENT].is_ready = true;
	learn_client(s, newcomer->fd);
}

static void turn_back(struct engine *e, const struct newcomer *newcomer)
{
	sock_close_abort(newcomer->fd);
	admission_leave(newcomer->listener, newcomer->source);
	proxy_leave(e->proxy, newcomer->listener);
}

bool session_start(struct engine *e, const struct newcomer *newcomer)
{
	uint64_t bandwidth = newcomer->listener->config->bandwidth_bytes_per_s;
	struct session *s = e->is_stopping ? NULL : slab_get(&e->sessions);

	if (!s) {
		turn_back(e, newcomer);
		return false;
	}
	session_init(s, e, newcomer);
	if (bandwidth > 0)
		(void)!sock_set_pacing(newcomer->fd, bandwidth);
	counters_add(&session_counters(s)->begun, 1);
	session_enter(s, SESSION_GREETING);
	greet_start(s);
	return true;
}

void session_enter(struct session *s, enum session_phase next)
{
	CHECK(phases[s->phase].next & BIT(next));
	s->phase = next;
}

/* While it dialed nothing was received: what has come since is no silence. */
static void note_unread_word(struct session *s)
{
	if (s->listener->config->first_byte_timeout_ms > 0 && !s->has_spoken)
		s->has_spoken = sock_unread_bytes(s->sides[SIDE_CLIENT].fd) > 0;
}

void session_relay(struct session *s)
{
	session_enter(s, SESSION_RELAYING);
	s->active_ms = s->connected_ms = s->engine->now_ms;
	ack_look_start(s);
	note_unread_word(s);
	session_set_deadline(s);
	postgres_start_watch(s);
	side_become_ready(&s->sides[SIDE_BACKEND]);
	lane_pull(&s->lanes[LANE_DOWN]);
	lane_push(&s->lanes[LANE_UP]);
	lane_pull(&s->lanes[LANE_UP]);
}

/* ---- time ---------------------------------------------------------------- */

static bool is_half_closed(const struct session *s)
{
	return (s->lanes[LANE_UP].state == LANE_DONE) != (s->lanes[LANE_DOWN].state == LANE_DONE);
}

/* How long nothing may move in the relaying phase, 0 for ever. */
static uint64_t quiet_allowed_ms(const struct session *s)
{
	const struct listener_config *config = s->listener->config;

	if (is_half_closed(s) && config->half_close_timeout_ms > 0)
		return config->half_close_timeout_ms;
	return config->idle_timeout_ms;
}

/* Has it been quiet for long enough to be looked at? */
static bool is_quiet(const struct session *s)
{
	uint64_t quiet_ms = s->engine->now_ms - s->active_ms;

	return quiet_ms >= QUIET_LOOK_MS ||
	       (quiet_allowed_ms(s) > 0 && quiet_ms >= quiet_allowed_ms(s));
}

static uint64_t next_quiet_look_ms(const struct session *s)
{
	uint64_t quiet_ms = s->engine->now_ms - s->active_ms;

	if (!s->is_look_due && !is_half_closed(s))
		return TIMER_NEVER;
	return s->engine->now_ms + MIN(MAX(quiet_ms, QUIET_LOOK_MS), QUIET_LOOK_MAX_MS);
}

/* By when a silent client has to say something. */
static uint64_t first_byte_until_ms(const struct session *s)
{
	uint64_t allowed_ms = s->listener->config->first_byte_timeout_ms;

	return s->has_spoken || allowed_ms == 0 ? TIMER_NEVER : s->started_ms + allowed_ms;
}

/* When it will have been quiet for too long. */
static uint64_t quiet_until_ms(const struct session *s)
{
	uint64_t allowed_ms = quiet_allowed_ms(s);
	uint64_t until_ms = allowed_ms > 0 ? s->active_ms + allowed_ms : TIMER_NEVER;

	return MIN(until_ms, first_byte_until_ms(s));
}

static enum close_reason quiet_reason(const struct session *s)
{
	if (s->engine->now_ms >= first_byte_until_ms(s))
		return CLOSE_FIRST_BYTE_TIMEOUT;
	return is_half_closed(s) ? CLOSE_HALF_CLOSED_IDLE : CLOSE_IDLE;
}

void session_set_deadline(struct session *s)
{
	const uint64_t now_ms = s->engine->now_ms;
	uint64_t due_ms = MIN(quiet_until_ms(s), next_quiet_look_ms(s));

	CHECK(s->phase == SESSION_RELAYING);
	if (!s->is_settled)
		due_ms = MIN(due_ms, s->connected_ms + SETTLE_MS);
	if (s->owes_answer)
		due_ms = s->active_ms + s->listener->config->close_timeout_ms;
	else if (session_is_doomed(s))
		due_ms = now_ms + DOOMED_LOOK_MS;
	timer_set(&s->engine->timers, &s->timer, MIN(due_ms, ack_look_due_ms(s)));
}

/* TLS was cut short, but nobody has died: what is on its way may take its time. */
static bool is_truncated(const struct session *s)
{
	return s->why == CLOSE_CLIENT_TRUNCATED || s->why == CLOSE_BACKEND_TRUNCATED;
}

/* What the kernel still has for the other side moves without a word from the ring. */
static void note_delivery(struct session *s)
{
	bool is_to_client = s->owes_answer || s->why == CLOSE_BACKEND_TRUNCATED;
	int unsent = sock_unsent_bytes(s->sides[is_to_client ? SIDE_CLIENT : SIDE_BACKEND].fd);

	if (unsent != s->unsent_bytes)
		s->active_ms = s->engine->now_ms;
	s->unsent_bytes = unsent;
}

/* What came before the end has been delivered, or had its time. */
static void doomed_look_again(struct session *s)
{
	uint64_t patience_ms = s->listener->config->close_timeout_ms;
	uint64_t since_ms = s->doomed_ms;

	if (is_truncated(s)) {
		note_delivery(s);
		since_ms = MAX(since_ms, s->active_ms);
	}
	if (s->engine->now_ms >= since_ms + patience_ms) {
		session_close(s, s->why, s->by);
		return;
	}
	session_set_deadline(s);
	for (int n = 0; n < LANES && s->phase == SESSION_RELAYING; n++)
		lane_push(&s->lanes[n]);
}

/* Gives a side whose connection has an error that no op was told, or NULL. */
static struct side *find_dead_side(struct session *s)
{
	struct pollfd look[SIDES];

	for (int n = 0; n < SIDES; n++)
		look[n] = (struct pollfd){ .fd = s->sides[n].fd };
	if (poll(look, SIDES, 0) <= 0)
		return NULL;
	for (int n = 0; n < SIDES; n++)
		if (look[n].revents & POLLERR)
			return &s->sides[n];
	return NULL;
}

static void quiet_look(struct session *s)
{
	struct side *dead = find_dead_side(s);

	s->is_look_due = false;
	if (dead)
		lane_side_died(dead, -sock_take_error(dead->fd), false);
	else if (s->engine->now_ms < quiet_until_ms(s))
		session_set_deadline(s);
	else
		session_close(s, quiet_reason(s), BY_RINGMAIN);
}

void session_moved(struct session *s, bool wants_look)
{
	s->active_ms = s->engine->now_ms;
	if (s->is_look_due || !(wants_look || is_half_closed(s)))
		return;
	s->is_look_due = true;
	if (s->phase == SESSION_RELAYING)
		session_set_deadline(s);
}

/* Bytes that moved since did not move the timer: it is looked at when it fires. */
static void relaying_on_timer(struct session *s)
{
	if (!s->is_settled && s->engine->now_ms >= s->connected_ms + SETTLE_MS) {
		s->is_settled = true;
		dial_settle(s);
	}
	ack_look(s);
	if (s->phase != SESSION_RELAYING)
		return;
	if (session_is_doomed(s))
		doomed_look_again(s);
	else if (!is_quiet(s) && s->engine->now_ms < first_byte_until_ms(s))
		session_set_deadline(s);
	else
		quiet_look(s);
}

static void session_on_timer(struct timer *timer)
{
	struct session *s = container_of(timer, struct session, timer);

	if (s->phase == SESSION_GREETING)
		greet_on_deadline(s);
	else if (s->phase == SESSION_DIALING)
		dial_on_deadline(s);
	else if (s->phase == SESSION_RELAYING)
		relaying_on_timer(s);
}

/* ---- end ----------------------------------------------------------------- */

void session_doom(struct session *s, enum close_reason why, enum close_by by)
{
	if (session_is_doomed(s) && !s->owes_answer)
		return;
	if (!session_is_doomed(s)) {
		s->why = why;
		s->by = by;
	}
	s->owes_answer = false;
	s->doomed_ms = s->engine->now_ms;
	if (s->phase == SESSION_RELAYING)
		session_set_deadline(s);
}

void session_doom_when_answered(struct session *s, enum close_reason why, enum close_by by)
{
	session_doom(s, why, by);
	s->owes_answer = true;
	s->active_ms = s->engine->now_ms;
	if (s->phase == SESSION_RELAYING)
		session_set_deadline(s);
}

bool session_is_doomed(const struct session *s)
{
	return s->why != CLOSE_NONE;
}

static bool session_has_ops(const struct session *s)
{
	return side_has_ops(&s->sides[SIDE_CLIENT]) || side_has_ops(&s->sides[SIDE_BACKEND]);
}

void session_close(struct session *s, enum close_reason why, enum close_by by)
{
	CHECK(s->phase != SESSION_FREE);
	if (s->phase == SESSION_CLOSING)
		return;

	/* Whom no backend could serve was not ended by what it sent last. */
	if (!session_is_doomed(s) || s->phase == SESSION_DIALING) {
		s->why = why;
		s->by = by;
	}
	session_enter(s, SESSION_CLOSING);
	timer_stop(&s->engine->timers, &s->timer);
	list_remove(&s->handshake);
	dial_leave_queue(s);
	for (int n = 0; n < SIDES; n++)
		side_cancel(&s->sides[n]);
	session_op_returned(s);
}

void session_op_returned(struct session *s)
{
	CHECK(s->phase == SESSION_CLOSING);
	if (!session_has_ops(s) && !s->is_queued && list_is_empty(&s->reap))
		list_append(&s->engine->reapable, &s->reap);
}

static void log_end_of(const struct session *s)
{
	char text[ADDR_TEXT_BYTES];
	struct log_line line;
	struct addr client;

	if (!log_begin(&line, LOG_INFO, "session"))
		return;
	log_u64(&line, "id", s->id);
	log_text(&line, "listener", s->listener->config->name);
	addr_lengthen(&client, &s->client);
	log_text(&line, "client", addr_format(&client, text));
	if (s->backend)
		log_text(&line, "backend", s->backend->config->name);
	log_u64(&line, "up", s->lanes[LANE_UP].bytes);
	log_u64(&line, "down", s->lanes[LANE_DOWN].bytes);
	if (s->connected_ms > 0)
		log_u64(&line, "connect_ms", s->connected_ms - s->dialing_ms);
	if (s->waiter.ask.tried_n > 0)
		log_u64(&line, "failed_tries", s->waiter.ask.tried_n);
	log_u64(&line, "duration_ms", s->engine->now_ms - s->started_ms);
	log_u64(&line, "worker", s->engine->worker);
	log_text(&line, "reason", session_reasons[s->why]);
	log_text(&line, "by", by_names[s->by]);
	if (s->detail)
		log_text(&line, "detail", s->detail);
	if (s->facts)
		facts_log(s->facts, &line);
	log_end(&line);
}

static void count_end_of(const struct session *s)
{
	counters_add(&session_counters(s)->ended[s->why], 1);
	if (s->detail)
		label_counter_add(&session_counters(s)->details, s->why, s->detail, 1);
}

void session_reap(struct session *s)
{
	struct engine *e = s->engine;

	CHECK(s->phase == SESSION_CLOSING);
	CHECK(!session_has_ops(s));
	for (int n = 0; n < LANES; n++)
		splice_stop(&s->lanes[n]);
	log_end_of(s);
	count_end_of(s); /* whose detail may be a TLS stream's */
	for (int n = 0; n < SIDES; n++)
		side_close(&s->sides[n]);
	greet_finish(s);
	postgres_finish(s);
	choose_release(s);
	dial_release(s);
	admission_leave(s->listener, s->source);
	proxy_leave(e->proxy, s->listener);
	session_enter(s, SESSION_FREE);
	slab_put(&e->sessions, s);
	engine_on_session_end(e);
}
