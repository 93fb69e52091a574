/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/handshake.h"

#include "tls/alert.h"
#include "x509/certificate.h"
#include "x509/end_point.h"
#include "x509/identity.h"
#include "x509/x509.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>

#include <stdlib.h>
#include <string.h>

void handshake_attach(struct handshake *h, struct WOLFSSL *ssl)
{
	h->ssl = ssl;
	wolfSSL_SetIOReadCtx(ssl, h);
	wolfSSL_SetCertCbCtx(ssl, h);
}

struct handshake *handshake_of(struct WOLFSSL *ssl)
{
	return wolfSSL_GetIOReadCtx(ssl);
}

void handshake_forget_names(struct handshake *h)
{
	free(h->name);
	free(h->must_be);
	h->name = NULL;
	h->must_be = NULL;
}

void handshake_finish(struct handshake *h)
{
	handshake_forget_names(h);
	free(h->peer);
	free(h->identity);
	free(h->end_point);
	h->peer = h->identity = NULL;
	h->end_point = NULL;
}

bool handshake_expect(struct handshake *h, const struct peer_name *name)
{
	h->must_be = malloc(sizeof(*name));
	if (!h->must_be)
		return false;
	*h->must_be = *name;
	return true;
}

int handshake_misfit(const struct handshake *h)
{
	return h->must_be && h->must_be->address.bytes > 0 ? IPADDR_MISMATCH : DOMAIN_NAME_MISMATCH;
}

static bool is_expected(const struct handshake *h, const WOLFSSL_BUFFER_INFO *leaf)
{
	return h->must_be && peer_name_fits(h->must_be, leaf->buffer, leaf->length);
}

/* The name in the peer's certificate is kept for the log, also of one that is refused. */
static bool keep_peer(struct handshake *h, const WOLFSSL_BUFFER_INFO *leaf)
{
	char name[TLS_PEER_NAME_BYTES];

	if (h->peer)
		return true;
	certificate_common_name(leaf->buffer, leaf->length, name, sizeof(name));
	h->peer = strdup(name);
	h->lacks_memory |= !h->peer;
	return h->peer != NULL;
}

static bool keep_identity(struct handshake *h, const WOLFSSL_BUFFER_INFO *leaf)
{
	if (!h->keeps_identity || h->identity)
		return true;
	h->identity = identity_read(leaf->buffer, leaf->length);
	h->lacks_memory |= !h->identity;
	return h->identity != NULL;
}

static bool keep_end_point(struct handshake *h, const WOLFSSL_BUFFER_INFO *leaf)
{
	if (!h->keeps_end_point || h->end_point)
		return true;
	h->end_point = calloc(1, sizeof(*h->end_point));
	h->lacks_memory |= !h->end_point;
	if (h->end_point)
		h->end_point->n = x509_end_point(leaf->buffer, leaf->length, h->end_point->bytes);
	return h->end_point != NULL;
}

/*
 * What the library says of it is not always what is so. To it a revoked certificate is only a
 * bad one; what is said first is heard.
 */
static void explain(struct handshake *h, const WOLFSSL_X509_STORE_CTX *store)
{
	if (store->error == CRL_CERT_REVOKED)
		(void)alert_send(h->ssl, TLSREC_CERTIFICATE_REVOKED);
	if (store->error == PEER_KEY_ERROR && store->error_depth == 0)
		h->refusal = x509_key_fault(store->certs);
}

static int look_at_leaf(struct handshake *h, const WOLFSSL_BUFFER_INFO *certs, size_t n)
{
	const WOLFSSL_BUFFER_INFO *leaf = certs;

	h->refusal = x509_chain_fault(certs, n, h->peer_is_client);
	h->is_expected = is_expected(h, leaf);
	if (!h->peer_is_client && !h->is_expected)
		h->refusal = handshake_misfit(h);
	return h->refusal == 0 && keep_identity(h, leaf) && keep_end_point(h, leaf);
}

int handshake_on_verify(int is_good, WOLFSSL_X509_STORE_CTX *store)
{
	struct handshake *h = store->userCtx;

	if (store->totalCerts < 1)
		return is_good;
	if (!is_good)
		explain(h, store);
	if (!keep_peer(h, store->certs) || !is_good)
		return 0;
	return store->error_depth != 0 || look_at_leaf(h, store->certs, (size_t)store->totalCerts);
}

int handshake_on_unverified(int is_good, WOLFSSL_X509_STORE_CTX *store)
{
	(void)is_good;
	if (store->error_depth != 0 || store->totalCerts < 1)
		return 1;
	return keep_end_point(store->userCtx, store->certs);
}
