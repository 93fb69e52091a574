/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "preread/preread.h"
#include "preread/waiting.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#define FLUSH_MS 1000 /* as in session/refusing.c */

/* A client that was accepted and has not said anything yet. */
static struct pair prereading(struct bed *st)
{
	struct pair c = bed_dialing(st);

	assert_int_equal(c.s->phase, SESSION_PREREAD);
	expect_request(&client_of(c.s)->recv, FAKE_POLL);
	return c;
}

/* ---- no preread ------------------------------------------------------------ */

static void a_server_may_speak_first(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair c = bed_relaying(st);

	peer_send(c.backend, "220 hello", 9);
	bed_run(st);
	expect_text(c.client, "220 hello");
}

/* ---- PostgreSQL ---------------------------------------------------------- */

static const char ssl_request[] = "\0\0\0\010\004\322\026\057";
static const char gss_request[] = "\0\0\0\010\004\322\026\060";
static const char startup[] = "\0\0\0\021\0\003\0\0user\0me\0";

#define REQUEST_BYTES (sizeof(ssl_request) - 1)
#define STARTUP_BYTES sizeof(startup) /* with its last NUL */

static struct bed *postgres(void **state)
{
	return bed_of(state, "protocol = postgres\ntls = off\nhandshake_timeout = 5s");
}

static void encryption_is_refused_and_the_rest_goes_to_the_backend(void **state)
{
	struct bed *st = postgres(state);
	struct pair c = prereading(st);

	peer_send(c.client, gss_request, REQUEST_BYTES);
	bed_run(st);
	expect_text(c.client, "N");
	peer_send(c.client, ssl_request, REQUEST_BYTES);
	bed_run(st);
	expect_text(c.client, "N");
	assert_int_equal(bed_accept_at(st, 0), -1);
	peer_send(c.client, startup, STARTUP_BYTES);
	bed_run(st);
	c.backend = bed_accept_at(st, 0);
	expect_bytes(c.backend, startup, STARTUP_BYTES);
	peer_send(c.backend, "R", 1);
	bed_run(st);
	expect_text(c.client, "R");
}

static void it_may_come_byte_by_byte(void **state)
{
	struct bed *st = postgres(state);
	struct pair c = prereading(st);

	for (size_t n = 0; n < REQUEST_BYTES; n++) {
		expect_nothing(c.client);
		peer_send(c.client, ssl_request + n, 1);
		bed_run(st);
	}
	expect_text(c.client, "N");
	for (size_t n = 0; n < STARTUP_BYTES; n++) {
		assert_int_equal(bed_accept_at(st, 0), -1);
		peer_send(c.client, startup + n, 1);
		bed_run(st);
	}
	expect_bytes(bed_accept_at(st, 0), startup, STARTUP_BYTES);
}

/* Neither our answers nor our errors are bytes of the backend. */
static void answers_of_our_own_are_not_counted(void **state)
{
	struct bed *st = postgres(state);
	struct pair c = prereading(st), refused;

	peer_send(c.client, ssl_request, REQUEST_BYTES);
	bed_run(st);
	expect_text(c.client, "N");
	peer_send(c.client, startup, STARTUP_BYTES);
	bed_run(st);
	peer_send(bed_accept_at(st, 0), "R", 1);
	bed_run(st);
	expect_text(c.client, "R");
	assert_int_equal(c.s->lanes[LANE_UP].bytes, STARTUP_BYTES);
	assert_int_equal(c.s->lanes[LANE_DOWN].bytes, 1);

	refused = prereading(st);
	peer_send(refused.client, "GET / HTTP/1.1\r\n\r\n", 18);
	bed_run(st);
	assert_int_equal(refused.s->lanes[LANE_DOWN].bytes, 0);
}

static void what_comes_behind_the_start_goes_along(void **state)
{
	struct bed *st = postgres(state);
	struct pair c = prereading(st);

	peer_send(c.client, startup, STARTUP_BYTES);
	peer_send(c.client, "Q!", 2);
	bed_run(st);
	expect_bytes(bed_accept_at(st, 0), "\0\0\0\021\0\003\0\0user\0me\0\0Q!", STARTUP_BYTES + 2);
}

/* ---- refusals ------------------------------------------------------------ */

