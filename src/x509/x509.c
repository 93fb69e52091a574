/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/x509.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <string.h>

enum { TAG_BOOLEAN = 1, TAG_INTEGER = 2, TAG_OCTETS = 4, TAG_SEQUENCE = 0x30 };

/* 1.3.6.1.5.5.7.1.24, with tag and length. */
static const uint8_t tls_feature[] = { 6, 8, 0x2b, 6, 1, 5, 5, 7, 1, 0x18 };

/* The body of what stands at *at, if it has this tag and a short length; *at is then there. */
static size_t enter(const uint8_t **at, const uint8_t *end, uint8_t tag)
{
	size_t n;

	if (end - *at < 2 || (*at)[0] != tag)
		return 0;
	n = (*at)[1];
	if (n > 127 || n > (size_t)(end - *at) - 2)
		return 0;
	*at += 2;
	return n;
}

bool x509_is_must_staple(const struct DecodedCert *cert)
{
	enum { STATUS_REQUEST = 5, STATUS_REQUEST_V2 = 17 };
	const uint8_t *at, *end;
	size_t n;

	if (!cert->extensions || cert->extensionsSz <= 0)
		return false;
	end = cert->extensions + cert->extensionsSz;
	at = memmem(cert->extensions, (size_t)cert->extensionsSz, tls_feature, sizeof(tls_feature));
	if (!at)
		return false;
	at += sizeof(tls_feature);
	at += enter(&at, end, TAG_BOOLEAN); /* critical */
	if (enter(&at, end, TAG_OCTETS) == 0)
		return false;
	n = enter(&at, end, TAG_SEQUENCE);
	for (end = at + n; (n = enter(&at, end, TAG_INTEGER)) > 0; at += n) {
		if (n == 1 && (*at == STATUS_REQUEST || *at == STATUS_REQUEST_V2))
			return true;
	}
	return false;
}

unsigned x509_rsa_bits(const struct DecodedCert *cert)
{
	const uint8_t *modulus, *exponent;
	word32 at = 0, modulus_bytes, exponent_bytes;

	if (cert->keyOID != RSAk ||
	    wc_RsaPublicKeyDecode_ex(cert->publicKey, &at, cert->pubKeySize, &modulus,
				     &modulus_bytes, &exponent, &exponent_bytes) != 0)
		return 0;
	while (modulus_bytes > 0 && modulus[0] == 0) {
		modulus++;
		modulus_bytes--;
	}
	if (modulus_bytes == 0)
		return 0;
	return 8 * modulus_bytes + 24 - (unsigned)__builtin_clz(modulus[0]); /* of 32 bits */
}

bool x509_is_old(const struct DecodedCert *cert)
{
	return cert->version != WOLFSSL_X509_V3;
}

bool x509_is_signed_with_sha1(const struct DecodedCert *cert)
{
	return !cert->selfSigned &&
	       (cert->signatureOID == CTC_SHAwRSA || cert->signatureOID == CTC_SHAwECDSA);
}

bool x509_may_sign(const struct DecodedCert *cert)
{
	return !cert->extKeyUsageSet || (cert->extKeyUsage & KEYUSE_DIGITAL_SIG) != 0;
}

/* Is this one next on the path? @issuer is the last one's, and then its own. */
static bool look_at(const WOLFSSL_BUFFER_INFO *der, uint8_t issuer[KEYID_SIZE], bool is_leaf,
		    bool is_client, int *ret_fault)
{
	struct DecodedCert cert;
	bool is_next = false;

	wc_InitDecodedCert(&cert, der->buffer, der->length, NULL);
	if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0)
		is_next = is_leaf || memcmp(cert.subjectHash, issuer, KEYID_SIZE) == 0;
	if (is_next) {
		memcpy(issuer, cert.issuerHash, KEYID_SIZE);
		if (x509_is_signed_with_sha1(&cert))
			*ret_fault = ASN_SIG_HASH_E;
		else if (is_leaf && cert.keyOID == RSAPSSk)
			*ret_fault = ALGO_ID_E;
		else if (is_leaf && is_client && x509_is_old(&cert))
			*ret_fault = ASN_VERSION_E;
		else if (is_leaf && is_client && !x509_may_sign(&cert))
			*ret_fault = KEYUSE_SIGNATURE_E;
	}
	wc_FreeDecodedCert(&cert);
	return is_next;
}

int x509_chain_fault(const WOLFSSL_BUFFER_INFO *certs, size_t n, bool is_client)
{
	uint8_t issuer[KEYID_SIZE];
	int fault = 0;

	if (!look_at(&certs[0], issuer, true, is_client, &fault))
		return ASN_PARSE_E;
#ifdef RINGMAIN_WOLFSSL_OWN
	n = 1; /* this library knows the path, and takes none over such a CA (any-chain.patch) */
#endif
	for (size_t length = 1; length < n && fault == 0; length++) {
		size_t i = 1;

		while (i < n && !look_at(&certs[i], issuer, false, is_client, &fault))
			i++;
		if (i == n)
			break;
	}
	return fault;
}
