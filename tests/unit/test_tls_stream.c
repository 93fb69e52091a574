/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/stream.h"

#include "base/def.h"
#include "tls/kit.h"
#include "tls/library.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- making pairs ------------------------------------------------------------ */

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

static struct tls_server *make_server(const struct wish *w)
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

static struct tls_client *make_client(const struct wish *w)
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
static struct kit_pair join(struct tls_server *server, struct tls_client *client,
			    const struct tls_offer *offer, struct kit_pair *p)
{
	kit_join(p);
	assert_int_equal(tls_stream_accept(server, offer, kit_send, &p->server, &p->server.stream),
			 0);
	assert_int_equal(tls_stream_connect(client, NULL, kit_send, &p->client, &p->client.stream),
			 0);
	return *p;
}

/* A pair as wished, before the handshake. */
static void make_pair(const struct wish *w, struct kit_pair *p)
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

static void expect_established(struct kit_pair *p)
{
	struct kit_outcome o = kit_handshake(p);

	if (o.client != TLS_DONE || o.server != TLS_DONE)
		fail_msg("client %d: %s; server %d: %s", o.client,
			 tls_stream_reason(p->client.stream), o.server,
			 tls_stream_reason(p->server.stream));
}

static void make_established(const struct wish *w, struct kit_pair *p)
{
	make_pair(w, p);
	expect_established(p);
}

/* Sends @n bytes of a pattern from one side and finds them on the other. */
static void expect_transfer(struct kit_pair *p, struct kit_side *from, size_t n)
{
	static uint8_t sent[200000], got[200000];
	struct kit_side *to = from->peer;
	size_t got_n;

	for (size_t i = 0; i < n; i++)
		sent[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t at = 0; at < n; at += 65536)
		assert_int_equal(tls_stream_write(from->stream, sent + at, MIN(n - at, 65536)),
				 TLS_DONE);
	memset(got, 0, n);
	assert_true(kit_read(p, to, got, sizeof(got), &got_n) == TLS_WANT_INPUT);
	assert_int_equal(got_n, n);
	assert_memory_equal(got, sent, n);
}

static const struct tls_policy only_12 = { .version_max = TLS_1_2 };

/* ---- tests -------------------------------------------------------------------- */

