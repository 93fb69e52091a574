/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_SESSION_H
#define PROXY_SESSION_H

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
 * one engine and its thread. Its slot, sockets and buffers come back at the
 * end of a turn, when the kernel has returned every op: see session_close().
 */

#include <stdbool.h>
#include <stdint.h>

#include "balance/pool.h"
#include "base/def.h"
#include "base/list.h"
#include "base/timer.h"
#include "io/buf.h"
#include "io/op.h"
#include "net/ack_watch.h"
#include "net/addr.h"
#include "net/pipe.h"

struct engine;
struct facts;
struct listener;
struct pgsql_watch;
struct tls_stream;

enum session_phase {
	SESSION_FREE,
	SESSION_GREETING,
	SESSION_DIALING,
	SESSION_RELAYING,
	SESSION_CLOSING,
	SESSION_PHASES,
};

/* Why a session ended; the words of session_reasons in the log and the manual. */
enum close_reason {
	CLOSE_NONE, /* it did not end yet */
	CLOSE_DONE,
	CLOSE_CLIENT_RESET,
	CLOSE_BACKEND_RESET,
	CLOSE_CLIENT_LOST,
	CLOSE_BACKEND_LOST,
	CLOSE_CLIENT_TRUNCATED,
	CLOSE_BACKEND_TRUNCATED,
	CLOSE_CLIENT_TLS,
	CLOSE_BACKEND_TLS,
	CLOSE_CLIENT_LEFT,
	CLOSE_GREETING_TIMEOUT,
	CLOSE_BAD_GREETING,
	CLOSE_REFUSED,
	CLOSE_IDLE,
	CLOSE_HALF_CLOSED_IDLE,
	CLOSE_CONNECT_REFUSED,
	CLOSE_CONNECT_TIMEOUT,
	CLOSE_CONNECT_FAILED,
	CLOSE_NO_BACKEND,
	CLOSE_BACKENDS_FULL,
	CLOSE_QUEUE_TIMEOUT,
	CLOSE_FIRST_BYTE_TIMEOUT,
	CLOSE_NO_RESOURCES,
	CLOSE_DRAIN_TIMEOUT,
	CLOSE_SHUTDOWN,
	CLOSE_REASONS,
};

enum close_by { BY_RINGMAIN, BY_CLIENT, BY_BACKEND, CLOSE_BYS };

extern const char *const session_reasons[CLOSE_REASONS];
extern const char *const session_phase_names[SESSION_PHASES];

enum { SIDE_CLIENT, SIDE_BACKEND, SIDES };
enum { LANE_UP, LANE_DOWN, LANES };

/* One socket and what the kernel is doing with it. */
struct side {
	int fd; /* -1: none */
	uint8_t index;
	bool is_tcp : 1;
	bool is_nonblocking : 1; /* O_NONBLOCK, for splice(2): receives do not wait by themselves */
	bool is_dead : 1;        /* its peer reset it or got lost: what follows is no clean end */
	bool is_ready : 1;       /* connected, and its TLS handshake done */
	bool is_tls_closed : 1;  /* close_notify was sent */
	bool is_forgotten : 1;   /* closed without a segment: see admission_is_silent() */
	bool expects_ack : 1;    /* bytes went there: see ack_look.h */
	struct io_op recv;       /* a receive, or a wait for bytes */
	struct io_op send;       /* a send, a wait for room, or the connect */
	struct io_op cancel_recv, cancel_send;
	struct list starved;  /* on engine.starved or greet_queue.unread: waits for memory */
	struct buf_queue out; /* waits to be sent to this socket; the head may be with the kernel */
	struct buf_queue waiting; /* payload that came before the side was ready for it */
	struct tls_stream *tls;   /* NULL: plain */
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
	bool is_cut;         /* the source ended by dying, not by the end of its stream */
	bool is_clean;       /* done: every byte and the end of the stream were delivered */
	bool has_more;       /* the last receive left bytes in the socket */
	uint8_t quiet_pumps; /* spliced rounds in a row that moved little */
	uint8_t depth;       /* buffers that may wait at its destination, see lane.h */
};

/* Many are idle at once: what it holds lies tight. */
struct session {
	struct engine *engine;
	struct listener *listener;
	struct pool *pool;
	struct backend *backend; /* that it holds a place at, or NULL */
	uint64_t id;
	struct side sides[SIDES];
	struct lane lanes[LANES];

