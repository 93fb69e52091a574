/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ROLE_ROLE_WATCH_H
#define ROLE_ROLE_WATCH_H

/*
 * Which backends of a pool get sessions by their roles: gives the judge what
 * checks have found out, tells the pool what it decides, and the log why.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pool/pool.h"
#include "base/def.h"
#include "check/check_facts.h"

struct role_watch;

/* @backend had the role, and got sessions, until now. */
typedef void role_lost_fn(void *owner, struct backend *backend);

/* For a pool that wants roles; keeps @pool, @lost and @owner. NULL without memory. */
MUST_CHECK struct role_watch *role_watch_create(struct pool *pool, role_lost_fn *lost, void *owner);
/* Accepts NULL. */
void role_watch_destroy(struct role_watch *w);

/* Takes over what @from, of the same pool in another configuration, has seen. */
void role_watch_follow(struct role_watch *w, const struct role_watch *from);

/*
 * To be called before the others, at least a few times in a second. True: nobody could, for
 * longer than what is known lasts, as where the machine was stopped; so nothing is known, and all
 * have to be asked as at a start.
 */
bool role_watch_wake(struct role_watch *w, uint64_t now_ms);

/*
 * A check has ended. False: it says what is known already, so that only time could change what
 * was decided. Its backend went down.
 */
bool role_watch_note(struct role_watch *w, const struct backend *backend,
		     const struct check_facts *facts, uint64_t now_ms);
void role_watch_note_down(struct role_watch *w, const struct backend *backend);
/* A check found that it is not there. True: so its role may not be known any more. */
bool role_watch_doubt(struct role_watch *w, const struct backend *backend);
/* The role that it is taken to have still, though checks cannot ask, and when one told it last. */
enum check_role role_watch_assumes(const struct role_watch *w, const struct backend *backend,
				   uint64_t *ret_told_ms);
/* Whatever the check came to. True: it is the first of this backend, and may decide. */
bool role_watch_hear(struct role_watch *w, const struct backend *backend);

/* After these, and when role_watch_next_ms() says so. True: somebody has lost the role. */
bool role_watch_decide(struct role_watch *w, uint64_t now_ms);
uint64_t role_watch_next_ms(const struct role_watch *w, uint64_t now_ms);

/* Has anybody the role? */
bool role_watch_is_served(const struct role_watch *w);
/* Is that what these facts tell? */
bool role_watch_wants(const struct role_watch *w, const struct check_facts *facts);

#endif
