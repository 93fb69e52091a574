/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/certificate.h"

#include "base/check.h"
#include "x509/der.h"
#include "x509/error_text.h"
#include "x509/subject.h"
#include "x509/x509.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX 10 /* certificates in a chain */
#define DAY_S 86400
#define SUBJECT_BYTES 128

/* One certificate of the chain, as far as the others are judged by it. */
struct link {
	struct pem_block block;
	char subject[SUBJECT_BYTES]; /* common name, for messages */
	uint8_t subject_hash[KEYID_SIZE], issuer_hash[KEYID_SIZE];
	time_t from, until; /* 0: could not be read */
};

const struct certificate_setting certificate_for_clients = { .key = "certificate" };
const struct certificate_setting certificate_for_backends = { .key = "certificate",
							      .is_for_backends = true };

/* What certificate_load() works with. */
struct loading {
	struct certificate *c;
	const struct tls_files *files;
	const struct certificate_setting *setting;
	time_t now;
	struct tls_problems *problems;
	const struct pem_file *file; /* with the chain */
	struct link links[CHAIN_MAX];
	size_t links_n;
};

#define add_problem(l, severity, file, ...) \
	tls_problem_add((l)->problems, severity, (l)->setting->key, file, __VA_ARGS__)

/* ---- what a certificate says --------------------------------------------- */

static time_t read_time(const uint8_t *asn, int bytes)
{
	return der_time((struct der){ asn, asn + MAX(bytes, 0) });
}

static void copy_printable(char *out, size_t size, const char *text, size_t n)
{
	size_t i;

	for (i = 0; i < n && i + 1 < size; i++)
		out[i] = (uint8_t)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	out[i] = '\0';
}

void certificate_common_name(const uint8_t *der, size_t bytes, char *out, size_t size)
{
	struct subject_attribute a;
	struct subject s;

	out[0] = '\0';
	if (!subject_find(der, bytes, &s))
		return;
	while (subject_next(&s, &a)) {
		if (subject_is_common_name(&a))
			copy_printable(out, size, (const char *)a.text.at,
				       (size_t)(a.text.end - a.text.at));
	}
}

static bool read_kind(const struct DecodedCert *cert, enum key_kind *ret_kind)
{
	switch (cert->keyOID) {
	case RSAk:
		*ret_kind = KEY_RSA;
		return true;
	case ED25519k:
		*ret_kind = KEY_ED25519;
		return true;
	case ECDSAk:
		break;
	default:
		return false;
	}
	switch (cert->pkCurveOID) {
	case ECC_SECP256R1_OID:
		*ret_kind = KEY_ECDSA_P256;
		return true;
	case ECC_SECP384R1_OID:
		*ret_kind = KEY_ECDSA_P384;
		return true;
	case ECC_SECP521R1_OID:
		*ret_kind = KEY_ECDSA_P521;
		return true;
	default:
		return false;
	}
}

/* A copy in lower case, if it is a name that a client could ask for. */
static char *copy_name(const char *name, size_t n)
{
	char *copy;

	if (n == 0 || n > 253)
		return NULL;
	copy = strndup(name, n);
	for (size_t i = 0; copy && i < n; i++) {
		char c = copy[i];

		if (c >= 'A' && c <= 'Z')
			copy[i] = (char)(c + ('a' - 'A'));
		else if ((uint8_t)c <= ' ' || (uint8_t)c >= 0x7f) {
			free(copy);
			return NULL;
		}
	}
	return copy;
}

static void add_name(struct certificate *c, const char *name, size_t n)
{
	char *copy = c->names_n < CERTIFICATE_NAMES_MAX ? copy_name(name, n) : NULL;

	if (copy)
		c->names[c->names_n++] = copy;
}

/* The names in the SAN; only where it has none, the common name (RFC 6125, 6.4.4). */
static void read_names(const struct DecodedCert *cert, struct certificate *c)
{
	bool has_san = false;

	for (const DNS_entry *entry = cert->altNames; entry; entry = entry->next) {
		if (entry->type != ASN_DNS_TYPE)
			continue;
		has_san = true;
		add_name(c, entry->name, (size_t)entry->len);
	}
	if (!has_san && cert->subjectCN && cert->subjectCNLen > 0)
		add_name(c, cert->subjectCN, (size_t)cert->subjectCNLen);
}

static const char *readers_of(const struct loading *l)
{
	return l->setting->is_for_backends ? "backends" : "clients";
}

