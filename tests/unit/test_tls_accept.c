/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "tls/endpoints.h"

/* A signature of this key takes longer than all handshakes of a turn may. */
#define LARGE_KEY "large.pem"

static struct bed *terminating(void **state, const char *certificate, const char *more)
{
	char keys[512];

	snprintf(keys, sizeof(keys),
		 "tls = terminate\ncertificate = %s\nhandshake_timeout = 5s\n%s",
		 kit_path(certificate), more);
	return bed_with(state, &(struct bed_options){ .listener_keys = keys, .buffers = 4 });
}

static int send_to_peer(void *owner, const void *bytes, size_t n)
{
	peer_send(*(int *)owner, bytes, n);
	return 0;
}

/* A client and its end of TLS, which has said hello. */
struct visitor {
	struct pair pair;
	struct tls_stream *tls;
	int fd;
	char bytes[BUF_BYTES];
};

static void say_hello(struct visitor *v)
{
	struct tls_client *client = make_client(&(struct endpoint_options){ .insecure = true });

	v->fd = v->pair.client;
	assert_int_equal(tls_stream_connect(client, NULL, send_to_peer, &v->fd, &v->tls), 0);
	tls_client_unref(client);
	assert_int_equal(tls_stream_handshake(v->tls), TLS_WANT_INPUT);
	fake_perform(&client_of(v->pair.s)->recv);
}

static void arrive(struct bed *st, struct visitor *v)
{
	v->pair = bed_dialing(st);
	say_hello(v);
}

/* It goes on with what has come. */
static enum tls_result answer(struct visitor *v)
{
	long n = peer_recv(v->fd, v->bytes, sizeof(v->bytes));

	assert_true(n > 0);
	tls_stream_give(v->tls, v->bytes, (size_t)n, 0);
	return tls_stream_handshake(v->tls);
}

static void leave(struct visitor *v)
{
	tls_stream_destroy(v->tls);
}

static unsigned begun(const struct visitor *visitors, size_t n)
{
	unsigned count = 0;

	for (size_t i = 0; i < n; i++)
		count += visitors[i].pair.s->sides[SIDE_CLIENT].tls != NULL;
	return count;
}

/* ---- tests --------------------------------------------------------------- */

static void handshakes_need_no_buffers(void **state)
{
	struct bed *st = terminating(state, "ecdsa.pem", "");
	struct buf *taken[4];
	struct visitor v;

	for (int n = 0; n < 4; n++)
		taken[n] = buf_get(&bed_engine(st)->host.loop.bufs);
	arrive(st, &v);
	bed_run(st);
	assert_int_equal(answer(&v), TLS_DONE);
	assert_int_equal(tls_stream_write(v.tls, "early", 5), TLS_DONE);
	bed_run(st);
	assert_int_equal(v.pair.s->phase, SESSION_RELAYING);
	for (int n = 0; n < 4; n++)
		buf_put(&bed_engine(st)->host.loop.bufs, taken[n]);
	bed_turn(st);
	bed_run(st);
	expect_text(bed_accept_at(st, 0), "early");
	leave(&v);
}

/* Even with four buffers for all of them. */
static void hellos_that_wait_hold_no_buffers(void **state)
{
	struct bed *st = terminating(state, "ecdsa.pem", "handshake_rate = 1/s");
	struct visitor visitors[20];

	for (size_t n = 0; n < ARRAY_LEN(visitors); n++)
		arrive(st, &visitors[n]);
	bed_run(st);
	assert_int_equal(bed_engine(st)->host.loop.bufs.free_n, 4);
	assert_in_range(begun(visitors, ARRAY_LEN(visitors)), 1, 3);
	assert_int_equal(bed_sessions(st), ARRAY_LEN(visitors));
	for (size_t n = 0; n < ARRAY_LEN(visitors); n++)
		leave(&visitors[n]);
}

/* It is time that is shared out, not turns: of the worst kind there is one in each. */
static void one_that_takes_long_is_the_only_one_of_its_turn(void **state)
{
	struct bed *st = terminating(state, LARGE_KEY, "");
	struct visitor visitors[4];

	for (size_t n = 0; n < ARRAY_LEN(visitors); n++)
		arrive(st, &visitors[n]);
	assert_int_equal(begun(visitors, ARRAY_LEN(visitors)), 0);
	for (unsigned n = 1; n <= ARRAY_LEN(visitors); n++) {
		bed_turn(st);
		assert_int_equal(begun(visitors, ARRAY_LEN(visitors)), n);
	}
	for (size_t n = 0; n < ARRAY_LEN(visitors); n++)
		leave(&visitors[n]);
}

