/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resets: nothing that arrived before one is lost, the other side sees a
 * reset and not an end, and whose stream had ended cleanly is not reset.
 */
#include "unit/runtime_bed.h"

#include "net/sock.h"
#include "relay/lane.h"

#include <poll.h>

#define PROBE_MS 250 /* as in deadline.c */
#define MUCH (1 << 20)

static const char *const transports[] = { "relay = copy", "relay = splice", "relay = auto" };

/* One side dies, the other one lives. */
struct scene {
	struct bed *st;
	struct session *s;
	int dying, living;
	uint64_t sent;  /* by the one that dies: stream number 1 */
	uint64_t came;  /* of it */
	bool is_client; /* who dies */
};

static struct scene scene_of(struct bed *st, bool is_client)
{
	struct pair c = bed_relaying(st);

	return (struct scene){
		.st = st,
		.s = c.s,
		.dying = is_client ? c.client : c.backend,
		.living = is_client ? c.backend : c.client,
		.is_client = is_client,
	};
}

static void say(struct scene *sc, size_t n)
{
	assert_int_equal(stream_send(sc->dying, 1, sc->sent, n), n);
	sc->sent += n;
}

static void say_much(struct scene *sc)
{
	sc->sent += stream_send(sc->dying, 1, sc->sent, 16 * MUCH);
}

/* Reads what there is for the one that lives; gives what peer_recv() said last. */
static long hear(struct scene *sc)
{
	long end;

	assert_true(stream_recv(sc->living, 1, &sc->came, SIZE_MAX, &end));
	return end;
}

static void die(struct scene *sc)
{
	bed_reset(sc->st, sc->dying);
	bed_run(sc->st);
	bed_pass(sc->st, PROBE_MS);
}

/* All that was said has come, and @end after it. */
static void expect_last(struct scene *sc, long end)
{
	enum close_reason why = sc->is_client ? CLOSE_CLIENT_RESET : CLOSE_BACKEND_RESET;
	long heard = 1;

	for (int n = 0; n < 1000 && (heard > 0 || heard == -EAGAIN); n++) {
		bed_run_for_a_moment(sc->st);
		heard = hear(sc);
	}
	assert_int_equal(sc->came, sc->sent);
	assert_int_equal(heard, end);
	bed_run_until(sc->st, bed_sessions(sc->st) == 0);
	assert_int_equal(bed_ended(sc->st, why), 1);
}

typedef void scene_fn(struct scene *sc);

static void for_both_sides(void **state, const char *transport, scene_fn *play)
{
	for (int is_client = 0; is_client < 2; is_client++) {
		struct bed *st = bed_of(state, transport);
		struct scene sc = scene_of(st, is_client);

		play(&sc);
		assert_int_equal(bed_teardown(state), 0);
	}
}

static void for_all(void **state, scene_fn *play)
{
	for (size_t n = 0; n < ARRAY_LEN(transports); n++)
		for_both_sides(state, transports[n], play);
}

/* ---- in each state of the lanes ------------------------------------------ */

static void play_idle(struct scene *sc)
{
	bed_run(sc->st);
	die(sc);
	expect_last(sc, -ECONNRESET);
}

static void an_idle_session_passes_it_on(void **state)
{
	for_all(state, play_idle);
}

/* As a send takes it that moved some bytes before it met the error. */
static void play_with_the_error_taken(struct scene *sc)
{
	struct side *side = &sc->s->sides[sc->is_client ? SIDE_CLIENT : SIDE_BACKEND];

	say(sc, 1000);
	bed_run(sc->st);
	bed_reset(sc->st, sc->dying);
	assert_int_equal(sock_take_error(side->fd), ECONNRESET);
	bed_run(sc->st);
	bed_pass(sc->st, PROBE_MS);
	expect_last(sc, -ECONNRESET);
}

static void an_end_of_stream_without_its_error_is_still_a_reset(void **state)
{
	for_all(state, play_with_the_error_taken);
}

static void play_after_bytes(struct scene *sc)
{
	say(sc, 1000);
	bed_run(sc->st);
	say(sc, 10000);
	die(sc);
	expect_last(sc, -ECONNRESET);
}

static void bytes_before_it_are_delivered(void **state)
{
	for_all(state, play_after_bytes);
}

/* More than one receive takes, so that the reset is not what the next one finds. */
static void play_after_many_bytes(struct scene *sc)
{
	bed_run(sc->st);
	for (int n = 0; n < 40; n++) {
		say(sc, 20000);
		bed_run(sc->st);
		hear(sc);
	}
	say(sc, 50000);
	die(sc);
	expect_last(sc, -ECONNRESET);
}

static void a_stream_is_delivered_up_to_it(void **state)
{
	for_all(state, play_after_many_bytes);
}

