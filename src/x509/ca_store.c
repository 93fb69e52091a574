/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/ca_store.h"

#include "x509/certificate.h"
#include "x509/error_text.h"
#include "x509/pem.h"
#include "x509/revocation_list.h"
#include "x509/x509.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include <stddef.h>
#include <stdio.h>
#include <time.h>

/* Where Debian's ca-certificates puts all of them. */
#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt"

/* Adds one block to the context. Why it does not, in words; NULL: it has. */
typedef const char *add_fn(WOLFSSL_CTX *ctx, const struct pem_block *block);

/* What a file of many blocks is read with. */
struct reading {
	const char *path, *setting;
	const char *label; /* of the blocks that count */
	const char *what;  /* in words */
	add_fn *add;
	enum tls_severity severity; /* of one that cannot be used */
	bool is_quiet;              /* about those */
};

static const char *add_by(int code)
{
	return code == WOLFSSL_SUCCESS ? NULL : error_text_of_code(code);
}

static DerBuffer *read_der(const struct pem_block *block, int type)
{
	DerBuffer *der = NULL;

	return wc_PemToDer((const unsigned char *)block->at, (long)block->bytes, type, &der, NULL,
			   NULL, NULL) == 0
		       ? der
		       : NULL;
}

/*
 * Why a certificate that can be read vouches for nobody. One that signs itself
 * vouches for that at least, and those of version 1 cannot say what they are.
 */
static const char *why_useless(const struct DecodedCert *cert)
{
	bool may_sign = cert->isCA &&
			(!cert->extKeyUsageSet || (cert->extKeyUsage & KEYUSE_KEY_CERT_SIGN) != 0);
	unsigned bits = x509_rsa_bits(cert);

	if (bits > 0 && bits < X509_RSA_BITS_MIN)
		return error_text_of_code(RSA_KEY_SIZE_E);
	if (cert->selfSigned || (may_sign && !x509_is_old(cert)))
		return NULL;
	return cert->isCA ? "its keyUsage lacks keyCertSign"
			  : "not an authority's: what has signed it belongs here";
}

static const char *judge_ca(const struct pem_block *block)
{
	DerBuffer *der = read_der(block, CERT_TYPE);
	const char *why = NULL;
	struct DecodedCert cert;

	if (!der)
		return NULL; /* the library will say more */
	wc_InitDecodedCert(&cert, der->buffer, der->length, NULL);
	if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0)
		why = why_useless(&cert);
	wc_FreeDecodedCert(&cert);
	wc_FreeDer(&der);
	return why;
}

static const char *add_ca(WOLFSSL_CTX *ctx, const struct pem_block *block)
{
	const char *why = judge_ca(block);

	return why ? why
		   : add_by(wolfSSL_CTX_load_verify_buffer(ctx, (const unsigned char *)block->at,
							   (long)block->bytes,
							   WOLFSSL_FILETYPE_PEM));
}

static const char *judge_list(const struct pem_block *block)
{
	DerBuffer *der = read_der(block, CRL_TYPE);
	const char *why;

	if (!der)
		return NULL; /* the library will say more */
	why = revocation_list_fault(der->buffer, der->length, time(NULL));
	wc_FreeDer(&der);
	return why;
}

static const char *add_list(WOLFSSL_CTX *ctx, const struct pem_block *block)
{
	const char *why = judge_list(block);

	return why ? why
		   : add_by(wolfSSL_CTX_LoadCRLBuffer(ctx, (const unsigned char *)block->at,
						      (long)block->bytes, WOLFSSL_FILETYPE_PEM));
}

static void tell_unused(const struct reading *r, const char *place, const char *why,
			struct tls_problems *problems)
{
	if (!r->is_quiet)
		tls_problem_add(problems, r->severity, r->setting, r->path, "%s is not used: %s",
				place, why);
}

#define PLACE_BYTES (TLS_PEER_NAME_BYTES + 64)

/* "certificate 2 (line 12, alice)": the common name where it is a certificate. */
static void describe(const struct reading *r, const struct pem_file *file,
		     const struct pem_block *block, size_t number, char text[PLACE_BYTES])
{
	DerBuffer *der = read_der(block, CERT_TYPE);
	char name[TLS_PEER_NAME_BYTES] = "";

	if (der && pem_is(block, "CERTIFICATE"))
		certificate_common_name(der->buffer, der->length, name, sizeof(name));
	wc_FreeDer(&der);
	snprintf(text, PLACE_BYTES, "%s %zu (line %zu%s%s)", r->what, number, pem_line(file, block),
		 name[0] ? ", " : "", name);
}

/* Adds all blocks; at least one must be of use. */
static bool add_all(WOLFSSL_CTX *ctx, const struct pem_file *file, const struct reading *r,
		    struct tls_problems *problems)
{
	size_t at = 0, seen = 0, added = 0, errors = problems->errors_n;
	char place[PLACE_BYTES];
	struct pem_block block;

	while (pem_next(file, &at, &block)) {
		const char *why;

		if (!pem_is(&block, r->label))
			continue;
		seen++;
		why = r->add(ctx, &block);
		added += !why;
		if (!why)
			continue;
		describe(r, file, &block, seen, place);
		tell_unused(r, place, why, problems);
	}
	if (added == 0)
		tls_problem_add(problems, TLS_ERROR, r->setting, r->path, "has no usable %s",
				r->what);
	return problems->errors_n == errors;
}

const char *ca_store_path(const char *path)
{
	return path ? path : SYSTEM_BUNDLE;
}

bool ca_store_add(struct WOLFSSL_CTX *ctx, const struct pem_file *file, const char *path,
		  const char *setting, struct tls_problems *problems)
{
	const struct reading reading = {
		.path = ca_store_path(path),
		.setting = setting,
		.label = "CERTIFICATE",
		.what = "certificate",
		.add = add_ca,
		.severity = TLS_WARNING,
		.is_quiet = !path,
	};

	return add_all(ctx, file, &reading, problems);
}

bool ca_store_add_crls(struct WOLFSSL_CTX *ctx, const struct pem_file *file, const char *path,
		       const char *setting, struct tls_problems *problems)
{
	const struct reading reading = {
		.path = path,
		.setting = setting,
		.label = "X509 CRL",
		.what = "revocation list",
		.add = add_list,
		.severity = TLS_ERROR,
	};

	if (wolfSSL_CTX_EnableCRL(ctx, WOLFSSL_CRL_CHECKALL) != WOLFSSL_SUCCESS) {
		tls_problem_add(problems, TLS_ERROR, setting, path, "out of memory");
		return false;
	}
	return add_all(ctx, file, &reading, problems);
}

typedef bool load_fn(struct WOLFSSL_CTX *ctx, const struct pem_file *file, const char *path,
		     const char *setting, struct tls_problems *problems);

static bool load(WOLFSSL_CTX *ctx, load_fn *add, const char *path, const char *setting,
		 struct tls_problems *problems)
{
	struct pem_file file;
	bool is_good;

	if (!pem_open(&file, ca_store_path(path), setting, problems))
		return false;
	is_good = add(ctx, &file, path, setting, problems);
	pem_close(&file);
	return is_good;
}

bool ca_store_load(struct WOLFSSL_CTX *ctx, const char *path, const char *setting,
		   struct tls_problems *problems)
{
	return load(ctx, ca_store_add, path, setting, problems);
}

bool ca_store_load_crls(struct WOLFSSL_CTX *ctx, const char *path, const char *setting,
			struct tls_problems *problems)
{
	return load(ctx, ca_store_add_crls, path, setting, problems);
}
