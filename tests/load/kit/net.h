/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LOAD_KIT_NET_H
#define LOAD_KIT_NET_H

/*
 * Addresses and sockets of the load tools. Every socket is non-blocking,
 * closed on exec and without Nagle's delay.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NET_TEXT_BYTES 128

struct net_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
	socklen_t len;
};

/* 127.0.0.1:80, [::1]:80 or unix:/path, no names; dies when @text is none of them. */
struct net_addr net_parse(const char *text);
const char *net_format(const struct net_addr *addr, char text[NET_TEXT_BYTES]);
bool net_is_unix(const struct net_addr *addr);

/*
 * Listens on @addr, stores the port there when the kernel had to choose one,
 * and prints "listening ADDRESS" for whoever started the tool. Gives a
 * socket; dies on failure.
 */
int net_listen(struct net_addr *addr);

/* Starts to connect. Gives a socket, perhaps still connecting, or -errno. */
int net_dial(const struct net_addr *addr);

/* Gives a connected socket, or -errno (-EAGAIN: nobody waits). */
int net_accept(int listener);

/* Takes @fd and closes it with a RST: what is queued either way is thrown away. */
void net_abort(int fd);

#endif
