/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

/*
 * One client's life: two sides and two lanes.
 *
 *             lanes[LANE_UP]
 *   client  ----------------->  backend
 *   sides[SIDE_CLIENT]          sides[SIDE_BACKEND]
 *           <-----------------
 *             lanes[LANE_DOWN]
 *
 * Lane n carries bytes from side n to the other one. A session belongs to
 * one host and its thread. Its slot, sockets and buffers come back at the end
 * of a turn, when the kernel has returned every op: see session/exit.h.
 *
 * This header is what a session is. What it does is with its phases.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pool/pool.h"
#include "base/def.h"
#include "base/list.h"
#include "base/timer.h"
#include "io/buf.h"
#include "io/op.h"
#include "net/ack_watch.h"
#include "net/addr.h"
#include "net/pipe.h"
#include "protocol/step.h"
#include "state/counters.h"
#include "state/reason.h"

struct conn_info;
struct generation;
struct host;
struct listener;
struct protocol_state;
struct session;
struct side;
struct tls_stream;

enum session_phase {
	SESSION_FREE,
	SESSION_PREREAD,
	SESSION_DIALING,
	SESSION_NEGOTIATING,
	SESSION_CANCELLING,
	SESSION_RELAYING,
	SESSION_REFUSING,
	SESSION_CLOSING,
};
#define SESSION_PHASES (SESSION_CLOSING + 1u)

/*
 * Who is told what happens to a session: one const table for each phase, of
 * which session_enter() makes the next one the present one. Nothing else goes
 * up from a session to those who use it.
 *
 * After a call the session may be closing; nothing of it is freed before the
 * end of the turn.
 */
struct phase_handlers {
	/* A backend is looked for: if none serves it, that is why it ends. */
	bool seeks_backend;

	void (*entered)(struct session *s);
	/* The session's timer fired. */
	void (*timed_out)(struct session *s);
	/* It may do its costly work now: see session_wait_for_turn(). */
	void (*turn_came)(struct session *s);

	/* Bytes of the side's peer, in @buf, which is taken. @flags: IO_NONEMPTY, IO_MORE. */
	void (*received)(struct side *side, struct buf *buf, unsigned flags);
	/* A receive gave none: @err is 0 at the end of the stream, or -errno. */
	void (*ended)(struct side *side, int err);
	/* side_wait_readable() is over, with 0 or -errno. */
	void (*readable)(struct side *side, int err);
	/* side_wait_writable(): the same. */
	void (*writable)(struct side *side, int err);
	/* side_connect(): the same. */
	void (*connected)(struct side *side, int err);
	/* A send of side.out is over: bytes sent, or -errno. */
	void (*sent)(struct side *side, int res);
	/* The kernel gave an op back that was to be cancelled, or found none. */
	void (*returned)(struct session *s);

	/* What the side waited for is there: memory, or a file. */
	void (*resumed)(struct side *side);
	/* Its backend went down before the client has heard anything of it. NULL: it goes on. */
	void (*backend_down)(struct session *s);
};

enum { SIDE_CLIENT, SIDE_BACKEND, SIDES };

/* One socket and what the kernel is doing with it. */
struct side {
	int fd; /* -1: none */
	uint8_t index;
	bool is_tcp : 1;
	bool is_nonblocking : 1; /* O_NONBLOCK, for splice(2): receives do not wait by themselves */
	bool is_dead : 1;        /* its peer reset it or got lost: what follows is no clean end */
	bool is_tls_ready : 1;   /* its TLS handshake is done */
	bool is_tls_closed : 1;  /* close_notify was sent */
	bool closes_silently : 1; /* without a segment: see admission_is_silent() */
	bool expects_ack : 1;     /* bytes went there: see liveness.h */
	uint16_t own_bytes;       /* of side.out, at its beginning, that are ringmain's own */
	struct io_op recv;        /* a receive, or a wait for bytes */
	struct io_op send;        /* a send, a wait for room, or the connect */
	struct io_op cancel_recv, cancel_send;
	struct list waiting;  /* on a list of those that wait for memory or for a file */
	struct buf_queue out; /* waits to be sent to this socket; the head may be with the kernel */
	struct tls_stream *tls; /* NULL: plain */
};

enum lane_state {
	LANE_OPEN,     /* its source may have more */
	LANE_FLUSHING, /* the source has ended, what it sent is still on its way */
	LANE_DONE,
};

struct lane {
	uint64_t bytes;        /* that the destination's socket took */
	struct pipe *pipe;     /* while spliced bytes are between the sockets */
	uint32_t streak_bytes; /* in the present run of full receives */
	enum lane_state state;
	uint8_t index;
	bool is_spliced;
	bool lacks_pipe;     /* when it was to splice: see splice.c */
	uint8_t look : 7;    /* TLS that passes through: enum tlsrec_look of its last bytes */
	uint8_t answers : 1; /* and they came when the other one had ended */
	bool is_cut;         /* the source ended by dying, not by the end of its stream */
	bool is_clean;       /* done: every byte and the end of the stream were delivered */
	bool has_more;       /* the last receive left bytes in the socket */
	uint8_t quiet_pumps; /* spliced rounds in a row that moved little */
	uint8_t depth;       /* buffers that may wait at its destination, see lane.h */
};

