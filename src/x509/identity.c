/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/identity.h"

#include "base/text.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/hash.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TAG_OID = 0x06,
	TAG_UTF8 = 0x0c,
	TAG_PRINTABLE = 0x13,
	TAG_IA5 = 0x16,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
};

/* id-at-commonName and id-at-organizationalUnitName (RFC 5280, A.1). */
static const uint8_t oid_cn[] = { 0x55, 4, 3 }, oid_ou[] = { 0x55, 4, 11 };

static const char letters[IDENTITY_KINDS + 1] = "coduf";

/* ---- reading ------------------------------------------------------------- */

struct der {
	const uint8_t *at, *end;
};

/* Moves @from behind the value at its beginning, and gives that; false: there is none. */
static bool take_value(struct der *from, uint8_t *ret_tag, struct der *ret_value)
{
	size_t left = (size_t)(from->end - from->at), head = 2, n;

	if (left < head)
		return false;
	n = from->at[1];
	if (n == 0x81 || n == 0x82) { /* so many bytes of length follow */
		head += n - 0x80;
		if (left < head)
			return false;
		n = n == 0x81 ? from->at[2] : (size_t)from->at[2] << 8 | from->at[3];
	} else if (n >= 0x80) {
		return false;
	}
	if (n > left - head)
		return false;
	*ret_tag = from->at[0];
	*ret_value = (struct der){ from->at + head, from->at + head + n };
	from->at = ret_value->end;
	return true;
}

static void put_item(FILE *to, enum identity_kind kind, const char *text, size_t n)
{
	if (n == 0 || memchr(text, '\0', n))
		return;
	putc(letters[kind], to);
	for (size_t i = 0; i < n; i++)
		putc(kind == IDENTITY_DNS ? tolower((uint8_t)text[i]) : text[i], to);
	putc('\0', to);
}

static bool is_oid(const struct der *oid, const uint8_t id[3])
{
	return oid->end - oid->at == 3 && memcmp(oid->at, id, 3) == 0;
}

/* An AttributeTypeAndValue. */
static void put_attribute(FILE *to, struct der attribute)
{
	struct der oid, text;
	uint8_t tag;

	if (!take_value(&attribute, &tag, &oid) || tag != TAG_OID ||
	    !take_value(&attribute, &tag, &text) ||
	    (tag != TAG_UTF8 && tag != TAG_PRINTABLE && tag != TAG_IA5))
		return;
	if (is_oid(&oid, oid_cn))
		put_item(to, IDENTITY_CN, (const char *)text.at, (size_t)(text.end - text.at));
	else if (is_oid(&oid, oid_ou))
		put_item(to, IDENTITY_OU, (const char *)text.at, (size_t)(text.end - text.at));
}

/* A Name is a sequence of sets of attributes; @name has what is in the outer sequence. */
static void put_subject(FILE *to, struct der name)
{
	struct der set, attribute;
	uint8_t tag;

	while (take_value(&name, &tag, &set)) {
		if (tag != TAG_SET)
			return;
		while (take_value(&set, &tag, &attribute))
			put_attribute(to, attribute);
	}
}

static void put_alt_names(FILE *to, const struct DecodedCert *cert)
{
	for (const DNS_entry *name = cert->altNames; name; name = name->next) {
		if (name->len <= 0)
			continue;
		if (name->type == ASN_DNS_TYPE)
			put_item(to, IDENTITY_DNS, name->name, (size_t)name->len);
		else if (name->type == ASN_URI_TYPE)
			put_item(to, IDENTITY_URI, name->name, (size_t)name->len);
	}
}

static void put_fingerprint(FILE *to, const uint8_t *der, size_t bytes)
{
	char hex[IDENTITY_FINGERPRINT_HEX + 1];
	uint8_t digest[WC_SHA256_DIGEST_SIZE];

	if (wc_Sha256Hash(der, (word32)bytes, digest) != 0)
		return;
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	put_item(to, IDENTITY_FINGERPRINT, hex, IDENTITY_FINGERPRINT_HEX);
}

char *identity_read(const uint8_t *der, size_t bytes)
{
	struct DecodedCert cert;
	char *identity = NULL;
	size_t size;
	FILE *to = open_memstream(&identity, &size);

	if (!to)
		return NULL;
	wc_InitDecodedCert(&cert, der, (word32)bytes, NULL);
	if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0) {
		put_subject(to,
			    (struct der){ cert.subjectRaw, cert.subjectRaw + cert.subjectRawLen });
		put_alt_names(to, &cert);
		put_fingerprint(to, der, bytes);
	}
	wc_FreeDecodedCert(&cert);
	putc('\0', to);
	if (fclose(to) == 0)
		return identity;
	free(identity);
	return NULL;
}

/* ---- comparing ----------------------------------------------------------- */

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
