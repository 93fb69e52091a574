/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "crypto/rsa_encrypt.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <errno.h>

#define OAEP_SHA1_BYTES (2 + 2 * 20)

/* @der holds a SubjectPublicKeyInfo; the key is to be freed in any case. */
static int load_key(RsaKey *key, const uint8_t *der, int der_bytes)
{
	word32 at = 0;
	int size;

	if (der_bytes <= 0 || wc_RsaPublicKeyDecode(der, &at, key, (word32)der_bytes) != 0)
		return -EINVAL;
	size = wc_RsaEncryptSize(key);
	return size * 8 >= RSA_ENCRYPT_BITS_MIN && size <= RSA_ENCRYPT_BYTES_MAX ? size : -EINVAL;
}

static int encrypt(RsaKey *key, const uint8_t *plain, size_t n, uint8_t *out)
{
	WC_RNG random;
	int err;

	if (wc_InitRng(&random) != 0)
		return -ENOMEM;
	err = wc_RsaPublicEncrypt_ex(plain, (word32)n, out, RSA_ENCRYPT_BYTES_MAX, key, &random,
				     WC_RSA_OAEP_PAD, WC_HASH_TYPE_SHA, WC_MGF1SHA1, NULL, 0);
	wc_FreeRng(&random);
	if (err == MEMORY_E)
		return -ENOMEM;
	return err > 0 ? err : -EINVAL;
}

int rsa_encrypt(const char *pem, size_t pem_bytes, const uint8_t *plain, size_t n,
		uint8_t out[RSA_ENCRYPT_BYTES_MAX])
{
	uint8_t der[RSA_ENCRYPT_PEM_BYTES_MAX];
	RsaKey key;
	int size;

	if (pem_bytes > RSA_ENCRYPT_PEM_BYTES_MAX)
		return -EINVAL;
	if (wc_InitRsaKey(&key, NULL) != 0)
		return -ENOMEM;
	size = load_key(&key, der,
			wc_PubKeyPemToDer((const uint8_t *)pem, (int)pem_bytes, der, sizeof(der)));
	if (size > 0 && n + OAEP_SHA1_BYTES > (size_t)size)
		size = -EMSGSIZE;
	if (size > 0)
		size = encrypt(&key, plain, n, out);
	wc_FreeRsaKey(&key);
	return size;
}
