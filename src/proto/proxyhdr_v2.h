/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_PROXYHDR_V2_H
#define PROTO_PROXYHDR_V2_H

/* Numbers of version 2, for reader and writer. */

#include <stdint.h>

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2_SIGNATURE_BYTES 12u
#define V2_HEAD_BYTES 16u
#define V2_UNIX_BYTES 108u

enum v2_command { V2_LOCAL = 0x20, V2_PROXY = 0x21 };

/* Upper half: family; lower half: stream or datagram. */
enum v2_family {
	V2_UNSPEC = 0x00,
	V2_TCP4 = 0x11,
	V2_UDP4 = 0x12,
	V2_TCP6 = 0x21,
	V2_UDP6 = 0x22,
	V2_UNIX_STREAM = 0x31,
	V2_UNIX_DGRAM = 0x32,
};

enum v2_type {
	V2_TYPE_ALPN = 0x01,
	V2_TYPE_AUTHORITY = 0x02,
	V2_TYPE_CRC32C = 0x03,
	V2_TYPE_NOOP = 0x04,
	V2_TYPE_UNIQUE_ID = 0x05,
	V2_TYPE_TLS = 0x20,
	V2_TYPE_TLS_VERSION = 0x21,
	V2_TYPE_TLS_CN = 0x22,
	V2_TYPE_TLS_CIPHER = 0x23,
};

#define V2_TLV_HEAD_BYTES 3u
#define V2_CRC_BYTES 4u
#define V2_TLS_HEAD_BYTES 5u /* a byte of flags, four that are zero if verified */

enum v2_tls_flag { V2_TLS_ON = 1, V2_TLS_CERT_CONN = 2, V2_TLS_CERT_SESS = 4 };

#endif
