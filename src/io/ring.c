/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring on io_uring. Everything newer than kernel 6.1 is used only where
 * ring_probe() found it; the rest of the program knows neither liburing nor
 * the version of the kernel.
 *
 *   io_recv() ... -> submission queue -> kernel -> completion queue -> op->done()
 *
 * ring_wait() is one system call: it submits, waits and gets completions.
 */
#include "io/ring.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "io/compat.h"
#include "net/sock.h"

static_assert(IO_HAS_BUFFER == IORING_CQE_F_BUFFER, "flags are the kernel's");
static_assert(IO_MORE == IORING_CQE_F_MORE, "flags are the kernel's");
static_assert(IO_NONEMPTY == IORING_CQE_F_SOCK_NONEMPTY, "flags are the kernel's");

#define NS_PER_S 1000000000ull
#define NS_PER_US 1000ull

/* The group that the offered buffers form; one is enough for one ring. */
#define BUF_GROUP 0

/*
 * Buffers offered at least; turns after which it is seen whether fewer would
 * do; of them, those that took all before more are offered.
 */
#define OFFER_MIN 16
#define OFFER_TURNS 256
#define OFFER_SHORT_TURNS 32

/* How often a submission that the kernel has no memory for is tried again. */
#define SUBMIT_TRIES_MAX 1000

/* What a send of several parts points to. */
struct message {
	struct msghdr header;
	struct iovec parts[IO_PARTS_MAX];
};

struct ring {
	struct io_uring uring;
	struct ring_features features;
	struct buf_pool *pool;
	struct io_uring_buf_ring *offer;
	unsigned offer_size;   /* slots of @offer */
	unsigned offer_wanted; /* of them, to be filled when a turn begins */
	unsigned offered;      /* of them, filled now */
	unsigned taken_max;    /* in one of the last offer_turns */
	unsigned short_turns;  /* of them, those that took all */
	unsigned offer_turns;
	unsigned enter_flags;
	int error;                /* -errno: the kernel takes no more requests */
	struct message *messages; /* by slot of the submission queue, read when it is submitted */
};

/* ---- create, destroy ---------------------------------------------------- */

static unsigned setup_flags(const struct ring_features *features)
{
	unsigned flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL;

	if (features->defer_taskrun)
		return flags | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	return flags | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
}

/* Splice(2) and shutdown(2) are called directly: no request needs more than one kernel worker. */
static void fence_kernel_workers(struct io_uring *uring)
{
	unsigned max[2] = { 1, 1 };

	(void)io_uring_register_iowq_max_workers(uring, max);
}

static int open_uring(struct ring *ring, const struct ring_options *options)
{
	struct io_uring_params params = {
		.flags = setup_flags(&options->features),
		.cq_entries = options->completions,
	};
	int err = io_uring_queue_init_params(options->entries, &ring->uring, &params);

	if (err < 0)
		return err;
	compat_sq_identity(&ring->uring);
	fence_kernel_workers(&ring->uring);
	ring->enter_flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
	if (io_uring_register_ring_fd(&ring->uring) == 1)
		ring->enter_flags |= IORING_ENTER_REGISTERED_RING;
	if (options->features.no_iowait)
		ring->enter_flags |= COMPAT_ENTER_NO_IOWAIT;
	return 0;
}

static size_t offer_bytes(unsigned slots)
{
	return slots * sizeof(struct io_uring_buf);
}

static int open_offer(struct ring *ring, unsigned slots)
{
	struct io_uring_buf_reg reg = { .ring_entries = slots, .bgid = BUF_GROUP };
	void *memory = mmap(NULL, offer_bytes(slots), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (memory == MAP_FAILED)
		return -ENOMEM;
	reg.ring_addr = (uintptr_t)memory;
	err = io_uring_register_buf_ring(&ring->uring, &reg, 0);
	if (err < 0) {
		munmap(memory, offer_bytes(slots));
		return err;
	}
	ring->offer = memory;
	ring->offer_size = slots;
	ring->offer_wanted = MIN(slots, OFFER_MIN);
	io_uring_buf_ring_init(ring->offer);
	return 0;
}

int ring_create(const struct ring_options *options, struct buf_pool *pool, struct ring **ret_ring,
		const char **ret_step)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int err;

	*ret_step = "memory";
	if (!ring)
		return -ENOMEM;
	ring->features = options->features;
	ring->pool = pool;

	*ret_step = "io_uring_setup";
	err = open_uring(ring, options);
	if (err < 0)
		goto fail;
	*ret_step = "memory";
	err = -ENOMEM;
	ring->messages = calloc(ring->uring.sq.ring_entries, sizeof(*ring->messages));
	if (!ring->messages)
		goto fail_uring;
	*ret_step = "io_uring_register buffers";
	err = open_offer(ring, options->buffers_offered);
	if (err < 0)
		goto fail_uring;

	*ret_ring = ring;
	return 0;

fail_uring:
	free(ring->messages);
	io_uring_queue_exit(&ring->uring);
fail:
	free(ring);
	return err;
}

