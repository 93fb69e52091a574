/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PREREAD_STEP_H
#define PREREAD_STEP_H

/*
 * What the steps of the preread have in common. A step looks at bytes of the
 * client, notes what the client said of itself, and answers; it ends, admits,
 * routes, receives and sends nothing: see protocol/step.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/step.h"
#include "session/session.h"
#include "state/runtime.h"

/* Bytes of the client, which are lent for the call. */
struct preread_input {
	const uint8_t *bytes;
	size_t n;
	bool is_cut; /* more has come than could be put behind them */
};

struct preread_step {
	const char *name;
	bool is_costly;   /* it takes CPU time, and waits for its turn: of the TLS handshake */
	bool is_dialogue; /* it is heard again behind what a backend has answered */
	/* A time of its own, beside handshake_timeout, which all others share; or NULL. */
	uint64_t (*allowed_ms)(const struct listener_config *config);
	bool (*is_wanted)(const struct session *s);
	/* Why who connected may not take it at all, or NULL; NULL: everybody may. */
	const char *(*objection)(const struct session *s);
	/* Speaks before anything has come; NULL: it has nothing to say. */
	enum step_verdict (*begin)(struct session *s, struct step_answer *answer);
	enum step_verdict (*read)(struct session *s, const struct preread_input *in,
				  struct step_answer *answer);
};

extern const struct preread_step preread_proxy_header; /* whom somebody in front of us speaks for */
extern const struct preread_step preread_plaintext;    /* what the protocol says in clear */
extern const struct preread_step preread_client_hello; /* name and ALPN, for the route */
extern const struct preread_step preread_tls_accept;   /* the handshake, when TLS ends here */
extern const struct preread_step preread_inside_tls;   /* what the protocol says inside it */

static inline enum step_verdict preread_refuse(struct step_answer *answer,
					       enum step_refusal refusal, const char *detail)
{
	answer->refusal = refusal;
	answer->detail = detail;
	return STEP_REFUSE;
}

#endif
