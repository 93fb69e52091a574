/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOL_POOL_H
#define POOL_POOL_H

/*
 * Which backend? A pool asks its balancer, one of the files of balance/,
 * and keeps count. All workers share one pool and get exact answers: a pick
 * holds the pool's lock for its few dozen nanoseconds, once for each session.
 * No I/O here; time, where it matters, is an argument.
 *
 *	struct pool_waiter waiter = { .ask.key = hash_of_client };
 *
 *	pool_pick_or_wait(pool, &waiter, now_ms);     takes a slot at waiter.backend
 *	... connect fails: ...
 *	pool_on_connect(pool, waiter.backend, health_result_of(err), now_ms);
 *	pool_release(pool, waiter.backend);           gives the slot back
 *	waiter.ask.tried[waiter.ask.tried_n++] = ...  and never gets that one again
 *
 * Who may be picked: ready, of a weight above 0, below its max_sessions, not
 * tried by this session, and of an open tier. Tiers open in order until
 * tier_ready_min backends are ready (so with 1, the usual number, the second
 * tier stands in when all of the first are out); a session that has tried
 * all of the open tiers goes to the next one.
 *
 * One that was down and comes back starts at a tenth of its weight and of its
 * max_sessions and gets back to all of it within slow_start, in small steps
 * that pool_tick() takes; maglev and first, where weights do not say who is
 * next, start it at once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "balance/ask.h"
#include "balance/backend.h"
#include "pool/health.h"
#include "pool/queue.h"
#include "base/def.h"
#include "config/config.h"

#define POOL_NEVER UINT64_MAX

/*
 * Slots that one backend has at a time for those who need none of its
 * max_sessions: see pool_take_beyond(). A PostgreSQL server starts a process
 * for each request to cancel, which ends within milliseconds: with so many at
 * a time some hundreds in a second are served.
 */
#define POOL_BEYOND_MAX 4

struct pool;

/*
 * Builds the run-time pool of @config, which it keeps until pool_reconfigure().
 * Returns NULL without memory.
 */
MUST_CHECK struct pool *pool_create(const struct pool_config *config);
/* No session may be left. Accepts NULL. */
void pool_destroy(struct pool *pool);

/* ---- another configuration -------------------------------------------------- */

/*
 * From now on the pool is as @config says, which it keeps as it kept the one
 * before. One thread calls this, pool_collect(), pool_backends() and
 * pool_backend(), while others pick, release, wait and report as they like.
 * What it builds it builds beforehand; the lock is held for the change alone.
 * May give somebody his turn: ask pool_may_serve_queue(). Returns 0, or with nothing
 * changed -ENOMEM, or -ENOSPC when too many are leaving already
 * (POOL_INDEXES_MAX).
 *
 * A backend of the same name and address stays what it is: same struct and
 * index, with its sessions, counters, health, ejection and slow start, and
 * with what the operator wants of it, state and weight. Its tier,
 * max_sessions and, unless the operator has set one, weight are the new ones.
 * Sticky clients come back to it.
 *
 * Others are new. Their health begins as at a start, and they start slowly
 * when somebody else serves already (at a start nobody does: then all take
 * their share at once). What the operator wants of a name holds for the name:
 * a backend that is in maintenance while its address changes stays in it.
 *
 * Who is not in it any more *leaves*: it gets nothing new at once (but
 * requests to cancel what its sessions do), neither by the balancer nor by
 * the queue nor for sticky clients; its sessions stay, and what they and its
 * checks report changes its state no more. If it is in a later configuration
 * before it has gone, it is new but for its sessions and its counters.
 *
 * Those who wait go on waiting, in order, as long as they were promised;
 * queue and queue_timeout hold for those who come. Without checks in @config
 * those whom checks have found down are believed to be up.
 */
MUST_CHECK int pool_reconfigure(struct pool *pool, const struct pool_config *config);

/*
 * The same in two steps, for who changes several pools or none, and at a time
 * that is told (the above says 0): all that may fail comes first. In between
 * nobody sets weights or collects. Abandon accepts NULL.
 */
struct pool_change;

MUST_CHECK int pool_change_prepare(struct pool *pool, const struct pool_config *config,
				   struct pool_change **ret_change);
void pool_change_commit(struct pool_change *change, uint64_t now_ms);
void pool_change_abandon(struct pool_change *change);

/*
 * How often it was reconfigured. For who keeps something about its backends,
 * such as the runner of checks: when this number is another one, backends may
 * have come and may be leaving (BACKEND_LEAVING).
 */
uint64_t pool_generation(const struct pool *pool);

/*
 * Frees backends that have left, when their last session has gone; gives how
 * many are still leaving. To be called now and then.
 *
 * A session keeps indexes of backends while it dials (pool_ask.tried), and a
 * worker pointers to their configuration for a turn. So nobody is freed, nor its index
 * given to another one, before the caller says that these have passed: that
 * every worker has begun a turn, and every session that dialed or waited has
 * ended doing so, since pool_generation() became @passed (or later). 0 says
 * that this is not known of any.
 */
unsigned pool_collect(struct pool *pool, uint64_t passed);

