/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELAY_SPLICE_H
#define RELAY_SPLICE_H

/*
 * The splicing transport of a lane: from -> pipe -> to, without copying, for
 * plain TCP that streams. What becomes of the lane is for the caller.
 */

#include <stdbool.h>

#include "base/def.h"
#include "session/session.h"

/* A run of full receives this long is a stream: `relay = auto` then splices. */
#define SPLICE_STREAM_BYTES (256 * 1024)

enum splice {
	SPLICE_WAITS,         /* for bytes or for room: the kernel was asked */
	SPLICE_DRAINED,       /* the source had ended, and all that came of it was delivered */
	SPLICE_STOPPED,       /* the lane copies again */
	SPLICE_SOURCE_ENDED,  /* its stream has, and all was delivered */
	SPLICE_SOURCE_FAILED, /* the same, by an error */
	SPLICE_SINK_FAILED,
};

/* Should this lane leave the copying transport as soon as its queue is sent? */
bool splice_is_due(struct lane *lane);
/*
 * Enters the splicing transport; no op may be with the kernel. False when
 * there is no pipe: it goes on by copying, and asks again when it has streamed
 * as much as makes one begin.
 */
MUST_CHECK bool splice_start(struct lane *lane);
/* Moves what there is. *ret_err: the negative errno of what failed. */
MUST_CHECK enum splice splice_pump(struct lane *lane, int *ret_err);
/* Back to the copying transport: gives back the pipe and the sockets' blocking mode. */
void splice_stop(struct lane *lane);
/* Are bytes between the sockets? */
bool splice_holds_bytes(const struct lane *lane);

#endif
