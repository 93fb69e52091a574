/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/session_log.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "config/log_template.h"
#include "net/tcp_facts.h"
#include "protocol/protocol.h"
#include "session/conn_info.h"
#include "session/host.h"
#include "tls/stream.h"

/* A client that has sent nothing and left so soon was a port probe: an empty session. */
#define EMPTY_MS 1000

/* ---- which sessions ------------------------------------------------------- */

/* Its log-in failed by what is configured here: both ends parted in good order. */
static bool is_unbound(const struct session *s)
{
	const struct protocol *protocol = s->listener->protocol;

	return s->detail && protocol && s->detail == protocol->unbound;
}

static bool is_usual(const struct session *s)
{
	return s->why == CLOSE_DONE && s->waiter.ask.tried_n == 0 && !is_unbound(s);
}

/* A probe of somebody who looks whether the port is open. */
static bool is_empty(const struct session *s)
{
	return s->by == BY_CLIENT && s->lanes[LANE_UP].bytes == 0 &&
	       s->lanes[LANE_DOWN].bytes == 0 && s->host->loop.now_ms - s->started_ms < EMPTY_MS &&
	       (s->why == CLOSE_DONE || s->why == CLOSE_CLIENT_RESET ||
		s->why == CLOSE_CLIENT_LEFT);
}

/* Ids are numbers in a row. */
static uint64_t hash_of(const struct session *s)
{
	return hash_bytes(&s->id, sizeof(s->id), 0);
}

/* By its id: all of its lines are there, or none. */
static bool is_in_sample(const struct session *s)
{
	return s->config->log_sample <= 1 || hash_of(s) % s->config->log_sample == 0;
}

static bool is_wanted(const struct session *s)
{
	const struct listener_config *c = s->config;

	if (!log_is_on(LOG_INFO) || c->log_sessions == LOG_SESSIONS_OFF)
		return false;
	if (is_usual(s) && (c->log_sessions == LOG_SESSIONS_UNUSUAL || !is_in_sample(s)))
		return false;
	return c->logs_empty || !is_empty(s);
}

/* One line says how many of the listener are missing in front of it. */
static void tell_left_out(const struct session *s)
{
	_Atomic uint64_t *left_out = &s->listener->lines_left_out;
	struct log_line line;
	uint64_t n;

	if (atomic_load_explicit(left_out, memory_order_relaxed) == 0)
		return;
	n = atomic_exchange_explicit(left_out, 0, memory_order_relaxed);
	if (n == 0 || !log_begin(&line, LOG_INFO, "session lines left out"))
		return;
	log_u64(&line, "n", n);
	log_text(&line, "listener", s->config->name);
	log_end(&line);
}

static bool is_in_time(const struct session *s)
{
	const struct bucket_rate rate = { .per_second = s->config->log_lines_per_s_max,
					  .burst = s->config->log_lines_per_s_max };

	if (rate.per_second > 0 &&
	    !bucket_shared_take(&s->listener->log_lines, &rate, 1, clock_now_ns())) {
		counters_add(&s->host->counters->lines_left_out, 1);
		atomic_fetch_add_explicit(&s->listener->lines_left_out, 1, memory_order_relaxed);
		return false;
	}
	tell_left_out(s);
	return true;
}

/* ---- what its fields are --------------------------------------------------- */

/*
 * Where the field is a constant, its value is all that is left of the functions
 * below: a line costs no more than if its keys were written out.
 */
#define INLINED inline __attribute__((always_inline))

/* A line on its way; what is asked of the kernel is asked once. */
struct report {
	const struct session *s;
	const char *message;
	bool is_interim, is_end;
	bool was_asked[SIDES], has_facts[SIDES];
	struct tcp_facts facts[SIDES];
	char client[ADDR_TEXT_BYTES];
};

struct value {
	enum { VALUE_NONE, VALUE_TEXT, VALUE_NUMBER, VALUE_FLAG } kind;
	const char *text;
	uint64_t number;
};

static INLINED struct value none(void)
{
	return (struct value){ .kind = VALUE_NONE };
}

/* NULL and "" are none. */
static INLINED struct value text(const char *text)
{
	return (struct value){ .kind = text && text[0] ? VALUE_TEXT : VALUE_NONE, .text = text };
}

static INLINED struct value number(uint64_t number)
{
	return (struct value){ .kind = VALUE_NUMBER, .number = number };
}

static INLINED struct value flag(bool is_set)
{
	return (struct value){ .kind = VALUE_FLAG, .number = is_set };
}

static struct value client_of(struct report *r)
{
	struct addr client;

	addr_lengthen(&client, &r->s->client);
	return text(addr_format(&client, r->client));
}