/* After the ring is gone nobody fills the offered buffers any more. */
static void take_back_offered(struct ring *ring)
{
	unsigned mask = ring->offer_size - 1;
	unsigned tail = ring->offer->tail;

	while (ring->offered > 0) {
		unsigned id;

		tail--;
		id = ring->offer->bufs[tail & mask].bid;
		buf_put(ring->pool, &ring->pool->bufs[id]);
		ring->offered--;
	}
}

void ring_destroy(struct ring *ring)
{
	if (!ring)
		return;
	io_uring_queue_exit(&ring->uring);
	take_back_offered(ring);
	munmap(ring->offer, offer_bytes(ring->offer_size));
	free(ring->messages);
	free(ring);
}

unsigned ring_buffers_available(const struct ring *ring)
{
	return ring->offered + buf_pool_to_receive(ring->pool);
}

/* Errors of io_uring_enter(2) after which the ring goes on. */
static bool is_passing(int err)
{
	switch (-err) {
	case ETIME:  /* nothing happened in time */
	case EINTR:  /* a signal: the main thread's business */
	case EBUSY:  /* completions have to be taken first, which comes next */
	case EAGAIN: /* no memory for requests: what is queued goes with the next turn */
	case ENOMEM:
		return true;
	default:
		return false;
	}
}

/*
 * A free slot of the submission queue, which is emptied into the kernel first
 * when it is full. That fails while the kernel has no memory for a request at
 * all, or when the ring is broken. As the requests of sessions that live cannot
 * be dropped the ring ends then, and slots are not worth anything any more.
 */
static struct io_uring_sqe *free_sqe(struct ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	for (unsigned n = 0; !sqe && ring->error == 0; n++) {
		int err = io_uring_submit(&ring->uring);

		sqe = io_uring_get_sqe(&ring->uring);
		if (!sqe && (n >= SUBMIT_TRIES_MAX || (err < 0 && !is_passing(err))))
			ring->error = err < 0 ? err : -EBUSY;
	}
	return sqe ? sqe : &ring->uring.sq.sqes[0];
}

/* ---- waiting for room ---------------------------------------------------- */

/*
 * The kernel adds POLLRDHUP to whatever a poll asks for, and to what a send
 * waits for. On a socket whose peer has ended its stream that is true at once
 * and for ever: a poll for room would spin, and a send would end up in a
 * thread of the kernel, of which all sessions of the worker share one. So
 * sends do not wait there, and a poll for room that finds only POLLRDHUP is
 * followed by a multishot one, which tells of changes and is taken off again
 * when there is room.
 */
enum room_step {
	ROOM_UNWANTED, /* requests of other kinds */
	ROOM_SEND,     /* it may find no room */
	ROOM_ONCE,     /* the usual poll */
	ROOM_CHANGES,  /* the multishot poll */
	ROOM_ENDING,   /* it found room_value and is being taken off */
	ROOM_LAST,     /* the poll was cancelled */
	ROOM_KNOWN,    /* a connect that was called directly, with the answer room_value */
};

static void room_poll(struct ring *ring, struct io_op *op, enum room_step step)
{
	struct io_uring_sqe *sqe = free_sqe(ring);

	if (step == ROOM_CHANGES)
		io_uring_prep_poll_multishot(sqe, op->room_value, POLLOUT);
	else
		io_uring_prep_poll_add(sqe, op->room_value, POLLOUT);
	sqe->user_data = (uintptr_t)op;
	op->room_step = (uint8_t)step;
}

static void room_end(struct ring *ring, struct io_op *op, int res)
{
	struct io_uring_sqe *sqe = free_sqe(ring);

	io_uring_prep_cancel(sqe, op, 0);
	sqe->user_data = 0;
	op->room_step = ROOM_ENDING;
	op->room_value = res;
}

/* What the request completes with, when its poll found @res. */
static int room_answer(const struct io_op *op, int res)
{
	return op->is_send && res > 0 ? 0 : res;
}

/* A poll has completed: true when that is the end, with the answer in *res. */
static bool room_poll_is_over(struct ring *ring, struct io_op *op, int *res, unsigned flags)
{
	bool has_news = *res < 0 || *res & ~POLLRDHUP;

	if (!has_news && !(flags & IO_MORE))
		room_poll(ring, op, ROOM_CHANGES);
	if (has_news && (flags & IO_MORE))
		room_end(ring, op, *res);
	*res = room_answer(op, *res);
	return has_news && !(flags & IO_MORE);
}

