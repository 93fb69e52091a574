/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/stream.h"

#include "base/def.h"
#include "tls/library.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tls/endpoints.h"

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

/* ---- tests --------------------------------------------------------------- */

static void versions_meet(void **state)
{
	static const struct {
		enum tls_version server_min, server_max, client_max;
		const char *version, *cipher, *openssl;
	} cases[] = {
#define CIPHER_13 "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"
#define CIPHER_12 "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"
		{ 0, 0, 0, "TLSv1.3", CIPHER_13 },
		{ 0, 0, TLS_1_2, "TLSv1.2", CIPHER_12 },
		{ 0, TLS_1_2, 0, "TLSv1.2", CIPHER_12 },
		{ TLS_1_3, 0, 0, "TLSv1.3", CIPHER_13 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct endpoint_options w = {
			.server = { .version_min = cases[i].server_min,
				    .version_max = cases[i].server_max },
			.client.version_max = cases[i].client_max,
		};
		struct kit_pair p = { 0 };
		struct tls_facts facts;

		make_established(&w, &p);
		tls_stream_facts(p.server.stream, &facts);
		assert_string_equal(facts.version, cases[i].version);
		if (tls_cpu_has_aes() && tls_library_is_fast()) {
			assert_string_equal(facts.cipher, cases[i].cipher);
			assert_string_equal(facts.openssl, cases[i].openssl);
		}
		assert_false(facts.resumed);
		assert_string_equal(facts.alpn, "");
		assert_string_equal(facts.peer, "");
		assert_false(facts.has_peer);
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
		const struct endpoint_options w = { .client = i % 2 ? only_12
								    : (struct tls_policy){ 0 } };
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
	const struct endpoint_options w = { 0 };
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
	const struct endpoint_options w = { 0 };
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
	kit_part(&p);
}

/* ---- ends ---------------------------------------------------------------- */

static void close_notify_is_a_half_close(void **state)
{
	const struct tls_policy policies[] = { { 0 }, only_12 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		const struct endpoint_options w = { .client = policies[i] };
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
	const struct endpoint_options w = { 0 };
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

static void a_changed_record_fails_with_an_alert(void **state)
{
	const struct tls_policy policies[] = { { 0 }, only_12 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		const struct endpoint_options w = { .client = policies[i] };
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
	const struct endpoint_options w = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		struct kit_pair p = { 0 };
		enum tls_result result;

		make_pair(&w, &p);
		tls_stream_give(p.server.stream, garbage[i], 30, 0);
		result = tls_stream_handshake(p.server.stream);
		assert_int_equal(result, TLS_FAILED);
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
	const struct endpoint_options w = { 0 };
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
	const struct tls_target db1 = { .name = "db1.example.com" };
	struct tls_client *client;
	struct tls_stream *stream;

	(void)state;
	assert_int_equal(tls_client_create(&config, &problems, &client), 0);
	assert_int_equal(tls_stream_connect(client, NULL, kit_send, NULL, &stream), -EINVAL);
	assert_int_equal(tls_stream_connect(client, &db1, kit_send, NULL, &stream), 0);
	tls_stream_destroy(stream);
	tls_client_unref(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_meet),
		cmocka_unit_test(every_segmentation_is_fine),
		cmocka_unit_test(one_write_is_one_record_that_fits),
		cmocka_unit_test(a_small_buffer_reads_a_record_in_parts),
		cmocka_unit_test(close_notify_is_a_half_close),
		cmocka_unit_test(a_server_that_closes_goes_on_reading),
		cmocka_unit_test(a_changed_record_fails_with_an_alert),
		cmocka_unit_test(garbage_fails),
		cmocka_unit_test(a_sink_that_refuses_ends_the_session),
		cmocka_unit_test(a_client_needs_a_name_to_verify),
	};

	return cmocka_run_group_tests_name("tls_stream", tests, kit_set_up, kit_tear_down);
}
