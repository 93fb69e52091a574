/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What is found while certificates and settings are loaded, in words.
 */

#include "tls/server.h"

#include "base/def.h"
#include "tls/library.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tls/certificates.h"
#include "tls/pair.h"
#include "tls/endpoint.h"
#include "tls/policy.h"
#include "x509/ca_share.h"

/* Loads a server and compares the one problem that there must be; @text NULL: none. */
static void expect_problem(const struct tls_server_config *config, enum tls_severity severity,
			   const char *key, const char *text)
{
	struct tls_problems problems = { 0 };
	struct tls_server *server = NULL;
	int err = tls_server_create(config, &problems, &server);

	if (text && problems.n == 0)
		fail_msg("nothing was found, wanted: %s", text);
	for (size_t i = text ? 1 : 0; i < problems.n; i++)
		fail_msg("too much: %s: %s", problems.at[i].key, problems.at[i].text);
	if (text) {
		assert_string_equal(problems.at[0].text, text);
		assert_string_equal(problems.at[0].key, key);
		assert_int_equal(problems.at[0].severity, severity);
	}
	assert_int_equal(err, text && severity == TLS_ERROR ? -EINVAL : 0);
	assert_int_equal(server != NULL, err == 0);
	tls_server_unref(server);
	tls_problems_finish(&problems);
}

static struct tls_server_config config_of(const struct tls_files *files)
{
	return (struct tls_server_config){ .certificates = files, .certificates_n = 1 };
}

static void good_certificates_are_no_problem(void **state)
{
	static const char *const names[] = { "ecdsa.pem", "rsa.pem",   "ed25519.pem",
					     "p384.pem",  "plain.pem", "chain.pem" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct tls_files files = { kit_path(names[i]), NULL };
		const struct tls_server_config config = config_of(&files);

		expect_problem(&config, 0, NULL, NULL);
	}
}

static void chain_and_key_may_be_two_files(void **state)
{
	const struct tls_files files = { kit_path("ecdsa.crt"), kit_path("ecdsa.key") };
	const struct tls_files none = { kit_path("ecdsa.crt"), NULL };
	struct tls_server_config config = config_of(&files);

	(void)state;
	expect_problem(&config, 0, NULL, NULL);
	config.certificates = &none;
	expect_problem(&config, TLS_ERROR, "certificate", "has no private key");
}

