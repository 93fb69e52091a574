/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HEALTH_CONVERSATION_H
#define HEALTH_CONVERSATION_H

/*
 * What a check says on a connection that stands: first the opening that
 * sessions have, too (PROXY header, request for TLS, TLS), then its protocol.
 *
 *	conversation_start() -> done(), once; or conversation_stop() -> done()
 *
 * A check sends little, and never what a socket has no room for: sends are
 * plain calls. It waits for the server by a poll in the ring.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "check/check_exchange.h"
#include "io/loop.h"
#include "opening/opening.h"

struct conversation;

/*
 * It is over: the facts are in c->exchange.facts. With @err (-ECANCELED it was
 * stopped, or trouble of our own) they say nothing.
 */
typedef void conversation_fn(struct conversation *c, int err);

/* What is said. Kept until it is over. */
struct conversation_plan {
	const struct check_request *request;
	const struct protocol *tls_protocol; /* asks for TLS; or NULL */
	struct tls_client *tls;
	const char *tls_name;
	bool is_verified;  /* the server's certificate is looked at */
	bool is_local;     /* over a unix socket */
	bool is_tls_later; /* the check's protocol says when TLS begins */
};

struct conversation {
	struct loop *loop;
	const struct conversation_plan *plan;
	conversation_fn *done;
	const atomic_bool *is_over;
	int fd; /* its owner's */
	struct io_op poll, cancel;
	struct tls_stream *tls;
	uint8_t opening_step;
	struct step_memory opening_memory;
	bool is_open;     /* the opening is behind it */
	bool is_securing; /* a handshake that the check's protocol asked for is under way */
	bool is_late, is_stopped;
	int send_err;
	struct check_exchange exchange;
};

/*
 * Once; keeps @loop, @done and @is_over: when that is true, the check is not
 * wanted any more, as if it had been stopped.
 */
void conversation_init(struct conversation *c, struct loop *loop, conversation_fn *done,
		       const atomic_bool *is_over);

/* @fd is connected and does not wait. May call done() before it returns. */
void conversation_start(struct conversation *c, const struct conversation_plan *plan, int fd,
			const struct proxyhdr *header);

/* Time is up: done() follows, with facts that say so. */
void conversation_expire(struct conversation *c);
/* The check is not wanted any more: done() follows, with -ECANCELED. */
void conversation_stop(struct conversation *c);

/* Between start and done, and until the kernel has given back everything. */
bool conversation_is_busy(const struct conversation *c);

#endif
