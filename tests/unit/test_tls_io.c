/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TLS client that ends its stream with a FIN and no close_notify: who may
 * still wait for an answer gets it, who has got all is gone.
 */
#include "unit/runtime_bed.h"

#include "net/sock.h"
#include "relay/tls_io.h"
#include "relay/lane.h"
#include "tls/endpoints.h"

#define MUCH (1 << 20) /* more than ringmain holds, and less than the kernel does */

/* In `close_timeout`; a step of time is half of it. */
#define PATIENCE_MS 2000
#define STEP_MS (PATIENCE_MS / 2)

/* A client of the library's, over its socket. */
struct peer {
	int fd;
	struct tls_stream *stream;
	uint8_t came[65536]; /* ciphertext that the stream may point to */
	long end;            /* what the socket said last: 0, or -errno */
};

struct scene {
	struct bed *st;
	struct pair c;
	struct peer peer;
};

static int peer_out(void *owner, const void *bytes, size_t n)
{
	struct peer *p = owner;

	peer_send(p->fd, bytes, n);
	return 0;
}

/* The session receives all that the client has sent. */
static void receive_all(struct scene *sc)
{
	struct io_op *recv = &client_of(sc->c.s)->recv;

	while (recv->in_kernel && fake_perform(recv))
		bed_turn(sc->st);
}

/* Gives the stream what is in the socket, once it has used up what it had. */
static bool peer_give(struct peer *p)
{
	if (tls_stream_input_left(p->stream) > 0)
		return true;
	p->end = peer_recv(p->fd, p->came, sizeof(p->came));
	if (p->end > 0)
		tls_stream_give(p->stream, p->came, (size_t)p->end, 0);
	return p->end > 0;
}

static struct bed *bed_of_tls(void **state)
{
	char keys[KIT_PATH_BYTES + 128];

	snprintf(keys, sizeof(keys), "tls = terminate\ncertificate = %s\nclose_timeout = %dms",
		 kit_path("ecdsa.pem"), PATIENCE_MS);
	return bed_of(state, keys);
}

/* The handshake is done; the session waits for its backend to take the connection. */
static void begin_dialing(void **state, struct scene *sc)
{
	const struct endpoint_options w = { 0 };
	struct tls_client *trust = make_client(&w);
	enum tls_result result;

	sc->st = bed_of_tls(state);
	sc->c = bed_dialing(sc->st);
	sc->peer = (struct peer){ .fd = sc->c.client };
	assert_int_equal(tls_stream_connect(trust, NULL, peer_out, &sc->peer, &sc->peer.stream), 0);
	tls_client_unref(trust);
	do {
		result = tls_stream_handshake(sc->peer.stream);
		receive_all(sc);
		if (client_of(sc->c.s)->send.in_kernel)
			fake_perform(&client_of(sc->c.s)->send);
	} while (result == TLS_WANT_INPUT && peer_give(&sc->peer));
	assert_int_equal(result, TLS_DONE);
	assert_int_equal(sc->c.s->phase, SESSION_DIALING);
}

static void begin_relaying(void **state, struct scene *sc)
{
	begin_dialing(state, sc);
	bed_run(sc->st);
	assert_int_equal(sc->c.s->phase, SESSION_RELAYING);
	sc->c.backend = bed_accept_at(sc->st, 0);
}

static void client_says(struct scene *sc, const char *text)
{
	assert_int_equal(tls_stream_write(sc->peer.stream, text, strlen(text)), TLS_DONE);
	bed_run(sc->st);
}

static void backend_says(struct scene *sc, const char *text)
{
	peer_send(sc->c.backend, text, strlen(text));
	bed_run(sc->st);
}

/* Ends the client's stream without a word. */
static void cut(struct scene *sc)
{
	shutdown(sc->peer.fd, SHUT_WR);
	bed_run(sc->st);
}

