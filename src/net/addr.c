/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ifaddrs.h>
#include <string.h>

#define UN_HEAD_BYTES offsetof(struct sockaddr_un, sun_path)
#define UN_PATH_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)

static_assert(ADDR_TEXT_BYTES >= sizeof("unix:") + UN_PATH_BYTES, "the longest path fits");
static_assert(ADDR_TEXT_BYTES >= sizeof("[]:65535%4294967295") + INET6_ADDRSTRLEN, "so does IPv6");

static const uint8_t mapped_head[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* A path is kept with its NUL, an abstract name, which may contain some, without. */
static void keep_unix(struct addr *addr, const struct sockaddr *sa, socklen_t len)
{
	size_t n = MIN((size_t)len, sizeof(addr->un)) - UN_HEAD_BYTES;

	memcpy(addr->un.sun_path, (const char *)sa + UN_HEAD_BYTES, n);
	if (n > 0 && addr->un.sun_path[0] != '\0')
		n = MIN(strnlen(addr->un.sun_path, n) + 1, UN_PATH_BYTES);
	addr->un.sun_family = AF_UNIX;
	addr->len = (socklen_t)(UN_HEAD_BYTES + n);
}

void addr_from_sockaddr(struct addr *addr, const struct sockaddr *sa, socklen_t len)
{
	sa_family_t family = AF_UNSPEC;

	memset(addr, 0, sizeof(*addr));
	if (len >= sizeof(family))
		memcpy(&family, sa, sizeof(family));
	if (family == AF_INET && len >= sizeof(addr->in4))
		addr->len = sizeof(addr->in4);
	else if (family == AF_INET6 && len >= sizeof(addr->in6))
		addr->len = sizeof(addr->in6);
	else if (family == AF_UNIX)
		keep_unix(addr, sa, len);
	if (family == AF_INET || family == AF_INET6)
		memcpy(&addr->sa, sa, addr->len);
}

static char *put_addr_text(char *at, const char *text)
{
	size_t n = strlen(text);

	memcpy(at, text, n + 1);
	return at + n;
}

static char *put_number(char *at, uint32_t number)
{
	char digits[10];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + number % 10);
	while (number /= 10);
	while (n > 0)
		*at++ = digits[--n];
	*at = '\0';
	return at;
}

/* By hand: inet_ntop(3) goes through printf, and every log line of a session needs this. */
static char *put_ipv4(char *at, const struct in_addr *host)
{
	const uint8_t *bytes = (const uint8_t *)host;

	for (int i = 0; i < 4; i++) {
		if (i > 0)
			*at++ = '.';
		at = put_number(at, bytes[i]);
	}
	return at;
}

static char *put_ipv6(char *at, const struct sockaddr_in6 *in6)
{
	*at++ = '[';
	inet_ntop(AF_INET6, &in6->sin6_addr, at, INET6_ADDRSTRLEN);
	at += strlen(at);
	if (in6->sin6_scope_id != 0) {
		*at++ = '%';
		at = put_number(at, in6->sin6_scope_id);
	}
	return put_addr_text(at, "]");
}

static void put_unix(char *at, const struct addr *addr)
{
	size_t n = addr->len - UN_HEAD_BYTES;

	at = put_addr_text(at, "unix:");
	if (n > 0 && addr->un.sun_path[0] != '\0')
		n = strnlen(addr->un.sun_path, n);
	for (size_t i = 0; i < n; i++)
		*at++ = addr->un.sun_path[i] == '\0' ? '@' : addr->un.sun_path[i];
	*at = '\0';
}

const char *addr_format(const struct addr *addr, char text[ADDR_TEXT_BYTES])
{
	char *at = text;

	switch (addr_family(addr)) {
	case AF_INET:
		at = put_ipv4(at, &addr->in4.sin_addr);
		break;
	case AF_INET6:
		at = put_ipv6(at, &addr->in6);
		break;
	case AF_UNIX:
		put_unix(at, addr);
		return text;
	default:
		put_addr_text(at, "-");
		return text;
	}
	*at++ = ':';
	put_number(at, addr_port(addr));
	return text;
}

int addr_family(const struct addr *addr)
{
	return addr->len == 0 ? AF_UNSPEC : addr->sa.sa_family;
}

uint16_t addr_port(const struct addr *addr)
{
	switch (addr_family(addr)) {
	case AF_INET:
		return ntohs(addr->in4.sin_port);
	case AF_INET6:
		return ntohs(addr->in6.sin6_port);
	default:
		return 0;
	}
}

