/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OPENING_OPENING_H
#define OPENING_OPENING_H

/*
 * What a backend hears before the first byte of a client, or of a check:
 *
 *   PROXY header -> the protocol's dialogue in clear -> TLS handshake
 *
 * It does no I/O: bytes go out by a callback, those that come in are given,
 * and the verdict says what its runner is to do. The runner keeps the number
 * of the step, what the dialogue remembers and, of TLS, the stream.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "opening/step.h"
#include "protocol/step.h"

/*
 * The connection stands. STEP_MORE: bytes of the backend are to be given.
 * STEP_READY: all was said, and the connection is the client's. STEP_REFUSE:
 * it failed, see opening.err. *ret_step is for the calls that follow.
 */
MUST_CHECK enum step_verdict opening_start(struct opening *opening, uint8_t *ret_step);

/* @n bytes of the backend have come, at most opening_wants(). */
MUST_CHECK enum step_verdict opening_received(struct opening *opening, uint8_t *step,
					      const void *bytes, size_t n);

/* How many bytes may be read now: what follows them may be none of the opening's. */
size_t opening_wants(const struct opening *opening, uint8_t step);
/* Does what comes next take CPU time, up to milliseconds? */
bool opening_is_costly(uint8_t step);

#endif
