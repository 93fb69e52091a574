/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define REQUESTS_MAX 4096

struct ring {
	struct buf_pool *pool;
	struct ring_features features;
	uint64_t enters;
};

static struct fake_request requests[REQUESTS_MAX];
static unsigned requests_n;
static struct ring *the_ring;

/* ---- the test's side ---------------------------------------------------------------- */

static struct fake_request *find(const struct io_op *op)
{
	for (unsigned n = 0; n < requests_n; n++)
		if (requests[n].op == op)
			return &requests[n];
	return NULL;
}

struct fake_request fake_request_of(const struct io_op *op)
{
	struct fake_request *r = find(op);

	return r ? *r : (struct fake_request){ .kind = FAKE_NOTHING };
}

unsigned fake_requests(void)
{
	return requests_n;
}

void fake_complete(struct io_op *op, int res, unsigned flags)
{
	struct fake_request *r = find(op);

	CHECK(r);
	CHECK(op->in_kernel);
	if (!(flags & IO_MORE)) {
		*r = requests[--requests_n];
		op->in_kernel = false;
	}
	op->done(op, res, flags);
}

void fake_receive(struct io_op *op, const void *bytes, size_t n, unsigned flags)
{
	struct buf *buf = buf_get(the_ring->pool);

	CHECK(buf);
	CHECK(n <= BUF_BYTES);
	memcpy(buf->bytes, bytes, n);
	fake_complete(op, (int)n, flags | IO_HAS_BUFFER | (unsigned)buf->id << 16);
}

size_t fake_send_all(struct io_op *op)
{
	size_t n = fake_request_of(op).n;

	fake_complete(op, (int)n, 0);
	return n;
}

void fake_complete_cancels(void)
{
	for (unsigned n = 0; n < requests_n;) {
		struct fake_request r = requests[n];

		if (r.kind != FAKE_CANCEL) {
			n++;
			continue;
		}
		if (r.target->in_kernel)
			fake_complete(r.target, -ECANCELED, 0);
		fake_complete(r.op, 0, 0);
		n = 0;
	}
}

/* ---- io/ring.h ------------------------------------------------------------------------ */

int ring_create(const struct ring_options *options, struct buf_pool *pool, struct ring **ret_ring,
		const char **ret_step)
{
	*ret_step = "fake";
	the_ring = calloc(1, sizeof(*the_ring));
	if (!the_ring)
		return -ENOMEM;
	the_ring->pool = pool;
	the_ring->features = options->features;
	requests_n = 0;
	*ret_ring = the_ring;
	return 0;
}

void ring_destroy(struct ring *ring)
{
	free(ring);
	the_ring = NULL;
}

int ring_wait(struct ring *ring, uint64_t timeout_ns)
{
	(void)timeout_ns;
	ring->enters++;
	return 0;
}

unsigned ring_dispatch(struct ring *ring)
{
	(void)ring;
	return 0;
}

const struct ring_features *ring_features(const struct ring *ring)
{
	return &ring->features;
}

unsigned ring_buffers_available(const struct ring *ring)
{
	return ring->pool->free_n;
}

uint64_t ring_enters(const struct ring *ring)
{
	return ring->enters;
}

uint64_t ring_overflows(const struct ring *ring)
{
	(void)ring;
	return 0;
}

static void request(const struct fake_request *r)
{
	CHECK(requests_n < REQUESTS_MAX);
	CHECK(!r->op->in_kernel);
	r->op->in_kernel = true;
	requests[requests_n++] = *r;
}

void io_accept(struct ring *ring, struct io_op *op, int fd, bool many)
{
	(void)ring;
	request(&(struct fake_request){ .op = op, .kind = FAKE_ACCEPT, .fd = fd, .many = many });
}

void io_connect(struct ring *ring, struct io_op *op, int fd, const struct addr *addr)
{
	(void)ring;
	request(&(struct fake_request){ .op = op, .kind = FAKE_CONNECT, .fd = fd, .bytes = addr });
}

void io_recv(struct ring *ring, struct io_op *op, int fd, uint32_t credit, bool wait)
{
	(void)ring;
	(void)wait;
	request(&(struct fake_request){ .op = op, .kind = FAKE_RECV, .fd = fd, .credit = credit });
}

void io_send(struct ring *ring, struct io_op *op, int fd, const void *bytes, size_t n)
{
	(void)ring;
	request(&(struct fake_request){
		.op = op, .kind = FAKE_SEND, .fd = fd, .bytes = bytes, .n = n });
}

void io_poll(struct ring *ring, struct io_op *op, int fd, unsigned events)
{
	(void)ring;
	request(&(struct fake_request){ .op = op, .kind = FAKE_POLL, .fd = fd, .events = events });
}

void io_read(struct ring *ring, struct io_op *op, int fd, void *ret_bytes, size_t n)
{
	(void)ring;
	request(&(struct fake_request){
		.op = op, .kind = FAKE_READ, .fd = fd, .bytes = ret_bytes, .n = n });
}

void io_cancel(struct ring *ring, struct io_op *op, struct io_op *target)
{
	(void)ring;
	request(&(struct fake_request){ .op = op, .kind = FAKE_CANCEL, .fd = -1, .target = target });
}
