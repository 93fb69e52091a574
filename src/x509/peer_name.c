/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/peer_name.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Without the zone of a link-local one: no certificate has that. */
static void read_address(struct peer_address *address, const char *text)
{
	char plain[PEER_NAME_BYTES];
	size_t n = strcspn(text, "%");

	memcpy(plain, text, n);
	plain[n] = '\0';
	if (inet_pton(AF_INET6, plain, address->at) == 1)
		address->bytes = 16;
	else if (text[n] == '\0' && inet_pton(AF_INET, plain, address->at) == 1)
		address->bytes = 4;
}

bool peer_name_read(struct peer_name *ret_name, const char *text)
{
	struct peer_name name = { 0 };
	size_t n = strlen(text);

	/* The dot tells a resolver to add nothing; it is no part of the name (RFC 6066, 3). */
	if (n > 1 && text[n - 1] == '.')
		n--;
	if (n >= sizeof(name.host))
		return false;
	memcpy(name.host, text, n);
	read_address(&name.address, name.host);
	if (name.address.bytes > 0)
		name.host[0] = '\0';
	*ret_name = name;
	return true;
}

/* ---- comparing ----------------------------------------------------------- */

static bool is_same(const char *text, size_t n, const char *host)
{
	return strlen(host) == n && strncasecmp(text, host, n) == 0;
}

/* @pattern is a certificate's, and may have anything in it. */
static bool fits_host(const char *pattern, size_t n, const char *host)
{
	const char *dot = strchr(host, '.');

	if (n < 2 || pattern[0] != '*' || pattern[1] != '.')
		return is_same(pattern, n, host);
	return dot && dot != host && strchr(dot + 1, '.') && is_same(pattern + 1, n - 1, dot);
}

static bool entry_fits(const DNS_entry *entry, const struct peer_name *name)
{
	const struct peer_address *address = &name->address;

	if (entry->len <= 0)
		return false;
	if (address->bytes == 0)
		return entry->type == ASN_DNS_TYPE &&
		       fits_host(entry->name, (size_t)entry->len, name->host);
	return entry->type == ASN_IP_TYPE && entry->len == address->bytes &&
	       memcmp(entry->name, address->at, address->bytes) == 0;
}

static bool is_for(const struct DecodedCert *cert, const struct peer_name *name)
{
	for (const DNS_entry *entry = cert->altNames; entry; entry = entry->next) {
		if (entry_fits(entry, name))
			return true;
	}
	return !cert->altNames && name->address.bytes == 0 && cert->subjectCN &&
	       cert->subjectCNLen > 0 &&
	       fits_host(cert->subjectCN, (size_t)cert->subjectCNLen, name->host);
}

bool peer_name_fits(const struct peer_name *name, const uint8_t *der, size_t bytes)
{
	struct DecodedCert cert;
	bool fits;

	wc_InitDecodedCert(&cert, der, (word32)bytes, NULL);
	fits = wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0 && is_for(&cert, name);
	wc_FreeDecodedCert(&cert);
	return fits;
}
