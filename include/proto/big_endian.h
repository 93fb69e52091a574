/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_BIG_ENDIAN_H
#define PROTO_BIG_ENDIAN_H

/* Numbers as networks write them. */

#include <stdint.h>

static inline uint32_t be32_read(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static inline void be32_write(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)(value >> 24);
	out[1] = (uint8_t)(value >> 16);
	out[2] = (uint8_t)(value >> 8);
	out[3] = (uint8_t)value;
}

#endif
