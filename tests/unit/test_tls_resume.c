/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/resume.h"

#include "base/clock.h"
#include "tls/tickets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tls/endpoints.h"

/* The clock by which a certificate is believed; it stands still between two steps of a test. */
static uint64_t now_ms = 1000;

uint64_t clock_now_ms(void)
{
	return now_ms;
}

uint64_t clock_now_ns(void)
{
	return now_ms * 1000000;
}

/* A backend and who speaks TLS to it. */
struct bed {
	struct tls_server *server;
	struct tls_client *client;
	struct tls_tickets *tickets;
};

static const struct tls_policy only_13 = { .version_min = TLS_1_3 };

static void set_up(struct bed *st, const struct tls_policy *policy)
{
	struct tls_problems problems = { 0 };

	st->tickets = tls_tickets_create(NULL, &problems);
	assert_non_null(st->tickets);
	st->server = make_server(
		&(struct endpoint_options){ .server = *policy, .tickets = st->tickets });
	st->client = make_client(&(struct endpoint_options){ 0 });
}

static void tear_down(struct bed *st)
{
	tls_server_unref(st->server);
	tls_client_unref(st->client);
	tls_tickets_unref(st->tickets);
}

/* One session, with data both ways; what became of its handshake, and was it a short one? */
static enum tls_result visit(struct bed *st, uint64_t id, bool *ret_resumed)
{
	const struct tls_target target = { .id = id };
	struct kit_pair p = { 0 };
	struct kit_outcome o;
	char said[8];
	size_t n;

	kit_join(&p);
	assert_int_equal(tls_stream_accept(st->server, NULL, kit_send, &p.server, &p.server.stream),
			 0);
	assert_int_equal(
		tls_stream_connect(st->client, &target, kit_send, &p.client, &p.client.stream), 0);
	o = kit_handshake(&p);
	*ret_resumed = tls_stream_is_resumed(p.client.stream);
	if (o.client == TLS_DONE) {
		assert_int_equal(*ret_resumed, tls_stream_is_resumed(p.server.stream));
		assert_int_equal(tls_stream_write(p.server.stream, "hello", 5), TLS_DONE);
		(void)kit_read(&p, &p.client, said, sizeof(said), &n);
		assert_int_equal(n, 5);
		assert_int_equal(tls_stream_write(p.client.stream, "you", 3), TLS_DONE);
		(void)kit_read(&p, &p.server, said, sizeof(said), &n);
		assert_int_equal(n, 3);
	}
	kit_part(&p);
	return o.client;
}

static bool is_resumed(struct bed *st, uint64_t id)
{
	bool resumed;

	assert_int_equal(visit(st, id, &resumed), TLS_DONE);
	return resumed;
}

static void a_session_with_the_same_backend_is_resumed(void **state)
{
	struct bed st;

	(void)state;
	set_up(&st, &only_13);
	assert_false(is_resumed(&st, 7));
	for (int n = 0; n < 3; n++)
		assert_true(is_resumed(&st, 7));
	assert_false(is_resumed(&st, 8));
	assert_false(is_resumed(&st, 7 + 1024)); /* has the same slot */
	assert_false(is_resumed(&st, 7));
	assert_true(is_resumed(&st, 7));
	tear_down(&st);
}

/* The library breaks off where a ticket is not taken: none is offered. */
static void tls_12_has_full_handshakes(void **state)
{
	struct bed st;

	(void)state;
	set_up(&st, &only_12);
	for (int n = 0; n < 3; n++)
		assert_false(is_resumed(&st, 7));
	tear_down(&st);
}

static void without_an_id_every_handshake_is_a_full_one(void **state)
{
	struct bed st;

	(void)state;
	set_up(&st, &only_13);
	for (int n = 0; n < 3; n++)
		assert_false(is_resumed(&st, 0));
	tear_down(&st);
}

static void what_was_kept_goes_with_its_context(void **state)
{
	struct bed st;

	(void)state;
	set_up(&st, &only_13);
	assert_false(is_resumed(&st, 7));
	tls_client_unref(st.client);
	st.client = make_client(&(struct endpoint_options){ 0 });
	assert_false(is_resumed(&st, 7));
	assert_true(is_resumed(&st, 7));
	tear_down(&st);
}

