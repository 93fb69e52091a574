/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flow.h"

#include "kit.h"

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

int flow_send(struct flow *f)
{
	for (int i = 0; i < CHUNKS_PER_TURN && f->out_bytes < f->out_goal; i++) {
		size_t n = MIN(CHUNK_BYTES, f->out_goal - f->out_bytes);
		ssize_t sent = send(f->fd, stream + f->out_bytes % PERIOD, n, MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			return -errno;
		f->out_bytes += sent > 0 ? (uint64_t)sent : 0;
		if (sent < (ssize_t)n)
			break;
	}
	want_out(f, f->out_bytes < f->out_goal);
	return 0;
}

ssize_t flow_receive(struct flow *f)
{
	static uint8_t bytes[CHUNK_BYTES];
	ssize_t n = recv(f->fd, bytes, sizeof(bytes), 0);

	if (n < 0)
		return -errno;
	if (verifies && memcmp(bytes, stream + f->in_bytes % PERIOD, (size_t)n) != 0)
		return -EBADMSG;
	f->in_bytes += (uint64_t)n;
	return n;
}

void flow_close(struct flow *f)
{
	close(f->fd);
	f->fd = -1;
}
