/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses as people write them, and what the resolver makes of them. The
 * readers here return NULL when all is well, or what is wrong.
 */
#include "net/addr.h"

#include "base/check.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#define UN_PATH_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)

/* RFC 1035, section 2.3.4: 255 octets on the wire are 253 characters of text. */
#define NAME_LETTERS_MAX 253
#define LABEL_LETTERS_MAX 63

#define PORT_DIGITS_MAX 5

static const char *const port_range_text = "the port is not in 1-65535";

static const char *read_unix(const char *path, struct addr_spec *spec)
{
	if (path[0] != '/' && path[0] != '@')
		return "a unix socket is a path from '/' on, or '@' and an abstract name";
	if (path[1] == '\0')
		return "the name of the unix socket is missing";
	if (!text_copy(spec->host, UN_PATH_BYTES, path))
		return "the path of a unix socket has at most 107 bytes";
	spec->is_unix = true;
	return NULL;
}

static const char *read_port(const char *text, size_t n, uint16_t *ret_port)
{
	char digits[PORT_DIGITS_MAX + 1];
	uint64_t port;

	if (n == 0)
		return "a port is missing";
	if (strspn(text, "0123456789") < n)
		return "the port is not a number";
	if (n > PORT_DIGITS_MAX)
		return port_range_text;
	memcpy(digits, text, n);
	digits[n] = '\0';
	if (!text_to_u64(digits, &port) || port > UINT16_MAX)
		return port_range_text;
	*ret_port = (uint16_t)port;
	return NULL;
}

/* "80" or "8000-8009". */
static const char *read_ports(const char *text, struct addr_spec *spec)
{
	const char *dash = strchr(text, '-');
	const char *why =
		read_port(text, dash ? (size_t)(dash - text) : strlen(text), &spec->port_first);

	spec->port_last = spec->port_first;
	if (why || !dash)
		return why;
	why = read_port(dash + 1, strlen(dash + 1), &spec->port_last);
	if (why)
		return why;
	if (spec->port_first == 0)
		return "a range begins with port 1 or later";
	if (spec->port_last < spec->port_first)
		return "the range runs backwards";
	return NULL;
}

static bool is_host_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static bool is_host_label(const char *label, size_t n)
{
	if (n == 0 || n > LABEL_LETTERS_MAX || label[0] == '-' || label[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_host_letter(label[i]))
			return false;
	}
	return true;
}

/* Labels as in RFC 1123, section 2.1, and the underscore that people use all the same. */
bool addr_is_host_name(const char *name)
{
	size_t n;

	if (strlen(name) > NAME_LETTERS_MAX)
		return false;
	for (;; name += n + 1) {
		n = strcspn(name, ".");
		if (!is_host_label(name, n))
			return false;
		if (name[n] == '\0' || name[n + 1] == '\0')
			break;
	}
	/* "10.1" is a slip of the pen; the resolver would take it for 10.0.0.1. */
	return strspn(name, "0123456789") < n;
}

bool addr_is_literal(const char *host)
{
	struct in6_addr bytes; /* room for either */

	return inet_pton(AF_INET, host, &bytes) == 1 || inet_pton(AF_INET6, host, &bytes) == 1;
}

static const char *read_spec_host(struct addr_spec *spec)
{
	struct in_addr in4;

	if (spec->host[0] == '\0' || strcmp(spec->host, "*") == 0) {
		spec->host[0] = '\0';
		return NULL;
	}
	if (strchr(spec->host, ':'))
		return "an IPv6 address needs brackets, like [::1]:80";
	if (inet_pton(AF_INET, spec->host, &in4) == 1)
		return NULL;
	if (spec->host[strspn(spec->host, "0123456789.")] == '\0')
		return "an IPv4 address is four numbers in 0-255";
	if (!addr_is_host_name(spec->host))
		return "the host is neither an address nor a name";
	spec->is_name = true;
	return NULL;
}

/* Reads "fe80::1" or "fe80::1%eth0"; *ret_zone is "" when there is none. */
static bool read_ipv6(const char *host, struct in6_addr *ret_in6, const char **ret_zone)
{
	char text[INET6_ADDRSTRLEN];
	size_t n = strcspn(host, "%");

	if (n >= sizeof(text))
		return false;
	memcpy(text, host, n);
	text[n] = '\0';
	if (inet_pton(AF_INET6, text, ret_in6) != 1)
		return false;
	*ret_zone = host[n] == '%' ? host + n + 1 : "";
	if (host[n] == '\0')
		return true;
	return (*ret_zone)[0] != '\0' && strlen(*ret_zone) < IF_NAMESIZE;
}

static const char *read_bracketed(struct addr_spec *spec)
{
	struct in6_addr in6;
	const char *zone;

	if (!read_ipv6(spec->host, &in6, &zone))
		return "between the brackets is no IPv6 address";
	if (zone[0] != '\0' && !IN6_IS_ADDR_LINKLOCAL(&in6))
		return "a zone (%) belongs to link-local addresses (fe80::) only";
	return NULL;
}