/* Decrypts all there is; gives the number of bytes, and the first of them. */
static size_t client_hears(struct scene *sc, char *ret_text, size_t size)
{
	static uint8_t plain[65536];
	size_t all = 0, n;
	enum tls_result result;

	while (peer_give(&sc->peer)) {
		result = tls_stream_read(sc->peer.stream, plain, sizeof(plain), &n);
		memcpy(ret_text + MIN(all, size), plain, MIN(n, size - MIN(all, size)));
		all += n;
		if (result == TLS_CLOSED)
			break;
		assert_true(result == TLS_WANT_INPUT || result == TLS_DONE);
	}
	return all;
}

#define expect_heard(sc, text)                                                                \
	do {                                                                                  \
		char heard_[sizeof(text)];                                                    \
		assert_int_equal(client_hears(sc, heard_, sizeof(heard_)), sizeof(text) - 1); \
		assert_memory_equal(heard_, text, sizeof(text) - 1);                          \
	} while (0)

/* close_notify, then a FIN. */
static void expect_client_ends(struct scene *sc)
{
	uint8_t byte;
	size_t n;

	(void)peer_give(&sc->peer);
	assert_int_equal(tls_stream_read(sc->peer.stream, &byte, 1, &n), TLS_CLOSED);
	expect_end(sc->peer.fd);
}

static void expect_truncated(struct scene *sc)
{
	bed_run_until(sc->st, bed_sessions(sc->st) == 0);
	assert_int_equal(bed_ended(sc->st, CLOSE_CLIENT_TRUNCATED), 1);
}

static void finish(void **state, struct scene *sc)
{
	tls_stream_destroy(sc->peer.stream);
	assert_int_equal(bed_teardown(state), 0);
}

/* ---- who has asked ------------------------------------------------------- */

static void who_has_asked_is_answered(void **state)
{
	struct scene sc;

	begin_relaying(state, &sc);
	backend_says(&sc, "hello");
	expect_heard(&sc, "hello");
	client_says(&sc, "what?");
	cut(&sc);
	expect_text(sc.c.backend, "what?");
	for (int n = 0; n < 5; n++) {
		bed_pass(sc.st, STEP_MS);
		expect_nothing(sc.c.backend);
		backend_says(&sc, "this");
		expect_heard(&sc, "this");
	}
	shutdown(sc.c.backend, SHUT_WR);
	bed_run(sc.st);
	expect_client_ends(&sc);
	bed_pass(sc.st, STEP_MS);
	expect_truncated(&sc);
	expect_reset(sc.c.backend);
	finish(state, &sc);
}

static void an_answer_that_does_not_come_is_not_waited_for(void **state)
{
	struct scene sc;

	begin_relaying(state, &sc);
	client_says(&sc, "what?");
	bed_pass(sc.st, 10 * PATIENCE_MS); /* a time that does not count */
	cut(&sc);
	bed_pass(sc.st, PATIENCE_MS - 1);
	bed_run(sc.st);
	expect_text(sc.c.backend, "what?");
	expect_nothing(sc.c.backend);
	bed_pass(sc.st, 1);
	expect_truncated(&sc);
	expect_reset(sc.c.backend);
	finish(state, &sc);
}

static void who_has_asked_while_dialing_is_answered(void **state)
{
	struct scene sc;

	begin_dialing(state, &sc);
	assert_int_equal(tls_stream_write(sc.peer.stream, "what?", 5), TLS_DONE);
	shutdown(sc.peer.fd, SHUT_WR);
	bed_run(sc.st);
	sc.c.backend = bed_accept_at(sc.st, 0);
	backend_says(&sc, "this");
	expect_text(sc.c.backend, "what?");
	expect_nothing(sc.c.backend);
	expect_heard(&sc, "this");
	bed_run_until(sc.st, sock_unsent_bytes(client_of(sc.c.s)->fd) == 0);
	bed_pass(sc.st, PATIENCE_MS);
	expect_truncated(&sc);
	finish(state, &sc);
}

static void whom_no_backend_serves_was_not_ended_by_his_cut(void **state)
{
	struct scene sc;

	begin_dialing(state, &sc);
	assert_int_equal(tls_stream_write(sc.peer.stream, "what?", 5), TLS_DONE);
	shutdown(sc.peer.fd, SHUT_WR);
	receive_all(&sc);
	fake_complete(&backend_of(sc.c.s)->send, -ECONNREFUSED, 0);
	bed_turn(sc.st);
	assert_int_equal(bed_ended(sc.st, CLOSE_CONNECT_REFUSED), 1);
	finish(state, &sc);
}