static void who_is_refused_is_told_why_and_not_reset(void **state)
{
	struct bed *st = postgres(state);
	struct pair c = prereading(st);
	char said[512];
	long n;

	peer_send(c.client, "GET / HTTP/1.1\r\n\r\n", 18);
	bed_run(st);
	n = peer_recv(c.client, said, sizeof(said));
	assert_true(n > 10);
	assert_int_equal(said[0], 'E');
	expect_end(c.client);
	assert_int_equal(bed_sessions(st), 1); /* until it has read that */
	bed_close(st, c.client);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_BAD_PREREAD), 1);
	assert_int_equal(bed_accept_at(st, 0), -1);
}

static void who_does_not_leave_is_closed_after_a_while(void **state)
{
	struct bed *st = postgres(state);
	struct pair c = prereading(st);

	peer_send(c.client, "GET / HTTP/1.1\r\n\r\n", 18);
	bed_run(st);
	peer_send(c.client, "more, which nobody reads", 24);
	bed_run(st);
	bed_pass(st, FLUSH_MS - 1);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
	bed_pass(st, 1);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(bed_ended(st, CLOSE_BAD_PREREAD), 1);
}

/* ---- time, ends, resets -------------------------------------------------- */

static void a_preread_has_to_be_over_in_time(void **state)
{
	struct bed *st = postgres(state);
	struct pair c = prereading(st);

	for (int n = 0; n < 4; n++) { /* a byte now and then does not help */
		bed_pass(st, 1249);
		peer_send(c.client, startup + n, 1);
		bed_run(st);
	}
	bed_pass(st, 3);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
	bed_pass(st, 1);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_PREREAD_TIMEOUT), 1);
	expect_reset(c.client);
}

static void who_leaves_before_it_is_over_is_gone(void **state)
{
	struct bed *st = postgres(state);
	struct pair a = prereading(st), b = prereading(st);

	peer_send(a.client, startup, 5);
	bed_run(st);
	bed_close(st, a.client);
	bed_reset(st, b.client);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_LEFT), 1);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 1);
	assert_int_equal(bed_accept_at(st, 0), -1);
}

static void an_interrupted_wait_is_asked_for_again(void **state)
{
	struct bed *st = postgres(state);
	struct pair c = prereading(st);

	fake_complete(&client_of(c.s)->recv, -EINTR, 0);
	expect_request(&client_of(c.s)->recv, FAKE_POLL);
	fake_complete(&client_of(c.s)->recv, POLLIN, 0); /* and there is nothing */
	expect_request(&client_of(c.s)->recv, FAKE_POLL);
}

static void want_of_memory_is_not_the_clients_fault(void **state)
{
	struct bed *st = postgres(state);
	struct pair c = prereading(st);

	fake_complete(&client_of(c.s)->recv, -ENOMEM, 0);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_NO_RESOURCES), 1);
	assert_non_null(strstr(bed_log(st), "reason=no_resources by=ringmain"));
}

/* ---- memory -------------------------------------------------------------- */

static void a_silent_client_holds_no_buffer(void **state)
{
	struct bed *st = postgres(state);

	for (int n = 0; n < 20; n++)
		prereading(st);
	assert_int_equal(bed_engine(st)->host.loop.bufs.free_n,
			 bed_engine(st)->host.loop.bufs.count);
}

static struct bed *with_buffers(void **state, const char *listener_keys, unsigned buffers)
{
	return bed_with(state, &(struct bed_options){ .listener_keys = listener_keys,
						      .buffers = buffers,
						      .sessions_max = 2000 });
}

static const struct buf_share *share_of(struct bed *st)
{
	return &bed_engine(st)->host.early[0];
}

/* Many more than there are buffers, each with a part of a message: nobody has to go. */
static void who_has_said_a_part_holds_no_buffer(void **state)
{
	struct bed *st = with_buffers(state, "protocol = postgres", 4);
	struct pair pairs[40];

	for (size_t n = 0; n < ARRAY_LEN(pairs); n++) {
		pairs[n] = prereading(st);
		peer_send(pairs[n].client, startup, 1 + n % (STARTUP_BYTES - 1));
	}
	bed_run(st);
	assert_int_equal(bed_engine(st)->host.loop.bufs.free_n, 4);
	assert_true(share_of(st)->bytes > 0);
	for (size_t n = 0; n < ARRAY_LEN(pairs); n++) {
		size_t said = 1 + n % (STARTUP_BYTES - 1);

		expect_nothing(pairs[n].client);
		peer_send(pairs[n].client, startup + said, STARTUP_BYTES - said);
		bed_run(st);
		pairs[n].backend = bed_accept_at(st, 0);
		expect_bytes(pairs[n].backend, startup, STARTUP_BYTES);
		peer_send(pairs[n].backend, "R", 1); /* until then another might have to have it */
		bed_run(st);
		expect_text(pairs[n].client, "R");
	}
	assert_int_equal(share_of(st)->bytes, 0);
	assert_int_equal(bed_sessions(st), ARRAY_LEN(pairs));
}

