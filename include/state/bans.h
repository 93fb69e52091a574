/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_BANS_H
#define STATE_BANS_H

/*
 * Clients that the operator keeps out for a while, beside what the
 * configuration says. The main thread changes the list, workers ask for each
 * new connection: without a ban that is the look at a number.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "config/config.h"
#include "net/addr.h"

#define BANS_MAX 1024

struct ban {
	struct addr_block block;
	char listener[CONFIG_NAME_BYTES]; /* "": all */
	uint64_t until_ms;
};

struct bans {
	atomic_uint n;
	pthread_rwlock_t lock; /* of all */
	struct ban all[BANS_MAX];
};

void bans_init(struct bans *bans);
void bans_finish(struct bans *bans);

/* Is there any? */
static inline bool bans_exist(const struct bans *bans)
{
	return atomic_load_explicit(&bans->n, memory_order_relaxed) > 0;
}

bool bans_has(struct bans *bans, const char *listener, const struct addr *client, uint64_t now_ms);

/* Adds one, or gives one of the same block and listener another end. False when it is full. */
MUST_CHECK bool bans_add(struct bans *bans, const struct ban *ban);
/* Takes one off; false when there was none. */
MUST_CHECK bool bans_remove(struct bans *bans, const struct ban *ban);
/* Takes off all whose time is over. Gives when the next one's is, or 0. */
uint64_t bans_expire(struct bans *bans, uint64_t now_ms);

#endif
