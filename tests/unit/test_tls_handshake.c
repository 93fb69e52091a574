/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What both sides agree on, and what they say when they do not.
 */

#include "tls/stream.h"

#include "base/def.h"
#include "tls/library.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tls/policy.h"
#include "tls/endpoints.h"

/* The common name of the certificate that the server showed. */
static void expect_peer(const struct endpoint_options *w, const char *name)
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
		const struct endpoint_options w = {
			.certificates = { "ecdsa.pem", "other.pem", "p384.pem" },
			.verify_name = cases[i].peer,
			.offer.name = cases[i].sni,
		};

		expect_peer(&w, cases[i].peer);
	}
}

static void an_unknown_name_can_be_rejected(void **state)
{
	const struct endpoint_options w = { .unknown_sni = TLS_UNKNOWN_REJECT };
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
		const struct endpoint_options w = {
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
		if (cases[i].cipher_of_12 && tls_cpu_has_aes() && tls_library_is_fast())
			assert_string_equal(facts.cipher, cases[i].cipher_of_12);
		kit_part(&p);
	}
}

static void every_kind_of_key_works_in_both_versions(void **state)
{
	static const char *const files[] = { "ecdsa.pem", "rsa.pem", "ed25519.pem" };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(files); i++) {
		const struct endpoint_options w = {
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
		const struct endpoint_options w = { .server.alpn = cases[i].server,
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

static void our_order_of_alpn_wins_when_the_offer_is_known(void **state)
{
	static const uint8_t offered[] = "\x04mqtt\x02h2";
	const struct endpoint_options w = {
		.server.alpn = "x,h2,mqtt",
		.client.alpn = "mqtt,h2",
		.offer = { .name = "", .alpn = offered, .alpn_bytes = sizeof(offered) - 1 },
	};
	struct kit_pair p = { 0 };
	struct tls_facts facts;

	(void)state;
	make_established(&w, &p);
	tls_stream_facts(p.client.stream, &facts);
	assert_string_equal(facts.alpn, "h2");
	kit_part(&p);
}

struct choice {
	const char *server, *client, *group;
};

static void expect_group(const struct choice *c)
{
	const struct endpoint_options w = { .server.groups = c->server,
					    .client.groups = c->client };
	struct kit_pair p = { 0 };
	struct tls_facts facts;

	make_established(&w, &p);
	tls_stream_facts(p.server.stream, &facts);
	assert_string_equal(facts.group, c->group);
	kit_part(&p);
}

static void groups_are_the_servers_choice(void **state)
{
	static const struct choice cases[] = {
		{ NULL, NULL, "X25519" },
		{ NULL, "P-256", "P-256" },
		{ NULL, "P-384:P-256", "P-384" },     /* no second hello is asked for */
		{ "P-384", "X25519:P-384", "P-384" }, /* by a HelloRetryRequest */
		{ "P-521", "P-521", "P-521" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_group(&cases[i]);
}

static void a_post_quantum_group_comes_first_where_both_have_it(void **state)
{
	static const struct choice cases[] = {
		{ NULL, "X25519MLKEM768:X25519", "X25519MLKEM768" },
		{ NULL, "X25519", "X25519" },
		{ "X25519", "X25519MLKEM768:X25519", "X25519" }, /* by a HelloRetryRequest */
		{ "X25519MLKEM768:P-521", "X25519:X25519MLKEM768", "X25519MLKEM768" },
	};

	(void)state;
	if (!strstr(policy_groups(true), "X25519MLKEM768"))
		skip();
	assert_null(strstr(policy_groups(false), "X25519MLKEM768"));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_group(&cases[i]);
}

/* ---- what goes wrong ----------------------------------------------------- */

/* Both sides' words for a handshake that must fail. */
static void expect_failure(const struct endpoint_options *w, const char *server, const char *client)
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
	const struct endpoint_options w = { .server.version_min = TLS_1_3,
					    .client = only_12,
					    .offer = { .name = "db1.example.com",
						       .versions = { v12, 1 } } };
	const struct endpoint_options old = { .server.version_min = TLS_1_3,
					      .client = only_12,
					      .offer = { .name = "db1.example.com",
							 .versions = { v10, 1 } } };

	(void)state;
	expect_failure(&w, "client offers only TLS 1.2", "server sent the alert: protocol version");
	expect_failure(&old, "client offers only TLS 1.0",
		       "server sent the alert: protocol version");
}

/* The client has no keys yet. */
static void an_alert_in_clear_ends_a_handshake(void **state)
{
	static const struct {
		uint8_t level, type;
		enum tls_result end;
		const char *reason;
	} cases[] = {
		{ 2, 42, TLS_FAILED, "client sent the alert: bad certificate" },
		{ 1, 42, TLS_FAILED, "client sent the alert: bad certificate" },
		{ 1, 0, TLS_CLOSED, "client sent the alert: close notify" },
		{ 2, 0, TLS_CLOSED, "client sent the alert: close notify" },
		{ 1, 90, TLS_CLOSED, "client sent the alert: user canceled" },
	};
	const struct endpoint_options w = { .server.version_min = TLS_1_3 };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		const uint8_t alert[] = { 21, 3, 3, 0, 2, cases[i / 2].level, cases[i / 2].type };
		struct kit_pair p = { 0 };
		size_t sent;

		make_pair(&w, &p);
		assert_int_equal(kit_step(&p, &p.client), TLS_WANT_INPUT);
		assert_int_equal(kit_step(&p, &p.server), TLS_WANT_INPUT);
		sent = p.server.sent;
		assert_int_equal(kit_send(&p.client, alert, sizeof(alert)), 0);
		p.chunk = i % 2; /* whole, or byte by byte */
		assert_int_equal(kit_step(&p, &p.server), cases[i / 2].end);
		assert_string_equal(tls_stream_reason(p.server.stream), cases[i / 2].reason);
		assert_int_equal(p.server.sent, sent); /* it is not answered */
		kit_part(&p);
	}
}

/* Of a server that may be too old for TLS 1.3 the level counts. */
static void a_warning_before_the_server_hello_is_none_of_ours(void **state)
{
	static const uint8_t unrecognized_name[] = { 21, 3, 3, 0, 2, 1, 112 };
	const struct endpoint_options w = { .client.version_max = TLS_1_3 };
	struct kit_pair p = { 0 };
	struct kit_outcome o;

	(void)state;
	make_pair(&w, &p);
	assert_int_equal(kit_step(&p, &p.client), TLS_WANT_INPUT);
	assert_int_equal(kit_send(&p.server, unrecognized_name, sizeof(unrecognized_name)), 0);
	o = kit_handshake(&p);
	assert_int_equal(o.client, TLS_DONE);
	assert_int_equal(o.server, TLS_DONE);
	kit_part(&p);
}

static void groups_may_not_meet(void **state)
{
	static const uint16_t v13[] = { 0x0304 }, p521[] = { 25 }, schemes[] = { 0x0403 };
	const struct endpoint_options w = {
		.server.groups = "X25519",
		.client.groups = "P-521",
		.offer = { .name = "",
			   .is_hello = true,
			   .versions = { v13, 1 },
			   .signatures = { schemes, 1 },
			   .groups = { p521, 1 } },
	};

	(void)state;
	expect_failure(&w, "no key exchange group in common",
		       "server sent the alert: handshake failure");
}

static void suites_may_not_meet(void **state)
{
	const struct endpoint_options w = { .server.ciphers = "TLS13-AES128-GCM-SHA256",
					    .server.version_min = TLS_1_3,
					    .client.ciphers = "TLS_CHACHA20_POLY1305_SHA256",
					    .client.version_min = TLS_1_3 };

	(void)state;
	if (kit_library_is_packaged()) /* may send no alert */
		skip();
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
		  "certificate is for another address" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct endpoint_options w = { .certificates = { cases[i].certificate },
						    .verify_name = cases[i].name,
						    .ca = cases[i].ca };

		expect_failure(&w, cases[i].server, cases[i].client);
	}
}

static void a_server_may_have_an_address_for_a_name(void **state)
{
	const struct endpoint_options w = { .certificates = { "address.pem" },
					    .verify_name = "127.0.0.1" };

	(void)state;
	expect_peer(&w, "x");
}

static void verification_can_be_switched_off(void **state)
{
	const struct endpoint_options w = { .insecure = true,
					    .verify_name = "another.example.com" };

	(void)state;
	expect_peer(&w, "");
}

/* ---- clients with certificates ------------------------------------------- */

static void a_client_certificate_is_verified(void **state)
{
	const struct endpoint_options good = { .verify = TLS_VERIFY_REQUIRE,
					       .client_certificate = "alice.pem" };
	const struct endpoint_options good_12 = { .verify = TLS_VERIFY_REQUIRE,
						  .server.version_min = TLS_1_2,
						  .client = only_12,
						  .client_certificate = "alice.pem" };
	const struct endpoint_options *const wishes[] = { &good, &good_12 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		struct kit_pair p = { 0 };
		struct tls_facts facts;

		make_established(wishes[i], &p);
		tls_stream_facts(p.server.stream, &facts);
		assert_string_equal(facts.peer, "alice");
		kit_part(&p);
	}
}

static const struct tls_policy only_12_at_all = { .version_min = TLS_1_2, .version_max = TLS_1_2 };

#define REVOKED_SAID "server sent the alert: certificate revoked"

static void a_bad_client_certificate_is_refused(void **state)
{
	const struct endpoint_options none = { .verify = TLS_VERIFY_REQUIRE };
	const struct endpoint_options stranger = { .verify = TLS_VERIFY_REQUIRE,
						   .client_certificate = "stranger.pem" };
	const struct endpoint_options optional = { .verify = TLS_VERIFY_OPTIONAL,
						   .client_certificate = "stranger.pem" };
	const struct endpoint_options revoked = { .verify = TLS_VERIFY_REQUIRE,
						  .crl = "ca.crl",
						  .client_certificate = "mallory.pem" };
	const struct endpoint_options revoked_12 = { .verify = TLS_VERIFY_REQUIRE,
						     .server = only_12_at_all,
						     .crl = "ca.crl",
						     .client_certificate = "mallory.pem" };

	(void)state;
	expect_failure(&none, "peer sent no certificate",
		       "server sent the alert: certificate required");
	expect_failure(&stranger, "unknown CA", "server sent the alert: unknown CA");
	expect_failure(&optional, "unknown CA", "server sent the alert: unknown CA");
	expect_failure(&revoked, "certificate revoked", REVOKED_SAID);
	expect_failure(&revoked_12, "certificate revoked", REVOKED_SAID);
}

static void an_optional_certificate_may_be_missing(void **state)
{
	const struct endpoint_options without = { .verify = TLS_VERIFY_OPTIONAL };
	const struct endpoint_options unrevoked = { .verify = TLS_VERIFY_OPTIONAL,
						    .crl = "ca.crl",
						    .client_certificate = "alice.pem" };
	const struct endpoint_options nameless = { .verify = TLS_VERIFY_OPTIONAL,
						   .client_certificate = "nameless.pem" };
	const struct endpoint_options *const wishes[] = { &without, &unrevoked, &nameless };
	static const char *const names[] = { "", "alice", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		struct kit_pair p = { 0 };
		struct tls_facts facts;

		make_established(wishes[i], &p);
		tls_stream_facts(p.server.stream, &facts);
		assert_string_equal(facts.peer, names[i]);
		assert_int_equal(facts.has_peer, wishes[i] != &without);
		kit_part(&p);
	}
}

static void verified_clients_speak_tls_13(void **state)
{
	const struct endpoint_options w = { .verify = TLS_VERIFY_REQUIRE,
					    .client = only_12,
					    .client_certificate = "alice.pem" };

	(void)state;
	expect_failure(&w, "no TLS version in common", "server sent the alert: protocol version");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sni_picks_the_certificate),
		cmocka_unit_test(an_unknown_name_can_be_rejected),
		cmocka_unit_test(the_client_offers_and_gets_a_key_it_knows),
		cmocka_unit_test(every_kind_of_key_works_in_both_versions),
		cmocka_unit_test(alpn_is_agreed_on),
		cmocka_unit_test(our_order_of_alpn_wins_when_the_offer_is_known),
		cmocka_unit_test(groups_are_the_servers_choice),
		cmocka_unit_test(a_post_quantum_group_comes_first_where_both_have_it),
		cmocka_unit_test(a_client_without_a_common_version_hears_why),
		cmocka_unit_test(an_alert_in_clear_ends_a_handshake),
		cmocka_unit_test(a_warning_before_the_server_hello_is_none_of_ours),
		cmocka_unit_test(groups_may_not_meet),
		cmocka_unit_test(suites_may_not_meet),
		cmocka_unit_test(a_server_is_verified),
		cmocka_unit_test(a_server_may_have_an_address_for_a_name),
		cmocka_unit_test(verification_can_be_switched_off),
		cmocka_unit_test(a_client_certificate_is_verified),
		cmocka_unit_test(a_bad_client_certificate_is_refused),
		cmocka_unit_test(an_optional_certificate_may_be_missing),
		cmocka_unit_test(verified_clients_speak_tls_13),
	};

	return cmocka_run_group_tests_name("tls_handshake", tests, kit_set_up, kit_tear_down);
}
