/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/sock.h"
#include "state/generation.h"
#include "state/runtime_life.h"

#define BACKLOG 4096

#define TURNS_MAX 100000 /* of bed_run(): whoever takes longer never ends */

/* ---- descriptors --------------------------------------------------------- */

static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3; /* ".", ".." and the directory's own */
}

unsigned bed_fds(const struct bed *st)
{
	return open_fds() - st->fds_before - st->peers_n;
}

int bed_keep(struct bed *st, int fd)
{
	CHECK(fd >= 0);
	CHECK(st->peers_n < BED_PEERS_MAX);
	st->peers[st->peers_n++] = fd;
	return fd;
}

static void forget(struct bed *st, int fd)
{
	for (unsigned n = 0; n < st->peers_n; n++) {
		if (st->peers[n] != fd)
			continue;
		st->peers[n] = st->peers[--st->peers_n];
		return;
	}
	CHECK(!"a peer of this bed");
}

void bed_close(struct bed *st, int fd)
{
	forget(st, fd);
	close(fd);
}

void bed_reset(struct bed *st, int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	forget(st, fd);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

/* ---- set up -------------------------------------------------------------- */

/* As the program's, which resets connections that nobody closes. */
static int as_ours(int fd, const struct addr *addr)
{
	const struct sock_options options = { .nodelay = true, .resets = true };
	const char *step;

	CHECK(sock_set_options(fd, addr, &options, &step) == 0);
	return fd;
}

/* To a port that was asked for: else another one is picked when it listens again. */
static void bind_to_free_port(int fd)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int finder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(in);
	const int on = 1;

	CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
	CHECK(setsockopt(finder, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
	CHECK(bind(finder, (struct sockaddr *)&in, sizeof(in)) == 0);
	CHECK(getsockname(finder, (struct sockaddr *)&in, &len) == 0);
	CHECK(bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
	close(finder);
}

/* A socket that listens on a free port of loopback, or on a name that the kernel picks. */
static int open_listener(bool is_unix, struct addr *ret_addr)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	if (is_unix)
		CHECK(bind(fd, (struct sockaddr *)&un, sizeof(un.sun_family)) == 0);
	else
		bind_to_free_port(fd);
	CHECK(listen(fd, BACKLOG) == 0);
	CHECK(sock_local_addr(fd, ret_addr) == 0);
	return fd;
}

static void start_engine(struct bed *st, const struct bed_options *o, int listener_fd)
{
	unsigned worker = st->workers_n++;
	const struct generation_socket socket = {
		.listener = &st->runtime->listeners[0],
		.fd = listener_fd,
		.is_tcp = !o->is_unix,
	};
	struct engine_options options = {
		.runtime = st->runtime,
		.worker = worker,
		.ring = { .features = { .accept_multishot = true,
					.recv_credit = !o->without_credit } },
		.buffers = o->buffers ? o->buffers : 64,
		.pipes = o->without_pipes ? 0 : 64,
		.sockets = &socket,
		.sockets_n = 1,
	};
	const char *step;

	CHECK(inbox_open(&options.inbox_fd, &st->inbox_fds[worker]) == 0);
	st->runtime->peers[worker].inbox_fd = st->inbox_fds[worker];
	CHECK(engine_init(&st->engines[worker], &options, &step) == 0);
	engine_start(&st->engines[worker], &options);
	st->is_up[worker] = true;
	st->now_ms = st->engines[worker].host.loop.now_ms;
}

struct bed *bed_create(const struct bed_options *o)
{
	struct bed *st = calloc(1, sizeof(*st));
	unsigned workers = MAX(o->workers, 1);
	int listener_fd;

	CHECK(st);
	signal(SIGPIPE, SIG_IGN); /* of splice(2), as the program does */
	fake_reset();
	st->fds_before = open_fds();
	st->log_fd = memfd_create("log", MFD_CLOEXEC);
	log_configure(LOG_INFO, LOG_LOGFMT, st->log_fd);
	listener_fd = as_ours(open_listener(o->is_unix, &st->addr), &st->addr);
	for (; st->servers_n < MAX(o->backends, 1); st->servers_n++)
		st->servers[st->servers_n] =
			open_listener(o->is_unix, &st->server_addrs[st->servers_n]);
	bed_load(st, o, &st->config, &st->tls);
	st->runtime = runtime_create(st->config, st->tls, workers,
				     o->sessions_max ? o->sessions_max : 64);
	CHECK(st->runtime);
	for (unsigned n = 0; n < workers; n++)
		start_engine(st, o, n == 0 ? listener_fd : dup(listener_fd));
	return st;
}

/* ---- take down ----------------------------------------------------------- */

static const char *left_over_in(const struct bed *st, const struct engine *e)
{
	if (e->host.sessions.used > 0)
		return "sessions";
	if (e->host.loop.bufs.free_n != e->host.loop.bufs.count)
		return "buffers";
	if (e->host.pipes.free_n != e->host.pipes.open_n)
		return "pipes";
	if (!list_is_empty(&e->host.waiting_for_buffer))
		return "sides that wait for a buffer";
	if (e->host.loop.timers.armed > 0)
		return "timers";
	if (atomic_load(&st->runtime->peers[e->host.worker].sessions) > 0)
		return "the worker's count of sessions";
	return NULL;
}

static bool has_sessions(struct pool *pool)
{
	for (size_t n = 0; n < pool_backends(pool); n++)
		if (pool_backend(pool, n) && atomic_load(&pool_backend(pool, n)->sessions) > 0)
			return true;
	return false;
}

static const char *left_over(const struct bed *st)
{
	const char *what = NULL;

	for (unsigned n = 0; n < st->workers_n && !what; n++)
		what = left_over_in(st, &st->engines[n]);
	runtime_for_each_pool(st->runtime, n)
	{
		if (!what && has_sessions(st->runtime->pools[n]))
			what = "slots at a backend";
	}
	if (!what && atomic_load(&st->runtime->sessions) > 0)
		what = "slots of the process";
	runtime_for_each_listener(st->runtime, l)
	{
		if (!what && atomic_load(&l->sessions) > 0)
			what = "slots of a listener";
	}
	for (const struct generation *g = st->runtime->generation; g && !what; g = g->older)
		if (generation_pinned(g) > 0)
			what = "pins of a generation";
	if (!what && fake_requests() > 0)
		what = "requests";
	return what;
}

static void end_engines(struct bed *st)
{
	for (unsigned n = 0; n < st->workers_n; n++)
		engine_stop(&st->engines[n], CLOSE_SHUTDOWN);
	bed_run(st);
	for (unsigned n = 0; n < st->workers_n; n++) {
		struct engine *e = &st->engines[n];

		CHECK(engine_is_over(e));
		loop_reader_stop(&e->inbox);
		fake_run_cancels();
	}
}

static void close_all(struct bed *st)
{
	for (unsigned n = 0; n < st->peers_n; n++)
		close(st->peers[n]);
	for (unsigned n = 0; n < st->servers_n; n++)
		if (st->servers[n] >= 0)
			close(st->servers[n]);
	for (unsigned n = 0; n < st->workers_n; n++)
		close(st->inbox_fds[n]);
	log_configure(LOG_ERROR, LOG_LOGFMT, STDERR_FILENO);
	close(st->log_fd);
	(void)bed_log(NULL);
}

const char *bed_destroy(struct bed *st)
{
	const char *what;

	end_engines(st);
	what = left_over(st);
	if (!what) {
		for (unsigned n = 0; n < st->workers_n; n++)
			engine_finish(&st->engines[n]);
		runtime_destroy(st->runtime);
	}
	close_all(st);
	if (!what && open_fds() != st->fds_before)
		what = "descriptors";
	free(st);
	return what;
}

/* ---- what happens -------------------------------------------------------- */

void bed_turn(struct bed *st)
{
	for (unsigned n = 0; n < st->workers_n; n++)
		loop_work(&st->engines[n].host.loop, st->now_ms);
}

void bed_run(struct bed *st)
{
	unsigned turns = 0;

	do {
		bed_turn(st);
		CHECK(++turns < TURNS_MAX);
	} while (fake_run() > 0);
	bed_turn(st);
}

void bed_pass(struct bed *st, uint64_t ms)
{
	st->now_ms += ms;
	bed_turn(st);
}

void bed_run_for_a_moment(struct bed *st)
{
	bed_run(st);
	usleep(1000);
	st->now_ms++;
}

/* ---- sessions ------------------------------------------------------------ */

/* What is sent in pieces is to arrive in pieces; a unix socket needs no telling. */
static int without_delay(int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

int bed_client(struct bed *st)
{
	int fd = socket(st->addr.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	bed_keep(st, without_delay(fd));
	CHECK(connect(fd, &st->addr.sa, st->addr.len) == 0);
	return fd;
}

int bed_accept_at(struct bed *st, unsigned backend)
{
	struct pollfd p = { .fd = st->servers[backend], .events = POLLIN };

	if (poll(&p, 1, 0) <= 0)
		return -1;
	return bed_keep(st, without_delay(accept4(p.fd, NULL, NULL, SOCK_CLOEXEC)));
}

void bed_stop_server(struct bed *st, unsigned backend)
{
	close(st->servers[backend]);
	st->servers[backend] = -1;
}

static struct session *newest_of(struct engine *e, struct session *best)
{
	for (uint32_t n = 0; n < e->host.sessions.touched; n++) {
		struct session *s = slab_at(&e->host.sessions, n);

		if (s && (!best || s->id > best->id))
			best = s;
	}
	return best;
}

struct session *bed_newest(struct bed *st)
{
	struct session *best = NULL;

	for (unsigned n = 0; n < st->workers_n; n++)
		best = newest_of(&st->engines[n], best);
	return best;
}

unsigned bed_sessions(const struct bed *st)
{
	unsigned n = 0;

	for (unsigned w = 0; w < st->workers_n; w++)
		n += st->engines[w].host.sessions.used;
	return n;
}

struct backend *bed_backend(struct bed *st, unsigned n)
{
	return pool_backend(bed_pool(st), n);
}

uint64_t bed_ended(const struct bed *st, enum close_reason why)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < st->workers_n; w++)
		n += st->engines[w].host.counters->listeners[0].ended[why];
	return n;
}

struct pair bed_dialing(struct bed *st)
{
	struct pair c = { .client = bed_client(st), .backend = -1 };
	struct io_op *accept = &bed_engine(st)->acceptors[0].accept;
	uint64_t begun = bed_engine(st)->host.sessions_begun;

	CHECK(fake_perform(accept));
	CHECK(bed_engine(st)->host.sessions_begun == begun + 1);
	c.s = bed_newest(st);
	return c;
}

struct pair bed_relaying(struct bed *st)
{
	struct pair c = bed_dialing(st);
	struct io_op *connect = &c.s->sides[SIDE_BACKEND].send;

	CHECK(fake_request_of(connect).kind == FAKE_CONNECT);
	CHECK(fake_perform(connect));
	CHECK(c.s->phase == SESSION_RELAYING);
	c.backend = bed_accept_at(st, c.s->backend->index);
	CHECK(c.backend >= 0);
	return c;
}

const char *bed_log(struct bed *st)
{
	static char *text;
	ssize_t n;
	off_t bytes;

	free(text);
	text = NULL;
	if (!st)
		return NULL;
	bytes = lseek(st->log_fd, 0, SEEK_END);
	text = calloc(1, (size_t)bytes + 1);
	CHECK(text);
	n = pread(st->log_fd, text, (size_t)bytes, 0);
	CHECK(n == bytes);
	CHECK(ftruncate(st->log_fd, 0) == 0);
	CHECK(lseek(st->log_fd, 0, SEEK_SET) == 0);
	return text;
}

/* ---- the peers ----------------------------------------------------------- */

void peer_send(int fd, const void *bytes, size_t n)
{
	CHECK(send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n);
}

long peer_recv(int fd, void *ret_bytes, size_t n)
{
	ssize_t got = recv(fd, ret_bytes, n, MSG_DONTWAIT);

	return got < 0 ? -errno : got;
}

/* SplitMix64's mixing of a word of eight bytes' number (Steele, Lea and Flood, OOPSLA 2014). */
static uint64_t stream_word(uint64_t seed, uint64_t n)
{
	uint64_t z = (seed << 40) + (n + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

unsigned char stream_byte(uint64_t seed, uint64_t at)
{
	return (unsigned char)(stream_word(seed, at / 8) >> at % 8 * 8);
}

void stream_fill(void *ret_bytes, size_t n, uint64_t seed, uint64_t at)
{
	unsigned char *to = ret_bytes;

	for (size_t i = 0; i < n; i++)
		to[i] = stream_byte(seed, at + i);
}

size_t stream_send(int fd, uint64_t seed, uint64_t at, size_t n)
{
	char bytes[65536];
	size_t sent = 0;

	while (sent < n) {
		size_t part = MIN(n - sent, sizeof(bytes));
		ssize_t took;

		stream_fill(bytes, part, seed, at + sent);
		took = send(fd, bytes, part, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (took <= 0)
			break;
		sent += (size_t)took;
	}
	return sent;
}

bool stream_recv(int fd, uint64_t seed, uint64_t *at, size_t n, long *ret_end)
{
	char bytes[65536], right[65536];

	*ret_end = 1;
	while (n > 0 && *ret_end > 0) {
		*ret_end = peer_recv(fd, bytes, MIN(n, sizeof(bytes)));
		if (*ret_end <= 0)
			break;
		stream_fill(right, (size_t)*ret_end, seed, *at);
		if (memcmp(bytes, right, (size_t)*ret_end) != 0)
			return false;
		*at += (uint64_t)*ret_end;
		n -= (size_t)*ret_end;
	}
	return true;
}