static void a_preread_needs_no_buffer(void **state)
{
	struct bed *st = with_buffers(state, "protocol = postgres", 4);
	struct buf *taken[4];
	struct pair c;

	for (int n = 0; n < 4; n++)
		taken[n] = buf_get(&bed_engine(st)->host.loop.bufs);
	c = prereading(st);
	peer_send(c.client, startup, STARTUP_BYTES);
	bed_run(st);
	expect_bytes(bed_accept_at(st, 0), startup, STARTUP_BYTES);
	for (int n = 0; n < 4; n++)
		buf_put(&bed_engine(st)->host.loop.bufs, taken[n]);
}

/* Says the first @n bytes of a start-up packet of 10000. */
static struct pair long_preread(struct bed *st, size_t n)
{
	char packet[10000] = "\0\0\047\020\0\003\0\0user\0";
	struct pair c = prereading(st);

	for (size_t at = 13; at < sizeof(packet) - 1; at += 2)
		packet[at] = 'x';
	peer_send(c.client, packet, n);
	return c;
}

/* The share of a listener is half of what there is; the first has had its time. */
static void when_memory_is_short_the_slowest_client_is_evicted(void **state)
{
	struct bed *st = with_buffers(state, "protocol = postgres", 4);
	size_t most = BUF_PIECES_BYTES_MIN / 2;
	struct pair pairs[16];
	unsigned gone = 0;

	for (size_t n = 0; n < ARRAY_LEN(pairs); n++) {
		pairs[n] = long_preread(st, 9999);
		bed_run(st);
		bed_pass(st, 5);
		bed_run(st);
		assert_true(share_of(st)->bytes <= most);
	}
	assert_int_equal(bed_engine(st)->host.loop.bufs.free_n, 4);
	for (; gone < ARRAY_LEN(pairs) && peer_says(pairs[gone].client) == -ECONNRESET; gone++)
		continue;
	assert_in_range(gone, 2, 5);
	for (size_t n = gone; n < ARRAY_LEN(pairs); n++)
		expect_nothing(pairs[n].client);
	assert_int_equal(bed_ended(st, CLOSE_PREREAD_TIMEOUT), gone);
	assert_non_null(strstr(bed_log(st), "detail=\"evicted: buffer_memory is used up\""));
	assert_true(list_is_empty(&bed_engine(st)->host.waiting_busy));
}

/* Who waits in the queue has said all and cannot be evicted: others wait unread meanwhile. */
static void where_nobody_can_be_evicted_bytes_stay_in_their_sockets(void **state)
{
	struct bed *st =
		bed_with(state, &(struct bed_options){ .listener_keys = "protocol = postgres\n"
									"handshake_timeout = 5s",
						       .pool_keys = "queue = 100",
						       .backend_keys = "max_sessions=1",
						       .buffers = 4 });
	struct pair pairs[20], *last = &pairs[ARRAY_LEN(pairs) - 1];
	size_t most = BUF_PIECES_BYTES_MIN / 2;
	unsigned queued = 0;

	for (size_t n = 0; n < ARRAY_LEN(pairs); n++)
		pairs[n] = long_preread(st, 10000);
	bed_run(st);
	for (size_t n = 0; n < ARRAY_LEN(pairs); n++)
		queued += pairs[n].s->is_queued;
	assert_in_range(queued, 5, 15);
	assert_true(share_of(st)->bytes <= most);
	assert_int_equal(last->s->preread_wait, WAITS_FOR_MEMORY);
	assert_false(client_of(last->s)->recv.in_kernel);
	for (size_t n = 1; n <= queued; n++)
		bed_reset(st, pairs[n].client);
	bed_pass(st, 500);
	bed_run(st);
	bed_pass(st, 5);
	bed_run(st);
	assert_true(last->s->is_queued);
	for (size_t n = queued + 1; n < ARRAY_LEN(pairs); n++)
		expect_nothing(pairs[n].client);
	assert_true(list_is_empty(&bed_engine(st)->host.waiting_busy));
}

