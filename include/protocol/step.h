/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTOCOL_STEP_H
#define PROTOCOL_STEP_H

/*
 * A step of the first bytes of a connection. It looks at bytes and answers
 * what is to be done; it does no I/O, waits for nothing and ends nothing:
 * that is for whoever runs it (preread/preread.c for those of a client,
 * opening/opening.c for those of a backend). It may note what it has learned,
 * in the session, a counter, a trace. Records of TLS are said while the
 * library works: they go to where its stream was told (tls_send_fn), which for
 * a session is the queue that the runner sends.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cancel_key.h"

enum step_verdict {
	STEP_MORE,   /* it wants more bytes */
	STEP_NEXT,   /* it is done: on to the next step */
	STEP_READY,  /* all that was to be known is known: no further step is needed */
	STEP_REFUSE, /* no: the connection is to end */
};

/* Why it is refused. */
enum step_refusal {
	STEP_AGAINST_RULES, /* understood, but it is not allowed here */
	STEP_MALFORMED,     /* no such protocol, or a broken message of it */
	STEP_TLS_FAILED,
	STEP_PEER_LEFT,
	STEP_NO_MEMORY,
};

/* The longest that a step says to its peer at a time. */
#define STEP_SAY_BYTES_MAX 512

/* What a dialogue remembers from one round to the next, as it likes. Zeroes at first. */
struct step_memory {
	uint8_t bytes[8];
};

/* Zeroes, and what the step sets. */
struct step_answer {
	size_t used; /* bytes at the beginning that are done with */
	uint8_t say[STEP_SAY_BYTES_MAX];
	size_t say_bytes; /* to be sent to the peer, before it is acted on the verdict */

	/* Of STEP_REFUSE; the detail also of STEP_MORE, for the case that it leaves then. */
	enum step_refusal refusal;
	const char *detail; /* for the log: lives as long as the connection */
	bool is_full;       /* a backend has nothing against it but that there are too many */

	unsigned route;    /* of the listener's, that fits, counted from 1; 0: none */
	bool knows_client; /* behind a proxy: whose rules and limits count is known now */

	/* Of STEP_READY: it asks to cancel what the session of this key is doing. */
	bool is_cancel;
	struct cancel_key cancel_key;
	size_t cancel_bytes; /* of the request, which is the first of what has come */
};

#endif
