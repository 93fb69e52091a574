/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/sock.h"

#define REQUESTS_MAX 8192

/* What the functions try_*() give when the kernel would go on waiting. */
#define WAITS (-4096)

struct ring {
	struct buf_pool *pool;
	struct ring_features features;
};

static struct fake_request requests[REQUESTS_MAX];
static unsigned requests_n;
static int create_error, wait_error;
static uint64_t waited_ns;

static struct fake_request *find(const struct io_op *op)
{
	for (unsigned n = 0; n < requests_n; n++)
		if (requests[n].op == op)
			return &requests[n];
	return NULL;
}

static struct fake_request *find_kind(const struct io_op *op, enum fake_kind kind)
{
	struct fake_request *r = find(op);

	CHECK(r);
	CHECK(r->kind == kind);
	return r;
}

void fake_reset(void)
{
	requests_n = 0;
	create_error = wait_error = 0;
	waited_ns = 0;
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

struct fake_request fake_request_at(unsigned n)
{
	CHECK(n < requests_n);
	return requests[n];
}

/* ---- by hand ------------------------------------------------------------- */

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

static unsigned flags_of(const struct buf *buf)
{
	return IO_HAS_BUFFER | (unsigned)buf->id << 16;
}

void fake_receive(struct io_op *op, const void *bytes, size_t n, unsigned flags)
{
	struct buf *buf = buf_get(find_kind(op, FAKE_RECV)->ring->pool);

	CHECK(buf);
	CHECK(n <= BUF_RECEIVE_BYTES);
	memcpy(buf->bytes, bytes, n);
	fake_complete(op, (int)n, flags | flags_of(buf));
}

/* ---- for real ------------------------------------------------------------ */

static bool is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) > 0;
}

/* A request on such a socket fails where it would have to wait. */
static int wait_on(int fd)
{
	return fcntl(fd, F_GETFL) & O_NONBLOCK ? -EAGAIN : WAITS;
}

