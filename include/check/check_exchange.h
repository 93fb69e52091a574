/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CHECK_CHECK_EXCHANGE_H
#define CHECK_CHECK_EXCHANGE_H

/*
 * One check of one server, for whoever has the connection:
 *
 *	step = check_begin(&x, request, &start);
 *	for (;;) {
 *		send x.out[0 .. x.out_bytes), then check_sent(&x);
 *		if (step == CHECK_STEP_DONE)
 *			break;               x.facts has the answer; close
 *		if (step == CHECK_STEP_TLS)
 *			begin TLS, then step = check_secured(&x, &channel);
 *		else
 *			receive, then step = check_receive(&x, bytes, n);
 *	}
 *
 * or, when the connection ends or time is up, check_ended(), check_broken() or check_late().
 * What is sent with CHECK_STEP_DONE is the goodbye that the server's log wants
 * to see; nobody waits for an answer to it.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "check/check_protocol.h"

/* Sets *x. Keeps @request; borrows @start. */
MUST_CHECK enum check_step check_begin(struct check_exchange *x,
				       const struct check_request *request,
				       const struct check_start *start);
MUST_CHECK enum check_step check_secured(struct check_exchange *x,
					 const struct check_channel *channel);
MUST_CHECK enum check_step check_receive(struct check_exchange *x, const uint8_t *bytes, size_t n);

/* All of x->out was sent. */
void check_sent(struct check_exchange *x);

/* The server ended the connection: @err is 0, or -errno. It is over. */
void check_ended(struct check_exchange *x, int err);

/* TLS has failed behind its handshake, for this reason. It is over. */
void check_broken(struct check_exchange *x, const char *why);
/* Time is up. It is over. */
void check_late(struct check_exchange *x);

/* Wipes what may hold a password. */
void check_finish(struct check_exchange *x);

#endif
