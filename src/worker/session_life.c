/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker/session_life.h"

#include <sys/socket.h>

#include "base/check.h"
#include "base/log.h"
#include "dial/choose.h"
#include "dial/cancelling.h"
#include "dial/dial.h"
#include "negotiation/negotiation.h"
#include "net/sock.h"
#include "preread/preread.h"
#include "relay/lane.h"
#include "relay/relay.h"
#include "relay/splice.h"
#include "relay/cancel_watch.h"
#include "session/admission.h"
#include "session/conn_info.h"
#include "session/early_bytes.h"
#include "session/exit.h"
#include "session/refusing.h"
#include "session/session_log.h"
#include "session/side.h"
#include "state/generation.h"
#include "worker/answer.h"

const struct phase_handlers *const session_phases[SESSION_PHASES] = {
	[SESSION_PREREAD] = &preread_handlers,
	[SESSION_DIALING] = &dial_handlers,
	[SESSION_NEGOTIATING] = &negotiation_handlers,
	[SESSION_CANCELLING] = &cancelling_handlers,
	[SESSION_RELAYING] = &relay_handlers,
	[SESSION_REFUSING] = &refusing_handlers,
	[SESSION_CLOSING] = &exit_handlers,
};

/* ---- begin --------------------------------------------------------------- */

static void life_on_timer(struct timer *timer)
{
	struct session *s = container_of(timer, struct session, timer);

	session_handlers(s)->timed_out(s);
}

/* A system call that is spared where nobody wants to know who the client is. */
static void learn_client(struct session *s, int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct addr client;

	if (!log_is_on(LOG_INFO) && !s->host->runtime->needs_clients)
		return;
	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return;
	addr_from_sockaddr(&client, (struct sockaddr *)&ss, len);
	addr_unmap(&client);
	addr_shorten(&s->client, &client);
}

static void session_init(struct session *s, struct host *h, const struct accepted *accepted)
{
	s->host = h;
	s->listener = accepted->listener;
	s->generation = accepted->generation;
	s->config = generation_listener(accepted->generation, accepted->listener->slot)->config;
	s->source = accepted->source;
	s->sticky = LRU_NONE;
	s->id = ++h->sessions_begun * h->runtime->workers_n + h->worker;
	s->waiter.worker = h->worker;
	s->started_ms = s->active_ms = h->loop.now_ms;
	list_init(&s->reap);
	list_init(&s->turn);
	timer_init(&s->timer, life_on_timer);
	for (uint8_t n = 0; n < SIDES; n++) {
		side_init(&s->sides[n], n);
		lane_init(&s->lanes[n], n);
	}
	side_open(&s->sides[SIDE_CLIENT], accepted->fd, accepted->is_tcp);
	learn_client(s, accepted->fd);
}

static void return_accepted(struct host *h, const struct accepted *accepted)
{
	sock_close_abort(accepted->fd);
	admission_leave(accepted->listener, accepted->source);
	runtime_release_slot(h->runtime, accepted->listener);
	generation_pin(accepted->generation, h->worker, -1);
}

bool session_begin(struct host *h, const struct accepted *accepted)
{
	struct session *s = h->is_stopping ? NULL : slab_get(&h->sessions);

	if (!s) {
		return_accepted(h, accepted);
		return false;
	}
	session_init(s, h, accepted);
	if (s->config->bandwidth_bytes_per_s > 0)
		(void)!sock_set_pacing(accepted->fd, s->config->bandwidth_bytes_per_s);
	counters_add(&session_counters(s)->begun, 1);
	session_enter(s, SESSION_PREREAD);
	return true;
}

/* ---- end ----------------------------------------------------------------- */

static void count_end_of(const struct session *s)
{
	struct listener_counters *c = session_counters(s);

	counters_add(&c->ended[s->why], 1);
	histogram_add(&c->session_length, s->host->loop.now_ms - s->started_ms);
	if (s->detail)
		label_counter_add(&c->details, s->why, s->detail, 1);
	if (s->is_in_pool)
		counters_add(&session_pool_counters(s)->ended[s->why], 1);
}

static void release_protocol(struct session *s)
{
	if (s->protocol) {
		buf_queue_clear(&s->protocol->answer, &s->host->loop.bufs);
		slab_put(&s->host->states, s->protocol);
	}
	s->protocol = NULL;
}

void session_end(struct session *s)
{
	struct host *h = s->host;

	CHECK(s->phase == SESSION_CLOSING);
	CHECK(session_is_idle(s));
	for (int n = 0; n < LANES; n++)
		splice_stop(&s->lanes[n]);
	session_log_end(s);
	answer_note_end(s);
	count_end_of(s); /* whose detail may be a TLS stream's */
	for (int n = 0; n < SIDES; n++)
		side_close(&s->sides[n]);
	early_drop(s);
	conn_info_release(s);
	cancel_watch_finish(s);
	choose_release(s);
	dial_release(s);
	release_protocol(s); /* which knows what kind of slot that was */
	admission_leave(s->listener, s->source);
	runtime_release_slot(h->runtime, s->listener);
	session_enter(s, SESSION_FREE);
	/* The last: its listener, its pool and its configuration may be gone after this. */
	generation_pin(s->generation, h->worker, -1);
	slab_put(&h->sessions, s);
}
