/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "tls/endpoints.h"

/* ---- a backend with TLS -------------------------------------------------- */

/* The TLS of the backend's end: what it says goes to the peer's socket. */
struct served {
	struct tls_stream *tls;
	int fd;
	char bytes[BUF_BYTES];
};

static int send_to_peer(void *owner, const void *bytes, size_t n)
{
	peer_send(((struct served *)owner)->fd, bytes, n);
	return 0;
}

static struct bed *encrypted(void **state, const char *more)
{
	char keys[256];

	snprintf(keys, sizeof(keys), "tls = yes\ntls_verify = no\n%s", more);
	return bed_with(state, &(struct bed_options){ .pool_keys = keys, .buffers = 8 });
}

/* Connected, and the ClientHello is on its way. */
static struct pair shaking_hands(struct bed *st)
{
	struct pair c = bed_dialing(st);

	bed_run(st);
	c.backend = bed_accept_at(st, 0);
	assert_int_equal(c.s->phase, SESSION_DIALING);
	assert_non_null(backend_of(c.s)->tls);
	expect_request(&backend_of(c.s)->recv, FAKE_POLL);
	return c;
}

static void serve(struct served *served, int fd)
{
	struct tls_server *server = make_server(&(struct endpoint_options){ 0 });

	served->fd = fd;
	assert_int_equal(tls_stream_accept(server, NULL, send_to_peer, served, &served->tls), 0);
	tls_server_unref(server);
}

/* Gives it what has come; its answer goes out. */
static enum tls_result answer(struct served *served)
{
	long n = peer_recv(served->fd, served->bytes, sizeof(served->bytes));

	assert_true(n > 0);
	tls_stream_give(served->tls, served->bytes, (size_t)n, 0);
	return tls_stream_handshake(served->tls);
}

/* Takes every buffer, or gives them back. */
static unsigned take_buffers(struct bed *st, struct buf *taken[])
{
	unsigned n = 0;

	while ((taken[n] = buf_get(&bed_engine(st)->host.loop.bufs)))
		n++;
	return n;
}

static void give_buffers(struct bed *st, struct buf *taken[], unsigned n)
{
	while (n > 0)
		buf_put(&bed_engine(st)->host.loop.bufs, taken[--n]);
}

/* ---- tests --------------------------------------------------------------- */

static void a_handshake_with_a_backend_comes_before_the_relay(void **state)
{
	struct bed *st = encrypted(state, "");
	struct pair c = shaking_hands(st);
	struct served served;

	serve(&served, c.backend);
	assert_int_equal(answer(&served), TLS_WANT_INPUT);
	bed_run(st);
	assert_int_equal(answer(&served), TLS_DONE);
	bed_run(st);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	tls_stream_destroy(served.tls);
}

/* Those who relay have them all. */
static void a_handshake_needs_no_buffer(void **state)
{
	struct bed *st = encrypted(state, "");
	struct buf *taken[9];
	unsigned n = take_buffers(st, taken);
	struct pair c = shaking_hands(st);
	struct served served;

	serve(&served, c.backend);
	assert_int_equal(answer(&served), TLS_WANT_INPUT);
	bed_run(st);
	assert_int_equal(answer(&served), TLS_DONE);
	bed_run(st);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	assert_int_equal(c.s->waiter.ask.tried_n, 0);
	assert_int_equal(bed_engine(st)->host.counters->buffer_waits, 0);
	give_buffers(st, taken, n);
	tls_stream_destroy(served.tls);
}

/* Whatever it is that the backend is to hear first. */
static void what_comes_first_needs_no_buffer(void **state)
{
	static const struct {
		const char *pool_keys;
		char first; /* byte that the backend hears */
	} cases[] = {
		{ "send_proxy = v1", 'P' },
		{ "tls = yes\ntls_verify = no", 22 },
		{ "tls = yes\ntls_verify = no\nprotocol = postgres", 0 },
	};

	for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
		struct bed *st =
			bed_with(state, &(struct bed_options){ .pool_keys = cases[n].pool_keys,
							       .buffers = 8 });
		struct pair c = bed_dialing(st);
		struct buf *taken[9];
		unsigned taken_n = take_buffers(st, taken);
		char said[BUF_BYTES];

		bed_run(st);
		c.backend = bed_accept_at(st, 0);
		assert_true(peer_recv(c.backend, said, sizeof(said)) > 0);
		assert_int_equal(said[0], cases[n].first);
		give_buffers(st, taken, taken_n);
		assert_int_equal(bed_teardown(state), 0);
	}
}

