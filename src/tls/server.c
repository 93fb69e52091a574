/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/server.h"

#include "base/check.h"
#include "crypto/digest.h"
#include "x509/ca_store.h"
#include "x509/certificate.h"
#include "tls/endpoint.h"
#include "tls/handshake.h"
#include "tls/library.h"
#include "x509/x509.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- tickets ------------------------------------------------------------- */

static void make_ticket_aad(const struct identity *identity, const struct handshake *h,
			    struct ticket_aad *aad)
{
	const char *name = h->name ? h->name : "";
	size_t n = MIN(strlen(name), sizeof(aad->at) - TICKET_DIGEST_BYTES);

	memcpy(aad->at, identity->ticket_digest, TICKET_DIGEST_BYTES);
	memcpy(aad->at + TICKET_DIGEST_BYTES, name, n);
	aad->bytes = TICKET_DIGEST_BYTES + n;
}

/*
 * The library's call to encrypt or decrypt a ticket; @context is the identity.
 * The ticket is good only for the name it was issued under (RFC 8446, 4.2.11 and
 * the attack that CVE-2025-23419 stands for).
 */
/* lint: not our signature */
static int on_ticket(WOLFSSL *ssl, unsigned char name[WOLFSSL_TICKET_NAME_SZ],
		     unsigned char iv[WOLFSSL_TICKET_IV_SZ],
		     unsigned char mac[WOLFSSL_TICKET_MAC_SZ], int is_encrypting,
		     unsigned char *text, int bytes, int *ret_bytes, void *context)
{
	const struct identity *identity = context;
	struct tls_tickets *tickets = identity->server->tickets;
	struct ticket_parts ticket = { name, iv, mac, text, (size_t)bytes };
	struct handshake *h = handshake_of(ssl);
	struct ticket_aad aad;
	enum ticket_verdict verdict;

	*ret_bytes = bytes;
	if (!tickets)
		return is_encrypting ? WOLFSSL_TICKET_RET_FATAL : WOLFSSL_TICKET_RET_REJECT;
	make_ticket_aad(identity, h, &aad);
	if (is_encrypting)
		return tls_tickets_encrypt(tickets, &ticket, &aad) ? WOLFSSL_TICKET_RET_OK
								   : WOLFSSL_TICKET_RET_FATAL;
	verdict = tls_tickets_decrypt(tickets, &ticket, &aad);
	if (verdict == TICKET_REFUSED)
		return WOLFSSL_TICKET_RET_REJECT;
	h->has_good_ticket = true;
	/* TLS 1.3 gives a new ticket each time, and takes _CREATE for a refusal. */
	if (verdict == TICKET_GOOD_OLD_KEY && wolfSSL_GetVersion(ssl) != WOLFSSL_TLSV1_3)
		return WOLFSSL_TICKET_RET_CREATE;
	return WOLFSSL_TICKET_RET_OK;
}

static bool prepare_tickets(struct identity *identity)
{
	WOLFSSL_CTX *ctx = identity->ctx;
	bool has_tickets = identity->server->tickets != NULL;

	/* Also without tickets: the library has keys of its own otherwise. */
	if (wolfSSL_CTX_set_TicketEncCb(ctx, on_ticket) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_set_TicketEncCtx(ctx, identity) != WOLFSSL_SUCCESS)
		return false;
	if (!has_tickets) {
		(void)wolfSSL_CTX_NoTicketTLSv12(ctx);
		(void)wolfSSL_CTX_no_ticket_TLSv13(ctx);
		return true;
	}
	(void)wolfSSL_CTX_set_timeout(ctx, TLS_TICKET_LIFE_S);
#if LIBWOLFSSL_VERSION_HEX >= 0x05007002
	(void)wolfSSL_CTX_only_dhe_psk(ctx); /* forward secrecy also when resuming */
#endif
	return wolfSSL_CTX_set_TicketHint(ctx, TLS_TICKET_LIFE_S) == WOLFSSL_SUCCESS;
}

/* A digest of all that a resumed session takes for granted. */
static void make_ticket_digest(struct identity *identity, const struct certificate *c)
{
	const struct tls_server *s = identity->server;
	const uint32_t numbers[] = { s->policy.min, s->policy.max, s->client_verify };
	const struct digest_part parts[] = {
		{ c->print, sizeof(c->print) },
		{ numbers, sizeof(numbers) },
		{ s->policy.ciphers, strlen(s->policy.ciphers) + 1 },
		{ s->policy.alpn, strlen(s->policy.alpn) + 1 },
	};

	digest_sha256(parts, ARRAY_LEN(parts), identity->ticket_digest);
}

/* ---- identities ---------------------------------------------------------- */

