/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_SOCK_BED_H
#define UNIT_SOCK_BED_H

/*
 * What the tests of net/sock share: a directory for unix sockets, sockets
 * that listen, and clients. Every helper fails the test when it fails.
 */

#include "base/clock.h"
#include "net/sock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENTS 64
#define WORKERS 4
#define WAIT_MS 5000

static char dir[] = "/tmp/test_sock.XXXXXX";
static char path[sizeof(dir) + 8];
static const struct sock_options no_options;
static _Thread_local struct sock_file own_file; /* of the last unix socket that listened */

static inline int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static inline int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static inline struct addr parsed(const char *text)
{
	struct addr addr;

	if (!addr_parse(text, &addr))
		fail_msg("'%s' was refused", text);
	return addr;
}

static inline struct addr path_addr(void)
{
	char text[ADDR_TEXT_BYTES];

	snprintf(text, sizeof(text), "unix:%s", path);
	return parsed(text);
}

static inline struct addr local_addr(int fd)
{
	struct addr addr;

	assert_int_equal(sock_local_addr(fd, &addr), 0);
	return addr;
}

static inline int try_listen(const struct addr *addr, int *fds, size_t n, const char **step)
{
	const struct sock_listen want = { .addr = *addr,
					  .backlog = CLIENTS,
					  .ret_file = &own_file };

	return sock_listen_many(&want, fds, n, step);
}

static inline void listen_on(const struct addr *addr, int *fds, size_t n)
{
	const char *step = "";
	int err = try_listen(addr, fds, n, &step);

	if (err < 0)
		fail_msg("%s: %s", step, strerror(-err));
}

static inline void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static inline int dial(const struct addr *addr)
{
	const char *step;
	int fd;

	assert_int_equal(sock_dialer(addr, &no_options, &fd, &step), 0);
	assert_int_equal(connect(fd, &addr->sa, addr->len), 0);
	return fd;
}

/* Two ends of one connection: [0] dialed, as the program does, [1] accepted. */
static inline void make_pair(const struct addr *listen_addr, int pair[2])
{
	const struct sock_options options = { .resets = true };
	struct addr addr;
	const char *step;
	int fd;

	listen_on(listen_addr, &fd, 1);
	addr = local_addr(fd);
	assert_int_equal(sock_dialer(&addr, &options, &pair[0], &step), 0);
	assert_int_equal(connect(pair[0], &addr.sa, addr.len), 0);
	pair[1] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair[1] >= 0);
	close(fd);
	sock_file_remove(&addr, &own_file);
}

static inline unsigned count_fds(void)
{
	DIR *fds = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(fds);
	while (readdir(fds))
		n++;
	closedir(fds);
	return n;
}

static inline bool is_cloexec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static inline unsigned accept_all(int fd)
{
	unsigned n = 0;
	int accepted;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while ((accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		close(accepted);
		n++;
	}
	assert_int_equal(errno, EAGAIN);
	return n;
}

static inline void expect_taken(const struct addr *addr)
{
	unsigned before = count_fds();
	const char *step = "";
	int fds[WORKERS];

	assert_int_equal(try_listen(addr, fds, WORKERS, &step), -EADDRINUSE);
	assert_true(strcmp(step, "bind") == 0 || strcmp(step, "listen") == 0);
	assert_int_equal(try_listen(addr, fds, 1, &step), -EADDRINUSE);
	assert_int_equal(count_fds(), before);
}

#endif