/* Bytes for the one that dies are lost, those from it are not. */
static void play_with_bytes_for_it(struct scene *sc)
{
	stream_send(sc->living, 2, 0, 16 * MUCH);
	bed_run(sc->st);
	say(sc, 30000);
	die(sc);
	expect_last(sc, -ECONNRESET);
}

static void who_dies_without_reading_is_still_heard(void **state)
{
	for_all(state, play_with_bytes_for_it);
}

static void play_after_its_end(struct scene *sc)
{
	say(sc, 5000);
	shutdown(sc->dying, SHUT_WR);
	bed_run(sc->st);
	die(sc);
	expect_last(sc, 0);
}

static void who_heard_the_end_already_is_not_reset(void **state)
{
	for_all(state, play_after_its_end);
}

static void play_after_the_others_end(struct scene *sc)
{
	shutdown(sc->living, SHUT_WR);
	bed_run(sc->st);
	say(sc, 5000);
	bed_run(sc->st);
	say(sc, 5000);
	die(sc);
	expect_last(sc, -ECONNRESET);
}

static void an_answer_that_is_cut_short_does_not_look_whole(void **state)
{
	for_all(state, play_after_the_others_end);
}

/* Its end has been received, but the bytes before it are not sent yet. */
static void play_flushing(struct scene *sc)
{
	struct lane *lane = &sc->s->lanes[sc->is_client ? LANE_UP : LANE_DOWN];
	struct io_op *recv = &lane_from(lane)->recv;

	say(sc, 20000);
	shutdown(sc->dying, SHUT_WR);
	while (lane->state == LANE_OPEN)
		assert_true(fake_perform(recv));
	assert_int_equal(lane->state, LANE_FLUSHING);
	bed_reset(sc->st, sc->dying);
	bed_pass(sc->st, PROBE_MS);
	assert_true(session_is_ending(sc->s));
	expect_last(sc, 0);
}

static void what_is_being_flushed_arrives_with_its_end(void **state)
{
	for_both_sides(state, "relay = copy", play_flushing);
}

/* ---- what tells of it first ---------------------------------------------- */

/* A server that says why and closes without reading what came for it. */
static void an_answer_before_the_reset_arrives_whoever_notices_first(void **state)
{
	for (int is_send_first = 0; is_send_first < 2; is_send_first++) {
		struct bed *st = bed_of(state, "relay = copy");
		struct pair c = bed_relaying(st);
		struct io_op *send = &backend_of(c.s)->send, *recv = &backend_of(c.s)->recv;

		peer_send(c.client, "first", 5);
		bed_run(st);
		peer_send(c.client, "second", 6);
		fake_perform(&client_of(c.s)->recv);
		peer_send(c.backend, "go away", 7);
		bed_close(st, c.backend);
		fake_perform(is_send_first ? send : recv);
		bed_run(st);
		bed_pass(st, PROBE_MS);
		bed_run_until(st, bed_sessions(st) == 0);
		expect_text(c.client, "go away");
		expect_reset(c.client);
		assert_int_equal(bed_teardown(state), 0);
	}
}

static void a_destination_may_die_before_there_is_anything_for_it(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .buffers = 4 });
	struct pair c = bed_relaying(st);

	expect_request(&backend_of(c.s)->send, FAKE_POLL); /* a careful lane, before it receives */
	bed_reset(st, c.backend);
	bed_run_until(st, bed_sessions(st) == 0);
	expect_reset(c.client);
	assert_int_equal(bed_ended(st, CLOSE_BACKEND_RESET), 1);
}

static void a_cancel_to_learn_of_a_death_may_come_too_late(void **state)
{
	struct bed *st = bed_of(state, "relay = copy");
	struct pair c = bed_relaying(st);
	struct io_op *recv = &backend_of(c.s)->recv, *cancel = &backend_of(c.s)->cancel_recv;

	peer_send(c.client, "x", 1);
	fake_perform(&client_of(c.s)->recv);
	fake_complete(&backend_of(c.s)->send, -EPIPE, 0);
	expect_request(cancel, FAKE_CANCEL);
	peer_send(c.backend, "bye", 3);
	fake_perform(recv); /* finds the bytes before the cancel finds it */
	fake_complete(cancel, -ENOENT, 0);
	bed_reset(st, c.backend);
	bed_run_until(st, bed_sessions(st) == 0);
	expect_text(c.client, "bye");
	expect_reset(c.client);
}

/* ---- unix sockets -------------------------------------------------------- */

