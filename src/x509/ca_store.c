/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/ca_store.h"

#include "x509/certificate.h"
#include "x509/error_text.h"
#include "x509/pem.h"
#include "x509/x509.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include <stddef.h>
#include <stdlib.h>

/* Where Debian's ca-certificates puts all of them. */
#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt"

/* Adds one block to the context. The library's code, WOLFSSL_SUCCESS if it took it. */
typedef int add_fn(WOLFSSL_CTX *ctx, const struct pem_block *block);

/* What a file of many blocks is read with. */
struct reading {
	const char *path, *setting;
	const char *label; /* of the blocks that count */
	const char *what;  /* in words */
	add_fn *add;
	enum tls_severity severity; /* of one that cannot be used */
	bool is_quiet;              /* about those */
	bool wants_cas;             /* and warns of others */
};

static int add_ca(WOLFSSL_CTX *ctx, const struct pem_block *block)
{
	return wolfSSL_CTX_load_verify_buffer(ctx, (const unsigned char *)block->at,
					      (long)block->bytes, WOLFSSL_FILETYPE_PEM);
}

static int add_list(WOLFSSL_CTX *ctx, const struct pem_block *block)
{
	return wolfSSL_CTX_LoadCRLBuffer(ctx, (const unsigned char *)block->at, (long)block->bytes,
					 WOLFSSL_FILETYPE_PEM);
}

/* Is it another one's work, and may sign none? Also its common name. */
static bool is_leaf(const struct pem_block *block, char *name, size_t size)
{
	uint8_t *der = malloc(block->bytes); /* shorter than its PEM */
	struct DecodedCert cert;
	bool is = false;
	int n;

	if (!der)
		return false;
	n = wc_CertPemToDer((const unsigned char *)block->at, (int)block->bytes, der,
			    (int)block->bytes, CERT_TYPE);
	if (n > 0) {
		wc_InitDecodedCert(&cert, der, (word32)n, NULL);
		is = wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0 && !cert.isCA &&
		     !cert.selfSigned && !x509_is_old(&cert);
		wc_FreeDecodedCert(&cert);
		certificate_common_name(der, (size_t)n, name, size);
	}
	free(der);
	return is;
}

static void warn_of_leaf(const struct reading *r, const struct pem_file *file,
			 const struct pem_block *block, size_t number,
			 struct tls_problems *problems)
{
	char name[TLS_PEER_NAME_BYTES];

	if (is_leaf(block, name, sizeof(name)))
		tls_problem_add(problems, TLS_WARNING, r->setting, r->path,
				"certificate %zu (line %zu, %s) is not an authority's: what has "
				"signed it belongs here",
				number, pem_line(file, block), name);
}

/* Adds all blocks; at least one must be of use. */
static bool add_all(WOLFSSL_CTX *ctx, const struct pem_file *file, const struct reading *r,
		    struct tls_problems *problems)
{
	size_t at = 0, seen = 0, added = 0, errors = problems->errors_n;
	struct pem_block block;

	while (pem_next(file, &at, &block)) {
		int code;

		if (!pem_is(&block, r->label))
			continue;
		seen++;
		code = r->add(ctx, &block);
		if (code == WOLFSSL_SUCCESS) {
			added++;
			if (r->wants_cas)
				warn_of_leaf(r, file, &block, seen, problems);
		} else if (!r->is_quiet)
			tls_problem_add(problems, r->severity, r->setting, r->path,
					"%s %zu (line %zu) is not used: %s", r->what, seen,
					pem_line(file, &block), error_text_of_code(code));
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
		.wants_cas = path,
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