static bool room_is_over(struct ring *ring, struct io_op *op, int *res, unsigned flags)
{
	switch ((enum room_step)op->room_step) {
	case ROOM_UNWANTED:
		return true;
	case ROOM_SEND:
		if (*res == -EAGAIN)
			room_poll(ring, op, ROOM_ONCE);
		return *res != -EAGAIN;
	case ROOM_ONCE:
	case ROOM_CHANGES:
		return room_poll_is_over(ring, op, res, flags);
	case ROOM_ENDING:
		*res = room_answer(op, op->room_value);
		break;
	case ROOM_LAST:
		*res = -ECANCELED;
		break;
	case ROOM_KNOWN:
		*res = op->room_value;
		break;
	}
	return !(flags & IO_MORE);
}

/* Whatever comes of @op from now on is the end of it. */
static void room_cancel(struct io_op *op)
{
	if (op->room_step == ROOM_SEND)
		op->room_step = ROOM_UNWANTED;
	else if (op->room_step == ROOM_ONCE || op->room_step == ROOM_CHANGES)
		op->room_step = ROOM_LAST;
}

/* ---- wait, dispatch ------------------------------------------------------ */

static void resize_offer(struct ring *ring, unsigned wanted)
{
	ring->offer_wanted = wanted;
	ring->taken_max = ring->short_turns = ring->offer_turns = 0;
}

/*
 * The kernel takes what is offered in order, so the fewer there are, the
 * sooner it comes back to those used last, which are still in the cache, and
 * the less memory is touched. A receive that finds none is asked for again:
 * for a short rush that will do, for a load that lasts more are offered.
 */
static void size_offer(struct ring *ring)
{
	unsigned left = MIN(ring->offered, ring->offer_wanted);

	ring->taken_max = MAX(ring->taken_max, ring->offer_wanted - left);
	ring->short_turns += left == 0;
	ring->offer_turns++;
	if (ring->short_turns == OFFER_SHORT_TURNS && ring->offer_wanted < ring->offer_size)
		resize_offer(ring, 2 * ring->offer_wanted);
	else if (ring->offer_turns < OFFER_TURNS)
		return;
	else if (ring->taken_max <= ring->offer_wanted / 4 && ring->offer_wanted > OFFER_MIN)
		resize_offer(ring, ring->offer_wanted / 2);
	else
		resize_offer(ring, ring->offer_wanted);
}

static void offer_buffers(struct ring *ring)
{
	unsigned mask = ring->offer_size - 1;
	unsigned added = 0;

	while (ring->offered < ring->offer_wanted) {
		struct buf *buf = buf_get_to_receive(ring->pool);

		if (!buf)
			break;
		io_uring_buf_ring_add(ring->offer, buf->bytes, BUF_RECEIVE_BYTES, buf->id,
				      (int)mask, (int)added);
		added++;
		ring->offered++;
	}
	if (added > 0)
		io_uring_buf_ring_advance(ring->offer, (int)added);
}

int ring_wait(struct ring *ring, uint64_t timeout_ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = (long long)(timeout_ns / NS_PER_S),
		.tv_nsec = (long long)(timeout_ns % NS_PER_S),
	};
	struct compat_getevents_arg arg = { .ts = (uintptr_t)&ts };
	unsigned wait_nr = timeout_ns > 0 && io_uring_cq_ready(&ring->uring) == 0, queued;
	int ret;

	if (ring->error < 0)
		return ring->error;
	queued = compat_sq_flush(&ring->uring);
	size_offer(ring);
	offer_buffers(ring);
	ret = io_uring_enter2((unsigned)ring->uring.enter_ring_fd, queued, wait_nr,
			      ring->enter_flags, (sigset_t *)&arg, sizeof(arg));
	return ret >= 0 || is_passing(ret) ? 0 : ret;
}

void ring_submit(struct ring *ring)
{
	unsigned queued = compat_sq_flush(&ring->uring);

	if (queued == 0)
		return; /* else ring_wait() tells of errors, and takes what is left */
	offer_buffers(ring);
	(void)io_uring_enter2((unsigned)ring->uring.enter_ring_fd, queued, 0,
			      ring->enter_flags & IORING_ENTER_REGISTERED_RING, NULL, 0);
}

static void complete(struct ring *ring, const struct io_uring_cqe *cqe)
{
	struct io_op *op = (struct io_op *)(uintptr_t)cqe->user_data;
	unsigned flags = cqe->flags;
	int res = cqe->res;

	io_uring_cq_advance(&ring->uring, 1); /* from here on the kernel may reuse *cqe */
	if (!op)
		return; /* of room_end() */
	CHECK(op->in_kernel);
	if (flags & IO_HAS_BUFFER)
		ring->offered--;
	if (!room_is_over(ring, op, &res, flags))
		return;
	if (!(flags & IO_MORE))
		op->in_kernel = false;
	op->done(op, res, flags);
}

