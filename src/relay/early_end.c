/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay/early_end.h"

#include <sys/socket.h>

#include "balance/lru_table.h"
#include "pool/pool.h"
#include "protocol/registry.h"
#include "session/exit.h"
#include "session/host.h"
#include "state/backend_report.h"

/* Later ones have had some other reason, such as a client that never logged in. */
#define AT_ONCE_MS 2000

void early_end_watch(struct session *s)
{
	s->is_unanswered = true;
	s->is_answer_cut = false;
}

/* ---- what the pool hears ---------------------------------------------------- */

/* By what the listener's limits count as one source now; 0: nobody knows, as of unix sockets. */
static uint64_t network_of(const struct session *s)
{
	const struct listener_config *listener = s->listener->config;
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct addr client;
	struct lru_key key;

	addr_lengthen(&client, &s->client);
	if (s->client.len == 0) {
		if (getpeername(s->sides[SIDE_CLIENT].fd, (struct sockaddr *)&ss, &len) < 0)
			return 0;
		addr_from_sockaddr(&client, (struct sockaddr *)&ss, len);
	}
	if (!lru_key_from_addr(&client, listener->source_bits4, listener->source_bits6, &key))
		return 0;
	return key.a ^ key.b * 3;
}

static void tell_unserved(struct session *s, const struct refusal *refusal, bool is_certain)
{
	struct backend_report report = { .words = refusal->words, .now_ms = s->host->loop.now_ms };
	const struct unserved session = {
		.network = network_of(s),
		.kind = refusal->kind,
		.is_certain = is_certain,
		.began_ms = s->connected_ms,
	};

	report.change = pool_on_unserved(s->pool, s->backend, &session, report.now_ms);
	if (report.change != HEALTH_SAME)
		backend_report_change(s->pool, s->backend, &report);
}

/* ---- its first words -------------------------------------------------------- */

void early_end_note_answer(struct session *s)
{
	if (!s->is_unanswered || s->is_answer_cut)
		return;
	s->is_unanswered = false;
	pool_on_served(s->pool, s->backend, s->connected_ms, s->host->loop.now_ms);
}

/* As the check says, or else the listener; NULL: nobody does. */
static const struct protocol *protocol_of_backend(const struct session *s)
{
	const struct protocol *protocol = protocol_of_servers(pool_config(s->pool));

	return protocol ? protocol : s->listener->protocol;
}

void early_end_look(struct session *s, const struct buf *buf)
{
	const uint8_t *bytes = (const uint8_t *)buf->bytes + buf->start;
	const struct protocol *protocol;
	const struct refusal *refusal = NULL;
	enum parse parsed = PARSE_DONE;

	if (!s->is_unanswered || s->is_answer_cut)
		return;
	protocol = protocol_of_backend(s);
	if (!protocol)
		refusal = protocol_guess_refusal(bytes, buf_filled(buf));
	else if (protocol->read_refusal)
		parsed = protocol->read_refusal(bytes, buf_filled(buf), &refusal);
	if (parsed == PARSE_MORE) {
		s->is_answer_cut = true; /* how soon it ends tells the rest */
		return;
	}
	if (!refusal) {
		early_end_note_answer(s);
		return;
	}
	s->is_unanswered = false;
	s->detail = refusal->words;
	tell_unserved(s, refusal, protocol && protocol->refuses_spoken);
}

/* ---- its end ---------------------------------------------------------------- */

static const struct refusal at_once = { REFUSAL_NOT_READY, "sessions end at once" };

void early_end_note(struct session *s)
{
	if (!s->is_unanswered)
		return;
	s->is_unanswered = false;
	if (s->lanes[LANE_UP].state == LANE_OPEN && !session_is_ending(s) &&
	    s->host->loop.now_ms - s->connected_ms < AT_ONCE_MS)
		tell_unserved(s, &at_once, false);
}
