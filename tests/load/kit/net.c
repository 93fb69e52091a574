/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net.h"

#include "kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4096 /* above any burst of ours: a full backlog costs a SYN its second */

bool net_is_unix(const struct net_addr *addr)
{
	return addr->sa.sa_family == AF_UNIX;
}

static struct net_addr unix_addr(const char *path)
{
	struct net_addr addr = { .un.sun_family = AF_UNIX, .len = sizeof(addr.un) };

	if (strlen(path) >= sizeof(addr.un.sun_path))
		kit_die("%s: too long for a unix socket", path);
	memcpy(addr.un.sun_path, path, strlen(path));
	return addr;
}

struct net_addr net_parse(const char *text)
{
	struct net_addr addr = { .len = 0 };
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	uint16_t port;

	if (strncmp(text, "unix:", 5) == 0)
		return unix_addr(text + 5);
	if (!n || n >= sizeof(host))
		kit_die("%s: HOST:PORT, [HOST]:PORT or unix:/PATH is wanted", text);
	port = htons((uint16_t)kit_number("port", colon + 1, 0, 65535));
	memcpy(host, text, n);
	host[n] = '\0';
	if (inet_pton(AF_INET, host, &addr.in4.sin_addr) == 1) {
		addr.in4.sin_family = AF_INET;
		addr.in4.sin_port = port;
		addr.len = sizeof(addr.in4);
		return addr;
	}
	if (host[0] == '[' && host[n - 1] == ']')
		host[n - 1] = '\0';
	if (host[0] != '[' || inet_pton(AF_INET6, host + 1, &addr.in6.sin6_addr) != 1)
		kit_die("%s: neither an IPv4 address nor an IPv6 one in brackets", text);
	addr.in6.sin6_family = AF_INET6;
	addr.in6.sin6_port = port;
	addr.len = sizeof(addr.in6);
	return addr;
}

const char *net_format(const struct net_addr *addr, char text[NET_TEXT_BYTES])
{
	char host[INET6_ADDRSTRLEN];

	if (addr->sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &addr->in4.sin_addr, host, sizeof(host));
		snprintf(text, NET_TEXT_BYTES, "%s:%u", host, ntohs(addr->in4.sin_port));
	} else if (addr->sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &addr->in6.sin6_addr, host, sizeof(host));
		snprintf(text, NET_TEXT_BYTES, "[%s]:%u", host, ntohs(addr->in6.sin6_port));
	} else {
		snprintf(text, NET_TEXT_BYTES, "unix:%s", addr->un.sun_path);
	}
	return text;
}

/* ---- sockets, all of them non-blocking ----------------------------------- */

static void turn_off_nagle(int fd)
{
	const int on = 1;

	/* Fails on a unix socket, which has no such thing to turn off. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int net_listen(struct net_addr *addr)
{
	const int on = 1;
	char text[NET_TEXT_BYTES];
	int fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		kit_die("socket: %s", strerror(errno));
	if (net_is_unix(addr))
		unlink(addr->un.sun_path);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, &addr->sa, addr->len) < 0 || listen(fd, BACKLOG) < 0)
		kit_die("%s: %s", net_format(addr, text), strerror(errno));
	if (!net_is_unix(addr) && getsockname(fd, &addr->sa, &addr->len) < 0)
		kit_die("getsockname: %s", strerror(errno));
	printf("listening %s\n", net_format(addr, text));
	fflush(stdout);
	return fd;
}

int net_dial(const struct net_addr *addr)
{
	int err, fd = socket(addr->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	turn_off_nagle(fd);
	if (connect(fd, &addr->sa, addr->len) == 0 || errno == EINPROGRESS)
		return fd;
	err = errno;
	close(fd);
	return -err;
}

int net_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return -errno;
	turn_off_nagle(fd);
	return fd;
}

void net_abort(int fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) < 0)
		kit_die("SO_LINGER: %s", strerror(errno));
	close(fd);
}
