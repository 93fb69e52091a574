/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PREREAD_TLS_REFUSAL_H
#define PREREAD_TLS_REFUSAL_H

/* How a client is refused that speaks TLS and has no keys yet: with an alert in clear. */

#include "preread/step.h"
#include "proto/tlsrec.h"
#include "session/host.h"

/* @alert: 0 for none. */
static inline enum step_verdict preread_refuse_with_alert(struct session *s,
							  struct step_answer *answer, uint8_t alert,
							  const char *detail)
{
	counters_add(&session_counters(s)->handshakes_failed, 1);
	if (alert > 0) {
		tlsrec_write_alert(answer->say, alert);
		answer->say_bytes = TLSREC_ALERT_BYTES;
	}
	return preread_refuse(answer, STEP_AGAINST_RULES, detail);
}

#endif