static void versions_meet(void **state)
{
	static const struct {
		enum tls_version server_min, server_max, client_max;
		const char *version, *cipher;
	} cases[] = {
		{ 0, 0, 0, "TLSv1.3", "TLS_AES_128_GCM_SHA256" },
		{ 0, 0, TLS_1_2, "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
		{ 0, TLS_1_2, 0, "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
		{ TLS_1_3, 0, 0, "TLSv1.3", "TLS_AES_128_GCM_SHA256" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct wish w = {
			.server = { .version_min = cases[i].server_min,
				    .version_max = cases[i].server_max },
			.client.version_max = cases[i].client_max,
		};
		struct kit_pair p = { 0 };
		struct tls_facts facts;

		make_established(&w, &p);
		tls_stream_facts(p.server.stream, &facts);
		assert_string_equal(facts.version, cases[i].version);
		assert_string_equal(facts.cipher, cases[i].cipher);
		assert_false(facts.resumed);
		assert_string_equal(facts.alpn, "");
		assert_string_equal(facts.peer, "");
		tls_stream_facts(p.client.stream, &facts);
		assert_string_equal(facts.version, cases[i].version);
		assert_string_equal(facts.peer, "db1.example.com");
		expect_transfer(&p, &p.client, 100);
		expect_transfer(&p, &p.server, 200000);
		expect_transfer(&p, &p.client, 70000);
		kit_part(&p);
	}
}

static void every_segmentation_is_fine(void **state)
{
	static const size_t chunks[] = { 1, 2, 3, 4, 5, 6, 7, 100, 1000 };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(chunks); i++) {
		const struct wish w = { .client = i % 2 ? only_12 : (struct tls_policy){ 0 } };
		struct kit_pair p = { .chunk = chunks[i / 2] };

		make_established(&w, &p);
		expect_transfer(&p, &p.client, 3000);
		expect_transfer(&p, &p.server, 3000);
		kit_part(&p);
	}
}

static void one_write_is_one_record_that_fits(void **state)
{
	static uint8_t plain[TLS_RECORD_BYTES];
	const struct wish w = { 0 };
	struct kit_pair p = { 0 };
	size_t before;

	(void)state;
	make_established(&w, &p);
	before = p.server.sent;
	assert_int_equal(tls_stream_write(p.server.stream, plain, sizeof(plain)), TLS_DONE);
	assert_true(p.server.sent - before <= TLS_RECORD_BYTES + TLS_OVERHEAD_BYTES);
	assert_true(p.server.sent - before <= TLS_RECORD_BYTES + 22);
	kit_part(&p);
}

static void a_small_buffer_reads_a_record_in_parts(void **state)
{
	const struct wish w = { 0 };
	struct kit_pair p = { 0 };
	char got[8];
	size_t n;

	(void)state;
	make_established(&w, &p);
	assert_int_equal(tls_stream_write(p.client.stream, "0123456789", 10), TLS_DONE);
	kit_give(&p, &p.server);
	assert_int_equal(tls_stream_read(p.server.stream, got, 4, &n), TLS_DONE);
	assert_int_equal(n, 4);
	assert_int_equal(tls_stream_read(p.server.stream, got, 4, &n), TLS_DONE);
	assert_int_equal(n, 4);
	assert_int_equal(tls_stream_read(p.server.stream, got, 4, &n), TLS_WANT_INPUT);
	assert_int_equal(n, 2);
	assert_memory_equal(got, "89", 2);
	assert_int_equal(tls_stream_control_records(p.server.stream), 0);
	kit_part(&p);
}

/* The common name of the certificate that the server showed. */
static void expect_peer(const struct wish *w, const char *name)
{
	struct kit_pair p = { 0 };
	struct tls_facts facts;

	make_established(w, &p);
	tls_stream_facts(p.client.stream, &facts);
	assert_string_equal(facts.peer, name);
	kit_part(&p);
}

static void sni_picks_the_certificate(void **state)
{
	static const struct {
		const char *sni, *peer;
	} cases[] = {
		{ "db1.example.com", "db1.example.com" },
		{ "other.example.com", "other.example.com" },
		{ "p384.example.com", "p384.example.com" },
		{ "b.shard.example.com", "db1.example.com" },
		{ "a.shard.example.com", "other.example.com" }, /* exact before wildcard */
		{ "a.b.shard.example.com", "db1.example.com" }, /* unknown: the first */
		{ "", "db1.example.com" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct wish w = {
			.certificates = { "ecdsa.pem", "other.pem", "p384.pem" },
			.verify_name = cases[i].peer,
			.offer.name = cases[i].sni,
		};

		expect_peer(&w, cases[i].peer);
	}
}

static void an_unknown_name_can_be_rejected(void **state)
{
	const struct wish w = { .unknown_sni = TLS_UNKNOWN_REJECT };
	const struct tls_offer unknown = { .name = "nobody.example.com" };
	struct tls_server *server = make_server(&w);
	struct tls_stream *stream = NULL;

	(void)state;
	assert_int_equal(tls_stream_accept(server, &unknown, kit_send, NULL, &stream), -ENOENT);
	assert_null(stream);
	assert_false(tls_server_knows(server, "nobody.example.com"));
	assert_true(tls_server_knows(server, "db1.example.com"));
	assert_true(tls_server_knows(server, "x.shard.example.com"));
	assert_true(tls_server_knows(server, ""));
	tls_server_unref(server);
}

static void the_client_offers_and_gets_a_key_it_knows(void **state)
{
	static const uint16_t rsa[] = { 0x0804, 0x0401 }, ed25519[] = { 0x0807 };
	static const uint16_t all[] = { 0x0403, 0x0804, 0x0807, 0x0401 };
	static const uint16_t v13[] = { 0x0304, 0x0303 }, v12[] = { 0x0303 };
	static const uint16_t suites[] = { 0x1301, 0xc02b, 0xc02f };
	static const struct {
		struct tls_numbers versions, signatures;
		const char *cipher_of_12;
	} cases[] = {
		{ { v13, 2 }, { all, 4 }, NULL },
		{ { v13, 2 }, { rsa, 2 }, NULL },
		{ { v13, 2 }, { ed25519, 1 }, NULL },
		{ { v12, 1 }, { all, 4 }, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
		{ { v12, 1 }, { rsa, 2 }, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct wish w = {
			.certificates = { "rsa.pem", "ed25519.pem", "ecdsa.pem" },
			.client = cases[i].cipher_of_12 ? only_12 : (struct tls_policy){ 0 },
			.offer = { .name = "db1.example.com",
				   .versions = cases[i].versions,
				   .signatures = cases[i].signatures,
				   .suites = { suites, 3 } },
		};
		struct kit_pair p = { 0 };
		struct tls_facts facts;

		make_established(&w, &p);
		tls_stream_facts(p.server.stream, &facts);
		if (cases[i].cipher_of_12)
			assert_string_equal(facts.cipher, cases[i].cipher_of_12);
		kit_part(&p);
	}
}

static void every_kind_of_key_works_in_both_versions(void **state)
{
	static const char *const files[] = { "ecdsa.pem", "rsa.pem", "ed25519.pem" };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(files); i++) {
		const struct wish w = {
			.certificates = { files[i / 2] },
			.client = i % 2 ? only_12 : (struct tls_policy){ 0 },
		};

		expect_peer(&w, "db1.example.com");
	}
}

static void alpn_is_agreed_on(void **state)
{
	static const struct {
		const char *server, *client, *agreed; /* NULL: it fails */
	} cases[] = {
		{ "postgresql", "postgresql", "postgresql" },
		{ "h2, mqtt", "x,mqtt", "mqtt" },
		{ NULL, "h2", "" },
		{ "h2", NULL, "" },
		{ "h2", "mqtt", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct wish w = { .server.alpn = cases[i].server,
					.client.alpn = cases[i].client };
		struct kit_pair p = { 0 };
		struct kit_outcome o;
		struct tls_facts facts;

		make_pair(&w, &p);
		o = kit_handshake(&p);
		if (!cases[i].agreed) {
			assert_int_equal(o.server, TLS_FAILED);
			assert_string_equal(tls_stream_reason(p.server.stream),
					    "no application protocol (ALPN) in common");
			assert_int_equal(o.client, TLS_FAILED);
			assert_string_equal(tls_stream_reason(p.client.stream),
					    "server sent the alert: no application protocol");
		} else {
			assert_int_equal(o.server, TLS_DONE);
			assert_int_equal(o.client, TLS_DONE);
			tls_stream_facts(p.server.stream, &facts);
			assert_string_equal(facts.alpn, cases[i].agreed);
			tls_stream_facts(p.client.stream, &facts);
			assert_string_equal(facts.alpn, cases[i].agreed);
		}
		kit_part(&p);
	}
}

static void groups_are_the_servers_choice(void **state)
{
	static const struct {
		const char *server, *client, *group;
	} cases[] = {
		{ NULL, NULL, "X25519" },
		{ NULL, "P-256", "SECP256R1" },
		{ NULL, "P-384:P-256", "SECP384R1" },     /* no second hello is asked for */
		{ "P-384", "X25519:P-384", "SECP384R1" }, /* by a HelloRetryRequest */
		{ "P-521", "P-521", "SECP521R1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct wish w = { .server.groups = cases[i].server,
					.client.groups = cases[i].client };
		struct kit_pair p = { 0 };
		struct tls_facts facts;

		make_established(&w, &p);
		tls_stream_facts(p.server.stream, &facts);
		assert_string_equal(facts.group, cases[i].group);
		kit_part(&p);
	}
}

/* ---- what goes wrong ------------------------------------------------------------ */

/* Both sides' words for a handshake that must fail. */
static void expect_failure(const struct wish *w, const char *server, const char *client)
{
	struct kit_pair p = { 0 };
	struct kit_outcome o;
	char got[10];
	size_t n;

	make_pair(w, &p);
	o = kit_handshake(&p);
	/* In TLS 1.3 a client is done before the server has looked at its certificate. */
	if (o.client == TLS_DONE)
		o.client = kit_read(&p, &p.client, got, sizeof(got), &n);
	if (o.server == TLS_DONE)
		o.server = kit_read(&p, &p.server, got, sizeof(got), &n);
	assert_int_equal(o.server, TLS_FAILED);
	assert_string_equal(tls_stream_reason(p.server.stream), server);
	assert_int_equal(o.client, TLS_FAILED);
	assert_string_equal(tls_stream_reason(p.client.stream), client);
	kit_part(&p);
}

static void a_client_without_a_common_version_hears_why(void **state)
{
	static const uint16_t v12[] = { 0x0303 }, v10[] = { 0x0301 };
	const struct wish w = { .server.version_min = TLS_1_3,
				.client = only_12,
				.offer = { .name = "db1.example.com", .versions = { v12, 1 } } };
	const struct wish old = { .server.version_min = TLS_1_3,
				  .client = only_12,
				  .offer = { .name = "db1.example.com", .versions = { v10, 1 } } };

	(void)state;
	expect_failure(&w, "client offers only TLS 1.2", "server sent the alert: protocol version");
	expect_failure(&old, "client offers only TLS 1.0",
		       "server sent the alert: protocol version");
}

static void suites_may_not_meet(void **state)
{
	const struct wish w = { .server.ciphers = "TLS13-AES128-GCM-SHA256",
				.server.version_min = TLS_1_3,
				.client.ciphers = "TLS_CHACHA20_POLY1305_SHA256",
				.client.version_min = TLS_1_3 };

	(void)state;
	expect_failure(&w, "no cipher suite in common", "server sent the alert: handshake failure");
}

static void a_server_is_verified(void **state)
{
	static const struct {
		const char *certificate, *name, *ca, *server, *client;
	} cases[] = {
		{ "ecdsa.pem", "db2.example.com", NULL, "client sent the alert: bad certificate",
		  "certificate is for another name" },
		{ "ecdsa.pem", NULL, "stranger-ca.crt", "client sent the alert: unknown CA",
		  "unknown CA" },
		{ "expired.pem", "old.example.com", NULL,
		  "client sent the alert: certificate expired", "certificate expired" },
		{ "address.pem", "127.0.0.2", NULL, "client sent the alert: bad certificate",
		  "certificate is for another name" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct wish w = { .certificates = { cases[i].certificate },
					.verify_name = cases[i].name,
					.ca = cases[i].ca };

		expect_failure(&w, cases[i].server, cases[i].client);
	}
}

static void a_server_may_have_an_address_for_a_name(void **state)
{
	const struct wish w = { .certificates = { "address.pem" }, .verify_name = "127.0.0.1" };

	(void)state;
	expect_peer(&w, "x");
}

static void verification_can_be_switched_off(void **state)
{
	const struct wish w = { .insecure = true, .verify_name = "another.example.com" };

	(void)state;
	expect_peer(&w, "");
}

/* ---- clients with certificates --------------------------------------------------- */

static void a_client_certificate_is_verified(void **state)
{
	const struct wish good = { .verify = TLS_VERIFY_REQUIRE,
				   .client_certificate = "alice.pem" };
	const struct wish good_12 = { .verify = TLS_VERIFY_REQUIRE,
				      .server.version_min = TLS_1_2,
				      .client = only_12,
				      .client_certificate = "alice.pem" };
	const struct wish *const wishes[] = { &good, &good_12 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		struct kit_pair p = { 0 };
		struct tls_facts facts;

		make_established(wishes[i], &p);
		tls_stream_facts(p.server.stream, &facts);
		assert_string_equal(facts.peer, "alice");
		expect_transfer(&p, &p.client, 10);
		kit_part(&p);
	}
}

static void a_bad_client_certificate_is_refused(void **state)
{
	const struct wish none = { .verify = TLS_VERIFY_REQUIRE };
	const struct wish stranger = { .verify = TLS_VERIFY_REQUIRE,
				       .client_certificate = "stranger.pem" };
	const struct wish optional = { .verify = TLS_VERIFY_OPTIONAL,
				       .client_certificate = "stranger.pem" };
	const struct wish revoked = { .verify = TLS_VERIFY_REQUIRE,
				      .crl = "ca.crl",
				      .client_certificate = "mallory.pem" };

	(void)state;
	expect_failure(&none, "peer sent no certificate",
		       "server sent the alert: certificate required");
	expect_failure(&stranger, "unknown CA", "server sent the alert: unknown CA");
	expect_failure(&optional, "unknown CA", "server sent the alert: unknown CA");
	expect_failure(&revoked, "certificate revoked", "server sent the alert: bad certificate");
}

static void an_optional_certificate_may_be_missing(void **state)
{
	const struct wish without = { .verify = TLS_VERIFY_OPTIONAL };
	const struct wish unrevoked = { .verify = TLS_VERIFY_OPTIONAL,
					.crl = "ca.crl",
					.client_certificate = "alice.pem" };
	const struct wish *const wishes[] = { &without, &unrevoked };
	static const char *const names[] = { "", "alice" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		struct kit_pair p = { 0 };
		struct tls_facts facts;

		make_established(wishes[i], &p);
		tls_stream_facts(p.server.stream, &facts);
		assert_string_equal(facts.peer, names[i]);
		kit_part(&p);
	}
}

static void verified_clients_speak_tls_13(void **state)
{
	const struct wish w = { .verify = TLS_VERIFY_REQUIRE,
				.client = only_12,
				.client_certificate = "alice.pem" };

	(void)state;
	expect_failure(&w, "no TLS version in common", "server sent the alert: protocol version");
}

/* ---- ends -------------------------------------------------------------------------- */

static void close_notify_is_a_half_close(void **state)
{
	const struct tls_policy policies[] = { { 0 }, only_12 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		const struct wish w = { .client = policies[i] };
		struct kit_pair p = { 0 };
		char got[100];
		size_t n;

		make_established(&w, &p);
		assert_int_equal(tls_stream_write(p.client.stream, "last", 4), TLS_DONE);
		assert_int_equal(tls_stream_close(p.client.stream), TLS_DONE);
		assert_int_equal(kit_read(&p, &p.server, got, sizeof(got), &n), TLS_CLOSED);
		assert_int_equal(n, 4);
		assert_int_equal(tls_stream_read(p.server.stream, got, sizeof(got), &n),
				 TLS_CLOSED);

		/* The other direction goes on, in more than one record. */
		expect_transfer(&p, &p.server, 50000);
		expect_transfer(&p, &p.server, 10);
		assert_int_equal(tls_stream_close(p.server.stream), TLS_DONE);
		assert_int_equal(kit_read(&p, &p.client, got, sizeof(got), &n), TLS_CLOSED);
		kit_part(&p);
	}
}

static void a_server_that_closes_goes_on_reading(void **state)
{
	const struct wish w = { 0 };
	struct kit_pair p = { 0 };
	char got[100];
	size_t n;

	(void)state;
	make_established(&w, &p);
	assert_int_equal(tls_stream_close(p.server.stream), TLS_DONE);
	assert_int_equal(kit_read(&p, &p.client, got, sizeof(got), &n), TLS_CLOSED);
	expect_transfer(&p, &p.client, 50000);
	expect_transfer(&p, &p.client, 1);
	assert_int_equal(tls_stream_close(p.client.stream), TLS_DONE);
	assert_int_equal(kit_read(&p, &p.server, got, sizeof(got), &n), TLS_CLOSED);
	kit_part(&p);
}

static void an_end_without_close_notify_is_a_truncation(void **state)
{
	const struct wish w = { 0 };
	struct kit_pair p = { 0 };
	char got[100];
	size_t n;

	(void)state;
	make_established(&w, &p);
	assert_int_equal(tls_stream_write(p.client.stream, "data", 4), TLS_DONE);
	kit_give(&p, &p.server);
	tls_stream_give_end(p.server.stream);
	assert_int_equal(tls_stream_read(p.server.stream, got, sizeof(got), &n), TLS_TRUNCATED);
	assert_int_equal(n, 4);
	assert_int_equal(tls_stream_read(p.server.stream, got, sizeof(got), &n), TLS_TRUNCATED);
	assert_int_equal(tls_stream_write(p.server.stream, "x", 1), TLS_FAILED);
	assert_string_equal(tls_stream_reason(p.server.stream),
			    "connection ended without close_notify");
	kit_part(&p);
}

static void an_end_in_a_record_or_handshake_is_one_too(void **state)
{
	const struct wish w = { 0 };
	struct kit_pair p = { 0 };
	char got[100];
	size_t n;

	(void)state;
	make_established(&w, &p);
	assert_int_equal(tls_stream_write(p.client.stream, "data", 4), TLS_DONE);
	p.server.inbox_n -= 3;
	kit_give(&p, &p.server);
	tls_stream_give_end(p.server.stream);
	assert_int_equal(tls_stream_read(p.server.stream, got, sizeof(got), &n), TLS_TRUNCATED);
	assert_int_equal(n, 0);
	kit_part(&p);

	make_pair(&w, &p);
	assert_int_equal(kit_step(&p, &p.client), TLS_WANT_INPUT);
	assert_int_equal(kit_step(&p, &p.server), TLS_WANT_INPUT);
	tls_stream_give_end(p.server.stream);
	assert_int_equal(tls_stream_handshake(p.server.stream), TLS_TRUNCATED);
	kit_part(&p);
}

static void a_close_then_the_end_is_clean(void **state)
{
	const struct wish w = { 0 };
	struct kit_pair p = { 0 };
	char got[100];
	size_t n;

	(void)state;
	make_established(&w, &p);
	assert_int_equal(tls_stream_close(p.client.stream), TLS_DONE);
	kit_give(&p, &p.server);
	tls_stream_give_end(p.server.stream);
	assert_int_equal(tls_stream_read(p.server.stream, got, sizeof(got), &n), TLS_CLOSED);
	kit_part(&p);
}

static void a_changed_record_fails_with_an_alert(void **state)
{
	const struct tls_policy policies[] = { { 0 }, only_12 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		const struct wish w = { .client = policies[i] };
		struct kit_pair p = { 0 };
		char got[100];
		size_t n;

		make_established(&w, &p);
		assert_int_equal(tls_stream_write(p.client.stream, "data", 4), TLS_DONE);
		p.server.inbox[p.server.inbox_n - 1] ^= 1;
		assert_int_equal(kit_read(&p, &p.server, got, sizeof(got), &n), TLS_FAILED);
		assert_int_equal(n, 0);
		assert_string_equal(tls_stream_reason(p.server.stream),
				    "record was changed or made with another key");
		assert_int_equal(kit_read(&p, &p.client, got, sizeof(got), &n), TLS_FAILED);
		assert_string_equal(tls_stream_reason(p.client.stream),
				    "server sent the alert: bad record");
		kit_part(&p);
	}
}

static void garbage_fails(void **state)
{
	static const char *const garbage[] = {
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
		"\x15\x03\x03\x00\x02\x02\x28",
		"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"\x17\x03\x03\x00\x05hello",
	};
	const struct wish w = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		struct kit_pair p = { 0 };
		enum tls_result result;

		make_pair(&w, &p);
		tls_stream_give(p.server.stream, garbage[i], 30);
		result = tls_stream_handshake(p.server.stream);
		if (result == TLS_WANT_INPUT) {
			tls_stream_give_end(p.server.stream);
			result = tls_stream_handshake(p.server.stream);
		}
		assert_true(result == TLS_FAILED || result == TLS_TRUNCATED);
		assert_true(strlen(tls_stream_reason(p.server.stream)) > 0);
		kit_part(&p);
	}
}

static int refuse_send(void *owner, const void *bytes, size_t n)
{
	(void)owner;
	(void)bytes;
	(void)n;
	return -ENOMEM;
}

static void a_sink_that_refuses_ends_the_session(void **state)
{
	const struct wish w = { 0 };
	struct tls_client *client = make_client(&w);
	struct tls_stream *stream;

	(void)state;
	assert_int_equal(tls_stream_connect(client, NULL, refuse_send, NULL, &stream), 0);
	assert_int_equal(tls_stream_handshake(stream), TLS_FAILED);
	tls_stream_destroy(stream);
	tls_client_unref(client);
}

static void a_client_needs_a_name_to_verify(void **state)
{
	struct tls_problems problems = { 0 };
	const struct tls_client_config config = { .ca = kit_path("ca.crt") };
	struct tls_client *client;
	struct tls_stream *stream;

	(void)state;
	assert_int_equal(tls_client_create(&config, &problems, &client), 0);
	assert_int_equal(tls_stream_connect(client, NULL, kit_send, NULL, &stream), -EINVAL);
	assert_int_equal(tls_stream_connect(client, "db1.example.com", kit_send, NULL, &stream), 0);
	tls_stream_destroy(stream);
	tls_client_unref(client);
}

static int set_up(void **state)
{
	(void)state;
	if (kit_make_certificates() != 0)
		return -1;
	return tls_library_start();
}

static int tear_down(void **state)
{
	(void)state;
	tls_library_stop();
	kit_remove_certificates();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_meet),
		cmocka_unit_test(every_segmentation_is_fine),
		cmocka_unit_test(one_write_is_one_record_that_fits),
		cmocka_unit_test(a_small_buffer_reads_a_record_in_parts),
		cmocka_unit_test(sni_picks_the_certificate),
		cmocka_unit_test(an_unknown_name_can_be_rejected),
		cmocka_unit_test(the_client_offers_and_gets_a_key_it_knows),
		cmocka_unit_test(every_kind_of_key_works_in_both_versions),
		cmocka_unit_test(alpn_is_agreed_on),
		cmocka_unit_test(groups_are_the_servers_choice),
		cmocka_unit_test(a_client_without_a_common_version_hears_why),
		cmocka_unit_test(suites_may_not_meet),
		cmocka_unit_test(a_server_is_verified),
		cmocka_unit_test(a_server_may_have_an_address_for_a_name),
		cmocka_unit_test(verification_can_be_switched_off),
		cmocka_unit_test(a_client_certificate_is_verified),
		cmocka_unit_test(a_bad_client_certificate_is_refused),
		cmocka_unit_test(an_optional_certificate_may_be_missing),
		cmocka_unit_test(verified_clients_speak_tls_13),
		cmocka_unit_test(close_notify_is_a_half_close),
		cmocka_unit_test(a_server_that_closes_goes_on_reading),
		cmocka_unit_test(an_end_without_close_notify_is_a_truncation),
		cmocka_unit_test(an_end_in_a_record_or_handshake_is_one_too),
		cmocka_unit_test(a_close_then_the_end_is_clean),
		cmocka_unit_test(a_changed_record_fails_with_an_alert),
		cmocka_unit_test(garbage_fails),
		cmocka_unit_test(a_sink_that_refuses_ends_the_session),
		cmocka_unit_test(a_client_needs_a_name_to_verify),
	};

	return cmocka_run_group_tests_name("tls_stream", tests, set_up, tear_down);
}