static bool prepare_verify(WOLFSSL_CTX *ctx, const struct tls_server_config *config,
			   struct tls_problems *problems)
{
	int mode = WOLFSSL_VERIFY_PEER;

	if (config->client_verify == TLS_VERIFY_NONE || !config->client_ca)
		return true;
	if (config->client_verify == TLS_VERIFY_REQUIRE)
		mode |= WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	wolfSSL_CTX_set_verify(ctx, mode, handshake_on_verify);
	if (!ca_store_load(ctx, config->client_ca, "client_ca", problems))
		return false;
	return !config->client_crl ||
	       ca_store_load_crls(ctx, config->client_crl, "client_crl", problems);
}

/* The same in all contexts, so its problems are said only once. */
static bool prepare_verifies(struct tls_server *s, const struct tls_server_config *config,
			     struct tls_problems *problems)
{
	const struct identity *identity = &s->identities[s->identities_n];
	struct tls_problems again = { 0 };
	bool is_good;

	is_good = prepare_verify(identity->ctx, config, s->identities_n == 0 ? problems : &again) &&
		  prepare_verify(identity->no_tickets_ctx, config, &again);
	tls_problems_finish(&again);
	return is_good;
}

/* Takes the names; the certificate is then without any. */
static bool take_names(struct identity *identity, struct certificate *c)
{
	identity->names = calloc(c->names_n + 1, sizeof(*identity->names));
	if (!identity->names)
		return false;
	memcpy(identity->names, c->names, c->names_n * sizeof(*identity->names));
	identity->names_n = c->names_n;
	c->names_n = 0;
	return true;
}

static WOLFSSL_CTX *make_context(const struct policy *policy, const struct certificate *c)
{
	WOLFSSL_CTX *ctx = wolfSSL_CTX_new(policy_method(policy, true));

	if (!ctx)
		return NULL;
	wolfSSL_CTX_SetMinRsaKey_Sz(ctx, X509_RSA_BITS_MIN); /* of peers and of CAs, too */
	wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
	if (policy_apply(policy, ctx) && certificate_use(c, ctx))
		return ctx;
	wolfSSL_CTX_free(ctx);
	return NULL;
}

static bool make_contexts(struct identity *identity, const struct certificate *c)
{
	const struct policy *policy = &identity->server->policy;

	identity->ctx = make_context(policy, c);
	identity->no_tickets_ctx = identity->ctx ? make_context(policy, c) : NULL;
	make_ticket_digest(identity, c);
	return identity->no_tickets_ctx && prepare_tickets(identity) &&
	       wolfSSL_CTX_set_TicketEncCb(identity->no_tickets_ctx, NULL) == WOLFSSL_SUCCESS;
}

static void add_identity(struct tls_server *s, const struct tls_server_config *config,
			 const struct tls_files *files, struct tls_problems *problems)
{
	struct identity *identity = &s->identities[s->identities_n];
	struct certificate c;

	if (!certificate_load(&c, files, &certificate_for_clients, time(NULL), problems))
		return;
	identity->server = s;
	identity->kind = c.kind;
	identity->from = c.from;
	identity->until = c.until;
	memcpy(identity->issuer, c.issuer, sizeof(c.issuer));
	memcpy(identity->print, c.print, sizeof(c.print));
	digest_sha256(&(struct digest_part){ c.chain, c.chain_bytes }, 1, identity->chain);
	if (!make_contexts(identity, &c) || !take_names(identity, &c))
		tls_problem_add(problems, TLS_ERROR, "certificate", files->chain,
				"the TLS library refuses it, or memory ran out");
	else if (!prepare_verifies(s, config, problems) && problems->errors_n == 0)
		tls_problem_add(problems, TLS_ERROR, "client_ca", config->client_ca,
				"out of memory");
	certificate_finish(&c);
	s->identities_n++;
}

static void free_identity(struct identity *identity)
{
	for (size_t i = 0; i < identity->names_n; i++)
		free(identity->names[i]);
	free(identity->names);
	wolfSSL_CTX_free(identity->ctx);
	wolfSSL_CTX_free(identity->no_tickets_ctx);
}

/* ---- names --------------------------------------------------------------- */

static bool list_names(struct tls_server *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->identities_n; i++)
		n += s->identities[i].names_n;
	s->names = calloc(n + 1, sizeof(*s->names));
	if (!s->names)
		return false;
	for (size_t i = 0; i < s->identities_n; i++) {
		const struct identity *identity = &s->identities[i];

		for (size_t k = 0; k < identity->names_n; k++)
			s->names[s->names_n++] =
				(struct certificate_name){ identity->names[k], i, identity->kind };
	}
	certificate_sort(s->names, s->names_n);
	return true;
}

