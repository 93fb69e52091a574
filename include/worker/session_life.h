/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WORKER_SESSION_LIFE_H
#define WORKER_SESSION_LIFE_H

/*
 * A session from its first to its last moment. In between its phases have it,
 * each with the floor that this file takes its handlers from:
 *
 *   preread (preread/) -> dialing (dial/) -> relaying (relay/) -> closing (session/exit.h)
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "session/host.h"
#include "session/session.h"

/* By enum session_phase, for host.phases. */
extern const struct phase_handlers *const session_phases[SESSION_PHASES];

/* An accepted connection on its way to a session. */
struct accepted {
	struct listener *listener;
	struct generation *generation; /* pinned */
	int fd;
	uint32_t source; /* see session/admission.h */
	bool is_tcp;
};

/*
 * Begins a session of @accepted, whose socket, generation, slot in the runtime
 * and source it takes. False, and all of them given back, when the host has no slot left
 * or has been told to stop.
 */
MUST_CHECK bool session_begin(struct host *host, const struct accepted *accepted);

/* One of host.reapable: logs and counts its end, and gives back all that it held. */
void session_end(struct session *s);

#endif