/*
 * Keeps @backend from being freed, for who has a pointer to it but no slot
 * there. By the thread that reconfigures, or by who has a slot at that moment.
 */
void pool_hold(struct backend *backend);
void pool_unhold(struct backend *backend);

/* ---- picks ------------------------------------------------------------------ */

/*
 * One that waits for a slot when every backend is full, first come, first
 * served over all workers. Embed it in the session and set @ask; the rest
 * belongs to the pool.
 */
struct pool_waiter {
	struct queue_node node;
	struct pool_ask ask;
	struct backend *backend; /* whose slot it has, once it was picked or called */
	uint64_t hold_until_ms;  /* 0: it was not held yet; see pool_hold_waiter() */
	uint64_t proof;          /* of what the pool knew when it was held */
	/* Its owner's: who is to be told that it was called. */
	unsigned worker;
	struct pool_waiter *served_next;
};

/*
 * Chooses a backend and takes a slot there, to be given back by
 * pool_release(). If all are full the waiter joins the pool's queue:
 * POOL_WAITING, and the pool keeps @waiter until pool_serve_next() gives it or
 * pool_leave() takes it out. POOL_ALL_FULL says that the queue is full, too.
 * Nobody overtakes those who wait already.
 */
MUST_CHECK enum pool_answer pool_pick_or_wait(struct pool *pool, struct pool_waiter *waiter,
					      uint64_t now_ms);
void pool_release(struct pool *pool, struct backend *backend);

/*
 * Has a slot become free that somebody waits for? Cheap, without the lock.
 * Ask after every call that may free one (release, state, weight, reports of
 * health, tick), and if so call pool_serve_next() until it gives NULL.
 */
bool pool_may_serve_queue(const struct pool *pool);
/*
 * Where the pool has hold, or has to hear its first checks yet, one that nobody serves joins the
 * queue as well, instead of POOL_NONE_READY: until somebody does whom it has not tried, or
 * one that it has tried shows that it does. All its tries begin anew then, but
 * the time of its hold does not. This is for one that may try no more.
 */
MUST_CHECK enum pool_answer pool_hold_waiter(struct pool *pool, struct pool_waiter *waiter,
					     uint64_t now_ms);
/* Gives the next waiter, out of the queue, with a slot taken at its ->backend; or NULL. */
MUST_CHECK struct pool_waiter *pool_serve_next(struct pool *pool, uint64_t now_ms);
/*
 * @waiter does not wait any longer: its client has gone, or its deadline
 * (node.deadline_ms, which its owner watches) has passed. False when it was
 * called meanwhile: then it has a slot at ->backend, to use or to release,
 * and whoever called pool_serve_next() has it in hand: it must live until that word
 * has come to its owner.
 */
MUST_CHECK bool pool_leave(struct pool *pool, struct pool_waiter *waiter);
void pool_queue_stats(struct pool *pool, struct queue_stats *ret_stats);

/*
 * Takes a slot at just the backend of this id, for a client that is to go back
 * to where it was. NULL when it may not have it: not ready, full, or no more.
 */
MUST_CHECK struct backend *pool_take(struct pool *pool, uint64_t id, uint64_t now_ms);

/*
 * The same whatever its state and load, for who can do nothing elsewhere and
 * is gone in a moment: a request to cancel what a session there is doing.
 * POOL_ALL_FULL while POOL_BEYOND_MAX have such slots there, POOL_NONE_READY
 * when the pool has it no more.
 */
MUST_CHECK enum pool_answer pool_take_beyond(struct pool *pool, uint64_t id,
					     struct backend **ret_backend);
void pool_release_beyond(struct pool *pool, struct backend *backend);

/*
 * The id of the next backend behind that of @after, or of the first when that
 * is 0, whose server may be there: not down, not in maintenance, and not one
 * that leaves and has no session. 0 at the end. For who asks all of them.
 */
uint64_t pool_next_alive(struct pool *pool, uint64_t after);

/*
 * What the operator wants of a backend: ready, drain, down or maint, from any
 * thread; sessions it carries are not touched. Ready also ends an ejection
 * and believes the backend to be up, until its next check. One that leaves
 * stays in that state.
 */
void pool_set_state(struct pool *pool, struct backend *backend, enum backend_state state,
		    uint64_t now_ms);

/* The operator overrides nothing more: what checks and sessions have said meanwhile counts. */
void pool_clear_state(struct pool *pool, struct backend *backend, uint64_t now_ms);

/*
 * The operator sets a weight, 0 to POOL_WEIGHT_MAX, which holds until it is
 * set back to POOL_WEIGHT_CONFIGURED, whatever a configuration says. For
 * maglev this may build a new table, which takes milliseconds, without holding
 * up picks. Returns 0 or -ENOMEM.
 */
#define POOL_WEIGHT_CONFIGURED UINT32_MAX
MUST_CHECK int pool_set_weight(struct pool *pool, struct backend *backend, unsigned weight);

