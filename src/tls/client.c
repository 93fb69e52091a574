/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/client.h"

#include "crypto/digest.h"
#include "x509/ca_share.h"
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

/* Whom a client believes: files of its configuration, read. */
struct trust {
	const struct ca_file *ca, *crl; /* NULL: nobody is verified; there is no list */
};

static bool read_trust(const struct tls_client_config *config, struct ca_share *share,
		       struct tls_problems *problems, struct trust *ret)
{
	*ret = (struct trust){ 0 };
	if (config->insecure) {
		tls_problem_add(problems, TLS_WARNING, "verify", NULL,
				"is off: whoever answers in the backend's place is trusted");
		return true;
	}
	ret->ca = ca_share_file(share, ca_store_path(config->ca), "ca", problems);
	if (ret->ca && config->crl)
		ret->crl = ca_share_file(share, config->crl, "crl", problems);
	return ret->ca && (ret->crl || !config->crl);
}

static bool prepare_trust(WOLFSSL_CTX *ctx, const struct tls_client_config *config,
			  const struct trust *trust, struct tls_problems *problems)
{
	if (!trust->ca) {
		wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, handshake_on_unverified);
		return true;
	}
	wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, handshake_on_verify);
	if (!ca_store_add(ctx, &trust->ca->pem, config->ca, "ca", problems))
		return false;
	return !trust->crl ||
	       ca_store_add_crls(ctx, &trust->crl->pem, config->crl, "crl", problems);
}

static bool prepare_certificate(WOLFSSL_CTX *ctx, const struct tls_client_config *config,
				struct tls_problems *problems)
{
	struct certificate own;
	bool is_good;

	if (!config->certificate.chain)
		return true;
	if (!certificate_load(&own, &config->certificate, &certificate_for_backends, time(NULL),
			      problems))
		return false;
	is_good = certificate_use(&own, ctx);
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

static bool create_resume_store(struct tls_client *c, const struct tls_client_config *config)
{
	if (config->no_tickets)
		return true;
	c->resume = resume_store_create();
	return c->resume != NULL;
}

/* ---- the library's context ----------------------------------------------- */

static WOLFSSL_CTX *make_context(const struct policy *policy,
				 const struct tls_client_config *config, const struct trust *trust,
				 struct tls_problems *problems)
{
	WOLFSSL_CTX *ctx = wolfSSL_CTX_new(policy_method(policy, false));

	if (!ctx)
		return NULL;
	wolfSSL_CTX_SetMinRsaKey_Sz(ctx, X509_RSA_BITS_MIN); /* of CAs, too */
	wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
#if LIBWOLFSSL_VERSION_HEX >= 0x05007002
	/* Resuming keeps its forward secrecy, where the library can be told. */
	(void)wolfSSL_CTX_only_dhe_psk(ctx);
#endif
	if (policy_apply(policy, ctx) && prepare_trust(ctx, config, trust, problems) &&
	    prepare_certificate(ctx, config, problems))
		return ctx;
	wolfSSL_CTX_free(ctx);
	return NULL;
}

/* Of all that goes into one without a certificate of ours: ALPN is set for each session. */
static void digest_of(const struct policy *policy, const struct trust *trust,
		      uint8_t out[CA_SHARE_DIGEST_BYTES])
{
	const int numbers[] = { policy->min, policy->max, trust->crl != NULL };
	const struct digest_part parts[] = {
		{ numbers, sizeof(numbers) },
		{ policy->groups, policy->groups_n * sizeof(policy->groups[0]) },
		{ policy->ciphers, strlen(policy->ciphers) + 1 },
		{ trust->ca->digest, sizeof(trust->ca->digest) },
		{ trust->crl ? trust->crl->digest : NULL,
		  trust->crl ? sizeof(trust->crl->digest) : 0 },
	};

	digest_sha256(parts, ARRAY_LEN(parts), out);
}

/* One about which there is something to say is made for each, and said of each. */
static WOLFSSL_CTX *find_or_make_context(const struct policy *policy,
					 const struct tls_client_config *config,
					 struct ca_share *share, struct tls_problems *problems)
{
	const size_t said = problems->n;
	uint8_t digest[CA_SHARE_DIGEST_BYTES];
	struct trust trust;
	WOLFSSL_CTX *ctx;

	if (!read_trust(config, share, problems, &trust))
		return NULL;
	if (!trust.ca || config->certificate.chain)
		return make_context(policy, config, &trust, problems);
	digest_of(policy, &trust, digest);
	ctx = ca_share_find(share, digest);
	if (ctx)
		return ctx;
	ctx = make_context(policy, config, &trust, problems);
	if (ctx && problems->n == said)
		ca_share_add(share, digest, ctx);
	return ctx;
}

static bool open_context(struct tls_client *c, const struct tls_client_config *config,
			 struct tls_problems *problems)
{
	struct ca_share *own = config->share ? NULL : ca_share_create();

	if (config->share || own)
		c->ctx = find_or_make_context(&c->policy, config,
					      config->share ? config->share : own, problems);
	ca_share_destroy(own);
	return c->ctx;
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
	if (!policy_resolve(&config->policy, TLS_1_2, false, problems, &c->policy) ||
	    !copy_sni(c, config->sni) || !create_resume_store(c, config) ||
	    !copy_verify_name(c, config->verify_name, problems) ||
	    !open_context(c, config, problems))
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
