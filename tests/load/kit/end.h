/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LOAD_KIT_END_H
#define LOAD_KIT_END_H

/*
 * The ends of the sessions that check sends through a relay. An end is one
 * socket. It sends a stream of its own, known byte by byte from the seed, in
 * writes of random sizes with pauses between them; finishes it with a FIN, or
 * breaks it off with a RST; and compares what it receives with what the other
 * end of its session sends. The first sixteen bytes of a stream say whose it
 * is: so the two ends find each other.
 *
 * A step reads, sends, and finishes the end when it is through or something
 * is wrong. It is taken on an event of epoll and when a pause is over.
 */

#include "net.h"

#include <stdbool.h>
#include <stdint.h>

#define END_HEAD_BYTES 16 /* a word with role and number, a word of proof */
#define END_NEVER UINT64_MAX

enum end_role { END_CLIENT, END_BACKEND };

/* Who of a session says nothing beyond its head until the other one's FIN came? */
enum end_style { END_BOTH_TALK, END_BACKEND_HOLDS, END_CLIENT_HOLDS };

struct end {
	struct ends *all;
	enum end_role role;
	enum end_style style; /* a backend end knows it when it has a peer */
	uint32_t number;      /* of the session; of the accepted socket for a backend end */
	int fd;               /* -1 when finished */
	uint32_t interest;    /* what epoll was told */
	struct end *peer;     /* known when the head of either stream has arrived */
	uint64_t key;         /* of the bytes */
	uint64_t seed;        /* of sizes, pauses, fate */
	uint64_t plan_bytes;  /* the length of its stream */
	uint64_t abort_at;    /* bytes sent and received; END_NEVER */
	uint64_t sent, received;
	uint64_t write_left;                   /* of the write under way */
	uint64_t send_after_ns, read_after_ns; /* ends of pauses, 0: none */
	uint8_t head[END_HEAD_BYTES];          /* of the other one's stream */
	bool may_speak_first;
	bool send_blocked;
	bool sent_fin, got_fin, got_reset;
	bool got_fin_for_abort; /* the other one sent a RST, this one saw a FIN */
	bool aborted;           /* sent a RST itself */
	bool wrong;             /* saw what must not be; told on stderr */
	bool finished;
};

/* All ends of a run. The caller sets the first part and gives zeroed arrays, then only reads. */
struct ends {
	uint64_t seed, bytes_max, pause_ms;
	unsigned aborts_percent;
	uint32_t clients_max, backends_max;
	struct end *clients, *backends;
	int poller;
	uint64_t now_ns; /* set before every call */

	uint32_t clients_known, clients_open;
	uint32_t backends_known, backends_open;
	unsigned complaints;
};

/* Begins the next client's session; an end that cannot even dial is finished with a reset. */
void end_dial(struct ends *all, const struct net_addr *to);

/* Takes @fd, a connection that the relay made to a backend address. */
void end_accept(struct ends *all, int fd);

/* @events as epoll reported them for the end. */
void end_on_event(struct end *e, uint32_t events);

/* Takes a step when a pause is over. Gives the lesser of @wait_ns and the time to the next one. */
uint64_t end_resume(struct end *e, uint64_t wait_ns);

#endif