static const char *copy_host(struct addr_spec *spec, const char *host, size_t n)
{
	if (n >= sizeof(spec->host))
		return "the host name is too long";
	memcpy(spec->host, host, n);
	spec->host[n] = '\0';
	return NULL;
}

static const char *read_inet(const char *text, struct addr_spec *spec)
{
	const bool is_bracketed = text[0] == '[';
	const char *host = is_bracketed ? text + 1 : text;
	const char *end = is_bracketed ? strchr(host, ']') : strrchr(host, ':');
	const char *why;

	if (strstr(text, "://"))
		return "an address has no scheme in front of it";
	if (!end)
		return is_bracketed ? "a ']' is missing" : "a port is missing";
	why = copy_host(spec, host, (size_t)(end - host));
	if (!why)
		why = is_bracketed ? read_bracketed(spec) : read_spec_host(spec);
	if (why)
		return why;
	if (is_bracketed && *++end == '\0')
		return "a port is missing";
	if (*end != ':')
		return "after ']' come ':' and the port";
	return read_ports(end + 1, spec);
}

bool addr_spec_parse(const char *text, struct addr_spec *ret_spec, const char **ret_why)
{
	struct addr_spec spec = { 0 };
	const char *why;

	if (text[0] == '\0')
		why = "the address is missing";
	else if (strncmp(text, "unix:", 5) == 0)
		why = read_unix(text + 5, &spec);
	else if (text[0] == '/')
		why = read_unix(text, &spec);
	else
		why = read_inet(text, &spec);
	if (why) {
		*ret_why = why;
		return false;
	}
	*ret_spec = spec;
	return true;
}

static void unix_addr(const char *path, struct addr *ret_addr)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t n = strlen(path);

	memcpy(un.sun_path, path, n);
	if (path[0] == '@')
		un.sun_path[0] = '\0';
	addr_from_sockaddr(ret_addr, (const struct sockaddr *)&un,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

static bool has_dual_stack(void)
{
	const int off = 0;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static void any_addr(struct addr *ret_addr)
{
	const struct sockaddr_in in4 = { .sin_family = AF_INET };
	const struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	const bool is_dual = has_dual_stack();

	if (is_dual)
		addr_from_sockaddr(ret_addr, (const struct sockaddr *)&in6, sizeof(in6));
	else
		addr_from_sockaddr(ret_addr, (const struct sockaddr *)&in4, sizeof(in4));
	ret_addr->is_dual = is_dual;
}

static bool read_zone(const char *zone, uint32_t *ret_index)
{
	uint64_t number;

	if (zone[0] == '\0')
		return true;
	if (text_to_u64(zone, &number) && number <= UINT32_MAX)
		*ret_index = (uint32_t)number;
	else
		*ret_index = if_nametoindex(zone);
	return *ret_index != 0;
}

static bool literal_addr(const char *host, struct addr *ret_addr)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	const char *zone;

	if (inet_pton(AF_INET, host, &in4.sin_addr) == 1) {
		addr_from_sockaddr(ret_addr, (const struct sockaddr *)&in4, sizeof(in4));
		return true;
	}
	if (!read_ipv6(host, &in6.sin6_addr, &zone) || !read_zone(zone, &in6.sin6_scope_id))
		return false;
	addr_from_sockaddr(ret_addr, (const struct sockaddr *)&in6, sizeof(in6));
	return true;
}

static size_t resolve_name(const char *name, struct addr *ret_addrs, size_t max,
			   const char **ret_why)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *all;
	size_t n = 0;
	int err = getaddrinfo(name, NULL, &hints, &all);

	if (err != 0) {
		*ret_why = err == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(err);
		return 0;
	}
	for (const struct addrinfo *at = all; at && n < max; at = at->ai_next) {
		addr_from_sockaddr(&ret_addrs[n], at->ai_addr, at->ai_addrlen);
		if (ret_addrs[n].len > 0)
			n++;
	}
	freeaddrinfo(all);
	if (n == 0)
		*ret_why = "the name has no address that can be used";
	return n;
}

size_t addr_resolve(const struct addr_spec *spec, uint16_t port, struct addr *ret_addrs, size_t max,
		    const char **ret_why)
{
	size_t n = 1;

	CHECK(max >= 1);
	if (spec->is_name) {
		n = resolve_name(spec->host, ret_addrs, max, ret_why);
	} else if (spec->is_unix) {
		unix_addr(spec->host, ret_addrs);
	} else if (spec->host[0] == '\0') {
		any_addr(ret_addrs);
	} else if (!literal_addr(spec->host, ret_addrs)) {
		*ret_why = "there is no interface of the name after '%'";
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		addr_set_port(&ret_addrs[i], port);
	return n;
}

bool addr_parse(const char *text, struct addr *ret_addr)
{
	struct addr_spec spec;
	struct addr addr;
	const char *why;

	if (!addr_spec_parse(text, &spec, &why))
		return false;
	if (spec.is_name || spec.port_first != spec.port_last || spec.host[0] == '\0')
		return false;
	if (addr_resolve(&spec, spec.port_first, &addr, 1, &why) != 1)
		return false;
	*ret_addr = addr;
	return true;
}
