/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_X509_H
#define X509_X509_H

/*
 * What the library does not say of a certificate that it has decoded, and
 * what it does not mind. For this floor.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X509_RSA_BITS_MIN 2048

struct DecodedCert;
struct WOLFSSL_BUFFER_INFO;

/* Does it ask servers to staple OCSP responses (TLS feature, RFC 7633)? */
bool x509_is_must_staple(const struct DecodedCert *cert);

/* Bits of its RSA key; 0: the key is none, or cannot be read. */
unsigned x509_rsa_bits(const struct DecodedCert *cert);

/* Of X.509 before version 3: without extensions, and so without a SAN. */
bool x509_is_old(const struct DecodedCert *cert);

/* By another one, with SHA-1? */
bool x509_is_signed_with_sha1(const struct DecodedCert *cert);

/* Does its keyUsage, if it has one, allow digitalSignature? */
bool x509_may_sign(const struct DecodedCert *cert);

/* Is there something behind the certificate? The library does not mind, everybody else does. */
bool x509_is_longer(const uint8_t *der, size_t n);

/*
 * Why the key of the certificate @der could not be had, as one of the library's codes: that forgets
 * what it has found wrong before it came to the key.
 */
int x509_key_fault(const struct WOLFSSL_BUFFER_INFO *der);

/*
 * Why a chain that the library takes is refused all the same, as one of its codes; 0: it is
 * good. Nothing may be behind a certificate, which its fingerprint would not know again. The
 * path from the first certificate on must not rest on SHA-1, the signature of one
 * that signs itself apart; its key must not be for RSASSA-PSS alone (nobody is offered the
 * schemes for that); a client's must be meant for signing.
 */
int x509_chain_fault(const struct WOLFSSL_BUFFER_INFO *certs, size_t n, bool is_client);

#endif
