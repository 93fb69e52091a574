/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HEALTH_CHECKER_THREAD_H
#define HEALTH_CHECKER_THREAD_H

/*
 * The thread of the checks, with a ring of its own: a thousand TLS handshakes
 * delay neither a signal nor the operator's commands. The main thread makes a
 * checker for each configuration (health/checker.h) and gives it away; what
 * checks find out they tell the pools, the log and the workers themselves.
 *
 *	create -> give ... -> run -> give ... -> stop -> has_ended -> destroy
 *
 * All of these are the main thread's, and none waits for a check.
 */

#include <stdbool.h>

#include "base/def.h"
#include "io/loop.h"

struct checker;
struct checker_thread;

/* Of one after the other that have not ended yet what they began. */
#define CHECKER_THREAD_CHECKERS_MAX 64

/*
 * It has all that it needs then, and waits for checker_thread_run(). NULL: not
 * possible; *ret_err is -errno, of the call *ret_step.
 */
MUST_CHECK struct checker_thread *checker_thread_create(const struct ring_features *features,
							int *ret_err, const char **ret_step);
/* Lets it work. @loop, which is kept, is told of its end. */
void checker_thread_run(struct checker_thread *t, struct loop *loop);

/*
 * From now on this one checks, in the place of the one before. Takes @checker. False, and
 * nothing has changed, when CHECKER_THREAD_CHECKERS_MAX are there.
 */
MUST_CHECK bool checker_thread_give(struct checker_thread *t, struct checker *checker);
/* Is only the checker that was given last left? Then nobody looks at older configurations. */
bool checker_thread_is_settled(const struct checker_thread *t);

/* Asks it for a turn; has it taken one since? */
void checker_thread_ask(struct checker_thread *t);
bool checker_thread_has_answered(const struct checker_thread *t);

/* Everything of it is to end. */
void checker_thread_stop(struct checker_thread *t);
/* Has it, and is the loop's ring told of nothing any more? */
bool checker_thread_has_ended(const struct checker_thread *t);
/* -errno of its ring, which broke: it checks no more; or 0. */
int checker_thread_error(const struct checker_thread *t);
/* It has ended, or did not run. Accepts NULL. */
void checker_thread_destroy(struct checker_thread *t);

#endif
