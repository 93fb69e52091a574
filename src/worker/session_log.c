/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker/session_log.h"

#include "base/log.h"
#include "session/conn_info.h"
#include "session/host.h"
#include "tls/stream.h"

static void log_times(const struct session *s, struct log_line *line)
{
	if (s->connected_ms > 0)
		log_u64(line, "connect_ms", s->connected_ms - s->dialing_ms);
	if (s->waiter.ask.tried_n > 0)
		log_u64(line, "failed_tries", s->waiter.ask.tried_n);
	log_u64(line, "duration_ms", s->host->loop.now_ms - s->started_ms);
}

void session_log_end(const struct session *s)
{
	char text[ADDR_TEXT_BYTES];
	struct log_line line;
	struct addr client;

	if (!log_begin(&line, LOG_INFO, "session"))
		return;
	log_u64(&line, "id", s->id);
	log_text(&line, "listener", s->config->name);
	addr_lengthen(&client, &s->client);
	log_text(&line, "client", addr_format(&client, text));
	if (s->backend)
		log_text(&line, "backend", s->backend->config->name);
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
	if (s->info)
		conn_info_log(s->info, &line);
	log_end(&line);
}