/* ---- what is on its way -------------------------------------------------- */

static void what_is_on_its_way_arrives(void **state)
{
	char nothing[1];
	struct scene sc;
	size_t came = 0;

	begin_relaying(state, &sc);
	client_says(&sc, "what?");
	assert_int_equal(stream_send(sc.c.backend, 1, 0, MUCH), MUCH);
	bed_run(sc.st); /* the backend's bytes are the last that moved */
	cut(&sc);
	shutdown(sc.c.backend, SHUT_WR);
	for (int n = 0; n < 1000 && came < MUCH; n++) {
		bed_run_for_a_moment(sc.st);
		came += client_hears(&sc, nothing, 0);
	}
	assert_int_equal(came, MUCH);
	expect_truncated(&sc);
	finish(state, &sc);
}

static void who_has_got_all_is_gone_at_once(void **state)
{
	struct scene sc;

	begin_relaying(state, &sc);
	client_says(&sc, "what?");
	expect_text(sc.c.backend, "what?");
	backend_says(&sc, "this");
	expect_heard(&sc, "this");
	cut(&sc);
	expect_truncated(&sc);
	expect_reset(sc.c.backend);
	finish(state, &sc);
}

static void who_has_said_nothing_is_gone_at_once(void **state)
{
	struct scene sc;

	begin_relaying(state, &sc);
	cut(&sc);
	expect_truncated(&sc);
	expect_reset(sc.c.backend);
	finish(state, &sc);
}

/* ---- what else may happen meanwhile -------------------------------------- */

static void who_dies_while_he_waits_is_gone(void **state)
{
	struct scene sc;

	begin_relaying(state, &sc);
	client_says(&sc, "what?");
	cut(&sc);
	bed_reset(sc.st, sc.peer.fd);
	expect_text(sc.c.backend, "what?");
	backend_says(&sc, "this");
	bed_pass(sc.st, STEP_MS);
	expect_truncated(&sc);
	expect_reset(sc.c.backend);
	finish(state, &sc);
}

static void a_backend_that_dies_gives_no_whole_answer(void **state)
{
	struct scene sc;

	begin_relaying(state, &sc);
	client_says(&sc, "what?");
	cut(&sc);
	expect_text(sc.c.backend, "what?");
	backend_says(&sc, "thi");
	bed_reset(sc.st, sc.c.backend);
	bed_run(sc.st);
	bed_pass(sc.st, STEP_MS);
	expect_truncated(&sc);
	expect_heard(&sc, "thi");
	assert_int_equal(sc.peer.end, -ECONNRESET);
	finish(state, &sc);
}

/* One that has ended its stream first, in order, owes nothing any more. */
static void after_the_backends_end_a_cut_is_at_once(void **state)
{
	struct scene sc;

	begin_relaying(state, &sc);
	shutdown(sc.c.backend, SHUT_WR);
	bed_run(sc.st);
	client_says(&sc, "and?");
	cut(&sc);
	expect_truncated(&sc);
	expect_text(sc.c.backend, "and?");
	expect_reset(sc.c.backend);
	finish(state, &sc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(who_has_asked_is_answered),
		bed_test(an_answer_that_does_not_come_is_not_waited_for),
		bed_test(who_has_asked_while_dialing_is_answered),
		bed_test(whom_no_backend_serves_was_not_ended_by_his_cut),
		bed_test(what_is_on_its_way_arrives),
		bed_test(who_has_got_all_is_gone_at_once),
		bed_test(who_has_said_nothing_is_gone_at_once),
		bed_test(who_dies_while_he_waits_is_gone),
		bed_test(a_backend_that_dies_gives_no_whole_answer),
		bed_test(after_the_backends_end_a_cut_is_at_once),
	};

	return cmocka_run_group_tests_name("tls_io", tests, kit_set_up_one, kit_tear_down);
}
