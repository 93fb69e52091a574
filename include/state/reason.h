/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_REASON_H
#define STATE_REASON_H

/*
 * Why and by whom a session ended, and why a client is rejected: the words
 * of log, counters and manual.
 */

#include <stdbool.h>

enum close_reason {
	CLOSE_NONE, /* it did not end yet */
	CLOSE_DONE,
	CLOSE_CLIENT_RESET,
	CLOSE_BACKEND_RESET,
	CLOSE_CLIENT_LOST,
	CLOSE_BACKEND_LOST,
	CLOSE_CLIENT_TRUNCATED,
	CLOSE_BACKEND_TRUNCATED,
	CLOSE_CLIENT_TLS,
	CLOSE_BACKEND_TLS,
	CLOSE_CLIENT_LEFT,
	CLOSE_PREREAD_TIMEOUT,
	CLOSE_BAD_PREREAD,
	CLOSE_REFUSED,
	CLOSE_IDLE,
	CLOSE_HALF_CLOSED_IDLE,
	CLOSE_CONNECT_REFUSED,
	CLOSE_CONNECT_TIMEOUT,
	CLOSE_CONNECT_FAILED,
	CLOSE_LOGIN_REFUSED, /* the backends answer, and serve no log-in now */
	CLOSE_NO_BACKEND,
	CLOSE_BACKENDS_FULL,
	CLOSE_QUEUE_TIMEOUT,
	CLOSE_FIRST_BYTE_TIMEOUT,
	CLOSE_NO_RESOURCES,
	CLOSE_KILLED,
	CLOSE_BACKEND_DOWN,
	CLOSE_DRAINED, /* it was idle, and both sides were told */
	CLOSE_DRAIN_TIMEOUT,
	CLOSE_SHUTDOWN,
	CLOSE_REASONS,
};

enum close_by { BY_RINGMAIN, BY_CLIENT, BY_BACKEND, CLOSE_BYS };

/* The answer to a client that wants to come in: see session/admission.h. */
enum admission {
	ADMISSION_GRANTED,
	ADMISSION_DENIED,          /* by a rule */
	ADMISSION_SOURCE_SESSIONS, /* its source has as many sessions as it may */
	ADMISSION_SOURCE_RATE,     /* its source comes too often */
	ADMISSION_TABLE_FULL,      /* there is no room to count one more source */
	ADMISSIONS,
};

extern const char *const close_reason_names[CLOSE_REASONS];
extern const char *const close_by_names[CLOSE_BYS];
extern const char *const admission_names[ADMISSIONS];

/*
 * What the end of a connection with @err, a negative errno, is called: of the
 * client's or the backend's while both are open, and of a try to connect.
 * -EPROTO is a failure of TLS, -ECONNABORTED an end of it without close_notify.
 */
enum close_reason reason_of_side(int err, bool is_client);
enum close_reason reason_of_connect(int err);

#endif
