/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flow.h"

#include "kit.h"
#include "secure.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK_BYTES (256 * 1024)
#define CHUNKS_PER_TURN 4 /* then the others get their turn */
#define PERIOD 65521      /* of the stream; prime, so that no buffer size divides it */

static int poller = -1;
static bool verifies;
static uint8_t stream[PERIOD + CHUNK_BYTES];

void flow_init(bool verify)
{
	uint64_t seed = 0;

	for (size_t i = 0; i < sizeof(stream); i++)
		stream[i] = i < PERIOD ? (uint8_t)kit_random(&seed) : stream[i - PERIOD];
	verifies = verify;
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (poller < 0)
		kit_die("epoll_create1: %s", strerror(errno));
}

static void watch(int op, int fd, uint32_t events, void *what)
{
	struct epoll_event event = { .events = events, .data.ptr = what };

	if (epoll_ctl(poller, op, fd, &event) < 0)
		kit_die("epoll_ctl: %s", strerror(errno));
}

void flow_open(struct flow *f, int fd)
{
	*f = (struct flow){ .fd = fd };
	watch(EPOLL_CTL_ADD, fd, EPOLLIN, f);
}

void flow_secure(struct flow *f)
{
	f->secure = secure_create(f->fd);
}

void flow_watch_listener(int fd, void *what)
{
	watch(EPOLL_CTL_ADD, fd, EPOLLIN, what);
}

int flow_wait(struct epoll_event *events, int max, int timeout_ms)
{
	int n = epoll_wait(poller, events, max, timeout_ms);

	if (n < 0 && errno != EINTR)
		kit_die("epoll_wait: %s", strerror(errno));
	return MAX(n, 0);
}

static void want_out(struct flow *f, bool wants)
{
	if (f->wants_out == wants)
		return;
	f->wants_out = wants;
	watch(EPOLL_CTL_MOD, f->fd, wants ? EPOLLIN | EPOLLOUT : EPOLLIN, f);
}

static ssize_t send_some(struct flow *f, size_t n)
{
	const uint8_t *bytes = stream + f->out_bytes % PERIOD;
	ssize_t sent;

	if (f->secure)
		return secure_send(f->secure, bytes, n);
	sent = send(f->fd, bytes, n, MSG_NOSIGNAL);
	return sent < 0 ? -errno : sent;
}

int flow_send(struct flow *f)
{
	int err = f->secure ? secure_shake(f->secure) : 0;

	if (err == -EAGAIN)
		want_out(f, secure_wants_out(f->secure));
	if (err)
		return err == -EAGAIN ? 0 : err;
	for (int i = 0; i < CHUNKS_PER_TURN && f->out_bytes < f->out_goal; i++) {
		size_t n = MIN(CHUNK_BYTES, f->out_goal - f->out_bytes);
		ssize_t sent = send_some(f, n);

		if (sent < 0 && sent != -EAGAIN)
			return (int)sent;
		f->out_bytes += sent > 0 ? (uint64_t)sent : 0;
		if (sent < (ssize_t)n)
			break;
	}
	want_out(f, f->out_bytes < f->out_goal);
	return 0;
}

static ssize_t receive_some(struct flow *f, uint8_t *bytes, size_t room)
{
	ssize_t n;

	if (f->secure)
		return secure_receive(f->secure, bytes, room);
	n = recv(f->fd, bytes, room, 0);
	return n < 0 ? -errno : n;
}

ssize_t flow_receive(struct flow *f)
{
	static uint8_t bytes[CHUNK_BYTES];
	ssize_t n = receive_some(f, bytes, sizeof(bytes));

	if (n < 0)
		return n;
	if (verifies && memcmp(bytes, stream + f->in_bytes % PERIOD, (size_t)n) != 0)
		return -EBADMSG;
	f->in_bytes += (uint64_t)n;
	return n;
}

void flow_close(struct flow *f)
{
	if (f->secure)
		secure_destroy(f->secure);
	f->secure = NULL;
	close(f->fd);
	f->fd = -1;
}
