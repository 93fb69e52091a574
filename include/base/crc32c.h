/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

/*
 * The CRC-32C checksum (Castagnoli; RFC 3720, appendix B.4), bytes reflected
 * as is usual: that of "123456789" is 0xe3069283.
 */

#include <stddef.h>
#include <stdint.h>

/* Continues a checksum; the first call takes 0. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

#endif
