/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WORKER_ACCEPTOR_H
#define WORKER_ACCEPTOR_H

/*
 * One listening socket of one worker. Accepts while there is room, pauses
 * when there is none or the kernel has no descriptor to give, and hands a
 * new socket over to the worker with the fewest sessions.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "base/log.h"
#include "base/timer.h"
#include "io/op.h"
#include "state/runtime.h"
#include "worker/relisten.h"

struct generation;
struct generation_socket;
struct host;
struct listener;

struct acceptor {
	struct host *host; /* NULL: never opened */
	struct listener *listener;
	struct generation *generation; /* whose listener that is */
	uint64_t id;                   /* of its socket: see state/generation.h */
	int fd;                        /* -1: closed */
	bool is_tcp;
	bool is_closing;
	bool is_covered; /* see generation_socket */
	bool is_leaving; /* see acceptor_leave() */
	int held_fd;     /* accepted, but there was no room for it; -1: none */
	uint32_t held_source;
	struct io_op accept;
	struct io_op cancel;
	struct timer retry;
	enum listener_pause paused; /* what the operator wants of its listener, as it was applied */
	bool has_stopped;           /* so it has stopped listening */
	struct relisten relisten;
	struct timer stop_listening; /* when it is to stop listening */
	struct timer leave;          /* when it closes */
	unsigned pause_ms;           /* grows while the trouble lasts */
	struct log_rate trouble;
};

/* @socket is one of @generation. One that is closed may be opened again. */
void acceptor_open(struct acceptor *a, struct host *host, const struct generation_socket *socket,
		   struct generation *generation);

/* What comes to its socket is for the listener of @socket, of @generation, from now on. */
void acceptor_pass(struct acceptor *a, const struct generation_socket *socket,
		   struct generation *generation);

/* Goes on, if it paused for want of room. */
void acceptor_resume(struct acceptor *a);

/* Does what the operator wants of its listener: see enum listener_pause. */
void acceptor_apply_pause(struct acceptor *a);

/*
 * Other sockets of ours have its clients from now on. Those whose handshakes have begun are still
 * accepted here, then it closes.
 */
void acceptor_leave(struct acceptor *a);

/*
 * Accepts no more. What waits in the backlog already becomes sessions, then
 * the socket is closed; with ops in the kernel that takes another turn.
 */
void acceptor_close(struct acceptor *a);
bool acceptor_is_closed(const struct acceptor *a);

#endif