/* A backend as the pool has it now, for who shows it. */
struct backend_facts {
	enum backend_state state;
	uint64_t changed_ms;            /* when it became that; 0: it always was */
	enum backend_state admin_state; /* what the operator wants */
	const char *standby;            /* why its role keeps it from serving, or NULL */
	unsigned weight;                /* as configured or set since */
	unsigned ramp_percent;          /* of it that counts now, in slow start; else 100 */
	unsigned tier;
	uint64_t eject_end_ms;           /* of an ejection that goes on; 0: none does */
	bool is_full;                    /* as its check has heard */
	bool is_check_at_fault;          /* it cannot log in: see pool_note_check_fault() */
	char words[BACKEND_WORDS_BYTES]; /* see pool_note_words() */
};

void pool_inspect(struct pool *pool, const struct backend *backend, struct backend_facts *ret);

/* Why it is as it is, for who shows it; may quote its server: any bytes. NULL: nothing is known. */
void pool_note_words(struct pool *pool, struct backend *backend, const char *words);
/* Its check is at fault itself, and why; or with NULL it is not any more. */
void pool_note_check_fault(struct pool *pool, struct backend *backend, const char *words);

/*
 * What sessions and checks found out about a backend, from any thread. Give
 * what changed by it, for one log line. pool_on_connect() keeps the counters
 * connects, connect_failures, local_failures and failures_in_row.
 */
enum health_change pool_on_connect(struct pool *pool, struct backend *backend,
				   enum health_result result, uint64_t now_ms);
/* A session that it took came to nothing: for pool_on_connect() that was a success. */
enum health_change pool_on_unserved(struct pool *pool, struct backend *backend,
				    const struct unserved *session, uint64_t now_ms);
/* One that began at @began_ms has heard something of it. Cheap, where that is no news. */
void pool_on_served(struct pool *pool, struct backend *backend, uint64_t began_ms, uint64_t now_ms);
/* Gives in *ret_delay_ms how long after the start of this check the next one is to start. */
enum health_change pool_on_check(struct pool *pool, struct backend *backend,
				 enum health_answer answer, uint64_t now_ms,
				 uint64_t *ret_delay_ms);
/*
 * By its role it gets no new sessions, and @why, in static words; or with NULL
 * it does again. In a pool that wants roles all begin like that, until a check
 * has told theirs.
 */
void pool_set_standby(struct pool *pool, struct backend *backend, const char *why, uint64_t now_ms);
/* Has the operator said since of one that is not overridden that it is ready? Once. */
bool pool_take_approval(struct backend *backend);
/*
 * Was it put on standby since, for what is known of its role was too old (role_until_ms, set by
 * who tells roles) when a session would have come to it? Once.
 */
bool pool_take_expiry(struct backend *backend);
/* A session found that it is not there, or not ready: it may be started again as something else. */
void pool_doubt(struct backend *backend);
/* Has one since? Once. */
bool pool_take_doubt(struct backend *backend);
/* Have sessions found a backend that refuses them, since this was asked last? */
bool pool_take_recheck(struct pool *pool);
/* How long after start-up the first check of a backend is to start. */
uint64_t pool_first_check_ms(struct pool *pool);

/*
 * Takes the time-driven steps: ramps weights and ends one ejection, of the
 * backend in *ret_returned (NULL when none ended: call until then). Gives when
 * it wants to be called next, POOL_NEVER when there is nothing to wait for.
 * Call it after every change that the functions above report, too.
 */
uint64_t pool_tick(struct pool *pool, uint64_t now_ms, struct backend **ret_returned);

/* False when the pool's balancer does not hash. */
MUST_CHECK bool pool_route(struct pool *pool, const struct pool_ask *ask,
			   struct pool_route *ret_route);

/*
 * A fingerprint of all by which a hashing balancer decides: its table, what
 * is hashed, names, addresses and limits of its backends, in any order. It is
 * equal on nodes that send every key to the same server; 0 for others.
 */
uint64_t pool_digest(struct pool *pool);
/* Adds it, and the pool's name, to that of several pools; false if it has none. */
bool pool_digest_add(struct pool *pool, uint64_t *digest);

/* Makes what a pool decides by chance repeatable, for tests. */
void pool_seed(struct pool *pool, uint64_t seed);

/* How many backends are ready and have weight, of all tiers. */
unsigned pool_ready(struct pool *pool);
/*
 * Is there one that gets no sessions only for its checks have said nothing of it yet? For a moment
 * after a start the pool has no verdict on itself.
 */
bool pool_awaits_checks(struct pool *pool);
/* Are there so few that all are used as if they were? */
bool pool_is_panicking(struct pool *pool);

/*
 * The newest, without the lock. What a worker has of it holds until the end of
 * its turn: who gives the pool another one must keep this one until then.
 */
const struct pool_config *pool_config(const struct pool *pool);

/*
 * In the tables of those who serve it; each pool has its own. The number is its user's, who sets
 * it before anybody else has the pool.
 */
size_t pool_slot(const struct pool *pool);
void pool_set_slot(struct pool *pool, size_t slot);

/*
 * All backends, those that leave, too: indexes are below pool_backends(), and
 * pool_backend() gives NULL for one that nobody has. For the thread that
 * reconfigures; or for any while nobody does.
 */
size_t pool_backends(const struct pool *pool);
struct backend *pool_backend(struct pool *pool, size_t index);
#endif