/* The kernel tells of a reset where bytes were not read: those that come for nobody are not. */
static void a_unix_client_that_goes_on_speaking_sees_a_reset(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .is_unix = true });
	struct scene sc = scene_of(st, false);

	peer_send(sc.living, "unread", 6);
	bed_run(st);
	say_much(&sc);
	bed_run(st);
	bed_close(st, sc.dying);
	bed_pass(st, PROBE_MS);
	bed_run(st);
	assert_true(session_is_ending(sc.s));
	peer_send(sc.living, "more", 4);
	expect_last(&sc, -ECONNRESET);
}

/* As the manual says: a session that has ended is half open, one that was reset is not. */
static void a_silent_unix_client_can_look_whether_it_may_still_speak(void **state)
{
	for (int is_reset = 0; is_reset < 2; is_reset++) {
		struct bed *st = bed_with(state, &(struct bed_options){ .is_unix = true });
		struct pair c = bed_relaying(st);
		struct pollfd look = { .fd = c.client };

		peer_send(c.client, "unread", 6);
		bed_run(st);
		if (is_reset)
			bed_close(st, c.backend);
		else
			shutdown(c.backend, SHUT_WR);
		bed_run(st);
		expect_end(c.client);
		assert_int_equal(poll(&look, 1, 0), is_reset);
		assert_int_equal(look.revents, is_reset ? POLLHUP : 0);
		assert_int_equal(bed_teardown(state), 0);
	}
}

/* ---- TLS that passes through ---------------------------------------------- */

enum ending { NO_ENDING, CLIENT_ENDS, BACKEND_ENDS };

static struct pair passing(struct bed *st)
{
	struct pair c = bed_dialing(st);

	peer_send(c.client, "first", 5); /* any bytes are as good as a hello: not_tls = pool */
	bed_run(st);
	c.backend = bed_accept_at(st, 0);
	assert_true(c.backend >= 0);
	bed_run(st);
	return c;
}

/* The client's last record has this look, then maybe one ends, then the backend or client dies. */
static enum close_reason end_of(void **state, uint8_t content, uint8_t body_bytes, int ending,
				bool is_client)
{
	struct bed *st = bed_of(state, "relay = copy\ntls = passthrough\nnot_tls = pool");
	struct pair c = passing(st);
	const char record[64] = { (char)content, 3, 3, 0, (char)body_bytes };
	enum close_reason why = CLOSE_DONE;

	peer_send(c.client, record, 5 + body_bytes);
	bed_run(st);
	if (ending != NO_ENDING)
		shutdown(ending == CLIENT_ENDS ? c.client : c.backend, SHUT_WR);
	bed_run(st);
	bed_reset(st, is_client ? c.client : c.backend);
	bed_run(st);
	bed_pass(st, PROBE_MS);
	bed_run_until(st, bed_sessions(st) == 0);
	if (bed_ended(st, CLOSE_DONE) == 0)
		why = is_client ? CLOSE_CLIENT_RESET : CLOSE_BACKEND_RESET;
	assert_int_equal(bed_ended(st, why), 1);
	assert_int_equal(!!strstr(bed_log(st), "reset after close_notify"), why == CLOSE_DONE);
	assert_int_equal(bed_teardown(state), 0);
	return why;
}

static void a_reset_behind_an_alert_of_tls_1_2_means_nothing(void **state)
{
	assert_int_equal(end_of(state, 21, 26, NO_ENDING, false), CLOSE_DONE);
	assert_int_equal(end_of(state, 21, 26, NO_ENDING, true), CLOSE_DONE);
	assert_int_equal(end_of(state, 23, 26, NO_ENDING, false), CLOSE_BACKEND_RESET);
	assert_int_equal(end_of(state, 23, 26, CLIENT_ENDS, false), CLOSE_BACKEND_RESET);
}

/* By whom a session has ended in which both said so, and who was reset then. */
static void expect_ended_by(void **state, uint8_t content, uint8_t body_bytes,
			    bool is_backend_first)
{
	struct bed *st = bed_of(state, "relay = copy\ntls = passthrough\nnot_tls = pool");
	const char record[64] = { (char)content, 3, 3, 0, (char)body_bytes };
	struct pair c = passing(st);
	int first = is_backend_first ? c.backend : c.client;
	int second = is_backend_first ? c.client : c.backend;
	const char *line;

	peer_send(first, record, 5 + body_bytes);
	bed_run(st);
	if (content == 23) /* two bytes of data could look so */
		shutdown(first, SHUT_WR);
	bed_run(st);
	peer_send(second, record, 5 + body_bytes);
	bed_run(st);
	bed_reset(st, second);
	bed_run(st);
	bed_pass(st, PROBE_MS);
	bed_run_until(st, bed_sessions(st) == 0);
	assert_int_equal(bed_ended(st, CLOSE_DONE), 1);
	line = bed_log(st);
	assert_non_null(strstr(line, "reset after close_notify"));
	assert_non_null(strstr(line, is_backend_first ? "by=backend" : "by=client"));
	assert_int_equal(bed_teardown(state), 0);
}

