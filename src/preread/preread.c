/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The runner of the steps: it reads what the client sends, gives it to the
 * step whose turn it is, and does what that answers.
 */
#include "preread/preread.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/check.h"
#include "net/sock.h"
#include "preread/step.h"
#include "preread/waiting.h"
#include "relay/early_tls.h"
#include "session/admission.h"
#include "session/early_bytes.h"
#include "session/exit.h"
#include "session/refusing.h"
#include "session/side.h"
#include "session/tell.h"
#include "state/cancel_keys.h"
#include "tls/stream.h"

static const struct preread_step *const steps[] = {
	&preread_proxy_header, &preread_plaintext,  &preread_client_hello,
	&preread_tls_accept,   &preread_inside_tls,
};

static struct side *client_side(struct session *s)
{
	return &s->sides[SIDE_CLIENT];
}

/* NULL: there is none left. */
static const struct preread_step *current_step(const struct session *s)
{
	return s->step < ARRAY_LEN(steps) ? steps[s->step] : NULL;
}

/* ---- steps --------------------------------------------------------------- */

static bool has_own_time(const struct session *s)
{
	return current_step(s) && current_step(s)->allowed_ms;
}

static void preread_set_deadline(struct session *s)
{
	const struct listener_config *config = s->config;
	uint64_t allowed_ms = has_own_time(s) ? current_step(s)->allowed_ms(config)
					      : config->handshake_timeout_ms;

	timer_set(&s->host->loop.timers, &s->timer, s->host->loop.now_ms + allowed_ms);
}

/* The next one that this listener wants, from @first on. */
static void go_to_step(struct session *s, unsigned first)
{
	unsigned n = first;

	while (n < ARRAY_LEN(steps) && !steps[n]->is_wanted(s))
		n++;
	s->step = n & 0xf;
}

/* That in which the client goes on behind what a backend has answered. */
static void go_to_dialogue(struct session *s)
{
	unsigned n = 0;

	while (!steps[n]->is_dialogue)
		n++;
	go_to_step(s, n);
}

/* All is known: to a backend of its pool. */
static void preread_finish(struct session *s)
{
	const struct pool_config *own = s->config->pool;

	if (!s->pool && own)
		s->pool = runtime_pool(s->host->runtime, s->generation, own);
	if (s->pool && !s->is_in_pool) { /* a request to cancel may have none yet */
		counters_add(&session_pool_counters(s)->begun, 1);
		s->is_in_pool = true;
	}
	list_remove(&s->turn);
	timer_stop(&s->host->loop.timers, &s->timer);
	early_keep(s);
	s->detail = NULL; /* whatever it was told, it goes on */
	session_enter(s, SESSION_DIALING);
}

/* The wait that began in a pool's queue may still be in the kernel, and serves here, too. */
static void wait_for_client(struct session *s)
{
	waiting_for_client(s);
	if (!client_side(s)->recv.in_kernel)
		side_wait_readable(client_side(s));
}

static const struct {
	enum close_reason why;
	enum close_by by;
} refusals[] = {
	[STEP_AGAINST_RULES] = { CLOSE_REFUSED, BY_RINGMAIN },
	[STEP_MALFORMED] = { CLOSE_BAD_PREREAD, BY_CLIENT },
	[STEP_TLS_FAILED] = { CLOSE_CLIENT_TLS, BY_CLIENT },
	[STEP_PEER_LEFT] = { CLOSE_CLIENT_LEFT, BY_CLIENT },
	[STEP_NO_MEMORY] = { CLOSE_NO_RESOURCES, BY_RINGMAIN },
};

/* If there is something to say, it is sent before the connection ends, and not with a reset. */
static void preread_end_refused(struct session *s, const struct step_answer *answer)
{
	enum close_reason why = refusals[answer->refusal].why;
	enum close_by by = refusals[answer->refusal].by;

	if (!session_is_ending(s)) /* else what was known before is why */
		s->detail = answer->detail;
	if (why == CLOSE_NO_RESOURCES || why == CLOSE_CLIENT_LEFT)
		session_close(s, why, by);
	else
		refusing_begin(s, why, by);
}

