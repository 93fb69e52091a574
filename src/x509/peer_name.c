/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/peer_name.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>

#include <arpa/inet.h>
#include <string.h>

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

bool peer_address_fits(const struct peer_address *address, const uint8_t *der, size_t bytes)
{
	struct DecodedCert cert;
	bool fits = false;

	wc_InitDecodedCert(&cert, der, (word32)bytes, NULL);
	if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0) {
		for (const DNS_entry *name = cert.altNames; name && !fits; name = name->next)
			fits = name->type == ASN_IP_TYPE && name->len == address->bytes &&
			       memcmp(name->name, address->at, address->bytes) == 0;
	}
	wc_FreeDecodedCert(&cert);
	return fits;
}
