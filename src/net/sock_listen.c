/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets that listen. How several share a port that nobody else may have:
 *
 *	1. the first is bound and listens, without SO_REUSEPORT: the kernel
 *	   refuses when anybody has the port, sharing it or not, and refuses
 *	   everybody who comes later;
 *	2. then SO_REUSEPORT is set on it, which lets sockets of the same user
 *	   that have it too join;
 *	3. the others are bound with it and listen.
 *
 * A second program that does the same fails in its step 1. So does a precise
 * address beside a wildcard that listens, even our own: it begins with step 3,
 * and nobody else can have it, because the wildcard went through step 1.
 */
#include "net/sock.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* How often an address that is taken is tried again. */
#define RETRY_MS 20

/* How many ports are tried where any will do. */
#define PORT_TRIES 16

static int switch_on(int fd, int level, int name)
{
	const int on = 1;

	return setsockopt(fd, level, name, &on, sizeof(on)) < 0 ? -errno : 0;
}

static int prepare_inet(int fd, const struct addr *addr, const char **ret_step)
{
	const int v6only = !addr->is_dual;
	int err;

	/* Connections of an earlier run in TIME_WAIT are no reason to wait. */
	*ret_step = "setsockopt SO_REUSEADDR";
	err = switch_on(fd, SOL_SOCKET, SO_REUSEADDR);
	if (err < 0 || addr_family(addr) != AF_INET6)
		return err;
	*ret_step = "setsockopt IPV6_V6ONLY";
	return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0 ? -errno : 0;
}

/* As with net.ipv4.ip_nonlocal_bind, for this socket alone. */
static int allow_any_address(int fd, const struct addr *addr)
{
	if (addr_family(addr) == AF_INET6)
		return switch_on(fd, IPPROTO_IPV6, IPV6_FREEBIND);
	return switch_on(fd, IPPROTO_IP, IP_FREEBIND);
}

static int prepare_listener(int fd, const struct sock_listen *want, bool joins,
			    const char **ret_step)
{
	int err;

	if (addr_is_unix(&want->addr))
		return 0;
	err = prepare_inet(fd, &want->addr, ret_step);
	if (err < 0)
		return err;
	*ret_step = "setsockopt IP_FREEBIND";
	if (want->is_free)
		err = allow_any_address(fd, &want->addr);
	if (err < 0)
		return err;
	*ret_step = "setsockopt SO_REUSEPORT";
	if (joins)
		err = switch_on(fd, SOL_SOCKET, SO_REUSEPORT);
	if (err < 0)
		return err;
	return sock_set_options(fd, &want->addr, &want->options, ret_step);
}

/*
 * A port that the kernel has picked is lost when the socket stops listening for
 * a while (sock_stop_listening()): one that was asked for is not. So a first
 * socket finds one that is free, and another asks for it.
 */