static void note_cancel(struct session *s, const struct step_answer *answer)
{
	const struct cancel_keys *keys = s->host->runtime->cancel_keys;

	s->protocol->is_cancel = true;
	s->protocol->cancel_hash = cancel_keys_hash(keys, &answer->cancel_key);
	s->protocol->cancel_bytes = (uint16_t)answer->cancel_bytes;
	s->protocol->leaves = s->backend; /* with which it has negotiated */
}

static void preread_send_answer(struct session *s, const struct step_answer *answer)
{
	struct side *client = client_side(s);
	int err = -ENODATA;

	if (answer->say_bytes > 0 && client->is_tls_ready)
		err = refusing_say(client, answer->say, answer->say_bytes);
	else if (answer->say_bytes > 0)
		err = side_append(client, answer->say, answer->say_bytes);
	if (err == 0)
		(void)side_push(client);
}

/* Rules and limits are about the client, not about the proxy in front of it. */
static enum admission ask_admission(struct session *s)
{
	struct addr client;

	if (!admission_asks(s->host, s->listener))
		return ADMISSION_GRANTED;
	addr_lengthen(&client, &s->client);
	return admission_ask(s->host, s->listener, &client, &s->source);
}

/* False when the session is over. */
static bool preread_admit(struct session *s)
{
	enum admission admission = ask_admission(s);
	struct step_answer answer = { 0 };

	if (admission == ADMISSION_GRANTED)
		return true;
	client_side(s)->closes_silently = admission_is_silent(s->listener, admission);
	preread_refuse(&answer, STEP_AGAINST_RULES, admission_names[admission]);
	preread_end_refused(s, &answer);
	return false;
}

/* The pool is that of the first route that fits anything the client has said. */
static void preread_take_route(struct session *s, unsigned number)
{
	const struct route_config *route = &s->config->routes[number - 1];

	if (s->route > 0 && s->route <= number)
		return;
	s->route = number;
	s->pool = runtime_pool(s->host->runtime, s->generation, route->pool);
	session_tell_step(s, "route", route->pattern);
}

static bool preread_act_on(struct session *s, enum step_verdict verdict,
			   const struct step_answer *answer);

/* It may have something to say first. True when it can look at what has come. */
static bool preread_begin_step(struct session *s)
{
	struct step_answer answer = { 0 };
	enum step_verdict verdict;
	bool goes_on;

	if (!current_step(s) || !current_step(s)->begin)
		return true;
	verdict = current_step(s)->begin(s, &answer);
	goes_on = preread_act_on(s, verdict, &answer);
	return goes_on || verdict == STEP_MORE;
}

static bool preread_next_step(struct session *s)
{
	bool had_own_time = has_own_time(s);

	go_to_step(s, s->step + 1u);
	if (had_own_time && current_step(s))
		preread_set_deadline(s);
	return preread_begin_step(s);
}

/* Acts on what a step said. True when the next one can look at what has come. */
static bool preread_act_on(struct session *s, enum step_verdict verdict,
			   const struct step_answer *answer)
{
	if (answer->used > 0)
		early_used(s, answer->used);
	preread_send_answer(s, answer);
	if (answer->knows_client && !preread_admit(s))
		return false;
	if (answer->route > 0)
		preread_take_route(s, answer->route);
	switch (verdict) {
	case STEP_MORE:
		if (answer->detail) /* why it may leave now */
			s->detail = answer->detail;
		return answer->used > 0;
	case STEP_NEXT:
		return preread_next_step(s);
	case STEP_READY:
		if (answer->is_cancel)
			note_cancel(s, answer);
		preread_finish(s);
		return false;
	case STEP_REFUSE:
		preread_end_refused(s, answer);
		return false;
	}
	return false;
}

