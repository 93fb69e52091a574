/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WORKER_SESSION_LOG_H
#define WORKER_SESSION_LOG_H

/* The one line that a session has in the log. */

#include "session/session.h"

void session_log_end(const struct session *s);

#endif