/* And what comes behind a header, which is said once. */
static void nor_does_what_follows_a_header(void **state)
{
	static const struct {
		const char *pool_keys;
		char second;
	} cases[] = {
		{ "tls = yes\ntls_verify = no\nsend_proxy = v1", 22 },
		{ "tls = yes\ntls_verify = no\nprotocol = postgres\nsend_proxy = v1", 0 },
	};

	for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
		struct bed *st =
			bed_with(state, &(struct bed_options){ .pool_keys = cases[n].pool_keys,
							       .buffers = 8 });
		struct pair c = bed_dialing(st);
		struct buf *taken[9];
		unsigned taken_n = take_buffers(st, taken);
		char said[BUF_BYTES];
		const char *end;
		long heard;

		bed_run(st);
		c.backend = bed_accept_at(st, 0);
		heard = peer_recv(c.backend, said, sizeof(said));
		end = heard > 0 ? memchr(said, '\n', (size_t)heard) : NULL;
		assert_non_null(end);
		assert_memory_equal(said, "PROXY ", 6);
		assert_true(end + 1 < said + heard);
		assert_int_equal(end[1], cases[n].second);
		give_buffers(st, taken, taken_n);
		assert_int_equal(bed_teardown(state), 0);
	}
}

/* It says nothing first. */
static void a_plain_backend_needs_no_buffer(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .buffers = 8 });
	struct pair c = bed_dialing(st);
	struct buf *taken[9];
	unsigned n = take_buffers(st, taken);

	fake_perform(&backend_of(c.s)->send);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	give_buffers(st, taken, n);
}

/* The answer came in time, and we did not come to read it. */
static void what_we_do_late_is_not_held_against_the_backend(void **state)
{
	struct bed *st = encrypted(state, "connect_timeout = 1s");
	struct pair c = shaking_hands(st);
	struct served served;

	serve(&served, c.backend);
	assert_int_equal(answer(&served), TLS_WANT_INPUT);
	fake_perform(&backend_of(c.s)->recv);
	assert_ptr_equal(bed_engine(st)->host.turns_begun.next, &c.s->turn);
	st->now_ms += 1000;
	bed_engine(st)->host.loop.now_ms = st->now_ms;
	timers_run(&bed_engine(st)->host.loop.timers, st->now_ms);
	assert_true(list_is_empty(&bed_engine(st)->host.turns_begun));
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_NO_RESOURCES), 1);
	assert_int_equal(atomic_load(&bed_backend(st, 0)->connect_failures), 0);
	assert_int_equal(atomic_load(&bed_backend(st, 0)->local_failures), 1);
	tls_stream_destroy(served.tls);
}

static void it_takes_no_longer_than_its_try_may(void **state)
{
	struct bed *st = encrypted(state, "connect_timeout = 1s");
	struct pair c = shaking_hands(st);

	bed_pass(st, 999);
	assert_int_equal(c.s->phase, SESSION_DIALING);
	bed_pass(st, 1);
	fake_run_cancels();
	bed_turn(st);
	assert_int_equal(bed_ended(st, CLOSE_CONNECT_TIMEOUT), 1);
}

/* While its answer waits to be read. */
static void a_session_that_closes_meanwhile_is_not_worked_on(void **state)
{
	struct bed *st = encrypted(state, "");
	struct pair c = shaking_hands(st);
	struct served served;

	serve(&served, c.backend);
	assert_int_equal(answer(&served), TLS_WANT_INPUT);
	fake_perform(&backend_of(c.s)->recv);
	session_close(c.s, CLOSE_SHUTDOWN, BY_RINGMAIN);
	assert_true(list_is_empty(&bed_engine(st)->host.turns_begun));
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_SHUTDOWN), 1);
	tls_stream_destroy(served.tls);
}

static void an_interrupted_wait_is_no_failure(void **state)
{
	struct bed *st = encrypted(state, "");
	struct pair c = shaking_hands(st);

	fake_complete(&backend_of(c.s)->recv, -EINTR, 0);
	bed_turn(st);
	assert_int_equal(c.s->phase, SESSION_DIALING);
	expect_request(&backend_of(c.s)->recv, FAKE_POLL);
}

static void a_backend_that_hangs_up_in_the_handshake_has_failed(void **state)
{
	struct bed *st = encrypted(state, "");
	struct pair c = shaking_hands(st);

	bed_close(st, c.backend);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_CONNECT_FAILED), 1);
	assert_int_equal(atomic_load(&bed_backend(st, 0)->connect_failures), 1);
}

/* ---- all ----------------------------------------------------------------- */

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_handshake_with_a_backend_comes_before_the_relay),
		bed_test(a_handshake_needs_no_buffer),
		bed_test(what_comes_first_needs_no_buffer),
		bed_test(nor_does_what_follows_a_header),
		bed_test(a_plain_backend_needs_no_buffer),
		bed_test(what_we_do_late_is_not_held_against_the_backend),
		bed_test(it_takes_no_longer_than_its_try_may),
		bed_test(a_session_that_closes_meanwhile_is_not_worked_on),
		bed_test(an_interrupted_wait_is_no_failure),
		bed_test(a_backend_that_hangs_up_in_the_handshake_has_failed),
	};

	return cmocka_run_group_tests_name("opening", tests, kit_set_up_one, kit_tear_down);
}
