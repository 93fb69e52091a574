/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/client_key.h"

#include <string.h>

#include "base/hash.h"

/* The same on every node: nodes that see the same client agree on its backend. */
#define KEY_SEED 0

/* IPv4 addresses are the last 32 bits of their IPv6 form. */
#define BITS_BEFORE_IPV4 96

bool client_key_of_addr(const struct addr *addr, const struct key_config *config, uint64_t *ret_key)
{
	bool is_v4 = addr_family(addr) == AF_INET;
	unsigned bits = is_v4 ? BITS_BEFORE_IPV4 + config->bits4 : config->bits6;
	uint8_t bytes[16];

	if (!addr_bytes(addr, bytes))
		return false;
	for (unsigned n = 0; n < sizeof(bytes); n++) {
		unsigned kept = bits > n * 8 ? MIN(bits - n * 8, 8u) : 0;

		bytes[n] &= (uint8_t)(0xff00u >> kept);
	}
	*ret_key = hash_bytes(bytes, sizeof(bytes), KEY_SEED);
	return true;
}

bool client_key_of_destination(const struct addr *addr, uint64_t *ret_key)
{
	struct {
		uint8_t host[16];
		uint8_t port[2];
	} where;

	if (!addr_bytes(addr, where.host))
		return false;
	where.port[0] = (uint8_t)(addr_port(addr) >> 8);
	where.port[1] = (uint8_t)addr_port(addr);
	*ret_key = hash_bytes(&where, sizeof(where), KEY_SEED);
	return true;
}

uint64_t client_key_of_name(const char *name)
{
	return hash_text(name, KEY_SEED);
}
