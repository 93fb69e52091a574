/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/bans.h"

#include <string.h>

void bans_init(struct bans *bans)
{
	pthread_rwlock_init(&bans->lock, NULL);
}

void bans_finish(struct bans *bans)
{
	pthread_rwlock_destroy(&bans->lock);
}

static bool is_for(const struct ban *ban, const char *listener)
{
	return ban->listener[0] == '\0' || strcmp(ban->listener, listener) == 0;
}

bool bans_has(struct bans *bans, const char *listener, const struct addr *client, uint64_t now_ms)
{
	bool is_banned = false;

	pthread_rwlock_rdlock(&bans->lock);
	for (unsigned n = 0; n < bans->n && !is_banned; n++) {
		const struct ban *ban = &bans->all[n];

		is_banned = now_ms < ban->until_ms && is_for(ban, listener) &&
			    addr_block_has(&ban->block, client);
	}
	pthread_rwlock_unlock(&bans->lock);
	return is_banned;
}

/* The index of one like it, or that behind the last. The lock is held. */
static unsigned bans_find(const struct bans *bans, const struct ban *ban)
{
	unsigned n = 0;

	for (; n < bans->n; n++) {
		const struct ban *other = &bans->all[n];

		if (other->block.bits == ban->block.bits &&
		    memcmp(other->block.bytes, ban->block.bytes, sizeof(ban->block.bytes)) == 0 &&
		    strcmp(other->listener, ban->listener) == 0)
			break;
	}
	return n;
}

static void take_off(struct bans *bans, unsigned at)
{
	bans->all[at] = bans->all[bans->n - 1];
	atomic_fetch_sub(&bans->n, 1);
}

bool bans_add(struct bans *bans, const struct ban *ban)
{
	unsigned at;

	pthread_rwlock_wrlock(&bans->lock);
	at = bans_find(bans, ban);
	if (at < BANS_MAX)
		bans->all[at] = *ban;
	if (at < BANS_MAX && at == bans->n)
		atomic_fetch_add(&bans->n, 1);
	pthread_rwlock_unlock(&bans->lock);
	return at < BANS_MAX;
}

bool bans_remove(struct bans *bans, const struct ban *ban)
{
	bool is_there;
	unsigned at;

	pthread_rwlock_wrlock(&bans->lock);
	at = bans_find(bans, ban);
	is_there = at < bans->n;
	if (is_there)
		take_off(bans, at);
	pthread_rwlock_unlock(&bans->lock);
	return is_there;
}

uint64_t bans_expire(struct bans *bans, uint64_t now_ms)
{
	uint64_t next_ms = 0;

	pthread_rwlock_wrlock(&bans->lock);
	for (unsigned n = bans->n; n > 0; n--) {
		uint64_t until_ms = bans->all[n - 1].until_ms;

		if (until_ms <= now_ms)
			take_off(bans, n - 1);
		else if (next_ms == 0 || until_ms < next_ms)
			next_ms = until_ms;
	}
	pthread_rwlock_unlock(&bans->lock);
	return next_ms;
}
