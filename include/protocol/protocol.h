/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTOCOL_PROTOCOL_H
#define PROTOCOL_PROTOCOL_H

/*
 * What ringmain knows of a protocol that begins in clear and may go on in TLS
 * (`protocol =` of a listener and of a pool): one const struct, in a file of
 * its own. It lies below sessions and checks, and knows neither.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "config/config.h"
#include "proto/parse.h"
#include "proto/pgsql.h"
#include "protocol/step.h"

/* What is kept of one connection. Zeroes at first. */
struct protocol_state {
	struct pgsql_watch *watch; /* what the backend says at log-in is read; or NULL */
	uint64_t cancel_hash;    /* of its cancel key, or of its client: see state/cancel_keys.h */
	uint16_t cancel_bytes;   /* of the request to cancel */
	uint8_t requests;        /* that were answered: see pgsql_read_clear() */
	bool asked_for_tls : 1;  /* by the protocol's own request */
	bool has_direct_tls : 1; /* TLS began without one */
	bool is_cancel : 1;      /* a request to cancel */
	bool is_fanout : 1;      /* one that goes to more than one backend, perhaps */
	bool is_sent : 1;        /* to the backend that it is at now */
	bool is_told : 1;        /* it went to all of them, and the client is to hear the end */
};

/* What a step of a client is given. It borrows all of it. */
struct protocol_input {
	const struct listener_config *config;
	struct protocol_state *state;
	const uint8_t *bytes;
	size_t n;
	bool is_cut; /* more bytes have come than could be put behind these */
};

struct protocol {
	const char *name;

	/*
	 * A client's first bytes in clear. STEP_NEXT: TLS follows; STEP_READY:
	 * the pool of the listener serves it.
	 */
	enum step_verdict (*read_clear)(const struct protocol_input *in,
					struct step_answer *answer);
	/* Those inside the client's TLS, before a backend is chosen; nothing is used up. */
	enum step_verdict (*read_inside)(const struct protocol_input *in,
					 struct step_answer *answer);
	/* What a client must offer (ALPN) that begins TLS without a request. */
	const char *direct_alpn;
	const char *direct_alpn_missing; /* says that it did not */

	/* The request for TLS to a backend, and its answer, of answer_bytes at most. */
	size_t (*write_tls_request)(uint8_t out[STEP_SAY_BYTES_MAX]);
	enum step_verdict (*read_tls_answer)(const uint8_t *bytes, size_t n,
					     const char **ret_detail);
	size_t answer_bytes;

	/* Looks for the cancel key in what a backend says first: see pgsql_watch(). */
	enum parse (*watch)(struct pgsql_watch *watch, const uint8_t *bytes, size_t n);
};

#endif