/* Who answers a close_notify with its own, and a reset, has not ended the session. */
static void it_is_ended_by_who_says_so_first(void **state)
{
	expect_ended_by(state, 21, 26, true);
	expect_ended_by(state, 21, 26, false);
	expect_ended_by(state, 23, 19, true);
	expect_ended_by(state, 23, 19, false);
}

/* In TLS 1.3 it may also be two bytes, such as MQTT's ping, behind which a server crashes. */
static void in_tls_1_3_a_stream_has_to_have_ended_too(void **state)
{
	assert_int_equal(end_of(state, 23, 19, CLIENT_ENDS, false), CLOSE_DONE);
	assert_int_equal(end_of(state, 23, 19, BACKEND_ENDS, true), CLOSE_DONE);
	assert_int_equal(end_of(state, 23, 35, CLIENT_ENDS, false), CLOSE_DONE); /* Java's */
	assert_int_equal(end_of(state, 23, 19, NO_ENDING, false), CLOSE_BACKEND_RESET);
	assert_int_equal(end_of(state, 23, 19, NO_ENDING, true), CLOSE_CLIENT_RESET);
}

/* ---- by which name ------------------------------------------------------- */

static void a_reset_and_a_loss_have_different_names(void **state)
{
	const struct {
		int err;
		enum close_reason client, backend;
	} rows[] = {
		{ -ECONNRESET, CLOSE_CLIENT_RESET, CLOSE_BACKEND_RESET },
		{ -EPIPE, CLOSE_CLIENT_RESET, CLOSE_BACKEND_RESET },
		{ -ETIMEDOUT, CLOSE_CLIENT_LOST, CLOSE_BACKEND_LOST },
		{ -EHOSTUNREACH, CLOSE_CLIENT_LOST, CLOSE_BACKEND_LOST },
		{ -ENETUNREACH, CLOSE_CLIENT_LOST, CLOSE_BACKEND_LOST },
		{ -ENOMEM, CLOSE_NO_RESOURCES, CLOSE_NO_RESOURCES }, /* the kernel's, for us */
	};

	for (size_t n = 0; n < 2 * ARRAY_LEN(rows); n++) {
		struct bed *st = bed_of(state, "relay = copy");
		struct pair c = bed_relaying(st);
		bool is_client = n % 2;
		enum close_reason why = is_client ? rows[n / 2].client : rows[n / 2].backend;

		fake_complete(is_client ? &client_of(c.s)->recv : &backend_of(c.s)->recv,
			      rows[n / 2].err, 0);
		bed_run(st);
		assert_int_equal(bed_ended(st, why), 1);
		assert_non_null(strstr(bed_log(st), why == CLOSE_NO_RESOURCES ? "by=ringmain"
						    : is_client               ? "by=client"
									      : "by=backend"));
		expect_reset(is_client ? c.backend : c.client);
		assert_int_equal(bed_teardown(state), 0);
	}
}

static void a_client_that_dies_while_dialing_ends_it(void **state)
{
	struct bed *st = bed_of(state, "relay = copy");
	struct pair c = bed_dialing(st);

	bed_reset(st, c.client);
	bed_pass(st, 500);
	expect_request(&backend_of(c.s)->cancel_send, FAKE_CANCEL);
	fake_run_cancels();
	bed_turn(st);
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 1);
	assert_int_equal(bed_accept_at(st, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(an_idle_session_passes_it_on),
		bed_test(an_end_of_stream_without_its_error_is_still_a_reset),
		bed_test(bytes_before_it_are_delivered),
		bed_test(a_stream_is_delivered_up_to_it),
		bed_test(who_dies_without_reading_is_still_heard),
		bed_test(who_heard_the_end_already_is_not_reset),
		bed_test(an_answer_that_is_cut_short_does_not_look_whole),
		bed_test(what_is_being_flushed_arrives_with_its_end),
		bed_test(an_answer_before_the_reset_arrives_whoever_notices_first),
		bed_test(a_destination_may_die_before_there_is_anything_for_it),
		bed_test(a_cancel_to_learn_of_a_death_may_come_too_late),
		bed_test(a_unix_client_that_goes_on_speaking_sees_a_reset),
		bed_test(a_silent_unix_client_can_look_whether_it_may_still_speak),
		bed_test(a_reset_behind_an_alert_of_tls_1_2_means_nothing),
		bed_test(it_is_ended_by_who_says_so_first),
		bed_test(in_tls_1_3_a_stream_has_to_have_ended_too),
		bed_test(a_reset_and_a_loss_have_different_names),
		bed_test(a_client_that_dies_while_dialing_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