void addr_set_port(struct addr *addr, uint16_t port)
{
	switch (addr_family(addr)) {
	case AF_INET:
		addr->in4.sin_port = htons(port);
		break;
	case AF_INET6:
		addr->in6.sin6_port = htons(port);
		break;
	default:
		break;
	}
}

bool addr_is_unix(const struct addr *addr)
{
	return addr_family(addr) == AF_UNIX;
}

bool addr_is_any(const struct addr *addr)
{
	switch (addr_family(addr)) {
	case AF_INET:
		return addr->in4.sin_addr.s_addr == htonl(INADDR_ANY);
	case AF_INET6:
		return IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr);
	default:
		return false;
	}
}

bool addr_needs_zone(const struct addr *addr)
{
	return addr_family(addr) == AF_INET6 && addr->in6.sin6_scope_id == 0 &&
	       IN6_IS_ADDR_LINKLOCAL(&addr->in6.sin6_addr);
}

static uint32_t zone_of(const struct addr *addr)
{
	return addr_family(addr) == AF_INET6 ? addr->in6.sin6_scope_id : 0;
}

bool addr_is_equal(const struct addr *a, const struct addr *b)
{
	uint8_t a_bytes[16], b_bytes[16];

	if (addr_bytes(a, a_bytes) && addr_bytes(b, b_bytes))
		return memcmp(a_bytes, b_bytes, sizeof(a_bytes)) == 0 &&
		       addr_port(a) == addr_port(b) && zone_of(a) == zone_of(b);
	return a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}

void addr_unmap(struct addr *addr)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET };

	if (addr_family(addr) != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr))
		return;
	in4.sin_port = addr->in6.sin6_port;
	memcpy(&in4.sin_addr, addr->in6.sin6_addr.s6_addr + sizeof(mapped_head), 4);
	addr_from_sockaddr(addr, (const struct sockaddr *)&in4, sizeof(in4));
}

void addr_shorten(struct addr_short *ret_short, const struct addr *addr)
{
	socklen_t len = addr_is_unix(addr) ? (socklen_t)sizeof(sa_family_t) : addr->len;

	*ret_short = (struct addr_short){ .len = len };
	memcpy(&ret_short->sa, &addr->sa, len);
}

void addr_lengthen(struct addr *ret_addr, const struct addr_short *from)
{
	*ret_addr = (struct addr){ 0 };
	if (from->len > 0)
		addr_from_sockaddr(ret_addr, &from->sa, from->len);
}

bool addr_short_is_equal(const struct addr_short *a, const struct addr_short *b)
{
	struct addr left, right;

	if (a->len == 0 || b->len == 0)
		return a->len == b->len;
	addr_lengthen(&left, a);
	addr_lengthen(&right, b);
	return addr_is_equal(&left, &right);
}

bool addr_bytes(const struct addr *addr, uint8_t ret_bytes[16])
{
	switch (addr_family(addr)) {
	case AF_INET:
		memcpy(ret_bytes, mapped_head, sizeof(mapped_head));
		memcpy(ret_bytes + sizeof(mapped_head), &addr->in4.sin_addr, 4);
		return true;
	case AF_INET6:
		memcpy(ret_bytes, &addr->in6.sin6_addr, 16);
		return true;
	default:
		return false;
	}
}

static bool is_loopback(const uint8_t bytes[16])
{
	if (memcmp(bytes, mapped_head, sizeof(mapped_head)) == 0)
		return bytes[sizeof(mapped_head)] == IN_LOOPBACKNET;
	return memcmp(bytes, &in6addr_loopback, 16) == 0;
}

static bool is_interface_address(const uint8_t bytes[16])
{
	struct ifaddrs *all;
	bool is_found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *at = all; at && !is_found; at = at->ifa_next) {
		struct addr addr;
		uint8_t own[16];

		if (!at->ifa_addr)
			continue;
		addr_from_sockaddr(&addr, at->ifa_addr, sizeof(struct sockaddr_in6));
		is_found = addr_bytes(&addr, own) && memcmp(own, bytes, sizeof(own)) == 0;
	}
	freeifaddrs(all);
	return is_found;
}

bool addr_is_local(const struct addr *addr)
{
	struct addr plain = *addr;
	uint8_t bytes[16];

	addr_unmap(&plain);
	if (addr_is_unix(&plain) || addr_is_any(&plain))
		return true;
	return addr_bytes(&plain, bytes) && (is_loopback(bytes) || is_interface_address(bytes));
}
