/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_ENDPOINTS_H
#define TLS_ENDPOINTS_H

/*
 * For cmocka tests of the TLS floor: a server and a client with what a test
 * sets, joined (pair.h), with the certificates of certificates.h. Behind the include of <cmocka.h>.
 */

#include "tls/certificates.h"
#include "tls/pair.h"

/* What a test wants different from the usual; zero is the usual. */
struct endpoint_options {
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

static inline struct tls_server *make_server(const struct endpoint_options *o)
{
	struct tls_problems problems = { 0 };
	struct tls_files files[4];
	struct tls_server_config config = {
		.policy = o->server,
		.certificates = files,
		.unknown_sni = o->unknown_sni,
		.client_verify = o->verify,
		.client_ca = o->verify ? kit_path("ca.crt") : NULL,
		.client_crl = o->crl ? kit_path(o->crl) : NULL,
		.tickets = o->tickets,
	};
	struct tls_server *server = NULL;

	for (size_t i = 0; i < 4 && (o->certificates[i] || i == 0); i++) {
		const char *name = o->certificates[i] ? o->certificates[i] : "ecdsa.pem";

		files[config.certificates_n++] = (struct tls_files){ kit_path(name), NULL };
	}
	if (tls_server_create(&config, &problems, &server) != 0)
		fail_msg("%s: %s", problems.at[0].file, problems.at[0].text);
	tls_problems_finish(&problems);
	return server;
}

static inline struct tls_client *make_client(const struct endpoint_options *o)
{
	struct tls_problems problems = { 0 };
	const struct tls_client_config config = {
		.policy = o->client,
		.insecure = o->insecure,
		.ca = kit_path(o->ca ? o->ca : "ca.crt"),
		.verify_name = o->verify_name ? o->verify_name : "db1.example.com",
		.certificate.chain = o->client_certificate ? kit_path(o->client_certificate) : NULL,
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

/* A pair of them, before the handshake. */
static inline void make_pair(const struct endpoint_options *o, struct kit_pair *p)
{
	struct tls_server *server = make_server(o);
	struct tls_client *client = make_client(o);
	size_t chunk = p->chunk;

	memset(p, 0, sizeof(*p));
	p->chunk = chunk;
	join(server, client, o->offer.name ? &o->offer : NULL, p);
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

static inline void make_established(const struct endpoint_options *o, struct kit_pair *p)
{
	make_pair(o, p);
	expect_established(p);
}

static const struct tls_policy only_12 __attribute__((unused)) = { .version_max = TLS_1_2 };

#endif