static void one_that_has_begun_comes_first(void **state)
{
	struct bed *st = terminating(state, LARGE_KEY, "");
	struct visitor first, others[3];

	arrive(st, &first);
	bed_turn(st);
	fake_perform(&client_of(first.pair.s)->send);
	for (size_t n = 0; n < ARRAY_LEN(others); n++)
		arrive(st, &others[n]);
	assert_int_equal(answer(&first), TLS_DONE);
	fake_perform(&client_of(first.pair.s)->recv);
	bed_turn(st);
	assert_int_equal(first.pair.s->phase, SESSION_DIALING);
	assert_in_range(begun(others, ARRAY_LEN(others)), 0, 1);
	leave(&first);
	for (size_t n = 0; n < ARRAY_LEN(others); n++)
		leave(&others[n]);
}

static void who_waits_for_a_turn_too_long_is_not_to_blame(void **state)
{
	struct bed *st = terminating(state, LARGE_KEY, "");
	struct visitor visitors[3];

	for (size_t n = 0; n < ARRAY_LEN(visitors); n++)
		arrive(st, &visitors[n]);
	bed_turn(st);
	bed_pass(st, 5000);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_PREREAD_TIMEOUT), 3);
	assert_non_null(strstr(bed_log(st), "reason=preread_timeout by=ringmain "
					    "detail=\"waited for CPU: "));
	for (size_t n = 0; n < ARRAY_LEN(visitors); n++)
		leave(&visitors[n]);
}

static void who_waits_for_the_rate_too_long_is_not_to_blame(void **state)
{
	struct bed *st = terminating(state, "ecdsa.pem", "handshake_rate = 1/s");
	struct visitor visitors[2];

	arrive(st, &visitors[0]);
	arrive(st, &visitors[1]);
	bed_turn(st);
	assert_int_equal(begun(visitors, 2), 1);
	st->now_ms += 5000;
	timers_run(&bed_engine(st)->host.loop.timers, st->now_ms);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_PREREAD_TIMEOUT), 2);
	assert_non_null(strstr(bed_log(st), "reason=preread_timeout by=ringmain "
					    "detail=\"waited for handshake_rate\""));
	leave(&visitors[0]);
	leave(&visitors[1]);
}

static void for_who_has_left_no_handshake_begins(void **state)
{
	struct bed *st = terminating(state, LARGE_KEY, "");
	struct visitor visitors[2];

	arrive(st, &visitors[0]);
	arrive(st, &visitors[1]);
	bed_close(st, visitors[0].fd);
	bed_reset(st, visitors[1].fd);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_LEFT), 2);
	leave(&visitors[0]);
	leave(&visitors[1]);
}

/* What a step of the prereading looks at lies in one piece. */
static void a_packet_inside_tls_may_come_in_pieces(void **state)
{
	static const char startup[] = "\0\0\0\021\0\003\0\0user\0me\0";
	struct bed *st = terminating(state, "ecdsa.pem", "protocol = postgres");
	struct buf_queue *waiting;
	struct visitor v;

	v.pair = bed_dialing(st);
	peer_send(v.pair.client, "\0\0\0\010\004\322\026\057", 8);
	bed_run(st);
	expect_text(v.pair.client, "S");
	say_hello(&v);
	bed_run(st);
	assert_int_equal(answer(&v), TLS_DONE);
	waiting = &v.pair.s->early;
	for (size_t n = 0; n < sizeof(startup); n++) {
		assert_int_equal(v.pair.s->phase, SESSION_PREREAD);
		assert_int_equal(waiting->bytes, n);
		assert_true(waiting->head == waiting->tail);
		assert_int_equal(tls_stream_write(v.tls, startup + n, 1), TLS_DONE);
		bed_run(st);
	}
	expect_bytes(bed_accept_at(st, 0), startup, sizeof(startup));
	leave(&v);
}

/* ---- all ----------------------------------------------------------------- */

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(handshakes_need_no_buffers),
		bed_test(hellos_that_wait_hold_no_buffers),
		bed_test(one_that_takes_long_is_the_only_one_of_its_turn),
		bed_test(one_that_has_begun_comes_first),
		bed_test(who_waits_for_a_turn_too_long_is_not_to_blame),
		bed_test(who_waits_for_the_rate_too_long_is_not_to_blame),
		bed_test(for_who_has_left_no_handshake_begins),
		bed_test(a_packet_inside_tls_may_come_in_pieces),
	};

	return cmocka_run_group_tests_name("tls_accept", tests, kit_set_up_large, kit_tear_down);
}
