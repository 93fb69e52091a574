/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOL_POOL_CHOOSE_H
#define POOL_POOL_CHOOSE_H

/* Sessions come to backends and leave them. The lock is held in all of these. */

#include "pool_backends.h"

/* Why nobody of the open tiers could be picked, if nobody could. */
enum pool_answer pool_explain(const struct pool *pool, const struct pool_ask *ask);
/* Takes a slot for @ask. Gives its index, or -1 and the reason. */
int pool_choose(struct pool *pool, const struct pool_ask *ask, uint64_t now_ms,
		enum pool_answer *ret_why);
/* A session more at just this one, a session less. */
void pool_take_slot(struct pool *pool, unsigned index);
void pool_release_slot(struct pool *pool, unsigned index);

/* Lets some more go of those who are held; gives when it wants to be called next. */
uint64_t pool_pace(struct pool *pool, uint64_t now_ms);

#endif
