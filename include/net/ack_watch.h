/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_ACK_WATCH_H
#define NET_ACK_WATCH_H

/*
 * Does the peer of a TCP connection still answer? Dead is who leaves
 * something unanswered: when somebody looked there were bytes that the peer
 * had not acknowledged, or a probe of its closed window without an answer,
 * and from then on no ACK came for as long as one has patience.
 *
 * TCP_USER_TIMEOUT asks something else: whether *data* was acknowledged. It
 * ends a peer that reads nothing for a while and answers every window probe.
 * Nor does the age of the last ACK say much: on a connection that was idle it
 * is old, and while a window is closed the kernel probes it ever more seldom,
 * down to once in two minutes.
 *
 *	ack_facts_read(fd, &facts);
 *	switch (ack_watch_look(&watch, &facts, patience_ms)) { ... }
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

/* Of the kernel's TCP_INFO, at one moment. */
struct ack_facts {
	uint64_t read_ms;       /* when that was, as clock_now_ms() */
	uint32_t since_ack_ms;  /* an ACK came last */
	uint32_t since_sent_ms; /* data was sent last, or sent again */
	uint32_t rtt_ms;        /* there and back, on the average */
	bool has_unsent;        /* bytes wait in the kernel: for room in the window, mostly */
	bool has_unacked;       /* bytes were sent, and the peer has not acknowledged them */
	bool has_probed;        /* probed the window, or the peer, and no ACK came since */
	bool has_timed_out;     /* sent the oldest bytes again, for no ACK took them */
	bool has_backed_off;    /* waits longer each time before it does */
	bool is_window_closed;
};

/* All zero: nothing is noted. 0 or -errno; what is not a TCP connection any more owes nothing. */
MUST_CHECK int ack_facts_read(int fd, struct ack_facts *ret_facts);

/* What was found out so far. All zero to begin with. */
struct ack_watch {
	uint32_t noted_ms; /* the look that found something unanswered, modulo 2^32; 0: none */
};

enum ack_verdict {
	ACK_ALL,     /* the peer has acknowledged everything: no need to look again */
	ACK_PENDING, /* not yet: look again */
	ACK_DEAD,
};

/*
 * Looks at @facts; several looks should fit into @patience_ms, and the last
 * one was less than seven weeks ago. However short the patience, nobody is
 * dead before he had the time to answer and something was sent to him twice.
 */
MUST_CHECK enum ack_verdict ack_watch_look(struct ack_watch *watch, const struct ack_facts *facts,
					   uint64_t patience_ms);

#endif
