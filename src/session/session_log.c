/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/session_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/tcp_facts.h"
#include "session/conn_info.h"
#include "session/host.h"
#include "tls/stream.h"

/* A client that has sent nothing and left so soon was a port probe: an empty session. */
#define EMPTY_MS 1000

static void log_times(const struct session *s, struct log_line *line)
{
	if (s->connected_ms > 0)
		log_u64(line, "connect_ms", s->connected_ms - s->dialing_ms);
	if (s->waiter.ask.tried_n > 0)
		log_u64(line, "failed_tries", s->waiter.ask.tried_n);
	log_u64(line, "duration_ms", s->host->loop.now_ms - s->started_ms);
}

/* ---- which sessions ------------------------------------------------------- */

static bool is_usual(const struct session *s)
{
	return s->why == CLOSE_DONE && s->waiter.ask.tried_n == 0;
}

/* A probe of somebody who looks whether the port is open. */
static bool is_empty(const struct session *s)
{
	return s->by == BY_CLIENT && s->lanes[LANE_UP].bytes == 0 &&
	       s->lanes[LANE_DOWN].bytes == 0 && s->host->loop.now_ms - s->started_ms < EMPTY_MS &&
	       (s->why == CLOSE_DONE || s->why == CLOSE_CLIENT_RESET ||
		s->why == CLOSE_CLIENT_LEFT);
}

static bool is_wanted(const struct session *s)
{
	const struct listener_config *c = s->config;

	if (!log_is_on(LOG_INFO) || c->log_sessions == LOG_SESSIONS_OFF)
		return false;
	if (c->log_sessions == LOG_SESSIONS_UNUSUAL && is_usual(s))
		return false;
	return c->logs_empty || !is_empty(s);
}

/* One line says how many are missing in front of it. */
static void tell_left_out(struct host *h)
{
	uint64_t n = counters_get(&h->counters->lines_left_out) - h->lines_left_out_told;
	struct log_line line;

	h->lines_left_out_told += n;
	if (n == 0 || !log_begin(&line, LOG_INFO, "session lines left out"))
		return;
	log_u64(&line, "n", n);
	log_u64(&line, "worker", h->worker);
	log_end(&line);
}

static bool is_in_time(const struct session *s)
{
	const struct bucket_rate rate = { .per_second = s->config->log_lines_per_s_max,
					  .burst = s->config->log_lines_per_s_max };

	if (rate.per_second > 0 &&
	    !bucket_shared_take(&s->listener->log_lines, &rate, 1, clock_now_ns())) {
		counters_add(&s->host->counters->lines_left_out, 1);
		return false;
	}
	tell_left_out(s->host);
	return true;
}

/* ---- lines ------------------------------------------------------------------ */

static const char *const tcp_keys[SIDES][3] = {
	[SIDE_CLIENT] = { "client_rtt_us", "client_retransmits", "client_unacked" },
	[SIDE_BACKEND] = { "backend_rtt_us", "backend_retransmits", "backend_unacked" },
};

/* What the kernel knows of the connections: a system call for each. */
static void log_tcp(const struct session *s, struct log_line *line)
{
	for (int n = 0; n < SIDES; n++) {
		const struct side *side = &s->sides[n];
		struct tcp_facts facts;

		if (side->fd < 0 || !side->is_tcp || tcp_facts_read(side->fd, &facts) < 0)
			continue;
		log_u64(line, tcp_keys[n][0], facts.rtt_us);
		log_u64(line, tcp_keys[n][1], facts.retransmits);
		log_u64(line, tcp_keys[n][2], facts.unacked);
	}
}

static void log_who(const struct session *s, struct log_line *line)
{
	char text[ADDR_TEXT_BYTES];
	struct addr client;

	log_u64(line, "id", s->id);
	log_text(line, "listener", s->config->name);
	addr_lengthen(&client, &s->client);
	log_text(line, "client", addr_format(&client, text));
	if (s->backend)
		log_text(line, "backend", s->backend->config->name);
}

void session_log_begin(const struct session *s)
{
	struct log_line line;

	if (s->config->log_sessions != LOG_SESSIONS_BOTH || !is_in_time(s) ||
	    !log_begin(&line, LOG_INFO, "session_start"))
		return;
	log_who(s, &line);
	log_u64(&line, "connect_ms", s->connected_ms - s->dialing_ms);
	log_u64(&line, "worker", s->host->worker);
	if (s->info)
		conn_info_log(s->info, &line);
	log_end(&line);
}

void session_log_end(const struct session *s)
{
	struct log_line line;

	if (!is_wanted(s) || !is_in_time(s) || !log_begin(&line, LOG_INFO, "session"))
		return;
	log_who(s, &line);
	if (s->sides[SIDE_BACKEND].tls && tls_stream_is_resumed(s->sides[SIDE_BACKEND].tls))
		log_flag(&line, "backend_resumed", true);
	log_u64(&line, "bytes_up", s->lanes[LANE_UP].bytes);
	log_u64(&line, "bytes_down", s->lanes[LANE_DOWN].bytes);
	log_times(s, &line);
	log_u64(&line, "worker", s->host->worker);
	log_text(&line, "reason", close_reason_names[s->why]);
	log_text(&line, "by", close_by_names[s->by]);
	if (s->detail)
		log_text(&line, "detail", s->detail);
	if (s->config->logs_tcp)
		log_tcp(s, &line);
	if (s->info)
		conn_info_log(s->info, &line);
	log_end(&line);
}