static void who_waits_for_memory_too_long_is_not_to_blame(void **state)
{
	struct bed *st = postgres(state);
	struct buf_share *share = &bed_engine(st)->host.early[0];
	struct buf *taken = buf_piece(&bed_engine(st)->host.loop.bufs, share, BUF_PIECES_BYTES_MIN);
	struct pair c = prereading(st);

	peer_send(c.client, startup, STARTUP_BYTES);
	bed_run(st);
	bed_pass(st, 4999);
	bed_run(st);
	expect_nothing(c.client);
	bed_pass(st, 1);
	bed_run(st);
	expect_reset(c.client);
	assert_non_null(strstr(bed_log(st),
			       "reason=preread_timeout by=ringmain "
			       "detail=\"waited for memory: buffer_memory is used up\""));
	buf_put(&bed_engine(st)->host.loop.bufs, taken);
}

/* What waits on one listener leaves room for another. */
static void a_share_leaves_room_for_others(void **state)
{
	struct bed *st = postgres(state);
	struct buf_pool *pool = &bed_engine(st)->host.loop.bufs;
	struct buf_share *share = &bed_engine(st)->host.early[0], other = { 0 };
	struct buf *taken[64];
	unsigned n = 0;

	while (buf_piece_room(pool, share) >= BUF_BYTES)
		taken[n++] = buf_piece(pool, share, BUF_BYTES);
	assert_true(n >= 4);
	assert_true(buf_piece_room(pool, &other) > 4 * BUF_BYTES);
	while (n > 0)
		buf_put(pool, taken[--n]);
}

/* ---- handshakes ---------------------------------------------------------- */

/* As one that was told to stop, or ran out of time, while others were worked on. */
static void a_session_that_closes_leaves_the_line_for_handshakes(void **state)
{
	struct bed *st = bed_of(state, "tls = passthrough");
	struct pair c = prereading(st);

	list_append(&bed_engine(st)->host.waiting[0].for_rate, &c.s->turn);
	session_close(c.s, CLOSE_PREREAD_TIMEOUT, BY_CLIENT);
	bed_turn(st);
	assert_true(list_is_empty(&bed_engine(st)->host.waiting[0].for_rate));
	bed_run(st);
	assert_int_equal(bed_sessions(st), 0);
}

/* ---- a PROXY header ------------------------------------------------------ */

static struct bed *behind_a_proxy(void **state)
{
	return bed_of(state, "proxy_protocol = accept\n"
			     "proxy_protocol_from = 127.0.0.0/8\nproxy_protocol_timeout = 3s");
}

static void a_header_names_the_client_and_the_rest_goes_on(void **state)
{
	const char header[] = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\nhello";
	struct bed *st = behind_a_proxy(state);
	struct pair c;

	for (size_t cut = 1; cut < sizeof(header) - 1; cut++) {
		c = prereading(st);
		peer_send(c.client, header, cut);
		bed_run(st);
		peer_send(c.client, header + cut, sizeof(header) - 1 - cut);
		bed_run(st);
		c.backend = bed_accept_at(st, 0);
		expect_text(c.backend, "hello");
		shutdown(c.client, SHUT_WR);
		shutdown(c.backend, SHUT_WR);
		bed_run(st);
		assert_non_null(strstr(bed_log(st), "client=192.0.2.7:4711"));
	}
}

static void a_header_is_no_word_of_the_client(void **state)
{
	const char header[] = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n";
	struct bed *st = bed_of(state,
				"proxy_protocol = accept\nproxy_protocol_from = 127.0.0.0/8\n"
				"first_byte_timeout = 2s");
	struct pair silent = prereading(st), talker = prereading(st);

	peer_send(silent.client, header, sizeof(header) - 1);
	peer_send(talker.client, header, sizeof(header) - 1);
	bed_run(st);
	peer_send(talker.client, "hello", 5);
	bed_run(st);
	bed_pass(st, 2000);
	bed_run(st);
	expect_reset(silent.client);
	expect_nothing(talker.client);
	assert_int_equal(bed_ended(st, CLOSE_FIRST_BYTE_TIMEOUT), 1);
}

static void without_a_header_nobody_gets_in(void **state)
{
	struct bed *st = behind_a_proxy(state);
	struct pair c = prereading(st), silent = prereading(st);

	peer_send(c.client, "GET / HTTP/1.1\r\n\r\n", 18);
	bed_run(st);
	expect_reset(c.client);
	assert_int_equal(bed_ended(st, CLOSE_BAD_PREREAD), 1);
	bed_pass(st, 3000);
	bed_run(st);
	expect_reset(silent.client);
	assert_int_equal(bed_ended(st, CLOSE_PREREAD_TIMEOUT), 1);
	assert_int_equal(bed_accept_at(st, 0), -1);
}