/* The first certificate, or another for its first name that fits this client better. */
static struct identity *choose_default(struct tls_server *s, const struct tls_offer *offer)
{
	const struct certificate_name *entry = NULL;
	struct tls_offer other = *offer;

	if (s->identities[0].names_n > 0) {
		other.name = s->identities[0].names[0];
		entry = certificate_select(s->names, s->names_n, &other, s->policy.max);
	}
	return &s->identities[entry ? entry->certificate : 0];
}

struct identity *tls_server_choose(struct tls_server *s, const struct tls_offer *offer)
{
	const struct certificate_name *entry = NULL;

	if (offer->name[0] != '\0')
		entry = certificate_select(s->names, s->names_n, offer, s->policy.max);
	if (entry)
		return &s->identities[entry->certificate];
	if (offer->name[0] != '\0' && s->unknown_sni == TLS_UNKNOWN_REJECT)
		return NULL;
	return choose_default(s, offer);
}

size_t tls_server_certificates(const struct tls_server *s)
{
	return s->identities_n;
}

struct certificate_facts tls_server_certificate(const struct tls_server *s, size_t n)
{
	const struct identity *i = &s->identities[n];

	return (struct certificate_facts){ .print = i->print,
					   .chain = i->chain,
					   .from = i->from,
					   .until = i->until,
					   .issuer = i->issuer,
					   .names = i->names,
					   .names_n = i->names_n };
}

bool tls_server_knows(const struct tls_server *s, const char *name)
{
	const struct tls_offer offer = { .name = name };

	return name[0] == '\0' || s->unknown_sni == TLS_UNKNOWN_DEFAULT ||
	       certificate_select(s->names, s->names_n, &offer, s->policy.max);
}

/* ---- the server ---------------------------------------------------------- */

static void check_config(const struct tls_server_config *config, struct tls_problems *problems)
{
	if (config->certificates_n == 0)
		tls_problem_add(problems, TLS_ERROR, "certificate", NULL, "there is none");
	if (config->client_verify != TLS_VERIFY_NONE && !config->client_ca)
		tls_problem_add(problems, TLS_ERROR, "client_ca", NULL,
				"is needed to verify clients");
	if (config->client_verify == TLS_VERIFY_NONE && config->client_ca)
		tls_problem_add(problems, TLS_WARNING, "client_ca", config->client_ca,
				"is not used: client_verify is none");
	if (config->client_crl && config->client_verify == TLS_VERIFY_NONE)
		tls_problem_add(problems, TLS_WARNING, "client_crl", config->client_crl,
				"is not used: client_verify is none");
}

static void check_version(const struct tls_server *s, struct tls_problems *problems)
{
	if (s->client_verify != TLS_VERIFY_NONE && s->policy.min < TLS_1_3 &&
	    !tls_library_keeps_order())
		tls_problem_add(problems, TLS_WARNING, "client_verify", NULL,
				"proves nothing over TLS 1.2 with this wolfSSL (CVE-2026-2645): "
				"set tls_min = 1.3, or build without WOLFSSL=system");
}

int tls_server_create(const struct tls_server_config *config, struct tls_problems *problems,
		      struct tls_server **ret_server)
{
	bool verifies = config->client_verify != TLS_VERIFY_NONE;
	enum tls_version min = verifies ? TLS_1_3 : TLS_1_2;
	size_t errors = problems->errors_n;
	struct tls_server *s = calloc(1, sizeof(*s));
	const struct tls_policy defaults = { 0 };

	if (!s)
		return -ENOMEM;
	atomic_init(&s->refs, 1);
	s->unknown_sni = config->unknown_sni;
	s->client_verify = config->client_verify;
	s->asks_identities = config->asks_identities;
	s->tickets = verifies ? NULL : tls_tickets_ref(config->tickets);
	s->identities = calloc(config->certificates_n + 1, sizeof(*s->identities));
	if (!s->identities)
		goto fail;
	check_config(config, problems);
	/* Policy errors do not hide what is wrong with the files. */
	if (!policy_resolve(&config->policy, min, true, problems, &s->policy) &&
	    !policy_resolve(&defaults, min, true, problems, &s->policy))
		goto fail;
	check_version(s, problems);
	for (size_t i = 0; i < config->certificates_n; i++)
		add_identity(s, config, &config->certificates[i], problems);
	if (problems->errors_n > errors || !list_names(s))
		goto fail;
	*ret_server = s;
	return 0;

fail:
	tls_server_unref(s);
	return problems->errors_n > errors ? -EINVAL : -ENOMEM;
}

struct tls_server *tls_server_ref(struct tls_server *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void tls_server_unref(struct tls_server *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < s->identities_n; i++)
		free_identity(&s->identities[i]);
	free(s->identities);
	free(s->names);
	tls_tickets_unref(s->tickets);
	free(s);
}
