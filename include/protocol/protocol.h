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
#include "io/buf.h"
#include "proto/parse.h"
#include "proto/refusal.h"
#include "protocol/cancel_key.h"
#include "protocol/step.h"

#define PROTOCOL_TAIL_BYTES 6
#define PROTOCOL_NAME_BYTES 64 /* with its NUL; as much as a server of PostgreSQL keeps */

/* What the client has said and its backend is to answer before the session relays. */
enum protocol_exchange {
	EXCHANGE_NONE,
	EXCHANGE_TLS,   /* a request for TLS: yes or no */
	EXCHANGE_LOGIN, /* who it is: whether this server has it at all */
};

/* What is kept of one connection. Zeroes at first. */
struct protocol_state {
	struct buf_queue answer; /* of the backend, to that; not shown to the client yet */
	void *watch; /* what the backend says at log-in is read; or NULL: see protocol.watch */
	uint32_t answer_left;  /* of a message of that of which the client has the beginning */
	uint64_t cancel_hash;  /* of its cancel key, or of its client: see state/cancel_keys.h */
	uint64_t cancel_id;    /* of the only backend that will do now for that, or 0 */
	uint16_t cancel_bytes; /* of the request to cancel */
	uint8_t progress;      /* how far the client has come in clear: the protocol's own */
	uint8_t tail[PROTOCOL_TAIL_BYTES]; /* what the backend said last: see relay/idle_watch.h */
	char user[PROTOCOL_NAME_BYTES];    /* that the client says it is; "": not known */
	char database[PROTOCOL_NAME_BYTES];
	enum protocol_exchange exchange : 2;
	bool is_unserved : 1;    /* it asked for TLS, and no backend was there to answer */
	bool is_full : 1;        /* for all were full */
	bool is_ended : 1;       /* with its answer came the end of the backend's TLS */
	bool asked_for_tls : 1;  /* by the protocol's own request */
	bool has_direct_tls : 1; /* TLS began without one */
	bool was_greeted : 1;    /* by ringmain, in the place of its server */
	bool leaves : 1;         /* a backend with which it negotiated, for it asks to cancel */
	bool is_cancel : 1;      /* a request to cancel */
	bool is_for_all : 1;     /* its key is unknown: it goes to all backends of the pool */
	bool is_fanout : 1;      /* one that goes to more than one backend, perhaps */
	bool is_told : 1;        /* it went to all of them, and the client is to hear the end */
};

/* What a step of a client is given. It borrows all of it. */
struct protocol_input {
	const struct listener_config *config;
	struct protocol_state *state;
	const uint8_t *bytes;
	size_t n;
	bool is_cut;   /* more bytes have come than could be put behind these */
	bool has_pool; /* some backends are known that would serve it */
};

/* What a step of the negotiation with a backend is given. It borrows all of it. */
struct protocol_answer {
	const struct listener_config *config;
	struct protocol_state *state;
	uint8_t *bytes; /* may be changed in place */
	size_t n;       /* and made fewer */
	bool is_cut;    /* more bytes have come than could be put behind these */
	bool is_bared;  /* the backend's TLS ends at ringmain, and the client has none */
};

/* A round of the dialogue with a backend before TLS. It borrows all of it. */
struct protocol_round {
	struct step_memory *memory;
	bool wants_tls;
	const uint8_t *bytes; /* that have come; NULL in the first round */
	size_t n;
};

/* What a backend has said at the log-in of a client. Zeroes at first. */
struct protocol_login {
	bool has_key;
	struct cancel_key key;
	bool is_unbound; /* it failed, for TLS is not the same on both sides */
};

struct protocol {
	const char *name;

	/*
	 * What a client hears in clear before it has said anything, where servers
	 * speak first; NULL: nothing. STEP_MORE: its bytes are for read_clear();
	 * STEP_READY: its server is to speak.
	 */
	enum step_verdict (*begin_clear)(const struct protocol_input *in,
					 struct step_answer *answer);
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

	/*
	 * What a backend is asked in clear: for TLS, or, where it speaks first and
	 * the client has had its greeting, for nothing but that. It is a dialogue,
	 * of which the first round has no bytes. STEP_MORE: it uses at least one of
	 * them, says something or nothing, and the next round has what comes then,
	 * answer_bytes at a time at most. STEP_NEXT: that is all; what the backend
	 * says behind it unasked is not taken.
	 */
	enum step_verdict (*open_backend)(const struct protocol_round *in,
					  struct step_answer *answer);
	size_t answer_bytes;

	/*
	 * The backend's answer to protocol_state.exchange, of answer_bytes at most
	 * where that is a request for TLS. STEP_READY: it is the client's, and the
	 * session relays. STEP_MORE: the client may have the bytes that are used.
	 * STEP_NEXT: what is said is the answer, and the client speaks next.
	 * STEP_REFUSE: this backend cannot serve it, another may.
	 */
	enum step_verdict (*read_answer)(struct protocol_answer *in, struct step_answer *answer);
	/*
	 * Does a backend take nobody in, by the @n bytes that it says first to who
	 * relays at once? PARSE_DONE: what that is, which lives for ever, or NULL:
	 * it serves; PARSE_MORE: it is saying why not, and not all of it is there.
	 */
	enum parse (*read_refusal)(const uint8_t *bytes, size_t n,
				   const struct refusal **ret_refusal);
	/* It says so behind a client's first message only: no client can be the reason. */
	bool refuses_spoken;
	/*
	 * What is said instead to who gets no backend: an error, or, to a request
	 * for TLS, a no, for errors in clear are not to be believed then. Its size.
	 */
	size_t (*write_unavailable)(const struct protocol_state *state,
				    uint8_t out[STEP_SAY_BYTES_MAX]);

	/*
	 * Reads what a backend says first, for its cancel key. @memory has
	 * watch_bytes, zeroes at first. DONE: *ret_login is set; BAD: nothing is found.
	 */
	enum parse (*watch)(void *memory, const uint8_t *bytes, size_t n,
			    struct protocol_login *ret_login);
	size_t watch_bytes;
	const char *unbound; /* says that TLS on both sides was not the same to the log-in */

	/*
	 * How a backend's words end when it waits for the client and nothing is
	 * begun; and what is said then to both, so that they part in peace.
	 */
	uint8_t idle_tail[PROTOCOL_TAIL_BYTES];
	size_t (*write_shutdown)(uint8_t out[STEP_SAY_BYTES_MAX]);  /* to the client */
	size_t (*write_terminate)(uint8_t out[STEP_SAY_BYTES_MAX]); /* to the backend */
};

#endif