/* What those will mind. */
static void check_leaf(struct loading *l, const struct DecodedCert *cert)
{
	unsigned bits = x509_rsa_bits(cert);

	if (bits > 0 && bits < X509_RSA_BITS_MIN)
		add_problem(l, TLS_ERROR, l->files->chain,
			    "RSA key has %u bits; nobody takes fewer than %d", bits,
			    X509_RSA_BITS_MIN);
	if (x509_is_must_staple(cert) && !l->setting->is_for_backends)
		add_problem(l, TLS_WARNING, l->files->chain,
			    "demands stapled OCSP responses (must-staple), which are not sent: "
			    "clients that heed it will refuse it");
	if (x509_is_old(cert))
		add_problem(l, TLS_WARNING, l->files->chain,
			    "is of X.509 version 1, without extensions: many %s refuse it%s",
			    readers_of(l),
			    l->setting->is_for_backends ? "" : ", as it has no subjectAltName");
	if (!x509_may_sign(cert))
		add_problem(l, TLS_WARNING, l->files->chain,
			    "its keyUsage lacks digitalSignature: most peers refuse it");
}

static void read_leaf(struct loading *l, const struct DecodedCert *cert)
{
	check_leaf(l, cert);
	if (!read_kind(cert, &l->c->kind))
		add_problem(l, TLS_ERROR, l->files->chain,
			    "key is of an unknown kind (RSA, ECDSA on P-256, P-384 or P-521, "
			    "Ed25519)");
	if (wc_Sha256Hash(cert->source, cert->maxIdx, l->c->print) != 0)
		add_problem(l, TLS_ERROR, l->files->chain, "out of memory");
	copy_printable(l->c->issuer, sizeof(l->c->issuer), cert->issuer,
		       strnlen(cert->issuer, sizeof(cert->issuer)));
	read_names(cert, l->c);
	if (l->c->names_n == 0 && !l->setting->is_for_backends)
		add_problem(l, TLS_WARNING, l->files->chain,
			    "has no DNS name; only clients without SNI get it");
}

/* ---- the chain ----------------------------------------------------------- */

static void add_unreadable(struct loading *l, const struct pem_block *block, int code)
{
	add_problem(l, TLS_ERROR, l->files->chain, "certificate %zu (line %zu) cannot be read: %s",
		    l->links_n + 1, pem_line(l->file, block), error_text_of_code(code));
}

static bool read_link(struct loading *l, const struct pem_block *block, const uint8_t *der, int n)
{
	struct link *link = &l->links[l->links_n];
	struct DecodedCert cert;
	int code;

	wc_InitDecodedCert(&cert, der, (word32)n, NULL);
	code = x509_is_longer(der, (size_t)n) ? INPUT_SIZE_E
					      : wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL);
	if (code != 0) {
		add_unreadable(l, block, code);
		wc_FreeDecodedCert(&cert);
		return false;
	}
	link->block = *block;
	certificate_common_name(der, (size_t)n, link->subject, sizeof(link->subject));
	memcpy(link->subject_hash, cert.subjectHash, sizeof(link->subject_hash));
	memcpy(link->issuer_hash, cert.issuerHash, sizeof(link->issuer_hash));
	if (x509_is_signed_with_sha1(&cert))
		add_problem(l, TLS_WARNING, l->files->chain,
			    "certificate %zu (%s) is signed with SHA-1: most peers refuse it",
			    l->links_n + 1, link->subject);
	link->from = read_time(cert.beforeDate, cert.beforeDateLen);
	link->until = read_time(cert.afterDate, cert.afterDateLen);
	if (l->links_n == 0)
		read_leaf(l, &cert);
	l->links_n++;
	wc_FreeDecodedCert(&cert);
	return true;
}

static bool decode_link(struct loading *l, const struct pem_block *block)
{
	uint8_t *der = malloc(block->bytes); /* shorter than its PEM */
	bool is_good = false;
	int n;

	if (!der)
		return false;
	n = wc_CertPemToDer((const unsigned char *)block->at, (int)block->bytes, der,
			    (int)block->bytes, CERT_TYPE);
	if (n > 0)
		is_good = read_link(l, block, der, n);
	else
		add_unreadable(l, block, n);
	free(der);
	return is_good;
}

