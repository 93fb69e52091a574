/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_SESSION_LOG_H
#define SESSION_SESSION_LOG_H

/* What a session has in the log, as log_sessions and its neighbours in ringmain.ini(5) say. */

#include "session/session.h"

/* It has a backend now: a line, where one is wanted. */
void session_log_begin(const struct session *s);
/* Where it has log_interval: when the next line is due while it relays; and that line. */
uint64_t session_log_next_ms(const struct session *s);
void session_log_interim(struct session *s);

static inline uint64_t session_log_due_ms(const struct session *s)
{
	return s->config->log_interval_ms > 0 ? session_log_next_ms(s) : TIMER_NEVER;
}

/* It is over; its sockets are still open. */
void session_log_end(const struct session *s);

#endif