static void what_is_wrong_with_a_file_is_said(void **state)
{
	static const struct {
		const char *name;
		enum tls_severity severity;
		const char *text;
	} cases[] = {
		{ "missing.pem", TLS_ERROR, "cannot be read: No such file or directory" },
		{ ".", TLS_ERROR, "cannot be read: Is a directory" },
		{ "broken.pem", TLS_ERROR, "certificate 1 (line 1) cannot be read: malformed" },
		{ "locked.pem", TLS_ERROR,
		  "private key is encrypted, and nobody is there to type its password" },
		{ "mismatch.pem", TLS_ERROR, /* not seen by an old library */
		  "private key does not match the certificate (db1.example.com)" },
		{ "wrong-issuer.pem", TLS_WARNING,
		  "chain is in the wrong order: certificate 2 (stranger-ca) did not issue "
		  "certificate 1 (db1.example.com)" },
		{ "open.pem", TLS_WARNING,
		  "private key is open to everybody (mode 0644): chmod o= it" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct tls_files files = { kit_path(cases[i].name), kit_path("ecdsa.key") };
		const struct tls_files alone = { kit_path(cases[i].name), NULL };
		const struct tls_server_config config = config_of(i < 3 ? &files : &alone);

		if (kit_library_is_packaged() && strcmp(cases[i].name, "mismatch.pem") == 0)
			continue;
		expect_problem(&config, cases[i].severity, "certificate", cases[i].text);
	}
}

static void a_leaf_that_is_not_first_is_found(void **state)
{
	const struct tls_files files = { kit_path("wrong-order.pem"), NULL };
	const struct tls_server_config config = config_of(&files);
	struct tls_problems problems = { 0 };
	struct tls_server *server;

	(void)state;
	if (kit_library_is_packaged())
		skip();
	assert_int_equal(tls_server_create(&config, &problems, &server), -EINVAL);
	assert_int_equal(problems.n, 2);
	assert_int_equal(problems.errors_n, 1);
	assert_string_equal(problems.at[1].text,
			    "chain is in the wrong order: the key belongs to certificate 2 "
			    "(db1.example.com), which must come first");
	assert_string_equal(problems.at[1].file, kit_path("wrong-order.pem"));
	tls_problems_finish(&problems);
}

static void dates_are_looked_at(void **state)
{
	const struct tls_files expired = { kit_path("expired.pem"), NULL };
	const struct tls_files soon = { kit_path("soon.pem"), NULL };
	struct tls_server_config config = config_of(&expired);
	struct tls_problems problems = { 0 };
	struct tls_server *server;
	char want[100], day[16];
	time_t then = time(NULL) - 86400;

	(void)state;
	/* Made a few seconds ago to end a day before: midnight may lie between. */
	strftime(day, sizeof(day), "%Y-%m-%d", gmtime(&then));
	snprintf(want, sizeof(want), "certificate 1 (old.example.com) expired on %s", day);
	assert_int_equal(tls_server_create(&config, &problems, &server), 0);
	assert_int_equal(problems.warnings_n, 1);
	assert_memory_equal(problems.at[0].text, want, strlen(want) - strlen("-DD"));
	assert_non_null(strstr(problems.at[0].text, ": clients will refuse it"));
	tls_server_unref(server);
	tls_problems_finish(&problems);

	config.certificates = &soon;
	assert_int_equal(tls_server_create(&config, &problems, &server), 0);
	assert_int_equal(problems.warnings_n, 1);
	assert_non_null(strstr(problems.at[0].text, "certificate 1 (soon.example.com) expires on"));
	assert_non_null(strstr(problems.at[0].text, " days"));
	tls_server_unref(server);
	tls_problems_finish(&problems);
}

static void all_problems_come_at_once(void **state)
{
	const struct tls_files files[] = { { kit_path("missing.pem"), NULL },
					   { kit_path("mismatch.pem"), NULL },
					   { kit_path("ecdsa.pem"), NULL } };
	const struct tls_server_config config = {
		.policy = { .ciphers = "RC4-SHA:TLS13-AES128-GCM-SHA255", .alpn = ",x" },
		.certificates = files,
		.certificates_n = 3,
		.client_verify = TLS_VERIFY_REQUIRE,
	};
	struct tls_problems problems = { 0 };
	struct tls_server *server;

	(void)state;
	if (kit_library_is_packaged())
		skip();
	assert_int_equal(tls_server_create(&config, &problems, &server), -EINVAL);
	/* No CA, two suites unknown and none left for 1.3, an empty id, two files. */
	assert_int_equal(problems.errors_n, 7);
	tls_problems_finish(&problems);
	assert_int_equal(problems.n, 0);
}

#define SUITES                                                                               \
	"TLS13-AES128-GCM-SHA256, TLS13-AES256-GCM-SHA384, TLS13-CHACHA20-POLY1305-SHA256, " \
	"ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-RSA-AES128-GCM-SHA256, "                       \
	"ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384, "                       \
	"ECDHE-ECDSA-CHACHA20-POLY1305, ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519MLKEM768, X25519, P-256, P-384, P-521"

static void settings_are_checked_name_by_name(void **state)
{
	static const struct {
		struct tls_policy policy;
		const char *key, *text; /* NULL: fine */
	} cases[] = {
		{ { .ciphers = "TLS_AES_128_GCM_SHA256:ecdhe-rsa-aes128-gcm-sha256" }, NULL, NULL },
		{ { .ciphers = "TLS_AES_128_GCM_SHA256 : TLS_AES_128_GCM_SHA256",
		    .version_min = TLS_1_3 },
		  NULL,
		  NULL },
		{ { .ciphers = "TLS_AES_128_GCM_SHA256:DES-CBC3-SHA", .version_min = TLS_1_3 },
		  "ciphers",
		  "unknown (" SUITES ")" },
		{ { .ciphers = "TLS_AES_128_GCM_SHA512:TLS_AES_128_GCM_SHA256",
		    .version_min = TLS_1_3 },
		  "ciphers",
		  "unknown; did you mean 'TLS_AES_128_GCM_SHA256'?" },
		{ { .ciphers = "TLS_AES_128_GCM_SHA256" },
		  "ciphers",
		  "none of them is for TLS 1.2, which is allowed" },
		{ { .groups = "X25519:secp256r1:P-384" }, NULL, NULL },
		{ { .groups = "X25519:ffdhe2048" }, "groups", "unknown (" GROUPS ")" },
		{ { .groups = "X25519:P-255" }, "groups", "unknown; did you mean 'P-256'?" },
		{ { .version_min = TLS_1_3, .version_max = TLS_1_2 },
		  "tls_min",
		  "is above tls_max" },
		{ { .alpn = "h2,postgresql" }, NULL, NULL },
		{ { .alpn = "h2,,x" }, "alpn", "an id has 1 to 254 characters" },
		{ { .alpn = "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17" }, "alpn", "too many ids" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct tls_files files = { kit_path("ecdsa.pem"), NULL };
		struct tls_server_config config = config_of(&files);

		config.policy = cases[i].policy;
		expect_problem(&config, TLS_ERROR, cases[i].key, cases[i].text);
	}
}

static void a_group_may_be_unknown_to_this_library(void **state)
{
	const struct tls_files files = { kit_path("ecdsa.pem"), NULL };
	struct tls_server_config config = config_of(&files);
	bool has = strstr(policy_groups(true), "X25519MLKEM768") != NULL;
	char lacks[64];

	(void)state;
	snprintf(lacks, sizeof(lacks), "%s does not have it", tls_library_version());
	config.policy.groups = "x25519mlkem768:X25519";
	expect_problem(&config, TLS_ERROR, has ? NULL : "groups", has ? NULL : lacks);
	config.policy.groups = "X25519MLKEM768";
	expect_problem(&config, TLS_ERROR, "groups",
		       has ? "none of them is for TLS 1.2, which is allowed" : lacks);
	config.policy.version_min = TLS_1_3;
	expect_problem(&config, TLS_ERROR, has ? NULL : "groups", has ? NULL : lacks);
}

static void verified_clients_need_a_ca(void **state)
{
	const struct tls_files files = { kit_path("ecdsa.pem"), NULL };
	struct tls_server_config config = config_of(&files);

	(void)state;
	config.client_verify = TLS_VERIFY_REQUIRE;
	expect_problem(&config, TLS_ERROR, "client_ca", "is needed to verify clients");
	config.client_ca = kit_path("empty.pem");
	expect_problem(&config, TLS_ERROR, "client_ca", "has no usable certificate");
	config.client_ca = kit_path("missing.pem");
	expect_problem(&config, TLS_ERROR, "client_ca",
		       "cannot be read: No such file or directory");
	config.client_ca = kit_path("chain.pem");
	expect_problem(&config, TLS_WARNING, "client_ca",
		       "certificate 1 (line 1, db1.example.com) is not used: not an authority's: "
		       "what has signed it belongs here");
	config.client_ca = kit_path("ca.crt");
	expect_problem(&config, TLS_ERROR, NULL, NULL);
	config.client_crl = kit_path("ca.crl");
	expect_problem(&config, TLS_ERROR, NULL, NULL);
	config.client_crl = kit_path("ca.crt");
	expect_problem(&config, TLS_ERROR, "client_crl", "has no usable revocation list");
	config.client_crl = NULL;
	config.policy.version_max = TLS_1_2;
	expect_problem(&config, TLS_ERROR, "tls_max",
		       "verified clients need TLS 1.3, unless tls_min says 1.2");
	config.policy.version_max = 0;
	config.client_verify = TLS_VERIFY_NONE;
	expect_problem(&config, TLS_WARNING, "client_ca", "is not used: client_verify is none");
}

static void a_server_needs_a_certificate(void **state)
{
	const struct tls_server_config config = { .certificates_n = 0 };

	(void)state;
	expect_problem(&config, TLS_ERROR, "certificate", "there is none");
}

static void names_come_from_san_or_else_the_common_name(void **state)
{
	const struct tls_files files[] = { { kit_path("other.pem"), NULL },
					   { kit_path("plain.pem"), NULL } };
	const struct tls_server_config config = { .certificates = files,
						  .certificates_n = 2,
						  .unknown_sni = TLS_UNKNOWN_REJECT };
	struct tls_problems problems = { 0 };
	struct tls_server *server;

	(void)state;
	assert_int_equal(tls_server_create(&config, &problems, &server), 0);
	assert_true(tls_server_knows(server, "a.shard.example.com"));
	assert_true(tls_server_knows(server, "other.example.com"));
	assert_true(tls_server_knows(server, "plain.example.com"));
	assert_false(tls_server_knows(server, "b.shard.example.com"));
	tls_server_unref(server);
}

static void a_client_that_does_not_verify_is_warned_of(void **state)
{
	struct tls_problems problems = { 0 };
	const struct tls_client_config config = { .insecure = true };
	struct tls_client *client;

	(void)state;
	assert_int_equal(tls_client_create(&config, &problems, &client), 0);
	assert_int_equal(problems.warnings_n, 1);
	assert_string_equal(problems.at[0].text,
			    "is off: whoever answers in the backend's place is trusted");
	tls_client_unref(client);
	tls_problems_finish(&problems);
}

static void a_clients_files_are_checked(void **state)
{
	struct tls_problems problems = { 0 };
	struct tls_client_config config = { .ca = kit_path("missing.pem") };
	struct tls_client *client;

	(void)state;
	if (kit_library_is_packaged())
		skip();
	assert_int_equal(tls_client_create(&config, &problems, &client), -EINVAL);
	assert_string_equal(problems.at[0].key, "ca");
	config.ca = kit_path("ca.crt");
	config.certificate.chain = kit_path("mismatch.pem");
	assert_int_equal(tls_client_create(&config, &problems, &client), -EINVAL);
	assert_string_equal(problems.at[1].key, "certificate");
	config.certificate.chain = kit_path("alice.pem");
	config.policy.groups = "X";
	assert_int_equal(tls_client_create(&config, &problems, &client), -EINVAL);
	assert_string_equal(problems.at[2].key, "groups");
	tls_problems_finish(&problems);
}

/* The library's context of a client that is made like this, which goes with it. */
static const struct WOLFSSL_CTX *context_of(struct tls_client_config config, struct ca_share *share,
					    struct tls_client **ret)
{
	struct tls_problems problems = { 0 };

	config.share = share;
	assert_int_equal(tls_client_create(&config, &problems, ret), 0);
	assert_int_equal(problems.n, 0);
	return (*ret)->ctx;
}

static void copy_file(const char *from, const char *to)
{
	char command[2 * KIT_PATH_BYTES + sizeof("cp  ")];

	snprintf(command, sizeof(command), "cp %s %s", from, to);
	assert_int_equal(system(command), 0);
}

static void clients_share_what_files_of_the_same_content_give(void **state)
{
	const struct tls_client_config first = { .ca = kit_path("ca.crt"), .verify_name = "a.b" };
	const struct {
		struct tls_client_config config;
		bool is_shared;
	} rows[] = {
		{ first, true },
		{ { .ca = kit_path("copy.crt"), .no_tickets = true, .sni = "c" }, true },
		{ { .ca = kit_path("ca.crt"), .policy.alpn = "h2" }, true },
		{ { .ca = kit_path("ca.crt"), .policy.version_min = TLS_1_3 }, false },
		{ { .ca = kit_path("ca.crt"), .policy.groups = "P-256" }, false },
		{ { .ca = kit_path("ca.crt"), .certificate.chain = kit_path("alice.pem") }, false },
		{ { .ca = kit_path("stranger-ca.crt") }, false },
	};
	struct ca_share *share = ca_share_create();
	struct tls_client *client, *others[ARRAY_LEN(rows)];
	const struct WOLFSSL_CTX *ctx;

	(void)state;
	if (kit_library_is_packaged())
		skip();
	copy_file(kit_path("ca.crt"), kit_path("copy.crt"));
	ctx = context_of(first, share, &client);
	for (size_t n = 0; n < ARRAY_LEN(rows); n++)
		assert_int_equal(context_of(rows[n].config, share, &others[n]) == ctx,
				 rows[n].is_shared);
	ca_share_destroy(share);
	tls_client_unref(client);
	assert_ptr_not_equal(context_of(first, NULL, &client), others[0]->ctx);
	for (size_t n = 0; n < ARRAY_LEN(rows); n++)
		tls_client_unref(others[n]);
	tls_client_unref(client);
}

/* As of a certificate that cannot be used: each hears of it. */
static void what_is_to_be_said_is_said_to_each(void **state)
{
	const struct tls_client_config config = { .ca = kit_path("odd.crt"),
						  .share = ca_share_create() };
	char command[4 * KIT_PATH_BYTES];

	(void)state;
	snprintf(command, sizeof(command),
		 "(cat %s; printf -- '-----BEGIN CERTIFICATE-----\nMAA=\n"
		 "-----END CERTIFICATE-----\n') >%s",
		 kit_path("ca.crt"), kit_path("odd.crt"));
	assert_int_equal(system(command), 0);
	for (int n = 0; n < 2; n++) {
		struct tls_problems problems = { 0 };
		struct tls_client *client;

		assert_int_equal(tls_client_create(&config, &problems, &client), 0);
		assert_int_equal(problems.warnings_n, 1);
		tls_problems_finish(&problems);
		tls_client_unref(client);
	}
	ca_share_destroy(config.share);
}

static void too_many_problems_are_counted(void **state)
{
	struct tls_problems problems = { 0 };

	(void)state;
	for (unsigned i = 0; i < TLS_PROBLEMS_MAX + 5; i++)
		tls_problem_add(&problems, i % 2 ? TLS_ERROR : TLS_WARNING, "key", NULL, "%u", i);
	assert_int_equal(problems.n, TLS_PROBLEMS_MAX);
	assert_int_equal(problems.errors_n + problems.warnings_n, TLS_PROBLEMS_MAX + 5);
	tls_problems_finish(&problems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_certificates_are_no_problem),
		cmocka_unit_test(chain_and_key_may_be_two_files),
		cmocka_unit_test(what_is_wrong_with_a_file_is_said),
		cmocka_unit_test(a_leaf_that_is_not_first_is_found),
		cmocka_unit_test(dates_are_looked_at),
		cmocka_unit_test(all_problems_come_at_once),
		cmocka_unit_test(settings_are_checked_name_by_name),
		cmocka_unit_test(a_group_may_be_unknown_to_this_library),
		cmocka_unit_test(verified_clients_need_a_ca),
		cmocka_unit_test(a_server_needs_a_certificate),
		cmocka_unit_test(names_come_from_san_or_else_the_common_name),
		cmocka_unit_test(a_client_that_does_not_verify_is_warned_of),
		cmocka_unit_test(a_clients_files_are_checked),
		cmocka_unit_test(clients_share_what_files_of_the_same_content_give),
		cmocka_unit_test(what_is_to_be_said_is_said_to_each),
		cmocka_unit_test(too_many_problems_are_counted),
	};

	return cmocka_run_group_tests_name("tls_context", tests, kit_set_up, kit_tear_down);
}