/* Also joins them, without what else is in the file, for the library. */
static bool read_chain(struct loading *l)
{
	const struct pem_file *file = l->file;
	struct pem_block block;
	size_t at = 0;

	l->c->chain = malloc(file->bytes + CHAIN_MAX); /* a newline behind each */
	if (!l->c->chain)
		return false;
	while (pem_next(file, &at, &block)) {
		if (!pem_is(&block, "CERTIFICATE"))
			continue;
		if (l->links_n == CHAIN_MAX) {
			add_problem(l, TLS_ERROR, l->files->chain, "more than %d certificates",
				    CHAIN_MAX);
			return false;
		}
		if (!decode_link(l, &block))
			return false;
		memcpy(l->c->chain + l->c->chain_bytes, block.at, block.bytes);
		l->c->chain_bytes += block.bytes;
		l->c->chain[l->c->chain_bytes++] = '\n';
	}
	if (l->links_n == 0)
		add_problem(l, TLS_ERROR, l->files->chain, "has no certificate");
	return l->links_n > 0;
}

static void check_order(struct loading *l)
{
	for (size_t i = 0; i + 1 < l->links_n; i++) {
		const struct link *link = &l->links[i], *next = &l->links[i + 1];

		if (memcmp(link->issuer_hash, next->subject_hash, KEYID_SIZE) == 0)
			continue;
		add_problem(l, TLS_WARNING, l->files->chain,
			    "chain is in the wrong order: certificate %zu (%s) did not issue "
			    "certificate %zu (%s)",
			    i + 2, next->subject, i + 1, link->subject);
		return;
	}
}

static void check_dates(struct loading *l)
{
	for (size_t i = 0; i < l->links_n; i++) {
		const struct link *link = &l->links[i];
		char day[] = "YYYY-MM-DD";
		struct tm tm;

		strftime(day, sizeof(day), "%Y-%m-%d", gmtime_r(&link->until, &tm));
		if (i == 0 || link->until < l->c->until)
			l->c->until = link->until;
		l->c->from = MAX(l->c->from, link->from);
		if (link->from == 0 || link->until == 0)
			add_problem(l, TLS_WARNING, l->files->chain,
				    "dates of certificate %zu (%s) cannot be read", i + 1,
				    link->subject);
		else if (l->now > link->until)
			add_problem(l, TLS_WARNING, l->files->chain,
				    "certificate %zu (%s) expired on %s: %s will refuse it", i + 1,
				    link->subject, day, readers_of(l));
		else if (l->now < link->from)
			add_problem(l, TLS_WARNING, l->files->chain,
				    "certificate %zu (%s) is not valid yet", i + 1, link->subject);
		else if (l->now > link->until - TLS_EXPIRY_WARNING_DAYS * DAY_S)
			add_problem(l, TLS_WARNING, l->files->chain,
				    "certificate %zu (%s) expires on %s, in %ld days", i + 1,
				    link->subject, day, (long)(link->until - l->now) / DAY_S);
	}
}

/* ---- the key ------------------------------------------------------------- */

static const char *key_path(const struct tls_files *files)
{
	return files->key ? files->key : files->chain;
}

static bool is_encrypted(const struct pem_block *key)
{
	return pem_is(key, "ENCRYPTED PRIVATE KEY") ||
	       memmem(key->at, key->bytes, "Proc-Type:", strlen("Proc-Type:")) != NULL;
}

static void check_mode(struct loading *l)
{
	mode_t mode = l->c->key_file.mode;

	if (mode & (S_IROTH | S_IWOTH))
		add_problem(l, TLS_WARNING, key_path(l->files),
			    "private key is open to everybody (mode %04o): chmod o= it",
			    (unsigned)mode & 07777);
	else if (mode & S_IWGRP)
		add_problem(l, TLS_WARNING, key_path(l->files),
			    "private key can be changed by its group (mode %04o): chmod g-w it",
			    (unsigned)mode & 07777);
}

static bool find_key(struct loading *l)
{
	struct certificate *c = l->c;
	size_t at = 0;

	if (!pem_open(&c->key_file, key_path(l->files), l->setting->key, l->problems))
		return false;
	while (pem_next(&c->key_file, &at, &c->key)) {
		if (!pem_is(&c->key, "* PRIVATE KEY") && !pem_is(&c->key, "PRIVATE KEY"))
			continue;
		check_mode(l);
		if (!is_encrypted(&c->key))
			return true;
		add_problem(l, TLS_ERROR, key_path(l->files),
			    "private key is encrypted, and nobody is there to type its password");
		return false;
	}
	add_problem(l, TLS_ERROR, key_path(l->files), "has no private key");
	return false;
}

