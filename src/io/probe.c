/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can io_uring do on this kernel? Each question is asked by trying, not
 * by comparing version numbers: vendors move features between versions, and
 * containers forbid them.
 */
#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/compat.h"
#include "io/ring.h"

#define PROBE_ENTRIES 8
#define PROBE_WAIT_NS 1000000000ull

/* The other two system calls: a filter may forbid each of the three alone. */
static int probe_calls(struct io_uring *uring)
{
	unsigned max[2] = { 0, 0 }; /* changes nothing, only asks */
	int err = io_uring_register_iowq_max_workers(uring, max);

	if (err < 0)
		return err;
	io_uring_prep_nop(io_uring_get_sqe(uring));
	err = io_uring_submit_and_wait(uring, 1);
	return err < 0 ? err : 0;
}

static int probe_setup(unsigned flags, uint32_t *ret_kernel_features)
{
	struct io_uring_params params = { .flags = flags };
	struct io_uring uring;
	int err = io_uring_queue_init_params(PROBE_ENTRIES, &uring, &params);

	if (err < 0)
		return err;
	*ret_kernel_features = params.features;
	err = probe_calls(&uring);
	io_uring_queue_exit(&uring);
	return err;
}

struct probe_recv {
	struct io_op op;
	int res;
	bool is_done;
	struct buf_pool *pool;
};

static void probe_on_recv(struct io_op *op, int res, unsigned flags)
{
	struct probe_recv *p = container_of(op, struct probe_recv, op);

	if (flags & IO_HAS_BUFFER)
		buf_put(p->pool, buf_received(p->pool, res, flags));
	p->res = res;
	p->is_done = !(flags & IO_MORE);
}

/* One byte, then the end of the stream: a kernel that does not know the credit answers -EINVAL. */
static bool probe_credit_on(struct ring *ring, struct buf_pool *pool, int fd)
{
	struct probe_recv p = { .pool = pool };

	io_op_init(&p.op, probe_on_recv);
	io_recv(ring, &p.op, fd, 1, false);
	while (!p.is_done) {
		if (ring_wait(ring, PROBE_WAIT_NS) < 0)
			return false;
		ring_dispatch(ring);
	}
	return p.res >= 0;
}

static bool probe_credit(const struct ring_features *features)
{
	struct ring_options options = {
		.entries = PROBE_ENTRIES,
		.completions = PROBE_ENTRIES * 2,
		.buffers_offered = BUF_COUNT_MIN / 2,
		.features = *features,
	};
	const char *step;
	struct buf_pool pool;
	struct ring *ring;
	bool can = false;
	int pair[2];

	options.features.recv_credit = true;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	if (send(pair[1], "x", 1, MSG_NOSIGNAL) != 1 || close(pair[1]) < 0)
		goto done;
	if (buf_pool_init(&pool, BUF_COUNT_MIN) < 0)
		goto done;
	if (ring_create(&options, &pool, &ring, &step) == 0) {
		can = probe_credit_on(ring, &pool, pair[0]);
		ring_destroy(ring);
	}
	buf_pool_finish(&pool);
done:
	close(pair[0]);
	return can;
}

int ring_probe(struct ring_features *ret_features)
{
	struct ring_features found = { .accept_multishot = true }; /* kernel 5.19 */
	uint32_t kernel = 0;
	int err;

	err = probe_setup(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, &kernel);
	found.defer_taskrun = err == 0;
	if (err == -EINVAL)
		err = probe_setup(IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, &kernel);
	if (err < 0)
		return err;

	found.no_iowait = kernel & COMPAT_FEAT_NO_IOWAIT;
	found.recv_credit = probe_credit(&found);
	*ret_features = found;
	return 0;
}
