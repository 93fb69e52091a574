/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LOAD_KIT_FLOW_H
#define LOAD_KIT_FLOW_H

/*
 * One connection of load: it sends up to a goal from a fixed stream of bytes
 * and receives from the same stream, so that every byte can be compared
 * without knowing the other side. Embed a flow first in what it belongs to;
 * epoll gives its address back. In clear, or as a client of TLS; counted is
 * what is inside.
 *
 * The process has one poller; flow_init() comes first.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

#define FLOW_ENDLESS UINT64_MAX

struct flow {
	int fd; /* -1: closed */
	bool wants_out;
	struct secure *secure; /* TLS; NULL without */
	uint64_t in_bytes, out_bytes;
	uint64_t out_goal; /* the caller raises it, then calls flow_send() */
};

/* @verify: compare what is received. */
void flow_init(bool verify);

/* Takes @fd. Events of it come with @f, those of a listener with @what. */
void flow_open(struct flow *f, int fd);
void flow_watch_listener(int fd, void *what);

/* Right after flow_open(): from now on it is TLS (after secure_init()). flow_send() begins it. */
void flow_secure(struct flow *f);

/* Gives the number of events, 0 after @timeout_ms without any. */
int flow_wait(struct epoll_event *events, int max, int timeout_ms);

/*
 * Sends towards the goal until the socket is full; goes on at EPOLLOUT. 0 or -errno. While a
 * handshake waits for the server nothing is sent: call again after every flow_receive() that
 * gave -EAGAIN.
 */
int flow_send(struct flow *f);

/*
 * One recv(2), or a few records: bytes, 0 at the end, -EAGAIN, -EBADMSG for a byte that was never
 * sent, -errno (-EPROTO: TLS).
 */
ssize_t flow_receive(struct flow *f);

void flow_close(struct flow *f);

#endif
