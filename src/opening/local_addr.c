/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "opening/local_addr.h"

#include "net/sock.h"

static bool is_of_same_family(const struct addr *local, const struct addr *backend)
{
	return addr_family(local) == addr_family(backend);
}

/* The @n-th of the addresses that are for @backend, counted round; NULL: there is none. */
static const struct addr *local_addr_at(const struct pool_config *pool, const struct addr *backend,
					size_t n)
{
	size_t fit = 0;

	for (size_t i = 0; i < pool->local_addrs_n; i++)
		fit += is_of_same_family(&pool->local_addrs[i].addr, backend);
	if (fit == 0)
		return NULL;
	n %= fit;
	for (size_t i = 0; i < pool->local_addrs_n; i++) {
		if (is_of_same_family(&pool->local_addrs[i].addr, backend) && n-- == 0)
			return &pool->local_addrs[i].addr;
	}
	return NULL;
}

int local_addr_bind(const struct pool_config *pool, const struct addr *backend, uint16_t *turn,
		    int fd, const char **ret_step)
{
	const struct addr *addr = local_addr_at(pool, backend, *turn);

	if (!addr)
		return 0;
	(*turn)++;
	return sock_set_source(fd, addr, false, ret_step);
}
