/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_SESSION_LOG_H
#define SESSION_SESSION_LOG_H

/* What a session has in the log, as log_sessions and its neighbours in ringmain.ini(5) say. */

#include "session/session.h"

/* It has a backend now: a line, where one is wanted. */
void session_log_begin(const struct session *s);
/* It is over; its sockets are still open. */
void session_log_end(const struct session *s);

#endif