/* However many sessions were resumed meanwhile. */
static void a_certificate_is_believed_for_an_hour(void **state)
{
	struct bed st;

	(void)state;
	set_up(&st, &only_13);
	assert_false(is_resumed(&st, 7));
	for (int n = 0; n < 3; n++) {
		now_ms += RESUME_LIFE_MS / 4;
		assert_true(is_resumed(&st, 7));
	}
	now_ms += RESUME_LIFE_MS / 4;
	assert_false(is_resumed(&st, 7));
	assert_true(is_resumed(&st, 7));
	tear_down(&st);
}

/* Who cannot read the ticket has to show a certificate, and that is judged as ever. */
static void an_impostor_gains_nothing(void **state)
{
	struct bed st;
	bool resumed;

	(void)state;
	struct tls_problems problems = { 0 };
	struct tls_tickets *others = tls_tickets_create(NULL, &problems);

	set_up(&st, &only_13);
	assert_false(is_resumed(&st, 7));
	tls_server_unref(st.server);
	st.server = make_server(&(struct endpoint_options){
		.server = only_13, .certificates = { "stranger.pem" }, .tickets = others });
	assert_int_equal(visit(&st, 7, &resumed), TLS_FAILED);
	assert_false(resumed);
	tls_server_unref(st.server);
	st.server =
		make_server(&(struct endpoint_options){ .server = only_13, .tickets = st.tickets });
	assert_false(is_resumed(&st, 7)); /* nor is it offered again what failed once */
	assert_true(is_resumed(&st, 7));
	tls_tickets_unref(others);
	tear_down(&st);
}

/* A new key for tickets, as after a restart of the backend. */
static void who_has_forgotten_has_a_full_handshake(void **state)
{
	struct bed st;

	(void)state;
	struct tls_problems problems = { 0 };

	set_up(&st, &only_13);
	assert_false(is_resumed(&st, 7));
	tls_server_unref(st.server);
	tls_tickets_unref(st.tickets);
	st.tickets = tls_tickets_create(NULL, &problems);
	st.server =
		make_server(&(struct endpoint_options){ .server = only_13, .tickets = st.tickets });
	assert_false(is_resumed(&st, 7));
	assert_true(is_resumed(&st, 7));
	tear_down(&st);
}

static void who_gives_out_no_tickets_is_not_asked_for_them(void **state)
{
	struct bed st;

	(void)state;
	set_up(&st, &only_13);
	tls_server_unref(st.server);
	st.server = make_server(&(struct endpoint_options){ .server = only_13 });
	for (int n = 0; n < 3; n++)
		assert_false(is_resumed(&st, 7));
	tear_down(&st);
}

/* What is verified is an address: the library leaves that to us, in each full handshake. */
static void a_backend_known_by_its_address_is_resumed(void **state)
{
	struct bed st;

	(void)state;
	set_up(&st, &only_13);
	tls_client_unref(st.client);
	st.client = make_client(&(struct endpoint_options){ .verify_name = "127.0.0.1" });
	tls_server_unref(st.server);
	st.server = make_server(&(struct endpoint_options){ .certificates = { "address.pem" },
							    .tickets = st.tickets });
	assert_false(is_resumed(&st, 7));
	assert_true(is_resumed(&st, 7));
	tear_down(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_with_the_same_backend_is_resumed),
		cmocka_unit_test(tls_12_has_full_handshakes),
		cmocka_unit_test(without_an_id_every_handshake_is_a_full_one),
		cmocka_unit_test(what_was_kept_goes_with_its_context),
		cmocka_unit_test(a_certificate_is_believed_for_an_hour),
		cmocka_unit_test(an_impostor_gains_nothing),
		cmocka_unit_test(who_has_forgotten_has_a_full_handshake),
		cmocka_unit_test(who_gives_out_no_tickets_is_not_asked_for_them),
		cmocka_unit_test(a_backend_known_by_its_address_is_resumed),
	};

	return cmocka_run_group_tests_name("tls_resume", tests, kit_set_up, kit_tear_down);
}