/* To its turn: at once, or when handshake_rate allows one more to begin. */
static void wait_for_turn(struct session *s)
{
	list_remove(&s->turn);
	early_keep(s);
	if (!waiting_for_rate(s))
		waiting_for_turn(s);
}

static void refuse_too_long(struct session *s)
{
	struct step_answer answer = { 0 };

	preread_refuse(&answer, STEP_MALFORMED,
		       "too many bytes before the first message was whole");
	preread_end_refused(s, &answer);
}

/* Works on what has come, until a step wants more or there is none left. */
static void preread_run_steps(struct session *s)
{
	bool goes_on = true;

	while (goes_on && current_step(s) && !current_step(s)->is_costly && early_n(s) > 0) {
		const struct preread_input in = {
			.bytes = early_bytes(s),
			.n = early_n(s),
			.is_cut = s->early.head->next,
		};
		struct step_answer answer = { 0 };
		enum step_verdict verdict = current_step(s)->read(s, &in, &answer);

		goes_on = preread_act_on(s, verdict, &answer);
	}
	if (s->phase != SESSION_PREREAD)
		return;
	if (!current_step(s))
		preread_finish(s);
	else if (current_step(s)->is_costly && early_n(s) > 0)
		wait_for_turn(s);
	else if (early_n(s) == BUF_BYTES)
		refuse_too_long(s);
	else
		wait_for_client(s);
}

/* ---- reading ------------------------------------------------------------- */

static void read_failed(struct session *s, int res)
{
	if (res == -ENOMEM)
		session_close(s, CLOSE_NO_RESOURCES, BY_RINGMAIN);
	else if (res == -EINTR || res == -EAGAIN)
		wait_for_client(s);
	else
		session_close(s, res == 0 ? CLOSE_CLIENT_LEFT : CLOSE_CLIENT_RESET, BY_CLIENT);
}

/* Gives a buffer with ciphertext; NULL: there is none, and the session waits or closes. */
static struct buf *read_ciphertext(struct session *s)
{
	struct buf_pool *pool = &s->host->loop.bufs;
	struct buf *buf = buf_get_or_piece(pool, early_share(s));
	int n = buf ? sock_read(client_side(s)->fd, buf->bytes, buf_room(buf)) : -ENOMEM;

	if (n > 0) {
		s->active_ms = s->host->loop.now_ms;
		buf->end = (uint32_t)n;
		return buf;
	}
	if (buf)
		buf_put(pool, buf);
	read_failed(s, n);
	return NULL;
}

static void read_inside_tls(struct session *s)
{
	struct buf *buf = read_ciphertext(s);

	if (!buf)
		return;
	early_tls_received(s, buf->bytes, buf_filled(buf));
	buf_put(&s->host->loop.bufs, buf);
	if (s->phase == SESSION_PREREAD)
		preread_run_steps(s);
}

static void read_in_clear(struct session *s)
{
	int n = early_read(s, MAX(early_room(s, (uint32_t)(BUF_BYTES - early_n(s))), 1));

	if (n <= 0) {
		read_failed(s, n);
		return;
	}
	s->active_ms = s->host->loop.now_ms;
	preread_run_steps(s);
}

static void preread_read_input(struct session *s)
{
	if (early_room(s, (uint32_t)(BUF_BYTES - early_n(s))) == 0) {
		waiting_for_memory(s);
		return;
	}
	list_remove(&s->turn);
	if (current_step(s) && current_step(s)->is_costly && client_side(s)->tls)
		waiting_for_turn(s);
	else if (client_side(s)->is_tls_ready)
		read_inside_tls(s);
	else
		read_in_clear(s);
}

static void preread_on_readable(struct side *side, int err)
{
	struct session *s = side_session(side);

	if (err < 0)
		read_failed(s, err);
	else
		preread_read_input(s);
}

/* ---- the costly step ----------------------------------------------------- */