static int try_accept(const struct fake_request *r, unsigned *ret_flags)
{
	int fd;

	if (!is_ready(r->fd, POLLIN))
		return wait_on(r->fd);
	fd = accept4(r->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_flags = r->many ? IO_MORE : 0;
	return fd;
}

static int try_connect(const struct fake_request *r)
{
	if (addr_is_unix(r->addr))
		return sock_connect_unix(r->fd, r->addr);
	return connect(r->fd, &r->addr->sa, r->addr->len) < 0 ? -errno : 0;
}

/* As long as credit is left, the receive goes on. */
static unsigned more_after(struct fake_request *r, uint32_t n)
{
	if (r->credit <= n)
		return 0;
	r->credit -= n;
	return IO_MORE;
}

static int try_recv(struct fake_request *r, unsigned *ret_flags)
{
	struct buf *buf;
	ssize_t n;

	if (!is_ready(r->fd, POLLIN | POLLRDHUP))
		return wait_on(r->fd);
	buf = buf_get_to_receive(r->ring->pool);
	if (!buf)
		return -ENOBUFS;
	n = recv(r->fd, buf->bytes, r->n > 0 ? MIN(r->n, BUF_RECEIVE_BYTES) : BUF_RECEIVE_BYTES,
		 MSG_DONTWAIT);
	if (n <= 0) {
		int err = errno;

		buf_put(r->ring->pool, buf);
		return n < 0 ? -err : 0;
	}
	*ret_flags = flags_of(buf) | more_after(r, (uint32_t)n);
	if (is_ready(r->fd, POLLIN))
		*ret_flags |= IO_NONEMPTY;
	return (int)n;
}

static ssize_t send_first(const struct fake_request *r, size_t n)
{
	struct iovec parts[IO_PARTS_MAX];
	struct msghdr msg = { .msg_iov = parts };

	for (; n > 0; msg.msg_iovlen++) {
		struct iovec part = r->parts[msg.msg_iovlen];

		part.iov_len = MIN(part.iov_len, n);
		n -= part.iov_len;
		parts[msg.msg_iovlen] = part;
	}
	return sendmsg(r->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* As io/ring.h has it: less than all, or, after a wait for room, 0. */
static int try_send(struct fake_request *r)
{
	ssize_t n;

	if (r->lacks_room)
		return is_ready(r->fd, POLLOUT) ? 0 : WAITS;
	n = send_first(r, r->n);
	if (n < 0 && errno == EAGAIN) {
		r->lacks_room = true;
		return WAITS;
	}
	return n < 0 ? -errno : (int)n;
}

static int try_poll(const struct fake_request *r)
{
	struct pollfd p = { .fd = r->fd, .events = (short)r->events };

	return poll(&p, 1, 0) > 0 ? p.revents : WAITS;
}

static int try_read(const struct fake_request *r)
{
	ssize_t n;

	if (!is_ready(r->fd, POLLIN))
		return WAITS;
	n = read(r->fd, r->to, r->n);
	return n < 0 ? -errno : (int)n;
}

static int try_cancel(const struct fake_request *r)
{
	const struct fake_request *target = find(r->target);

	if (!target)
		return -ENOENT;
	fake_complete(target->op, -ECANCELED, 0);
	return 0;
}

static int try(struct fake_request *r, unsigned *ret_flags)
{
	switch (r->kind) {
	case FAKE_ACCEPT:
		return try_accept(r, ret_flags);
	case FAKE_CONNECT:
		return try_connect(r);
	case FAKE_RECV:
		return try_recv(r, ret_flags);
	case FAKE_SEND:
		return try_send(r);
	case FAKE_POLL:
		return try_poll(r);
	case FAKE_READ:
		return try_read(r);
	case FAKE_CANCEL:
		return try_cancel(r);
	default:
		return WAITS;
	}
}

bool fake_perform(struct io_op *op)
{
	struct fake_request *r = find(op);
	unsigned flags = 0;
	int res;

	CHECK(r);
	res = try(r, &flags);
	if (res != WAITS)
		fake_complete(op, res, flags);
	return res != WAITS;
}

unsigned fake_run(void)
{
	static struct io_op *ops[REQUESTS_MAX];
	unsigned n = requests_n, completed = 0;

	for (unsigned i = 0; i < n; i++)
		ops[i] = requests[i].op;
	for (unsigned i = 0; i < n; i++)
		if (find(ops[i]))
			completed += fake_perform(ops[i]);
	return completed;
}

size_t fake_send_part(struct io_op *op, size_t n)
{
	const struct fake_request *r = find_kind(op, FAKE_SEND);
	ssize_t sent = send_first(r, MIN(n, r->n));

	CHECK(sent > 0);
	fake_complete(op, (int)sent, 0);
	return (size_t)sent;
}

void fake_run_cancels(void)
{
	for (unsigned n = 0; n < requests_n;) {
		if (requests[n].kind != FAKE_CANCEL) {
			n++;
			continue;
		}
		fake_perform(requests[n].op);
		n = 0;
	}
}

void fake_fail_create(int err)
{
	create_error = err;
}

void fake_fail_wait(int err)
{
	wait_error = err;
}

uint64_t fake_waited_ns(void)
{
	return waited_ns;
}

/* ---- io/ring.h ----------------------------------------------------------- */

int ring_create(const struct ring_options *options, struct buf_pool *pool, struct ring **ret_ring,
		const char **ret_step)
{
	struct ring *ring;
	int err = create_error;

	*ret_step = "fake";
	create_error = 0;
	if (err < 0)
		return err;
	ring = calloc(1, sizeof(*ring));
	CHECK(ring);
	ring->pool = pool;
	ring->features = options->features;
	*ret_ring = ring;
	return 0;
}

void ring_destroy(struct ring *ring)
{
	for (unsigned n = 0; ring && n < requests_n; n++)
		CHECK(requests[n].ring != ring);
	free(ring);
}

int ring_wait(struct ring *ring, uint64_t timeout_ns)
{
	(void)ring;
	waited_ns = timeout_ns;
	if (wait_error == 0)
		fake_run();
	return wait_error;
}

void ring_submit(struct ring *ring)
{
	(void)ring;
}

unsigned ring_dispatch(struct ring *ring)
{
	(void)ring;
	return 0;
}

unsigned ring_buffers_available(const struct ring *ring)
{
	return buf_pool_to_receive(ring->pool);
}

static void request(const struct fake_request *r)
{
	CHECK(requests_n < REQUESTS_MAX);
	CHECK(!r->op->in_kernel);
	CHECK(r->fd >= 0 || r->kind == FAKE_CANCEL);
	r->op->in_kernel = true;
	requests[requests_n++] = *r;
}

void io_accept(struct ring *ring, struct io_op *op, int fd, bool many)
{
	request(&(struct fake_request){
		.ring = ring, .op = op, .kind = FAKE_ACCEPT, .fd = fd, .many = many });
}

void io_connect(struct ring *ring, struct io_op *op, int fd, const struct addr *addr)
{
	request(&(struct fake_request){
		.ring = ring, .op = op, .kind = FAKE_CONNECT, .fd = fd, .addr = addr });
}

void io_recv(struct ring *ring, struct io_op *op, int fd, uint32_t credit, bool wait)
{
	request(&(struct fake_request){ .ring = ring,
					.op = op,
					.kind = FAKE_RECV,
					.fd = fd,
					.credit = ring->features.recv_credit ? credit : 0,
					.wait = wait });
}

void io_send(struct ring *ring, struct io_op *op, int fd, const struct iovec *parts, unsigned n)
{
	struct fake_request r = {
		.ring = ring, .op = op, .kind = FAKE_SEND, .fd = fd, .parts_n = n
	};

	CHECK(n <= IO_PARTS_MAX);
	for (unsigned i = 0; i < n; i++) {
		r.parts[i] = parts[i];
		r.n += parts[i].iov_len;
	}
	request(&r);
}

void io_poll(struct ring *ring, struct io_op *op, int fd, unsigned events)
{
	request(&(struct fake_request){
		.ring = ring, .op = op, .kind = FAKE_POLL, .fd = fd, .events = events });
}

void io_read(struct ring *ring, struct io_op *op, int fd, void *ret_bytes, size_t n)
{
	request(&(struct fake_request){
		.ring = ring, .op = op, .kind = FAKE_READ, .fd = fd, .to = ret_bytes, .n = n });
}

void io_cancel(struct ring *ring, struct io_op *op, struct io_op *target)
{
	request(&(struct fake_request){
		.ring = ring, .op = op, .kind = FAKE_CANCEL, .fd = -1, .target = target });
}
