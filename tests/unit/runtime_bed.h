/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_RUNTIME_BED_H
#define UNIT_RUNTIME_BED_H

/*
 * The bed of tests/fake/bed.h for a cmocka test:
 *
 *	static void an_end_of_stream_goes_on(void **state)
 *	{
 *		struct bed *st = bed_of(state, "relay = copy");
 *		struct pair c = bed_relaying(st);
 *
 *		shutdown(c.client, SHUT_WR);
 *		bed_run(st);
 *		expect_end(c.backend);
 *	}
 *
 * bed_test()'s teardown ends what still runs, and fails the test when
 * anything did not come back: sessions, buffers, pipes, descriptors, slots.
 */

#include "fake/bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static inline struct bed *bed_with(void **state, const struct bed_options *options)
{
	struct bed *st = bed_create(options);

	*state = st;
	return st;
}

/* One backend, and @listener_keys: lines for the listener's section. */
static inline struct bed *bed_of(void **state, const char *listener_keys)
{
	return bed_with(state, &(struct bed_options){ .listener_keys = listener_keys });
}

static inline int bed_teardown(void **state)
{
	const char *left = *state ? bed_destroy(*state) : NULL;

	*state = NULL;
	if (left)
		print_error("did not come back: %s\n", left);
	return left ? -1 : 0;
}

#define bed_test(f) cmocka_unit_test_teardown(f, bed_teardown)

/* ---- what a peer sees ---------------------------------------------------- */

/* Just this, and for the moment no more. */
#define expect_text(fd, text) expect_bytes(fd, text, sizeof(text) - 1)
#define expect_bytes(fd, bytes, n)                                                \
	do {                                                                      \
		char seen_[(n) + 1];                                              \
		assert_int_equal(peer_recv(fd, seen_, sizeof(seen_)), (long)(n)); \
		assert_memory_equal(seen_, bytes, n);                             \
	} while (0)

#define expect_nothing(fd) assert_int_equal(peer_says(fd), -EAGAIN)
#define expect_end(fd) assert_int_equal(peer_says(fd), 0)
#define expect_reset(fd) assert_int_equal(peer_says(fd), -ECONNRESET)

/* 0 at the end of the stream, 1 when there are bytes, or -errno. */
static inline long peer_says(int fd)
{
	char byte;

	return peer_recv(fd, &byte, 1);
}

/* ---- what a session asks the kernel for ---------------------------------- */

#define expect_request(op, what) assert_int_equal(fake_request_of(op).kind, what)

/* Shorter names for the parts of a session. */
static inline struct side *client_of(struct session *s)
{
	return &s->sides[SIDE_CLIENT];
}

static inline struct side *backend_of(struct session *s)
{
	return &s->sides[SIDE_BACKEND];
}

static inline struct lane *up_of(struct session *s)
{
	return &s->lanes[LANE_UP];
}

static inline struct lane *down_of(struct session *s)
{
	return &s->lanes[LANE_DOWN];
}

#endif
