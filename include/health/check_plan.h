/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HEALTH_CHECK_PLAN_H
#define HEALTH_CHECK_PLAN_H

/*
 * What the checks of a pool ask, made of its configuration once, with the
 * password that they log in with. All its backends are asked the same.
 */

#include <stdbool.h>

#include "base/def.h"
#include "check/check_protocol.h"
#include "config/config.h"
#include "health/conversation.h"
#include "state/runtime.h"

struct check_plan;

/* Keeps @runtime and its configuration. NULL without memory. Not for pools without checks. */
MUST_CHECK struct check_plan *check_plan_create(const struct runtime *runtime,
						const struct pool *pool);
/* Accepts NULL. */
void check_plan_destroy(struct check_plan *plan);

/* Is something said, once it is connected? */
bool check_plan_talks(const struct check_plan *plan);

/* How it is said to @backend; keeps *@plan. */
struct conversation_plan check_plan_of(const struct check_plan *plan,
				       const struct backend_config *backend);

/* Where it is said. */
struct addr check_plan_addr(const struct check_plan *plan, const struct backend_config *backend);

/* The configuration it was made of. */
const struct pool_config *check_plan_config(const struct check_plan *plan);

/* Equal where @backend would be asked the same, at the same address and as often. */
uint64_t check_plan_digest(const struct check_plan *plan, const struct backend_config *backend);

/* A check could not log in: somebody may have changed the password. Reads it anew. */
void check_plan_refresh(struct check_plan *plan);

#endif