/* What the kernel knows of the connections: a system call for each. */
static struct value tcp_value(struct report *r, enum log_field field)
{
	const int which = (int)(field - FIELD_CLIENT_RTT_US) / 3;
	const struct side *side = &r->s->sides[which];
	const struct tcp_facts *facts = &r->facts[which];

	if (!r->was_asked[which] && r->s->config->logs_tcp && side->fd >= 0 && side->is_tcp)
		r->has_facts[which] = tcp_facts_read(side->fd, &r->facts[which]) == 0;
	r->was_asked[which] = true;
	if (!r->has_facts[which])
		return none();
	switch ((field - FIELD_CLIENT_RTT_US) % 3) {
	case 0:
		return number(facts->rtt_us);
	case 1:
		return number(facts->retransmits);
	default:
		return number(facts->unacked);
	}
}

static struct value info_value(const struct conn_info *info, enum log_field field)
{
	switch (field) {
	case FIELD_TLS:
		return text(info->version);
	case FIELD_CIPHER:
		return info->version ? text(info->cipher) : none();
	case FIELD_GROUP:
		return info->version ? text(info->group) : none();
	case FIELD_RESUMED:
		return info->version ? flag(info->resumed) : none();
	case FIELD_SNI:
		return text(info->sni);
	case FIELD_ALPN:
		return text(info->alpn);
	case FIELD_CLIENT_CN:
		return text(info->client_name);
	case FIELD_CLIENT_RULE:
		return text(info->client_rule);
	default:
		return none();
	}
}

static struct value protocol_value(const struct protocol_state *protocol, enum log_field field)
{
	return text(field == FIELD_USER ? protocol->user : protocol->database);
}

static INLINED struct value time_value(const struct session *s, enum log_field field)
{
	const unsigned tries = s->waiter.ask.tried_n;

	switch (field) {
	case FIELD_CONNECT_MS:
		return s->connected_ms > 0 ? number(s->connected_ms - s->dialing_ms) : none();
	case FIELD_WAIT_MS: /* one that ends while it waits has left the queue by then */
		return s->waited_ms > 0 && !s->is_queued ? number(s->waited_ms) : none();
	case FIELD_FAILED_TRIES:
		return tries > 0 ? number(tries) : none();
	default:
		return number(s->host->loop.now_ms - s->started_ms);
	}
}

/* In a second, since the line before. */
static struct value rate_value(const struct session *s, int lane)
{
	const uint64_t since_ms = s->told_ms > 0 ? s->told_ms : s->connected_ms;
	const uint64_t ms = MAX(s->host->loop.now_ms - since_ms, 1);

	return number((s->lanes[lane].bytes - s->told_bytes[lane]) * 1000 / ms);
}

static INLINED struct value end_value(const struct session *s, enum log_field field)
{
	switch (field) {
	case FIELD_REASON:
		return text(close_reason_names[s->why]);
	case FIELD_BY:
		return text(close_by_names[s->by]);
	default:
		return text(s->detail);
	}
}

static INLINED struct value who_value(struct report *r, enum log_field field)
{
	const struct session *s = r->s;
	const struct tls_stream *backend_tls = s->sides[SIDE_BACKEND].tls;

	switch (field) {
	case FIELD_LEVEL:
		return text(log_level_names[LOG_INFO]);
	case FIELD_MSG:
		return text(r->message);
	case FIELD_ID:
		return number(s->id);
	case FIELD_LISTENER:
		return text(s->config->name);
	case FIELD_CLIENT:
		return client_of(r);
	case FIELD_BACKEND:
		return text(s->backend ? s->backend->config->name : NULL);
	case FIELD_BACKEND_RESUMED:
		return backend_tls && tls_stream_is_resumed(backend_tls) ? flag(true) : none();
	case FIELD_BYTES_UP:
		return number(s->lanes[LANE_UP].bytes);
	case FIELD_BYTES_DOWN:
		return number(s->lanes[LANE_DOWN].bytes);
	case FIELD_RATE_UP:
	case FIELD_RATE_DOWN:
		return r->is_interim ? rate_value(s, (int)(field - FIELD_RATE_UP)) : none();
	case FIELD_WORKER:
		return number(s->host->worker);
	default:
		return none();
	}
}

static INLINED struct value value_of(struct report *r, enum log_field field)
{
	if (field >= FIELD_USER)
		return r->s->protocol ? protocol_value(r->s->protocol, field) : none();
	if (field >= FIELD_TLS)
		return r->s->info ? info_value(r->s->info, field) : none();
	if (field >= FIELD_CLIENT_RTT_US)
		return tcp_value(r, field);
	if (field >= FIELD_REASON)
		return r->is_end ? end_value(r->s, field) : none();
	if (field >= FIELD_CONNECT_MS && field <= FIELD_DURATION_MS)
		return time_value(r->s, field);
	return who_value(r, field);
}