static void preread_run_costly_step(struct session *s, struct buf *buf)
{
	const struct preread_input in = {
		.bytes = (const uint8_t *)buf->bytes + buf->start,
		.n = buf_filled(buf),
	};
	struct step_answer answer = { 0 };
	enum step_verdict verdict = current_step(s)->read(s, &in, &answer);
	struct side *client = client_side(s);

	(void)side_push(client);
	if (verdict == STEP_NEXT && tls_stream_input_left(client->tls) > 0)
		early_tls_received(s, NULL, 0);
	if (s->phase == SESSION_PREREAD)
		(void)preread_act_on(s, verdict, &answer);
	buf_put(&s->host->loop.bufs, buf);
	if (s->phase == SESSION_PREREAD)
		preread_run_steps(s);
}

static void preread_turn_came(struct session *s)
{
	struct buf *buf;

	CHECK(current_step(s) && current_step(s)->is_costly);
	if (client_side(s)->tls)
		buf = read_ciphertext(s);
	else
		buf = waiting_client_left(s) ? NULL : buf_queue_take(&s->early);
	if (buf)
		preread_run_costly_step(s, buf);
}

/* ---- what else happens --------------------------------------------------- */

static void preread_on_sent(struct side *side, int res)
{
	if (res < 0 && res != -EINTR)
		session_peer_failed(side, res);
	else
		(void)side_push(side);
}

/* Whose fault it is that it was not over in time. */
static void preread_timed_out(struct session *s)
{
	const char *ours = waiting_reason(s);

	if (ours)
		s->detail = ours;
	session_close(s, CLOSE_PREREAD_TIMEOUT, ours ? BY_RINGMAIN : BY_CLIENT);
}

static void preread_returned(struct session *s)
{
	(void)s; /* nothing is cancelled here */
}

void preread_work(struct host *host)
{
	struct list *next;

	for (struct list *node = host->waiting_busy.next; node != &host->waiting_busy;
	     node = next) {
		struct waiting *w = container_of(node, struct waiting, busy);
		struct session *s;

		next = node->next;
		while ((s = waiting_next_by_rate(w)))
			waiting_for_turn(s);
		while ((s = waiting_next_unread(w)))
			preread_read_input(s);
		waiting_update_busy(w);
	}
}

/* ---- the beginning ------------------------------------------------------- */

/* False when the session is over: there is no memory for it. */
static bool prepare_protocol(struct session *s)
{
	if (!s->listener->protocol)
		return true;
	s->protocol = slab_get(&s->host->states);
	if (s->protocol)
		return true;
	session_close(s, CLOSE_NO_RESOURCES, BY_RINGMAIN);
	return false;
}

/* False when the session is over: the first step is for others. */
static bool may_begin(struct session *s)
{
	if (!current_step(s) || !current_step(s)->objection)
		return true;
	if (s->client.len == 0) { /* it has gone already */
		session_close(s, CLOSE_CLIENT_RESET, BY_CLIENT);
		return false;
	}
	s->detail = current_step(s)->objection(s);
	if (!s->detail)
		return true;
	session_close(s, CLOSE_REFUSED, BY_RINGMAIN);
	return false;
}

/* Back from the negotiation: the client is to say more in clear. */
static void go_on_in_clear(struct session *s)
{
	go_to_dialogue(s);
	preread_set_deadline(s);
	wait_for_client(s);
}

static void preread_entered(struct session *s)
{
	if (s->protocol) {
		go_on_in_clear(s);
		return;
	}
	if (!prepare_protocol(s))
		return;
	go_to_step(s, 0);
	if (current_step(s))
		preread_set_deadline(s);
	if (!may_begin(s))
		return;
	if (preread_begin_step(s))
		preread_run_steps(s);
}

const struct phase_handlers preread_handlers = {
	.entered = preread_entered,
	.timed_out = preread_timed_out,
	.turn_came = preread_turn_came,
	.readable = preread_on_readable,
	.sent = preread_on_sent,
	.returned = preread_returned,
};
