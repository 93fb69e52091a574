/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_COUNTERS_H
#define STATE_COUNTERS_H

/*
 * What has happened since the start. Each worker has counters of its own that
 * it alone writes, so that counting is an addition and needs no lock. Any
 * thread may read them; the main thread adds them up and logs them. Every
 * number only grows, and once nothing moves they agree with each other and
 * with the log to the last session.
 *
 * What all workers share has its counters where it is: see balance/backend.h.
 */

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "base/label_counter.h"
#include "state/reason.h"

/* The two directions of a session's bytes: from the client, and to it. */
enum { LANE_UP, LANE_DOWN, LANES };

/*
 * How long things took: those below 1 ms, 2 ms, 4 ms and so on up to 18 hours,
 * and at the end all that took longer.
 */
#define HISTOGRAM_BUCKETS 28

struct histogram {
	_Atomic uint64_t n[HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum_ms;
};

struct listener_counters {
	_Atomic uint64_t begun;
	_Atomic uint64_t ended[CLOSE_REASONS];
	_Atomic uint64_t bytes[LANES]; /* of clients and backends, as in the log of sessions */
	_Atomic uint64_t admissions[ADMISSIONS];

	_Atomic uint64_t hellos, hellos_with_name; /* whole and well-formed ClientHellos */
	_Atomic uint64_t handshakes, handshakes_resumed;
	_Atomic uint64_t handshakes_tls12, handshakes_tls13;
	_Atomic uint64_t handshakes_failed; /* refused or broken off, by ringmain or the client */

	struct histogram session_length;
	struct histogram handshake_time;  /* from accepting on; of those that succeed */
	struct histogram first_byte_time; /* from connecting on; of the backend's */
	struct label_counter ciphers;     /* of handshakes */
	struct label_counter details;     /* of ends, by enum close_reason */
};

/* Sessions of a pool, once it is known, and tries to connect to its backends. */
struct pool_counters {
	_Atomic uint64_t begun;
	_Atomic uint64_t ended[CLOSE_REASONS];
	_Atomic uint64_t bytes[LANES]; /* as those of a listener */
	_Atomic uint64_t connected;
	_Atomic uint64_t tls_resumed;           /* of these, with a short handshake */
	_Atomic uint64_t failed[CLOSE_REASONS]; /* as what a session would end that has no other */
	struct histogram connect_time; /* from the first try on, of sessions that got one */
};

/* Of one worker. */
struct counters {
	CACHE_ALIGNED _Atomic uint64_t bytes_copied;
	_Atomic uint64_t bytes_spliced, splices_started;
	_Atomic uint64_t buffer_waits; /* waits for a buffer when there was none */
	_Atomic uint64_t handed_over;  /* new connections, to another worker */
	_Atomic uint64_t accept_pauses;
	_Atomic uint64_t turns;          /* of its loop */
	_Atomic uint64_t lines_left_out; /* of sessions, in the log: see log_rate */
	_Atomic uint64_t completions;    /* of what it asked the kernel for */
	/* What it has at the end of its last turn: these do not only grow. */
	_Atomic uint64_t buffers, buffers_used, pieces_bytes, pipes, pipes_used;
	struct listener_counters *listeners; /* by slot */
	struct pool_counters *pools;
	struct listener_counters *gone; /* of listeners that are no more; the main thread's */
};

/* Only the worker whose counter it is may call this, and the next one. */
static inline void counters_set(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline void counters_add(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, before + n, memory_order_relaxed);
}

static inline uint64_t counters_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* The same. */
static inline void histogram_add(struct histogram *histogram, uint64_t ms)
{
	unsigned bits = ms == 0 ? 0 : 64 - (unsigned)__builtin_clzll(ms);

	counters_add(&histogram->n[MIN(bits, HISTOGRAM_BUCKETS - 1)], 1);
	counters_add(&histogram->sum_ms, ms);
}

/* Adds the numbers of @from, without the words, to @to, which is the caller's. */
void counters_add_listener(struct listener_counters *to, const struct listener_counters *from);

/* For so many workers, all zero. Returns NULL without memory. */
MUST_CHECK struct counters *counters_create(unsigned workers_n, size_t listeners_n, size_t pools_n);
/* Accepts NULL. */
void counters_destroy(struct counters *counters, unsigned workers_n);

#endif
