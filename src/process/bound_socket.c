/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/bound_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>

/* Does @wide take what comes to the family of @addr? */
static bool takes_family_of(const struct addr *wide, const struct addr *addr)
{
	return addr_family(addr) == addr_family(wide) ||
	       (wide->is_dual && addr_family(addr) == AF_INET);
}

static bool is_within(const struct addr *addr, const struct addr *wildcard)
{
	return addr_is_any(wildcard) && takes_family_of(wildcard, addr);
}

bool bound_addrs_overlap(const struct addr *a, const struct addr *b)
{
	return !addr_is_unix(a) && !addr_is_unix(b) && addr_port(a) != 0 &&
	       addr_port(a) == addr_port(b) && (is_within(a, b) || is_within(b, a));
}

bool bound_addr_is_within(const struct addr *addr, const struct addr *wildcard)
{
	return bound_addrs_overlap(addr, wildcard) && is_within(addr, wildcard) &&
	       !addr_is_equal(addr, wildcard);
}

static bool has_path_of(const struct bound_socket *s, const struct addr *addr)
{
	struct stat st;

	return s->file.ino != 0 && addr->un.sun_path[0] == '/' &&
	       stat(addr->un.sun_path, &st) == 0 && st.st_dev == s->file.dev &&
	       st.st_ino == s->file.ino;
}

bool bound_sockets_have(const struct bound_socket *all, size_t n, const struct addr *addr)
{
	for (size_t i = 0; i < n; i++) {
		const struct bound_socket *s = &all[i];

		if (addr_is_equal(&s->wanted, addr) || bound_addrs_overlap(&s->wanted, addr) ||
		    (addr_is_unix(addr) && has_path_of(s, addr)))
			return true;
	}
	return false;
}