static void who_is_not_trusted_is_not_listened_to(void **state)
{
	struct bed *st =
		bed_of(state, "proxy_protocol = accept\nproxy_protocol_from = 192.0.2.0/24");
	int client = bed_client(st);

	bed_run(st);
	expect_reset(client);
	assert_int_equal(bed_ended(st, CLOSE_REFUSED), 1);
}

/* Nobody knows any more who it was. */
static void who_has_gone_before_it_was_accepted_is_not_refused(void **state)
{
	struct bed *st =
		bed_of(state, "proxy_protocol = accept\nproxy_protocol_from = 127.0.0.0/8");

	bed_reset(st, bed_client(st));
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 1);
	assert_int_equal(bed_ended(st, CLOSE_REFUSED), 0);
}

/* Needs CAP_NET_ADMIN; whoever has it not sends a reset. */
static bool may_be_silent(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	bool may = setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) == 0;

	close(fd);
	return may;
}

static struct pair from_one_source(struct bed *st, bool is_late)
{
	const char header[] = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\nhello";
	struct pair c = prereading(st);

	peer_send(c.client, header, sizeof(header) - 1);
	bed_run(st);
	if (is_late)
		return c;
	c.backend = bed_accept_at(st, 0);
	expect_text(c.backend, "hello");
	return c;
}

static void who_is_over_a_limit_behind_a_proxy_may_be_dropped(void **state)
{
	struct bed *st = bed_of(state,
				"proxy_protocol = accept\nproxy_protocol_from = 127.0.0.0/8\n"
				"max_sessions_per_source = 1\nover_limit = drop");
	struct pair first = from_one_source(st, false), late = from_one_source(st, true);

	assert_int_equal(bed_ended(st, CLOSE_REFUSED), 1);
	if (may_be_silent())
		expect_nothing(late.client);
	else
		expect_reset(late.client);
	peer_send(first.client, "more", 4);
	bed_run(st);
	expect_text(first.backend, "more");
}

static void who_is_over_a_limit_behind_a_proxy_is_reset(void **state)
{
	struct bed *st = bed_of(state,
				"proxy_protocol = accept\nproxy_protocol_from = 127.0.0.0/8\n"
				"max_sessions_per_source = 1");

	(void)from_one_source(st, false);
	expect_reset(from_one_source(st, true).client);
}

/* over_limit is about limits: a rule's answer is a reset. */
static void who_is_denied_behind_a_proxy_is_reset(void **state)
{
	struct bed *st = bed_of(state,
				"proxy_protocol = accept\nproxy_protocol_from = 127.0.0.0/8\n"
				"deny = 192.0.2.0/24\nover_limit = drop");

	expect_reset(from_one_source(st, true).client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_server_may_speak_first),
		bed_test(encryption_is_refused_and_the_rest_goes_to_the_backend),
		bed_test(it_may_come_byte_by_byte),
		bed_test(answers_of_our_own_are_not_counted),
		bed_test(what_comes_behind_the_start_goes_along),
		bed_test(who_is_refused_is_told_why_and_not_reset),
		bed_test(who_does_not_leave_is_closed_after_a_while),
		bed_test(a_preread_has_to_be_over_in_time),
		bed_test(who_leaves_before_it_is_over_is_gone),
		bed_test(an_interrupted_wait_is_asked_for_again),
		bed_test(want_of_memory_is_not_the_clients_fault),
		bed_test(a_silent_client_holds_no_buffer),
		bed_test(who_has_said_a_part_holds_no_buffer),
		bed_test(a_preread_needs_no_buffer),
		bed_test(when_memory_is_short_the_slowest_client_is_evicted),
		bed_test(where_nobody_can_be_evicted_bytes_stay_in_their_sockets),
		bed_test(who_waits_for_memory_too_long_is_not_to_blame),
		bed_test(a_share_leaves_room_for_others),
		bed_test(a_session_that_closes_leaves_the_line_for_handshakes),
		bed_test(a_header_names_the_client_and_the_rest_goes_on),
		bed_test(a_header_is_no_word_of_the_client),
		bed_test(without_a_header_nobody_gets_in),
		bed_test(who_is_not_trusted_is_not_listened_to),
		bed_test(who_has_gone_before_it_was_accepted_is_not_refused),
		bed_test(who_is_over_a_limit_behind_a_proxy_may_be_dropped),
		bed_test(who_is_over_a_limit_behind_a_proxy_is_reset),
		bed_test(who_is_denied_behind_a_proxy_is_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
