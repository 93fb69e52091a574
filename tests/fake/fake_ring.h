/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FAKE_FAKE_RING_H
#define FAKE_FAKE_RING_H

/*
 * A ring without io_uring: requests are written down, and the test decides
 * when and how each completes. Completions run their callback at once, as
 * ring_dispatch() would. There are two ways to let one complete:
 *
 *   by hand    fake_complete(), fake_receive(): with any result, whatever the
 *              socket says; for errors, races and late completions
 *   for real   fake_perform(), fake_run(): with what the kernel would say now,
 *              asked with an ordinary system call that does not wait
 *
 * All rings of a test share one list of requests.
 */

#include <stdbool.h>
#include <stddef.h>

#include "io/ring.h"

enum fake_kind {
	FAKE_NOTHING, /* the op is not in the kernel */
	FAKE_ACCEPT,
	FAKE_CONNECT,
	FAKE_RECV,
	FAKE_SEND,
	FAKE_POLL,
	FAKE_READ,
	FAKE_CANCEL,
};

struct fake_request {
	struct ring *ring;
	struct io_op *op;
	enum fake_kind kind;
	int fd;
	const struct addr *addr;          /* of a connect */
	struct iovec parts[IO_PARTS_MAX]; /* of a send */
	unsigned parts_n;
	void *to;             /* of a read */
	size_t n;             /* bytes, of both; of a receive the most, 0: a buffer full */
	bool lacks_room;      /* of a send that waits for some */
	unsigned events;      /* of a poll */
	uint32_t credit;      /* of a receive; what is left of it */
	bool wait;            /* of a receive */
	bool many;            /* of an accept */
	struct io_op *target; /* of a cancel */
};

/* Forgets everything: a new test begins. */
void fake_reset(void);

/* What @op asks for; kind FAKE_NOTHING when it is not in the kernel. */
struct fake_request fake_request_of(const struct io_op *op);
/* How many ops are in the kernel, and number @n of them, in no particular order. */
unsigned fake_requests(void);
struct fake_request fake_request_at(unsigned n);

/* ---- by hand ------------------------------------------------------------- */

/* The last completion of @op, or one of several with IO_MORE in @flags. */
void fake_complete(struct io_op *op, int res, unsigned flags);
/* @n bytes arrive for a receive, in a buffer of the pool. */
void fake_receive(struct io_op *op, const void *bytes, size_t n, unsigned flags);

/* ---- for real ------------------------------------------------------------ */

/*
 * Does what the kernel would do with @op now: false when it would go on
 * waiting. A receive with credit completes once for each call.
 */
bool fake_perform(struct io_op *op);
/*
 * fake_perform() for all requests there are, once for each. Gives how many
 * completed. A ring_wait() does it too, and does not wait.
 */
unsigned fake_run(void);
/* Sends the first @n bytes of a send, which then completes short; gives their number. */
size_t fake_send_part(struct io_op *op, size_t n);
/* Every cancel is performed. */
void fake_run_cancels(void);

/* The next ring_create() fails with @err, naming "fake" as the call. */
void fake_fail_create(int err);
/* ring_wait() gives @err from now on; 0: is well again. */
void fake_fail_wait(int err);
/* What the last ring_wait() would have waited, at most. */
uint64_t fake_waited_ns(void);

#endif
