/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOL_POOL_PLAN_H
#define POOL_POOL_PLAN_H

/*
 * What another configuration makes of a pool: who stays, who is new, with
 * which indexes and which balancer. All memory is taken here, and nothing is
 * changed. For pool*.c alone.
 */

#include "pool_backends.h"

/* A backend of the new configuration. */
struct entry {
	struct backend_status *status; /* one of the pool's, or a new one */
	struct backend_copy *copy;     /* to replace its own, or NULL */
	bool is_new;
	bool enters; /* new, or it was leaving */
	bool is_weight_set;
	unsigned weight;
	const struct backend_status *named; /* who has its name until now, or NULL */
};

struct plan {
	struct pool *pool;
	const struct pool_config *config;
	struct entry *entries;         /* in the order of the configuration */
	struct backend_status **known; /* the pool's, by name */
	size_t known_n;
	bool *stays; /* by index: it is in the configuration */
	size_t n;    /* indexes; the arrays are NULL when there are no more than before */
	struct backend_status **status;
	struct backend_load *loads;
	struct balancer *balancer; /* NULL: the present one will do */
	bool ends_checks;
};

/*
 * Of plan->pool and plan->config, all else zero; pool->building is held until
 * it was carried out. Returns 0, -ENOMEM, or -ENOSPC when there is no index left.
 */
int pool_plan_make(struct plan *plan);
/* Frees what was not needed, or is so no longer. */
void pool_plan_finish(struct plan *plan);

/* Accepts NULL. */
void pool_free_backend(struct backend_status *s);
/* Configurations that were replaced in this generation or before. */
void pool_free_replaced(struct pool *pool, uint64_t passed);
/* Where the backend of @id is, if it still is. */
uint64_t pool_index_of_id(uint64_t id);

#endif
