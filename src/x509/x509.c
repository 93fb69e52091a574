/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/x509.h"

#include "x509/der.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <string.h>

/* 1.3.6.1.5.5.7.1.24, with tag and length. */
static const uint8_t tls_feature[] = { 6, 8, 0x2b, 6, 1, 5, 5, 7, 1, 0x18 };

bool x509_is_must_staple(const struct DecodedCert *cert)
{
	static const uint8_t status_request[] = { 5 }, status_request_v2[] = { 17 };
	struct der rest, value, feature;
	const uint8_t *at;

	if (!cert->extensions || cert->extensionsSz <= 0)
		return false;
	at = memmem(cert->extensions, (size_t)cert->extensionsSz, tls_feature, sizeof(tls_feature));
	if (!at)
		return false;
	rest = (struct der){ at + sizeof(tls_feature), cert->extensions + cert->extensionsSz };
	(void)der_enter(&rest, DER_BOOLEAN, &value); /* critical */
	if (!der_enter(&rest, DER_OCTETS, &value) || !der_enter(&value, DER_SEQUENCE, &rest))
		return false;
	while (der_enter(&rest, DER_INTEGER, &feature)) {
		if (der_is(&feature, status_request, 1) || der_is(&feature, status_request_v2, 1))
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

/* The parameters' hash, which is SHA-1 where there is none (RFC 4055, 3.1). */
static bool is_pss_with_sha1(struct der algorithm)
{
	static const uint8_t sha1[] = { 0x2b, 14, 3, 2, 26 };
	struct der parameters, hash, oid;

	if (!der_enter(&algorithm, DER_SEQUENCE, &parameters) ||
	    !der_enter(&parameters, DER_CONTEXT_0, &hash))
		return true;
	return !der_enter(&hash, DER_SEQUENCE, &algorithm) ||
	       !der_enter(&algorithm, DER_OID, &oid) || der_is(&oid, sha1, sizeof(sha1));
}

bool x509_is_signed_with_sha1(const struct DecodedCert *cert)
{
	static const uint8_t pss[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 10 };
	struct der whole = { cert->source, cert->source + cert->maxIdx };
	struct der parts, body, algorithm, oid;

	if (cert->selfSigned)
		return false;
	if (cert->signatureOID == CTC_SHAwRSA || cert->signatureOID == CTC_SHAwECDSA)
		return true;
	return der_enter(&whole, DER_SEQUENCE, &parts) && der_enter(&parts, DER_SEQUENCE, &body) &&
	       der_enter(&parts, DER_SEQUENCE, &algorithm) &&
	       der_enter(&algorithm, DER_OID, &oid) && der_is(&oid, pss, sizeof(pss)) &&
	       is_pss_with_sha1(algorithm);
}

bool x509_may_sign(const struct DecodedCert *cert)
{
	return !cert->extKeyUsageSet || (cert->extKeyUsage & KEYUSE_DIGITAL_SIG) != 0;
}

int x509_key_fault(const WOLFSSL_BUFFER_INFO *der)
{
	struct DecodedCert cert;
	int fault;

	wc_InitDecodedCert(&cert, der->buffer, der->length, NULL);
	fault = wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL);
	wc_FreeDecodedCert(&cert);
	return fault != 0 ? fault : ASN_ECC_KEY_E;
}

/* Is this one next on the path? @issuer is the last one's, and then its own. */
static bool look_at(const WOLFSSL_BUFFER_INFO *der, uint8_t issuer[KEYID_SIZE], bool is_leaf,
		    bool is_client, int *ret_fault)
{
	struct DecodedCert cert;
	bool is_next = false;
	unsigned bits;

	wc_InitDecodedCert(&cert, der->buffer, der->length, NULL);
	if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0)
		is_next = is_leaf || memcmp(cert.subjectHash, issuer, KEYID_SIZE) == 0;
	if (is_next) {
		memcpy(issuer, cert.issuerHash, KEYID_SIZE);
		bits = x509_rsa_bits(&cert);
		if (x509_is_signed_with_sha1(&cert))
			*ret_fault = ASN_SIG_HASH_E;
		else if (bits > 0 && bits < X509_RSA_BITS_MIN)
			*ret_fault = RSA_KEY_SIZE_E;
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

bool x509_is_longer(const uint8_t *der, size_t n)
{
	struct der rest = { der, der + n }, value;

	return der_enter(&rest, DER_SEQUENCE, &value) && rest.at < rest.end;
}

static bool have_more_behind(const WOLFSSL_BUFFER_INFO *certs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (x509_is_longer(certs[i].buffer, certs[i].length))
			return true;
	}
	return false;
}

int x509_chain_fault(const WOLFSSL_BUFFER_INFO *certs, size_t n, bool is_client)
{
	uint8_t issuer[KEYID_SIZE];
	int fault = 0;

	if (have_more_behind(certs, n))
		return INPUT_SIZE_E;
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
