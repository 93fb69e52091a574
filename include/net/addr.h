/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_ADDR_H
#define NET_ADDR_H

/*
 * Socket addresses: IPv4, IPv6 and unix sockets, parsed, printed, compared.
 * A value type: copy it freely. No name is resolved except by
 * addr_resolve(), which blocks and is for start-up only.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/def.h"

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
	socklen_t len; /* of the part that is in use; 0: no address */
	bool is_dual;  /* [::] that takes IPv4 too, from ":80" or "*:80"; never from "[::]:80" */
};

/* Room for the longest text of an address and its NUL: "unix:" and a path. */
#define ADDR_TEXT_BYTES (sizeof(((struct sockaddr_un *)0)->sun_path) + 8)

/*
 * One address as a person writes it, before any name is resolved:
 *
 *   10.0.0.1:80   [::1]:80   :80   *:80   host.example.com:80   10.0.0.1:8000-8009
 *   [fe80::1%eth0]:80   unix:/run/x.sock   /run/x.sock   unix:@abstract
 *
 * An empty host or '*' is "any address": [::] with IPv4 mapped, or 0.0.0.0 on
 * a machine without IPv6. "[::]" is IPv6 alone, so that 0.0.0.0 with the same
 * port fits beside it. Port 0 lets the kernel pick one.
 */
struct addr_spec {
	char host[256]; /* as written, no brackets; "" for any; unix: path or @name */
	uint16_t port_first, port_last; /* equal when there is no range; 0 for unix */
	bool is_unix;
	bool is_name; /* the host is neither a literal nor "any": it wants a resolver */
};

/*
 * Reads @text. Returns false and points *ret_why to a static text that says
 * what is wrong when it is none of the forms above.
 */
MUST_CHECK bool addr_spec_parse(const char *text, struct addr_spec *ret_spec, const char **ret_why);

/*
 * Is it the name of a host: labels of letters, digits, '-' and '_' (RFC 1123,
 * 2.1), of which the last is no number, and one dot at the end at most?
 */
bool addr_is_host_name(const char *name);
/* Is it an IPv4 or IPv6 address, without brackets, port or zone? */
bool addr_is_literal(const char *host);

/*
 * Gives up to @max addresses of @spec for @port (one of its range), resolving
 * a host name if it has to; blocks then. Returns their number, or 0 and in
 * *ret_why the resolver's words, a static text. @max is at least 1.
 */
MUST_CHECK size_t addr_resolve(const struct addr_spec *spec, uint16_t port, struct addr *ret_addrs,
			       size_t max, const char **ret_why);

/*
 * Reads a literal with its port, "10.0.0.1:80", "[::1]:80" or "unix:/path";
 * no names, no ranges, and no "any" other than 0.0.0.0 and [::].
 */
MUST_CHECK bool addr_parse(const char *text, struct addr *ret_addr);

/*
 * Copies what accept(2), getsockname(2) or a PROXY header gave. What is too
 * short for its family, or of a family that is none of the three, becomes "no
 * address".
 */
void addr_from_sockaddr(struct addr *addr, const struct sockaddr *sa, socklen_t len);

/*
 * Writes "10.0.0.1:80", "[::1]:80", "unix:/path", "unix:@abstract", "unix:"
 * (a socket without a name) or "-" (no address) into @text; gives @text. A
 * zone is written as a number: [fe80::1%2]:80.
 */
const char *addr_format(const struct addr *addr, char text[ADDR_TEXT_BYTES]);

/* AF_UNSPEC when there is no address. */
int addr_family(const struct addr *addr);
/* Host order; 0 for a unix socket. */
uint16_t addr_port(const struct addr *addr);
void addr_set_port(struct addr *addr, uint16_t port);
bool addr_is_unix(const struct addr *addr);
/* Is it 0.0.0.0 or [::]? */
bool addr_is_any(const struct addr *addr);
/* Is it link-local, fe80::/10, and does not say on which link? */
bool addr_needs_zone(const struct addr *addr);
/* Same family, host, zone and port; a v4-mapped IPv6 address equals its IPv4 one. */
bool addr_is_equal(const struct addr *a, const struct addr *b);
/* Turns ::ffff:a.b.c.d into a.b.c.d; leaves every other address alone. */
void addr_unmap(struct addr *addr);
/*
 * Would a connection to it stay on this machine: an interface's address, a
 * loopback net, "any", a unix socket? Walks getifaddrs(3): start-up only.
 */
bool addr_is_local(const struct addr *addr);

/*
 * An address without the path of a unix socket: a quarter of the size, for
 * clients, of which there are many and whose sockets have no path.
 */
struct addr_short {
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	};
	socklen_t len; /* 0: no address */
};

void addr_shorten(struct addr_short *ret_short, const struct addr *addr);
void addr_lengthen(struct addr *ret_addr, const struct addr_short *from);
/* As addr_is_equal(). */
bool addr_short_is_equal(const struct addr_short *a, const struct addr_short *b);

/* A block of addresses, "10.0.0.0/8", "2001:db8::/32", or one address without a slash. */
struct addr_block {
	uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t bits;      /* 0..128, counted in the IPv6 form */
};

/* As addr_spec_parse(). "10.0.0.1/8" is a mistake: what is meant, one host or a net? */
MUST_CHECK bool addr_block_parse(const char *text, struct addr_block *ret_block,
				 const char **ret_why);
/* As addr_block_parse() reads it: without the slash when it is one address. Gives @text. */
#define ADDR_BLOCK_TEXT_BYTES (INET6_ADDRSTRLEN + 4)
const char *addr_block_format(const struct addr_block *block, char text[ADDR_BLOCK_TEXT_BYTES]);
/* The block that was probably meant with a text that is none, or NULL: "10.0.0.0/8". */
const char *addr_block_suggest(const char *typed, char text[ADDR_BLOCK_TEXT_BYTES]);
/*
 * A unix address is in no block. An IPv4 address, mapped or not, is in IPv4
 * blocks only: "::/0" means all of IPv6, "0.0.0.0/0" all of IPv4.
 */
bool addr_block_has(const struct addr_block *block, const struct addr *addr);
/* The 16 bytes of the host part, IPv4 mapped; false for unix. */
bool addr_bytes(const struct addr *addr, uint8_t ret_bytes[16]);

#endif
