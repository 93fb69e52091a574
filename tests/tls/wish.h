/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_TLS_WISH_H
#define TESTS_TLS_WISH_H

/*
 * For cmocka tests of the TLS floor: a server and a client as a test wishes
 * them, joined (pair.h), with the certificates of certificates.h. Behind the include of <cmocka.h>.
 */

#include "tls/certificates.h"
#include "tls/pair.h"

/* What a test wants different from the usual; zero is the usual. */
struct wish {
	const char *certificates[4];
	struct tls_policy server, client;
	enum tls_unknown unknown_sni;
	enum tls_verify verify;
	const char *crl;
	struct tls_tickets *tickets;
	const char *client_certificate;
	const char *verify_name; /* "db1.example.com" */
	const char *ca;          /* that the client believes */
	bool insecure;
	struct tls_offer offer;
};

static inline struct tls_server *make_server(const struct wish *w)
{
	struct tls_problems problems = { 0 };
	struct tls_files files[4];
	struct tls_server_config config = {
		.policy = w->server,
		.certificates = files,
		.unknown_sni = w->unknown_sni,
		.client_verify = w->verify,
		.client_ca = w->verify ? kit_path("ca.crt") : NULL,
		.client_crl = w->crl ? kit_path(w->crl) : NULL,
		.tickets = w->tickets,
	};
	struct tls_server *server = NULL;

	for (size_t i = 0; i < 4 && (w->certificates[i] || i == 0); i++) {
		const char *name = w->certificates[i] ? w->certificates[i] : "ecdsa.pem";

		files[config.certificates_n++] = (struct tls_files){ kit_path(name), NULL };
	}
	if (tls_server_create(&config, &problems, &server) != 0)
		fail_msg("%s: %s", problems.at[0].file, problems.at[0].text);
	tls_problems_finish(&problems);
	return server;
}

static inline struct tls_client *make_client(const struct wish *w)
{
	struct tls_problems problems = { 0 };
	const struct tls_client_config config = {
		.policy = w->client,
		.insecure = w->insecure,
		.ca = kit_path(w->ca ? w->ca : "ca.crt"),
		.verify_name = w->verify_name ? w->verify_name : "db1.example.com",
		.certificate.chain = w->client_certificate ? kit_path(w->client_certificate) : NULL,
	};
	struct tls_client *client = NULL;

	if (tls_client_create(&config, &problems, &client) != 0)
		fail_msg("%s: %s", problems.at[0].file, problems.at[0].text);
	tls_problems_finish(&problems);
	return client;
}

/* Joins a stream of each; releases its own hold on both. */
static inline void join(struct tls_server *server, struct tls_client *client,
			const struct tls_offer *offer, struct kit_pair *p)
{
	kit_join(p);
	assert_int_equal(tls_stream_accept(server, offer, kit_send, &p->server, &p->server.stream),
			 0);
	assert_int_equal(tls_stream_connect(client, NULL, kit_send, &p->client, &p->client.stream),
			 0);
}

/* A pair as wished, before the handshake. */
static inline void make_pair(const struct wish *w, struct kit_pair *p)
{
	struct tls_server *server = make_server(w);
	struct tls_client *client = make_client(w);
	size_t chunk = p->chunk;

	memset(p, 0, sizeof(*p));
	p->chunk = chunk;
	join(server, client, w->offer.name ? &w->offer : NULL, p);
	tls_server_unref(server);
	tls_client_unref(client);
}

static inline void expect_established(struct kit_pair *p)
{
	struct kit_outcome o = kit_handshake(p);

	if (o.client != TLS_DONE || o.server != TLS_DONE)
		fail_msg("client %d: %s; server %d: %s", o.client,
			 tls_stream_reason(p->client.stream), o.server,
			 tls_stream_reason(p->server.stream));
}

static inline void make_established(const struct wish *w, struct kit_pair *p)
{
	make_pair(w, p);
	expect_established(p);
}

static const struct tls_policy only_12 __attribute__((unused)) = { .version_max = TLS_1_2 };

#endif