unsigned ring_dispatch(struct ring *ring)
{
	unsigned ready = io_uring_cq_ready(&ring->uring);
	struct io_uring_cq *cq = &ring->uring.cq;
	unsigned mask = *cq->kring_mask;

	for (unsigned n = 0; n < ready; n++)
		complete(ring, &cq->cqes[*cq->khead & mask]);
	return ready;
}

/* ---- requests ------------------------------------------------------------ */

static struct io_uring_sqe *next_sqe(struct ring *ring, struct io_op *op)
{
	struct io_uring_sqe *sqe = free_sqe(ring);

	CHECK(!op->in_kernel);
	op->in_kernel = true;
	op->is_send = false;
	op->room_step = ROOM_UNWANTED;
	return sqe;
}

static void finish_sqe(struct io_uring_sqe *sqe, struct io_op *op)
{
	sqe->user_data = (uintptr_t)op;
}

void io_accept(struct ring *ring, struct io_op *op, int fd, bool many)
{
	struct io_uring_sqe *sqe = next_sqe(ring, op);

	if (many && ring->features.accept_multishot)
		io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	else
		io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	finish_sqe(sqe, op);
}

/*
 * The kernel's request would wait for a full backlog in a thread of the
 * kernel, of which all of the worker's sessions share one: as long as one
 * backend does not accept, nobody could connect to any other.
 */
static void connect_unix(struct io_uring_sqe *sqe, struct io_op *op, int fd,
			 const struct addr *addr)
{
	op->room_step = ROOM_KNOWN;
	op->room_value = sock_connect_unix(fd, addr);
	io_uring_prep_nop(sqe);
}

void io_connect(struct ring *ring, struct io_op *op, int fd, const struct addr *addr)
{
	struct io_uring_sqe *sqe = next_sqe(ring, op);

	if (addr_is_unix(addr))
		connect_unix(sqe, op, fd, addr);
	else
		io_uring_prep_connect(sqe, fd, &addr->sa, addr->len);
	finish_sqe(sqe, op);
}

void io_recv(struct ring *ring, struct io_op *op, int fd, uint32_t credit, bool wait)
{
	struct io_uring_sqe *sqe = next_sqe(ring, op);

	io_uring_prep_recv(sqe, fd, NULL, 0, 0); /* a buffer full */
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUF_GROUP;
	if (credit > 0 && ring->features.recv_credit) {
		sqe->ioprio |= IORING_RECV_MULTISHOT;
		compat_sqe_set_optlen(sqe, credit);
	}
	if (wait)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	finish_sqe(sqe, op);
}

static struct msghdr *copy_parts(struct message *message, const struct iovec *parts, unsigned n)
{
	memcpy(message->parts, parts, n * sizeof(*parts));
	message->header = (struct msghdr){ .msg_iov = message->parts, .msg_iovlen = n };
	return &message->header;
}

void io_send(struct ring *ring, struct io_op *op, int fd, const struct iovec *parts, unsigned n)
{
	struct io_uring_sqe *sqe = next_sqe(ring, op);
	struct message *message = &ring->messages[sqe - ring->uring.sq.sqes];
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT;

	CHECK(n <= IO_PARTS_MAX);
	if (n == 1) /* is a little cheaper */
		io_uring_prep_send(sqe, fd, parts->iov_base, parts->iov_len, flags);
	else
		io_uring_prep_sendmsg(sqe, fd, copy_parts(message, parts, n), (unsigned)flags);
	finish_sqe(sqe, op);
	op->is_send = true;
	op->room_step = ROOM_SEND;
	op->room_value = fd;
}

void io_poll(struct ring *ring, struct io_op *op, int fd, unsigned events)
{
	struct io_uring_sqe *sqe = next_sqe(ring, op);

	io_uring_prep_poll_add(sqe, fd, events);
	finish_sqe(sqe, op);
	if (!(events & POLLOUT))
		return;
	op->room_step = ROOM_ONCE;
	op->room_value = fd;
}

void io_read(struct ring *ring, struct io_op *op, int fd, void *ret_bytes, size_t n)
{
	struct io_uring_sqe *sqe = next_sqe(ring, op);

	io_uring_prep_read(sqe, fd, ret_bytes, (unsigned)n, (uint64_t)-1);
	finish_sqe(sqe, op);
}

void io_cancel(struct ring *ring, struct io_op *op, struct io_op *target)
{
	struct io_uring_sqe *sqe = next_sqe(ring, op);

	io_uring_prep_cancel(sqe, target, 0);
	finish_sqe(sqe, op);
	room_cancel(target);
}
