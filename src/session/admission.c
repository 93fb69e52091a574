/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/admission.h"

#include "base/clock.h"
#include "base/log.h"
#include "balance/limits.h"
#include "config/access.h"
#include "net/sock.h"
#include "session/host.h"

#define REJECTIONS_LOG_MS 1000

bool admission_asks(const struct host *h, const struct listener *listener)
{
	return listener->config->access_n > 0 || listener->limits || bans_exist(&h->runtime->bans);
}

static enum admission ask_limits(struct listener *listener, const struct addr *client,
				 uint32_t *ret_source)
{
	if (!listener->limits)
		return ADMISSION_GRANTED;
	switch (limits_enter(listener->limits, client, clock_now_ns(), ret_source)) {
	case LIMITS_SESSIONS:
		return ADMISSION_SOURCE_SESSIONS;
	case LIMITS_RATE:
		return ADMISSION_SOURCE_RATE;
	case LIMITS_TABLE_FULL:
		return ADMISSION_TABLE_FULL;
	default:
		return ADMISSION_GRANTED;
	}
}

static void log_rejection(struct host *h, const struct listener *listener,
			  const struct addr *client, enum admission why)
{
	char text[ADDR_TEXT_BYTES];
	struct log_line line;
	uint64_t suppressed;

	if (!log_rate_allows(&h->rejections, h->loop.now_ms, REJECTIONS_LOG_MS, &suppressed))
		return;
	if (!log_begin(&line, LOG_INFO, "rejected"))
		return;
	log_text(&line, "listener", listener->config->name);
	log_text(&line, "client", addr_format(client, text));
	log_text(&line, "reason", admission_names[why]);
	log_u64(&line, "suppressed", suppressed);
	log_end(&line);
}

static bool is_banned(struct host *h, const struct listener *listener, const struct addr *client)
{
	struct bans *bans = &h->runtime->bans;

	return bans_exist(bans) && bans_has(bans, listener->config->name, client, h->loop.now_ms);
}

enum admission admission_ask(struct host *h, struct listener *listener, const struct addr *client,
			     uint32_t *ret_source)
{
	enum admission answer = ADMISSION_DENIED;

	*ret_source = ADMISSION_NO_SOURCE;
	if (!is_banned(h, listener, client) && access_is_allowed(listener->config, client))
		answer = ask_limits(listener, client, ret_source);
	counters_add(&h->counters->listeners[listener->slot].admissions[answer], 1);
	if (answer != ADMISSION_GRANTED)
		log_rejection(h, listener, client, answer);
	return answer;
}

void admission_leave(struct listener *listener, uint32_t source)
{
	if (source != ADMISSION_NO_SOURCE)
		limits_leave(listener->limits, source);
}

bool admission_is_silent(const struct listener *listener, enum admission why)
{
	return why != ADMISSION_DENIED && listener->config->over_limit == OVER_LIMIT_DROP;
}

void admission_reject(const struct listener *listener, int fd, enum admission why)
{
	if (admission_is_silent(listener, why))
		sock_close_silent(fd);
	else
		sock_close_abort(fd);
}