/* Does the library find that key and this certificate belong together? */
static bool is_pair(const struct pem_block *certificate, const struct pem_block *key, int *ret_code)
{
	WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfSSLv23_server_method());
	int code = MEMORY_E;

	if (ctx)
		code = wolfSSL_CTX_use_certificate_buffer(ctx,
							  (const unsigned char *)certificate->at,
							  (long)certificate->bytes,
							  WOLFSSL_FILETYPE_PEM);
	if (code == WOLFSSL_SUCCESS)
		code = wolfSSL_CTX_use_PrivateKey_buffer(ctx, (const unsigned char *)key->at,
							 (long)key->bytes, WOLFSSL_FILETYPE_PEM);
	*ret_code = code;
	if (code == WOLFSSL_SUCCESS)
		code = wolfSSL_CTX_check_private_key(ctx);
	wolfSSL_CTX_free(ctx);
	return code == WOLFSSL_SUCCESS;
}

static void check_pair(struct loading *l)
{
	const char *path = key_path(l->files);
	int code, other;

	if (is_pair(&l->links[0].block, &l->c->key, &code))
		return;
	if (code != WOLFSSL_SUCCESS) {
		add_problem(l, TLS_ERROR, path, "certificate and key cannot be used: %s",
			    error_text_of_code(code));
		return;
	}
	for (size_t i = 1; i < l->links_n; i++) {
		if (!is_pair(&l->links[i].block, &l->c->key, &other))
			continue;
		add_problem(l, TLS_ERROR, l->files->chain,
			    "chain is in the wrong order: the key belongs to certificate %zu (%s), "
			    "which must come first",
			    i + 1, l->links[i].subject);
		return;
	}
	add_problem(l, TLS_ERROR, path, "private key does not match the certificate (%s)",
		    l->links[0].subject);
}

/* ---- all together -------------------------------------------------------- */

bool certificate_load(struct certificate *c, const struct tls_files *files,
		      const struct certificate_setting *setting, time_t now,
		      struct tls_problems *problems)
{
	struct loading l = {
		.c = c, .files = files, .setting = setting, .now = now, .problems = problems
	};
	size_t errors = problems->errors_n;
	struct pem_file file;
	bool has_chain, has_key;

	*c = (struct certificate){ 0 };
	if (!pem_open(&file, files->chain, setting->key, problems))
		return false;
	l.file = &file;
	has_chain = read_chain(&l);
	has_key = find_key(&l);
	if (has_chain) {
		check_order(&l);
		check_dates(&l);
	}
	if (has_chain && has_key)
		check_pair(&l);
	pem_close(&file);
	if (has_chain && has_key && problems->errors_n == errors)
		return true;
	if (problems->errors_n == errors)
		add_problem(&l, TLS_ERROR, files->chain, "out of memory");
	certificate_finish(c);
	return false;
}

void certificate_finish(struct certificate *c)
{
	pem_close(&c->key_file);
	free(c->chain);
	for (size_t i = 0; i < c->names_n; i++)
		free(c->names[i]);
	*c = (struct certificate){ 0 };
}

const char *certificate_names(const struct certificate_facts *c, char text[CERTIFICATE_TEXT_BYTES])
{
	size_t n = 0, room = CERTIFICATE_TEXT_BYTES - sizeof(", ... (1024)");
	size_t i = 0;

	text[0] = '\0';
	/* The library gives the last of them first. */
	for (; i < c->names_n; i++) {
		const char *name = c->names[c->names_n - 1 - i];

		if (n + strlen(name) + 2 >= room)
			break;
		n += (size_t)snprintf(text + n, room - n, "%s%s", i > 0 ? ", " : "", name);
	}
	if (i < c->names_n)
		snprintf(text + n, CERTIFICATE_TEXT_BYTES - n, "%s... (%zu)", n > 0 ? ", " : "",
			 c->names_n);
	return c->names_n > 0 ? text : "(none)";
}

bool certificate_use(const struct certificate *c, struct WOLFSSL_CTX *ctx)
{
	return wolfSSL_CTX_use_certificate_chain_buffer(ctx, (const unsigned char *)c->chain,
							(long)c->chain_bytes) == WOLFSSL_SUCCESS &&
	       wolfSSL_CTX_use_PrivateKey_buffer(ctx, (const unsigned char *)c->key.at,
						 (long)c->key.bytes,
						 WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS;
}
