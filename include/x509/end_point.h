/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_END_POINT_H
#define X509_END_POINT_H

/*
 * What stands for a server's certificate when a log-in is bound to the
 * connection (tls-server-end-point, RFC 5929, 4): its digest, by the digest
 * that its signature uses, or SHA-256 instead of MD5 and SHA-1.
 */

#include <stddef.h>
#include <stdint.h>

#define X509_END_POINT_BYTES_MAX 64

struct end_point {
	uint8_t bytes[X509_END_POINT_BYTES_MAX];
	size_t n;
};

/*
 * Of a certificate's DER, which it borrows; returns how many bytes, or 0 where
 * none is defined: Ed25519, for example.
 */
size_t x509_end_point(const uint8_t *der, size_t n, uint8_t out[X509_END_POINT_BYTES_MAX]);

#endif
