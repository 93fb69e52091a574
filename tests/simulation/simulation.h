/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SIMULATION_SIMULATION_H
#define SIMULATION_SIMULATION_H

/*
 * The parts of tests/unit/test_simulation.c: a run is what happens on one test bed,
 * and all that happens in it follows from one number.
 */

#include "fake/wire.h"
#include "state/query.h"
#include "unit/runtime_bed.h"

#define PEERS_MAX 64

/* A stream begins with the number of its sender. */
#define HEAD_BYTES 4

struct peer {
	int fd; /* -1: closed */
	struct wire *wire;
	bool is_client, has_ended, has_died, has_seen_end;
	bool is_parted; /* told, before anything else, that it is over */
	uint64_t sent, came;
	uint32_t from;      /* as far as its first bytes have come */
	struct peer *other; /* once that is known */
};

struct file_text {
	char text[1024];
	size_t n;
};

struct simulation {
	struct bed *st;
	uint64_t random;
	bool is_gentle, is_unix, is_stopped;
	bool is_tight;           /* the kernel holds little */
	bool is_through;         /* TLS, between client and backend */
	struct wire_way ways[2]; /* of clients, of backends */
	unsigned proxy_out;      /* version of the header to backends */
	uint32_t per_source_max; /* sessions; 0: no limit */
	bool is_sticky;
	bool is_limited;           /* backends take two sessions each */
	bool may_refuse;           /* the listener: nothing keeps it from serving who has come */
	struct file_text fixed[2]; /* lines of listener and pool that no reload changes */
	struct query query;        /* of the operator, to a worker */
	bool is_asked;             /* it is on its way */
	unsigned clients_max, backends_n;
	struct peer peers[PEERS_MAX];
	unsigned peers_n;
};

/* A number below @n; and true once in @n times. */
unsigned below(struct simulation *sim, unsigned n);
bool one_in(struct simulation *sim, unsigned n);

/* ---- the bed (setup.c) ------------------------------------------------- */

/* Draws what kind of run it is, and sets up the test bed. */
void simulation_begin(struct simulation *sim, void **state);
/* Other limits, backends, names of listener and pool: whatever a reload may change. */
void a_reload_comes(struct simulation *sim);
/* What is held for clients of that run by others than sessions; the test bed knows the rest. */
void simulation_expect_nothing_held(struct simulation *sim);
/* For all runs: certificates, and what is made of them. Without openssl runs have no TLS. */
void simulation_make_shared(void);
void simulation_remove_shared(void);

/* ---- peers (peers.c) ----------------------------------------------------- */

void a_client_comes(struct simulation *sim);
void backends_accept(struct simulation *sim);
void a_peer_does_something(struct simulation *sim);

void peer_sends(struct simulation *sim, struct peer *p);
void peer_reads(struct simulation *sim, struct peer *p, size_t most);
void peer_ends(struct peer *p);
bool peer_was_asked_to_cancel(const struct peer *p);
/* Frees what peers hold beside their sockets. */
void peers_finish(struct simulation *sim);
/* The same address and port for a peer's number each time. */
struct addr claimed_source(unsigned number);

/* What a socket, and those that it accepts, hold is little. */
void make_tight(const struct simulation *sim, int fd);

/* ---- the operator (operator.c) ------------------------------------------- */

/* He drains a backend, pauses the listener, asks a worker, or kills a session. */
void the_operator_does_something(struct simulation *sim);
/* Orders to the whole process, after which no client comes. */
void an_order_comes(struct simulation *sim);
bool may_clients_come(const struct simulation *sim);
/* Nothing keeps clients out any more, and every answer has come. */
void the_operator_leaves(struct simulation *sim);

/* ---- the kernel (kernel.c) ----------------------------------------------- */

void a_request_completes(struct simulation *sim);
/* For a few requests no file can be opened. */
void files_run_out(struct simulation *sim);
/* An inbox is full of messages that say nothing. */
void an_inbox_fills(struct simulation *sim);

#endif