	struct buf *first;         /* greeting: the first bytes, until somebody understood them */
	struct pgsql_watch *watch; /* looks for the key of a PostgreSQL session, or NULL */
	uint64_t cancel_hash;      /* of that key, or of its client: see cancels.h; 0: not known */
	struct backend *wanted;    /* the only one that will do now, or NULL */
	struct facts *facts;       /* what they said, or NULL */
	const char *detail; /* of the reason, for the log; lives as long as the session, or NULL */
	struct list handshake;           /* on one of the engine's or the listener's lists */
	const struct pool_config *route; /* that the greeting found */
	uint64_t stick_key;              /* of its client; 0: not looked up */
	uint32_t source;                 /* counted by the listener's limits: see admission.h */
	uint32_t stuck;                  /* held in the pool's stick table, or LRU_NONE */
	uint16_t introduced_left;        /* of our PROXY header, still to be sent */
	uint16_t origin_turn;            /* see origin.h */
	uint8_t greet_step : 4;
	uint8_t greet_wait : 4;      /* what the greeting waits for: see greet_queue.h */
	uint8_t postgres_asked;      /* for pgsql_read_clear() */
	uint8_t origins_failed;      /* addresses to connect from that had no port left */
	char dial_answer;            /* one byte, to PostgreSQL's SSLRequest */
	bool has_spoken : 1;         /* the client has: there was a byte for the backend */
	bool was_asked : 1;          /* the client's bytes were the last to move */
	bool owes_answer : 1;        /* see session_doom_when_answered() */
	bool is_direct_postgres : 1; /* TLS without a request for it */
	bool asked_for_tls : 1;      /* by PostgreSQL's SSLRequest */
	bool is_cancel : 1;          /* a request to cancel: see ask_around.h */
	bool is_told : 1;            /* it is, and the client is to hear the end */
	bool asks_around : 1;        /* one for more than one backend, perhaps */
	bool is_settled : 1;         /* it has lasted: see dial_settle() */
	bool is_look_due : 1;        /* bytes moved since it was looked at: see session_moved() */
	bool is_queued : 1;          /* in the pool's queue */
	bool is_retiring : 1;        /* a try has failed: waits for the kernel to return its ops */
	bool is_backlog_full : 1;    /* the backend's, a unix socket: it is asked again soon */
	enum close_by by : 2;
	enum session_phase phase : 3;
	enum close_reason why : 6;
	int dial_error;       /* of the last failed try: -errno, 0 for none */
	int unsent_bytes;     /* at the last look of note_delivery() */
	uint32_t ack_look_ms; /* when acks are looked at, modulo 2^32; 0: nobody owes any */
	struct timer timer;
	struct list reap; /* on engine.reapable at the very end */

	uint64_t started_ms;
	uint64_t active_ms;  /* when bytes last moved */
	uint64_t dialing_ms; /* when dialing began */
	union {
		uint64_t try_until_ms; /* dialing: when the try that goes on has to be over */
		struct ack_watch acks[SIDES]; /* relaying: what each side's peer owes */
	};
	uint64_t connected_ms;       /* 0: never */
	uint64_t doomed_ms;          /* when the end was noted: see session_doom() */
	struct pool_waiter waiter;   /* asks the pool, and may wait in its queue */
	struct session *called_next; /* on worker_peer.called */
	struct addr_short client;    /* len 0: nobody wanted to know, see proxy.needs_clients */
};

/* An accepted socket on its way to a session. */
struct newcomer {
	struct listener *listener;
	int fd;
	uint32_t source; /* see admission.h */
	bool is_tcp;
};

/*
 * Begins a session of @newcomer, whose socket, place in the proxy and source
 * it takes. False, and all of them given back, when the engine has no slot left
 * or has been told to stop.
 */
MUST_CHECK bool session_start(struct engine *engine, const struct newcomer *newcomer);

/* The only function that changes a session's phase. */
void session_enter(struct session *s, enum session_phase next);

/* Both sides are connected: lets the bytes flow. */
void session_relay(struct session *s);

/*
 * The only way out, for every reason; the first reason counts. Safe to call
 * twice and from inside any callback: nothing is freed here. session_reap()
 * returns the slot once the kernel has given back every op.
 */
void session_close(struct session *s, enum close_reason why, enum close_by by);

/* Notes an end that is still to be delivered to the other side. */
void session_doom(struct session *s, enum close_reason why, enum close_by by);
bool session_is_doomed(const struct session *s);
/*
 * The same, but nobody has died: the client says nothing more and may still be
 * answered. That comes first, and is over when the backend has ended, or when
 * nothing has moved for close_timeout.
 */
void session_doom_when_answered(struct session *s, enum close_reason why, enum close_by by);

/* To be called at the end of the callback of every op, when the session is closing. */
void session_op_returned(struct session *s);

/* Frees what a closed session held. For the engine, at the end of a turn. */
void session_reap(struct session *s);

/*
 * Bytes moved. @wants_look: by a request that may not tell when the side dies
 * next, so the session has to be looked at when it has become quiet.
 */
void session_moved(struct session *s, bool wants_look);

/* Sets the timer to what the relaying session waits for next. */
void session_set_deadline(struct session *s);

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
