/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ADMIN_OVERRIDES_H
#define ADMIN_OVERRIDES_H

/*
 * What the operator sets of backends while ringmain runs, beside what the
 * configuration says of them. An override is known by the names of its pool and
 * backend, lasts until it is undone or its time is over, outlives a new
 * configuration, and is forgotten when ringmain ends. A state and a weight of one backend
 * are set and end each by itself.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pool/pool.h"
#include "base/def.h"
#include "base/list.h"
#include "base/timer.h"

#define OVERRIDES_MAX 4096

struct drains;
struct loop;
struct runtime;

struct override {
	struct list node;
	char pool[CONFIG_NAME_BYTES], backend[CONFIG_NAME_BYTES];
	enum backend_state state; /* BACKEND_READY: nothing is set */
	uint64_t state_until_ms;  /* 0: until it is undone, as the next */
	bool has_weight;
	unsigned weight;
	uint64_t weight_until_ms;
};

#define OVERRIDE_TEXT_BYTES 64

/* "drain, weight 3"; returns @ret_text. */
const char *override_describe(const struct override *override, char ret_text[OVERRIDE_TEXT_BYTES]);

struct overrides {
	struct loop *loop;
	struct runtime *runtime;
	struct drains *drains;
	struct list all;
	unsigned n;
	struct timer timer; /* for the next one whose time is over */
};

/* Keeps all three. */
void overrides_init(struct overrides *o, struct loop *loop, struct runtime *runtime,
		    struct drains *drains);
void overrides_finish(struct overrides *o);

/* That of a backend, or NULL. */
const struct override *overrides_find(const struct overrides *o, const struct pool *pool,
				      const struct backend *backend);

/* Is there no such backend at present? It may come back, and then has what was set of it. */
MUST_CHECK bool overrides_is_absent(const struct overrides *o, const struct override *override);
/* Forgets that of a backend that there is not, "POOL/NAME". False: there is none to forget. */
MUST_CHECK bool overrides_undo_absent(struct overrides *o, const char *name);

/* There is another configuration: what was set of its backends holds for them, too. */
void overrides_apply(struct overrides *o);

/*
 * Sets a state or a weight, for @ms, 0: for good. Ready, and the weight of
 * the configuration, end an override. 0 or -errno: -ENOMEM, -ENOSPC when there are
 * OVERRIDES_MAX already.
 */
MUST_CHECK int overrides_set_state(struct overrides *o, struct pool *pool, struct backend *backend,
				   enum backend_state state, uint64_t ms);
MUST_CHECK int overrides_set_weight(struct overrides *o, struct pool *pool, struct backend *backend,
				    unsigned weight, uint64_t ms);

#endif
