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
 * A second program that does the same fails in its step 1.
 */
#include "net/sock.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How often an address that is taken is tried again. */
#define RETRY_MS 20

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

static int prepare(int fd, const struct sock_listen *want, bool joins, const char **ret_step)
{
	int err;

	if (addr_is_unix(&want->addr))
		return 0;
	err = prepare_inet(fd, &want->addr, ret_step);
	if (err < 0)
		return err;
	*ret_step = "setsockopt SO_REUSEPORT";
	if (joins)
		err = switch_on(fd, SOL_SOCKET, SO_REUSEPORT);
	if (err < 0)
		return err;
	return sock_set_options(fd, &want->addr, &want->options, ret_step);
}

static bool is_socket_file(const struct addr *addr)
{
	struct stat st;

	if (!addr_is_unix(addr) || addr->un.sun_path[0] != '/')
		return false;
	return lstat(addr->un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode);
}

void sock_unlink(const struct addr *addr)
{
	if (is_socket_file(addr))
		unlink(addr->un.sun_path);
}

/* Did its server die without removing it? Only a connection can tell. */
static bool is_stale(const struct addr *addr)
{
	bool is_refused;
	int fd;

	if (!is_socket_file(addr))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	is_refused = connect(fd, &addr->sa, addr->len) < 0 && errno == ECONNREFUSED;
	close(fd);
	return is_refused;
}

static int bind_to(int fd, const struct addr *addr)
{
	if (bind(fd, &addr->sa, addr->len) == 0)
		return 0;
	if (errno != EADDRINUSE || !is_stale(addr))
		return -errno;
	sock_unlink(addr);
	return bind(fd, &addr->sa, addr->len) < 0 ? -errno : 0;
}

static int open_one(const struct sock_listen *want, bool joins, int *ret_fd, const char **ret_step)
{
	int fd, err;

	*ret_step = "socket";
	fd = socket(addr_family(&want->addr), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = prepare(fd, want, joins, ret_step);
	if (err < 0)
		goto fail;
	*ret_step = "bind";
	err = bind_to(fd, &want->addr);
	if (err < 0)
		goto fail;
	*ret_step = "listen";
	err = listen(fd, want->backlog) < 0 ? -errno : 0;
	if (err < 0)
		goto fail_bound;
	*ret_fd = fd;
	return 0;

fail_bound:
	sock_unlink(&want->addr);
fail:
	close(fd);
	return err;
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
	return switch_on(first_fd, SOL_SOCKET, SO_REUSEPORT);
}

static int open_next(int first_fd, const struct sock_listen *want, int *ret_fd,
		     const char **ret_step)
{
	int fd;

	if (!addr_is_unix(&want->addr))
		return open_one(want, true, ret_fd, ret_step);
	*ret_step = "dup";
	fd = fcntl(first_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int try_once(struct sock_listen want, int *ret_fds, size_t n, const char **ret_step)
{
	size_t opened = 1;
	int err = open_one(&want, false, &ret_fds[0], ret_step);

	if (err < 0)
		return err;
	if (n > 1 && !addr_is_unix(&want.addr))
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
	sock_unlink(&want.addr);
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
