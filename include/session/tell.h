/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_TELL_H
#define SESSION_TELL_H

/* What happens to a session, for an operator who watches: see state/events.h. */

#include "session/session.h"
#include "state/events.h"

extern const char *const session_phase_names[SESSION_PHASES];

void session_tell_phase_now(const struct session *s);
void session_tell_step_now(const struct session *s, const char *step, const char *detail);

/* It has entered its phase. */
static inline void session_tell_phase(const struct session *s)
{
	if (events_are_wanted())
		session_tell_phase_now(s);
}

/* For who traces it. @step is static; @detail is copied, or NULL. */
static inline void session_tell_step(const struct session *s, const char *step, const char *detail)
{
	if (events_are_wanted())
		session_tell_step_now(s, step, detail);
}

/* A try at a backend is over: 0, or failed with -errno. */
void session_tell_try(const struct session *s, int err);

#endif