/* Many are idle at once: what it holds lies tight. */
struct session {
	struct host *host;
	struct listener *listener;
	struct generation *generation;        /* in which it was accepted: it has a pin there */
	const struct listener_config *config; /* of the listener, in that */
	struct pool *pool;                    /* NULL: not known yet */
	struct backend *backend;              /* that it holds a slot at, or NULL */
	uint64_t id;
	struct side sides[SIDES];
	struct lane lanes[LANES];

	struct buf_queue
		early; /* of the client: bytes that nobody was ready for: see early_bytes.h */
	struct conn_info *info;          /* what its first bytes said, or NULL */
	struct protocol_state *protocol; /* what the listener's protocol keeps of it, or NULL */
	const char *detail;  /* of the reason, for the log; lives as long as the session, or NULL */
	struct list turn;    /* on one of the lists of those that wait for their turn */
	uint64_t sticky_key; /* of its client; 0: not looked up */
	uint32_t source;     /* counted by the listener's limits: see admission.h */
	uint32_t sticky;     /* its entry in the pool's table, or LRU_NONE */
	uint32_t route;      /* of the listener, that led to the pool, counted from 1; 0: none */
	uint16_t local_addr_turn;   /* see local_addr.h */
	uint8_t local_addrs_failed; /* addresses to connect from that had no port left */
	uint8_t step : 4;           /* of the phase: of the first bytes, or of the opening */
	uint8_t preread_wait : 4;   /* what the preread waits for: see preread/waiting.h */
	bool has_spoken : 1;        /* the client has: there was a byte for the backend */
	bool was_asked : 1;         /* the client's bytes were the last to move */
	bool owes_answer : 1;       /* see lane_end_when_answered() */
	bool is_established : 1;    /* it has lasted: see relay.c */
	bool is_probe_due : 1;      /* bytes moved since it was looked at: see deadline_moved() */
	bool is_in_pool : 1;        /* it was counted as one of the pool's */
	bool is_queued : 1;         /* in the pool's queue */
	bool is_abandoning : 1;     /* a try has failed: waits for the kernel to return its ops */
	bool is_unanswered : 1;     /* its backend has not said anything yet: see early_end.h */
	bool is_answer_cut : 1;     /* or not all of why it does not serve */
	bool awaits_greeting : 1;   /* see dial/greeting.h */
	bool is_backlog_full : 1;   /* the backend's, a unix socket: it is asked again soon */
	enum close_by by : 2;
	enum session_phase phase : 3;
	enum close_reason why : 6;
	int dial_error;       /* of the last failed try: -errno, 0 for none */
	int unsent_bytes;     /* at the last look at a delivery */
	uint32_t liveness_ms; /* when acks are looked at, modulo 2^32; 0: nobody owes any */
	uint32_t waited_ms;   /* in the queue; while it is there: less when it came, modulo 2^32 */
	struct timer timer;   /* of its phase */
	struct list reap;     /* on host.reapable at the very end */

	uint64_t started_ms;
	uint64_t active_ms;  /* when bytes last moved */
	uint64_t dialing_ms; /* when dialing began */
	union {
		uint64_t try_until_ms; /* until it relays: when the present try has to be over */
		struct ack_watch acks[SIDES]; /* relaying: what each side's peer owes */
	};
	struct step_memory opening; /* of the dialogue with the backend before TLS */
	uint64_t connected_ms;      /* 0: never */
	uint64_t ending_ms;         /* when the end was noted: see session_note_end() */
	uint64_t told_ms;           /* when it had its last interim line; 0: never */
	uint64_t told_bytes[LANES]; /* which it had then */
	struct pool_waiter waiter;  /* asks the pool, and may wait in its queue */
	struct addr_short client;   /* len 0: nobody wanted to know, see runtime.needs_clients */
};

/* Do its lanes carry bytes? What they call may have ended that. */
static inline bool session_relays(const struct session *s)
{
	return s->phase == SESSION_RELAYING;
}

/* ---- from a part to its session ------------------------------------------ */

static inline struct session *side_session(struct side *side)
{
	return container_of(side - side->index, struct session, sides[0]);
}

static inline struct session *lane_session(struct lane *lane)
{
	return container_of(lane - lane->index, struct session, lanes[0]);
}

static inline struct side *lane_from(struct lane *lane)
{
	return &lane_session(lane)->sides[lane->index];
}

static inline struct side *lane_to(struct lane *lane)
{
	return &lane_session(lane)->sides[!lane->index];
}

/* The lane that @side feeds, and the one that feeds it. */
static inline struct lane *side_source_of(struct side *side)
{
	return &side_session(side)->lanes[side->index];
}

static inline struct lane *side_sink_of(struct side *side)
{
	return &side_session(side)->lanes[!side->index];
}

#endif
