/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/client.h"

#include "x509/ca_store.h"
#include "x509/certificate.h"
#include "tls/endpoint.h"
#include "tls/handshake.h"
#include "tls/resume.h"
#include "x509/x509.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool prepare_trust(struct tls_client *c, const struct tls_client_config *config,
			  struct tls_problems *problems)
{
	if (config->insecure) {
		tls_problem_add(problems, TLS_WARNING, "verify", NULL,
				"is off: whoever answers in the backend's place is trusted");
		wolfSSL_CTX_set_verify(c->ctx, WOLFSSL_VERIFY_NONE, handshake_on_unverified);
		return true;
	}
	wolfSSL_CTX_set_verify(c->ctx, WOLFSSL_VERIFY_PEER, handshake_on_verify);
	if (!ca_store_load(c->ctx, config->ca, "ca", problems))
		return false;
	return !config->crl || ca_store_load_crls(c->ctx, config->crl, "crl", problems);
}

static bool prepare_certificate(struct tls_client *c, const struct tls_client_config *config,
				struct tls_problems *problems)
{
	struct certificate own;
	bool is_good;

	if (!config->certificate.chain)
		return true;
	if (!certificate_load(&own, &config->certificate, "certificate", time(NULL), problems))
		return false;
	is_good = certificate_use(&own, c->ctx);
	certificate_finish(&own);
	return is_good;
}

static bool copy_verify_name(struct tls_client *c, const char *name, struct tls_problems *problems)
{
	if (!name)
		return true;
	c->verify = malloc(sizeof(*c->verify));
	if (!c->verify)
		return false;
	if (peer_name_read(c->verify, name))
		return true;
	tls_problem_add(problems, TLS_ERROR, "name", name, "is too long for a host name");
	return false;
}

/* Without a final dot (RFC 6066, 3). */
static bool copy_sni(struct tls_client *c, const char *sni)
{
	size_t n = sni ? strlen(sni) : 0;

	if (!sni)
		return true;
	c->sni = strndup(sni, n > 1 && sni[n - 1] == '.' ? n - 1 : n);
	return c->sni != NULL;
}

/* Resuming keeps its forward secrecy, where the library can be told. */
static bool prepare_tickets(struct tls_client *c, const struct tls_client_config *config)
{
	if (config->no_tickets)
		return true;
#if LIBWOLFSSL_VERSION_HEX >= 0x05007002
	(void)wolfSSL_CTX_only_dhe_psk(c->ctx);
#endif
	c->resume = resume_store_create();
	return c->resume != NULL;
}

int tls_client_create(const struct tls_client_config *config, struct tls_problems *problems,
		      struct tls_client **ret_client)
{
	size_t errors = problems->errors_n;
	struct tls_client *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	atomic_init(&c->refs, 1);
	c->insecure = config->insecure;
	if (!policy_resolve(&config->policy, TLS_1_2, false, problems, &c->policy))
		goto fail;
	c->ctx = wolfSSL_CTX_new(policy_method(&c->policy, false));
	if (!c->ctx)
		goto fail;
	wolfSSL_CTX_SetMinRsaKey_Sz(c->ctx, X509_RSA_BITS_MIN); /* of CAs, too */
	wolfSSL_CTX_set_session_cache_mode(c->ctx, WOLFSSL_SESS_CACHE_OFF);
	if (!policy_apply(&c->policy, c->ctx) || !copy_sni(c, config->sni))
		goto fail;
	if (!prepare_tickets(c, config) || !copy_verify_name(c, config->verify_name, problems))
		goto fail;
	if (!prepare_trust(c, config, problems) || !prepare_certificate(c, config, problems))
		goto fail;
	*ret_client = c;
	return 0;

fail:
	tls_client_unref(c);
	return problems->errors_n > errors ? -EINVAL : -ENOMEM;
}

struct tls_client *tls_client_ref(struct tls_client *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void tls_client_unref(struct tls_client *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
		return;
	wolfSSL_CTX_free(c->ctx);
	resume_store_destroy(c->resume);
	free(c->verify);
	free(c->sni);
	free(c);
}
