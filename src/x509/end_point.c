/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/end_point.h"

#include "base/def.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/hash.h>

/* Signatures whose digest is the algorithm's own; RSA-PSS says its own elsewhere. */
static const struct {
	word32 signature;
	enum wc_HashType digest;
} digests[] = {
	{ CTC_SHAwRSA, WC_HASH_TYPE_SHA256 },    { CTC_SHAwECDSA, WC_HASH_TYPE_SHA256 },
	{ CTC_SHA256wRSA, WC_HASH_TYPE_SHA256 }, { CTC_SHA256wECDSA, WC_HASH_TYPE_SHA256 },
	{ CTC_SHA384wRSA, WC_HASH_TYPE_SHA384 }, { CTC_SHA384wECDSA, WC_HASH_TYPE_SHA384 },
	{ CTC_SHA512wRSA, WC_HASH_TYPE_SHA512 }, { CTC_SHA512wECDSA, WC_HASH_TYPE_SHA512 },
};

static enum wc_HashType digest_of(const uint8_t *der, size_t n)
{
	enum wc_HashType digest = WC_HASH_TYPE_NONE;
	struct DecodedCert cert;

	wc_InitDecodedCert(&cert, der, (word32)n, NULL);
	if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0)
		for (size_t i = 0; i < ARRAY_LEN(digests); i++)
			if (digests[i].signature == cert.signatureOID)
				digest = digests[i].digest;
	wc_FreeDecodedCert(&cert);
	return digest;
}

size_t x509_end_point(const uint8_t *der, size_t n, uint8_t out[X509_END_POINT_BYTES_MAX])
{
	const enum wc_HashType digest = digest_of(der, n);
	int bytes;

	if (digest == WC_HASH_TYPE_NONE)
		return 0;
	bytes = wc_HashGetDigestSize(digest);
	if (bytes <= 0 || wc_Hash(digest, der, (word32)n, out, (word32)bytes) != 0)
		return 0;
	return (size_t)bytes;
}