static int find_port(const struct sock_listen *want, struct addr *ret_found, const char **ret_step)
{
	int fd, err;

	*ret_step = "socket";
	fd = socket(addr_family(&want->addr), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = prepare_listener(fd, want, false, ret_step);
	if (err < 0)
		goto out;
	*ret_step = "bind";
	err = bind(fd, &want->addr.sa, want->addr.len) < 0 ? -errno : 0;
	if (err == 0)
		err = sock_local_addr(fd, ret_found);
out:
	close(fd);
	return err;
}

/* Somebody may be faster. */
static int bind_any_port(int fd, const struct sock_listen *want, const char **ret_step)
{
	struct addr found = { 0 };

	for (int tries = 0; tries < PORT_TRIES; tries++) {
		int err = find_port(want, &found, ret_step);

		if (err < 0 || bind(fd, &found.sa, found.len) == 0)
			return err;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

static int bind_inet(int fd, const struct sock_listen *want, const char **ret_step)
{
	if (addr_port(&want->addr) == 0)
		return bind_any_port(fd, want, ret_step);
	return bind(fd, &want->addr.sa, want->addr.len) < 0 ? -errno : 0;
}

static int bind_to(int fd, const struct sock_listen *want, const char **ret_step)
{
	struct sock_file file = { 0 };
	int err = 0;

	*ret_step = "bind";
	if (addr_is_unix(&want->addr))
		err = sock_file_bind(fd, &want->addr, &want->access, &file, ret_step);
	else
		err = bind_inet(fd, want, ret_step);
	if (err == 0 && want->ret_file)
		*want->ret_file = file;
	return err;
}

static void remove_file(const struct sock_listen *want)
{
	if (want->ret_file)
		sock_file_remove(&want->addr, want->ret_file);
}

static int open_one(const struct sock_listen *want, bool joins, int *ret_fd, const char **ret_step)
{
	int fd, err;

	*ret_step = "socket";
	fd = socket(addr_family(&want->addr), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = prepare_listener(fd, want, joins, ret_step);
	if (err < 0)
		goto fail;
	err = bind_to(fd, want, ret_step);
	if (err < 0)
		goto fail;
	*ret_step = "listen";
	err = listen(fd, want->backlog) < 0 ? -errno : 0;
	if (err < 0)
		goto fail_bound;
	*ret_fd = fd;
	return 0;

fail_bound:
	remove_file(want);
fail:
	close(fd);
	return err;
}

int sock_share_port(int fd)
{
	return switch_on(fd, SOL_SOCKET, SO_REUSEPORT);
}

/* What the second and later sockets want: the first one's port, and a share in it. */
static int let_join(int first_fd, struct sock_listen *want, const char **ret_step)
{
	struct addr bound;
	int err;

	*ret_step = "getsockname";
	err = sock_local_addr(first_fd, &bound);
	if (err < 0)
		return err;
	addr_set_port(&want->addr, addr_port(&bound));
	*ret_step = "setsockopt SO_REUSEPORT";
	return sock_share_port(first_fd);
}

static int duplicate(int fd, int *ret_fd, const char **ret_step)
{
	int other = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	*ret_step = "dup";
	if (other < 0)
		return -errno;
	*ret_fd = other;
	return 0;
}

static int open_next(int first_fd, const struct sock_listen *want, int *ret_fd,
		     const char **ret_step)
{
	if (!addr_is_unix(&want->addr))
		return open_one(want, true, ret_fd, ret_step);
	return duplicate(first_fd, ret_fd, ret_step);
}

static int try_once(struct sock_listen want, int *ret_fds, size_t n, const char **ret_step)
{
	size_t opened = 1;
	int err = open_one(&want, want.joins_wildcard, &ret_fds[0], ret_step);

	if (err < 0)
		return err;
	if ((n > 1 || want.is_joined) && !addr_is_unix(&want.addr))
		err = let_join(ret_fds[0], &want, ret_step);
	while (err == 0 && opened < n) {
		err = open_next(ret_fds[0], &want, &ret_fds[opened], ret_step);
		if (err == 0)
			opened++;
	}
	if (err == 0)
		return 0;
	while (opened > 0)
		close(ret_fds[--opened]);
	remove_file(&want);
	return err;
}

int sock_listen_many(const struct sock_listen *want, int *ret_fds, size_t n, const char **ret_step)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000 };
	const uint64_t give_up_ms = clock_now_ms() + want->patience_ms;
	int err;

	CHECK(n > 0);
	for (;;) {
		err = try_once(*want, ret_fds, n, ret_step);
		if (err != -EADDRINUSE || clock_now_ms() >= give_up_ms)
			return err;
		nanosleep(&pause, NULL);
	}
}

/* Whoever opened it may have made it O_NONBLOCK: accepts would not wait by themselves. */
static int prepare_adopted(const struct sock_listen *want, int fd, const char **ret_step)
{
	int flags = fcntl(fd, F_GETFL);

	(void)!sock_ignore_syns(fd, false); /* of one that had it before, and was killed */
	*ret_step = "fcntl";
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	*ret_step = "listen";
	if (listen(fd, want->backlog) < 0)
		return -errno;
	return sock_set_options(fd, &want->addr, &want->options, ret_step);
}

int sock_listen_adopt(const struct sock_listen *want, int fd, int *ret_fds, size_t n,
		      const char **ret_step)
{
	int err = prepare_adopted(want, fd, ret_step);
	size_t opened = 1;

	ret_fds[0] = fd;
	while (err == 0 && opened < n) {
		err = duplicate(fd, &ret_fds[opened], ret_step);
		if (err == 0)
			opened++;
	}
	while (err < 0 && opened > 0)
		close(ret_fds[--opened]);
	return err;
}

/* ---- taking no more ---- */

void sock_set_nonblocking(int fd, bool is_nonblocking)
{
	int flags = fcntl(fd, F_GETFL);

	flags = is_nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	(void)!fcntl(fd, F_SETFL, flags);
}

/* A filter of a socket sees the TCP header first: its flags are in byte 13. */
int sock_ignore_syns(int fd, bool ignores)
{
	enum { FLAGS = 13, SYN = 0x02, ACK = 0x10 };
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN | ACK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = { .len = ARRAY_LEN(steps), .filter = steps };
	const int unused = 0;
	int err = ignores ? setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program))
			  : setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));

	return err < 0 && !(errno == ENOENT && !ignores) ? -errno : 0;
}

/*
 * Where a SYN goes is decided by the device, too, for which a socket is: none is that one. A
 * handshake that has begun keeps the device of its SYN, and finds its socket by itself; so does a
 * connection that comes of it.
 */
int sock_leave_syns(int fd)
{
	const int no_device = INT_MAX;

	return setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &no_device, sizeof(no_device)) < 0
		       ? -errno
		       : 0;
}

/*
 * No shutdown(2): on a socket that has stopped already it leaves a mark, and
 * what is accepted after it listens again ends at once.
 */
void sock_stop_listening(int fd)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	(void)connect(fd, &nobody, sizeof(nobody));
}