/* ---- lines ------------------------------------------------------------------ */

static INLINED void log_field(struct report *r, enum log_field field, struct log_line *line)
{
	const struct value value = value_of(r, field);

	switch (value.kind) {
	case VALUE_NONE:
		break;
	case VALUE_TEXT:
		log_text(line, log_field_names[field], value.text);
		break;
	case VALUE_NUMBER:
		log_u64(line, log_field_names[field], value.number);
		break;
	case VALUE_FLAG:
		log_flag(line, log_field_names[field], value.number);
		break;
	}
}

static void put_field(struct report *r, const struct log_piece *piece, struct log_line *line)
{
	const struct value value = value_of(r, piece->field);

	if (piece->field == FIELD_TS)
		log_put_time(line);
	else if (value.kind == VALUE_NUMBER)
		log_put_u64(line, value.number);
	else if (value.kind == VALUE_FLAG)
		log_put_text(line, value.number ? "yes" : "no", piece->end, piece->is_quoted);
	else
		log_put_text(line, value.kind == VALUE_TEXT ? value.text : NULL, piece->end,
			     piece->is_quoted);
}

/* In the operator's own form. */
static void log_own(struct report *r, const struct log_template *t)
{
	struct log_line line;

	if (!log_begin_own(&line, LOG_INFO))
		return;
	for (size_t n = 0; n < t->pieces_n; n++) {
		if (t->pieces[n].field == LOG_FIELDS)
			log_put(&line, t->pieces[n].text, t->pieces[n].bytes);
		else
			put_field(r, &t->pieces[n], &line);
	}
	log_end(&line);
}

/* Fields from one to another one, without that. */
static INLINED void log_fields(struct report *r, enum log_field from, enum log_field to,
			       struct log_line *line)
{
#pragma GCC unroll 32
	for (enum log_field field = from; field < to; field++)
		log_field(r, field, line);
}

/* Of the last line and of those while it lasts. */
static void log_all_fields(struct report *r, struct log_line *line)
{
	log_fields(r, FIELD_ID, FIELD_CLIENT_RTT_US, line);
	if (r->s->config->logs_tcp)
		log_fields(r, FIELD_CLIENT_RTT_US, FIELD_TLS, line);
}

static void log_start_fields(struct report *r, struct log_line *line)
{
	log_fields(r, FIELD_ID, FIELD_BACKEND_RESUMED, line);
	log_fields(r, FIELD_CONNECT_MS, FIELD_FAILED_TRIES, line);
	log_field(r, FIELD_WORKER, line);
}

static void log_report(struct report *r, void (*log_some)(struct report *r, struct log_line *line))
{
	const struct log_template *t = runtime_config(r->s->host->runtime)->global.log_template;
	struct log_line line;

	if (t) {
		log_own(r, t);
		return;
	}
	if (!log_begin(&line, LOG_INFO, r->message))
		return;
	log_some(r, &line);
	if (r->s->info)
		log_fields(r, FIELD_TLS, FIELD_USER, &line);
	if (r->s->protocol)
		log_fields(r, FIELD_USER, LOG_FIELDS, &line);
	log_end(&line);
}

void session_log_begin(const struct session *s)
{
	struct report r = { .s = s, .message = "session_start" };

	if (s->config->log_sessions == LOG_SESSIONS_BOTH && log_is_on(LOG_INFO) &&
	    is_in_sample(s) && is_in_time(s))
		log_report(&r, log_start_fields);
}

/* Those that came at once, as after a restart, have their first lines one after the other. */
uint64_t session_log_next_ms(const struct session *s)
{
	const uint64_t every_ms = s->config->log_interval_ms;

	if (s->config->log_sessions == LOG_SESSIONS_OFF)
		return TIMER_NEVER;
	if (s->told_ms > 0)
		return s->told_ms + every_ms;
	return s->connected_ms + every_ms - hash_of(s) % (every_ms / 2);
}

void session_log_interim(struct session *s)
{
	struct report r = { .s = s, .message = "session_interim", .is_interim = true };

	if (log_is_on(LOG_INFO) && is_in_sample(s) && is_in_time(s))
		log_report(&r, log_all_fields);
	s->told_ms = s->host->loop.now_ms;
	for (int n = 0; n < LANES; n++)
		s->told_bytes[n] = s->lanes[n].bytes;
}

void session_log_end(const struct session *s)
{
	struct report r = { .s = s, .message = "session", .is_end = true };

	if (is_wanted(s) && is_in_time(s))
		log_report(&r, log_all_fields);
}
