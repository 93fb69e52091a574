/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LIVES_LIFE_H
#define LIVES_LIFE_H

/*
 * The parts of tests/unit/test_lives.c: a life is what happens on one stage,
 * and all that happens in it follows from one number.
 */

#include "fake/wire.h"
#include "unit/runtime_stage.h"

#define PEERS_MAX 64

/* A stream begins with the number of its sender. */
#define HEAD_BYTES 4

struct peer {
	int fd; /* -1: closed */
	struct wire *wire;
	bool is_client, has_ended, has_died, has_seen_end;
	uint64_t sent, came;
	uint32_t from;      /* as far as its first bytes have come */
	struct peer *other; /* once that is known */
};

struct life {
	struct stage *st;
	uint64_t random;
	bool is_gentle, is_unix, is_stopped;
	bool is_tight;           /* the kernel holds little */
	bool is_through;         /* TLS, between client and backend */
	struct wire_way ways[2]; /* of clients, of backends */
	unsigned proxy_out;      /* version of the header to backends */
	uint32_t per_source_max; /* sessions; 0: no limit */
	bool is_sticky;
	unsigned clients_max;
	struct peer peers[PEERS_MAX];
	unsigned peers_n;
};

/* A number below @n; and true once in @n times. */
unsigned below(struct life *l, unsigned n);
bool one_in(struct life *l, unsigned n);

/* ---- the stage (dress.c) ------------------------------------------------- */

/* Draws what kind of life it is, and sets the stage. */
void life_begin(struct life *l, void **state);
/* What is held for clients of that life by others than sessions; the stage knows the rest. */
void life_expect_nothing_held(struct life *l);
/* For all lives: certificates, and what is made of them. Without openssl lives have no TLS. */
void dress_make(void);
void dress_remove(void);

/* ---- peers (peers.c) ----------------------------------------------------- */

void a_client_comes(struct life *l);
void backends_accept(struct life *l);
void a_peer_does_something(struct life *l);

void peer_sends(struct life *l, struct peer *p);
void peer_reads(struct life *l, struct peer *p, size_t most);
void peer_ends(struct peer *p);
bool peer_was_asked_to_cancel(const struct peer *p);
/* Frees what peers hold beside their sockets. */
void peers_finish(struct life *l);
/* The same address and port for a peer's number each time. */
struct addr claimed_source(unsigned number);

/* What a socket, and those that it accepts, hold is little. */
void make_tight(const struct life *l, int fd);

/* ---- the kernel (kernel.c) ----------------------------------------------- */

void a_request_completes(struct life *l);
/* For a few requests no file can be opened. */
void files_run_out(struct life *l);
/* A mailbox is full of letters that say nothing. */
void a_mailbox_fills(struct life *l);

#endif
