/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/identity.h"

#include "base/text.h"
#include "x509/der.h"
#include "x509/directory_string.h"
#include "x509/subject.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/hash.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* id-at-organizationalUnitName (RFC 5280, A.1). */
static const uint8_t oid_ou[] = { 0x55, 4, 11 };

/* A capital stands for a name of this kind that cannot be read. */
static const char letters[IDENTITY_KINDS + 1] = "coduf";

/* ---- reading ------------------------------------------------------------- */

static void put_unreadable(FILE *to, enum identity_kind kind)
{
	putc(toupper(letters[kind]), to);
	putc('\0', to);
}

static void put_item(FILE *to, enum identity_kind kind, uint8_t tag, struct der text)
{
	size_t n = (size_t)(text.end - text.at);

	if (n == 0)
		return;
	if (!directory_string_is_clear(tag, text.at, n)) {
		put_unreadable(to, kind);
		return;
	}
	putc(letters[kind], to);
	directory_string_write(tag, text.at, n, to);
	putc('\0', to);
}

/* In lower case and without a final dot, which changes nothing. */
static void put_host(FILE *to, struct der text)
{
	char host[IDENTITY_HOST_BYTES] = "";
	size_t n = (size_t)(text.end - text.at);

	if (n >= sizeof(host) || !directory_string_is_clear(DIRECTORY_IA5, text.at, n)) {
		put_unreadable(to, IDENTITY_DNS);
		return;
	}
	memcpy(host, text.at, n);
	host[n] = '\0';
	identity_tidy_host(host);
	if (host[0] != '\0')
		fprintf(to, "%c%s%c", letters[IDENTITY_DNS], host, '\0');
}

static void put_subject(FILE *to, struct subject subject)
{
	struct subject_attribute a;

	while (subject_next(&subject, &a)) {
		if (subject_is_common_name(&a))
			put_item(to, IDENTITY_CN, a.tag, a.text);
		else if (der_is(&a.oid, oid_ou, sizeof(oid_ou)))
			put_item(to, IDENTITY_OU, a.tag, a.text);
	}
	if (!subject.is_broken)
		return;
	put_unreadable(to, IDENTITY_CN);
	put_unreadable(to, IDENTITY_OU);
}

static void put_alt_names(FILE *to, const struct DecodedCert *cert)
{
	for (const DNS_entry *name = cert->altNames; name; name = name->next) {
		const uint8_t *at = (const uint8_t *)name->name;
		const struct der text = { at, at + MAX(name->len, 0) };

		if (name->type == ASN_DNS_TYPE)
			put_host(to, text);
		else if (name->type == ASN_URI_TYPE)
			put_item(to, IDENTITY_URI, DIRECTORY_IA5, text);
	}
}

static void put_fingerprint(FILE *to, const uint8_t *der, size_t bytes)
{
	char hex[IDENTITY_FINGERPRINT_HEX + 1];
	uint8_t digest[WC_SHA256_DIGEST_SIZE];

	if (wc_Sha256Hash(der, (word32)bytes, digest) != 0) {
		put_unreadable(to, IDENTITY_FINGERPRINT);
		return;
	}
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	fprintf(to, "%c%s%c", letters[IDENTITY_FINGERPRINT], hex, '\0');
}

/* Of one that cannot be read, nothing is known that a rule could ask for. */
static void put_all(FILE *to, const uint8_t *der, size_t bytes)
{
	struct DecodedCert cert;

	put_fingerprint(to, der, bytes);
	wc_InitDecodedCert(&cert, der, (word32)bytes, NULL);
	if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) != 0) {
		for (unsigned kind = 0; kind < IDENTITY_FINGERPRINT; kind++)
			put_unreadable(to, (enum identity_kind)kind);
	} else {
		put_subject(to,
			    (struct subject){ .sets = { cert.subjectRaw,
							cert.subjectRaw + cert.subjectRawLen } });
		put_alt_names(to, &cert);
	}
	wc_FreeDecodedCert(&cert);
}

char *identity_read(const uint8_t *der, size_t bytes)
{
	char *identity = NULL;
	size_t size;
	FILE *to = open_memstream(&identity, &size);

	if (!to)
		return NULL;
	put_all(to, der, bytes);
	putc('\0', to);
	if (fclose(to) == 0)
		return identity;
	free(identity);
	return NULL;
}

/* ---- comparing ----------------------------------------------------------- */

void identity_tidy_host(char *host)
{
	size_t n = strlen(host);

	for (size_t i = 0; i < n; i++)
		host[i] = (char)tolower((uint8_t)host[i]);
	if (n > 0 && host[n - 1] == '.')
		host[n - 1] = '\0';
}

static bool fits_host(const char *pattern, const char *host)
{
	const char *dot = strchr(host, '.');

	if (strcmp(pattern, host) == 0)
		return true;
	return strncmp(pattern, "*.", 2) == 0 && dot && dot != host &&
	       strcmp(pattern + 1, dot) == 0;
}

bool identity_fits(const char *identity, enum identity_kind kind, const char *pattern)
{
	for (const char *item = identity; item && *item; item += strlen(item) + 1) {
		if (*item != letters[kind])
			continue;
		if (kind == IDENTITY_DNS ? fits_host(pattern, item + 1)
					 : text_fits(pattern, item + 1))
			return true;
	}
	return false;
}

bool identity_has_unreadable(const char *identity, enum identity_kind kind)
{
	for (const char *item = identity; item && *item; item += strlen(item) + 1) {
		if (*item == toupper(letters[kind]))
			return true;
	}
	return false;
}
