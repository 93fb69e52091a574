/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IO_RING_H
#define IO_RING_H

/*
 * The ring: requests to the kernel and their completions. One thread creates
 * a ring, uses it and destroys it. This header is a seam: src/io/ring.c
 * implements it with io_uring, tests/fake/fake_ring.c without a kernel.
 *
 * io_*() queue a request; the kernel sees it at the next ring_wait(). Then
 * ring_dispatch() calls op->done() for every completion that has arrived.
 * Callbacks may queue requests, on their own op too, but must neither wait
 * nor dispatch.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/def.h"
#include "io/buf.h"
#include "io/op.h"
#include "net/addr.h"

struct ring;

/* What this kernel can do beyond 6.1, as ring_probe() found it. */
struct ring_features {
	bool defer_taskrun;    /* completions are worked on when the loop asks for them */
	bool accept_multishot; /* one accept request for many connections */
	bool recv_credit;      /* one receive request for so many bytes (kernel 6.17) */
	bool no_iowait;        /* waiting is not shown as waiting for a disk (kernel 6.15) */
};

/*
 * Fills in what io_uring can do here. Returns 0, or -errno when there is no
 * usable io_uring at all: -EPERM (forbidden by sysctl or a seccomp filter),
 * -ENOSYS (not in the kernel, or filtered).
 */
MUST_CHECK int ring_probe(struct ring_features *ret_features);

struct ring_options {
	unsigned entries;         /* requests between two turns; a power of two */
	unsigned completions;     /* that may wait between two turns; a power of two */
	unsigned buffers_offered; /* of the pool's, to the kernel at a time; a power of two */
	struct ring_features features;
};

/*
 * Creates a ring that receives into buffers of @pool, which it keeps. On
 * failure returns -errno and names the call that failed in *ret_step.
 */
MUST_CHECK int ring_create(const struct ring_options *options, struct buf_pool *pool,
			   struct ring **ret_ring, const char **ret_step);
/* No op may be with the kernel any more. Gives offered buffers back to the pool. Accepts NULL. */
void ring_destroy(struct ring *ring);

/*
 * Hands over what is queued and waits until something completes or
 * @timeout_ns has passed (0: does not wait). One system call. Returns 0, or
 * -errno when the ring is broken.
 */
MUST_CHECK int ring_wait(struct ring *ring, uint64_t timeout_ns);

/* Hands over what is queued, before work that takes long. One system call, if there is anything. */
void ring_submit(struct ring *ring);

/* Calls the callbacks of all completions there are; gives their number. */
unsigned ring_dispatch(struct ring *ring);

/* Buffers that a receive could still get: offered, or free in the pool. */
unsigned ring_buffers_available(const struct ring *ring);

/*
 * Accepts one connection, or with @many (if the kernel can) as many as come
 * until the request ends by itself or is cancelled. The result is the socket.
 */
void io_accept(struct ring *ring, struct io_op *op, int fd, bool many);

/*
 * @addr is lent to the kernel too. A unix socket whose backlog is full is not
 * waited for, as the kernel can tell nobody that it has room again: -EAGAIN,
 * and @fd is fit for another try.
 */
void io_connect(struct ring *ring, struct io_op *op, int fd, const struct addr *addr);

/*
 * Receives into a buffer of the pool; -ENOBUFS when it has none to offer.
 * With @credit (if the kernel can) goes on receiving, with IO_MORE, until
 * about so many bytes have arrived in all. @wait: nothing is expected to be
 * there yet, so do not even look before the socket becomes readable.
 */
void io_recv(struct ring *ring, struct io_op *op, int fd, uint32_t credit, bool wait);

/* What one send takes its bytes from, at most. */
#define IO_PARTS_MAX 16

/*
 * Sends the bytes of @parts, one after the other, as far as there is room,
 * which may be for a part of them. Where there is none it waits for some and
 * then completes with 0: send again. @parts itself is not lent.
 */
void io_send(struct ring *ring, struct io_op *op, int fd, const struct iovec *parts, unsigned n);

/*
 * Completes once, with the ready events of poll(2). @events is either POLLOUT
 * or POLLIN | POLLRDHUP.
 */
void io_poll(struct ring *ring, struct io_op *op, int fd, unsigned events);

void io_read(struct ring *ring, struct io_op *op, int fd, void *ret_bytes, size_t n);

/*
 * Asks the kernel to give @target back early; it completes with -ECANCELED,
 * or as it would have, whichever comes first. @op completes by itself.
 */
void io_cancel(struct ring *ring, struct io_op *op, struct io_op *target);

#endif
