/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/origin.h"

#include "net/sock.h"

int origin_set(const struct pool_config *pool, const struct addr *backend, uint16_t *turn, int fd,
	       const char **ret_step)
{
	for (size_t n = 0; n < pool->sources_n; n++) {
		const struct addr *addr = &pool->sources[(*turn)++ % pool->sources_n].addr;

		if (addr_family(addr) == addr_family(backend))
			return sock_set_source(fd, addr, false, ret_step);
	}
	return 0;
}
