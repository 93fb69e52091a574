/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/sock.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* One row of what is to be set; 0 and less mean: leave the kernel's. */
struct setting {
	int level, name;
	int value;
	const char *step;
};

static int set_linger(int fd, bool resets)
{
	const struct linger linger = { .l_onoff = resets, .l_linger = 0 };

	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0 ? -errno : 0;
}

int sock_set_options(int fd, const struct addr *addr, const struct sock_options *opts,
		     const char **ret_step)
{
	const struct sock_keepalive *keepalive = &opts->keepalive;
	const bool on = keepalive->is_on;
	const struct setting settings[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, on, "setsockopt SO_KEEPALIVE" },
		{ IPPROTO_TCP, TCP_KEEPIDLE, on ? (int)(keepalive->idle_ms / 1000) : 0,
		  "setsockopt TCP_KEEPIDLE" },
		{ IPPROTO_TCP, TCP_KEEPINTVL, on ? (int)(keepalive->interval_ms / 1000) : 0,
		  "setsockopt TCP_KEEPINTVL" },
		{ IPPROTO_TCP, TCP_KEEPCNT, on ? (int)keepalive->count : 0,
		  "setsockopt TCP_KEEPCNT" },
		{ IPPROTO_TCP, TCP_MAXSEG, (int)opts->segment_bytes, "setsockopt TCP_MAXSEG" },
		{ IPPROTO_TCP, TCP_NODELAY, opts->nodelay, "setsockopt TCP_NODELAY" },
	};

	if (addr_is_unix(addr))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const struct setting *s = &settings[i];

		if (s->value <= 0)
			continue;
		*ret_step = s->step;
		if (setsockopt(fd, s->level, s->name, &s->value, sizeof(s->value)) < 0)
			return -errno;
	}
	*ret_step = "setsockopt SO_LINGER";
	return opts->resets ? set_linger(fd, true) : 0;
}

int sock_dialer(const struct addr *addr, const struct sock_options *opts, int *ret_fd,
		const char **ret_step)
{
	int fd, err;

	*ret_step = "socket";
	fd = socket(addr_family(addr), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = sock_set_options(fd, addr, opts, ret_step);
	if (err < 0) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

void sock_delay_ack(int fd)
{
	const int off = 0;

	(void)!setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
}

int sock_connect_unix(int fd, const struct addr *addr)
{
	int err = 0;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	if (connect(fd, &addr->sa, addr->len) < 0)
		err = -errno;
	return fcntl(fd, F_SETFL, 0) < 0 ? -errno : err;
}

/* 1 where the kernel does not say: then any port may be one that it picks. */
static unsigned read_first_local_port(void)
{
	char text[32] = "";
	int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 ? MAX((unsigned)strtoul(text, NULL, 10), 1) : 1;
}

/* Of those that the kernel picks from. It is for IPv6, too. */
static unsigned first_local_port(void)
{
	static atomic_uint first; /* 0: not known yet */
	unsigned port = atomic_load_explicit(&first, memory_order_relaxed);

	if (port > 0)
		return port;
	port = read_first_local_port();
	atomic_store_explicit(&first, port, memory_order_relaxed);
	return port;
}

bool sock_is_self_connected(int fd, const struct addr *addr)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct addr here, there;

	if (addr_is_unix(addr) || addr_port(addr) < first_local_port() ||
	    sock_local_addr(fd, &here) < 0 || addr_port(&here) != addr_port(addr) ||
	    getpeername(fd, (struct sockaddr *)&sa, &len) < 0)
		return false;
	addr_from_sockaddr(&there, (const struct sockaddr *)&sa, len);
	return addr_is_equal(&here, &there);
}

int sock_set_source(int fd, const struct addr *source, bool is_transparent, const char **ret_step)
{
	const bool is_v6 = addr_family(source) == AF_INET6;
	const int on = 1;

	/* The port is chosen by connect(2), which may then share it between destinations. */
	*ret_step = "setsockopt IP_BIND_ADDRESS_NO_PORT";
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) < 0)
		return -errno;
	*ret_step = "setsockopt IP_TRANSPARENT";
	if (is_transparent &&
	    setsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		       is_v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on, sizeof(on)) < 0)
		return -errno;
	*ret_step = "bind";
	return bind(fd, &source->sa, source->len) < 0 ? -errno : 0;
}

int sock_set_pacing(int fd, uint64_t bytes_per_s)
{
	return setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &bytes_per_s, sizeof(bytes_per_s)) < 0
		       ? -errno
		       : 0;
}

/* As on Ethernet. Above the speed ten of 64 kB take ten milliseconds. */
#define PACED_SEGMENT_BYTES 1460
#define PACED_SEGMENT_BELOW (64u << 20)

unsigned sock_paced_segment(uint64_t bytes_per_s)
{
	return bytes_per_s > 0 && bytes_per_s < PACED_SEGMENT_BELOW ? PACED_SEGMENT_BYTES : 0;
}

int sock_local_addr(int fd, struct addr *ret_addr)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	addr_from_sockaddr(ret_addr, (const struct sockaddr *)&sa, len);
	return 0;
}

void sock_close_abort(int fd)
{
	close(fd);
}

void sock_close_orderly(int fd)
{
	(void)!set_linger(fd, false); /* fails on what is no socket only */
	close(fd);
}

void sock_close_silent(int fd)
{
	const int on = 1;

	/* A socket in repair closes without a segment; who may not do that sends a reset. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0)
		sock_close_abort(fd);
	else
		close(fd);
}

bool sock_is_gone(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_CLOSE;
}

bool sock_says_no_more(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLRDHUP };

	return poll(&pollfd, 1, 0) > 0;
}

int sock_unsent_bytes(int fd)
{
	int bytes;

	if (ioctl(fd, SIOCOUTQ, &bytes) < 0 || bytes == 0)
		return 0;
	/* After a reset the number of unacknowledged bytes stays as it was. */
	return sock_is_gone(fd) ? 0 : bytes;
}

int sock_read(int fd, void *ret_bytes, size_t n)
{
	ssize_t got = recv(fd, ret_bytes, n, MSG_DONTWAIT);

	return got < 0 ? -errno : (int)got;
}

bool sock_has_ended(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

int sock_unread_bytes(int fd)
{
	int bytes;

	return ioctl(fd, SIOCINQ, &bytes) < 0 ? 0 : bytes;
}

int sock_take_error(int fd)
{
	int err;
	socklen_t len = sizeof(err);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 ? err : errno;
}
