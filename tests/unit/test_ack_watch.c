/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/ack_watch.h"

#include "unit/sock_bed.h"

#define PATIENCE_MS 8000
#define LOOK_MS 2000
#define BEGIN_MS 1000000

/* ---- what is found out --------------------------------------------------- */

/* A peer's life: one look after the other, each so long after the first. */
struct look {
	uint32_t at_ms;
	struct ack_facts facts;
	enum ack_verdict want;
};

static void expect_from(uint64_t begin_ms, uint64_t patience_ms, const struct look *looks, size_t n)
{
	struct ack_watch watch = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct ack_facts facts = looks[i].facts;

		facts.read_ms = begin_ms + looks[i].at_ms;
		if (ack_watch_look(&watch, &facts, patience_ms) != looks[i].want)
			fail_msg("look %zu", i);
	}
}

#define expect_looks(...)                                                                 \
	do {                                                                              \
		const struct look looks_[] = { __VA_ARGS__ };                             \
                                                                                          \
		expect_from(BEGIN_MS, PATIENCE_MS, looks_, ARRAY_LEN(looks_));            \
		/* The time that is noted has 32 bits: over its end, too. */              \
		expect_from(UINT32_MAX - 1, PATIENCE_MS, looks_, ARRAY_LEN(looks_));      \
		expect_from(UINT32_MAX - 3000, PATIENCE_MS, looks_, ARRAY_LEN(looks_));   \
		expect_from((1ull << 33) - 2500, PATIENCE_MS, looks_, ARRAY_LEN(looks_)); \
	} while (0)

/* Bytes are under way since @sent ms, and the last ACK came @ack ms ago. */
#define UNDER_WAY(sent, ack) .has_unacked = true, .since_sent_ms = (sent), .since_ack_ms = (ack)
/* They were sent again after the kernel's time-out. */
#define AGAIN .has_timed_out = true, .has_backed_off = true
/* The window is closed: bytes wait, and it is probed ever more seldom. */
#define CLOSED(ack)                                                           \
	.has_unsent = true, .is_window_closed = true, .has_backed_off = true, \
	.since_sent_ms = 200000, .since_ack_ms = (ack)

static void who_has_acknowledged_everything_owes_nothing(void **state)
{
	(void)state;
	expect_looks({ 0, { .since_ack_ms = 0 }, ACK_ALL },
		     { LOOK_MS, { .since_ack_ms = 3600000, .since_sent_ms = 3600000 }, ACK_ALL },
		     /* keepalive's own probes are keepalive's business */
		     { 100000, { .since_ack_ms = 3600000, .has_probed = true }, ACK_ALL });
}

static void who_answers_nothing_for_so_long_is_dead(void **state)
{
	(void)state;
	expect_looks({ 0, { UNDER_WAY(100, 90000) }, ACK_PENDING },
		     { 2000, { UNDER_WAY(500, 92000), AGAIN }, ACK_PENDING },
		     { 4000, { UNDER_WAY(900, 94000), AGAIN }, ACK_PENDING },
		     { 7999, { UNDER_WAY(4899, 97999), AGAIN }, ACK_PENDING },
		     { 8000, { UNDER_WAY(4900, 98000), AGAIN }, ACK_DEAD });
}

static void an_ack_begins_it_anew(void **state)
{
	(void)state;
	expect_looks({ 0, { UNDER_WAY(1, 500) }, ACK_PENDING },
		     { 4000, { UNDER_WAY(1, 3900), AGAIN }, ACK_PENDING }, /* it came at 100 */
		     { 8000, { UNDER_WAY(200, 7900), AGAIN }, ACK_PENDING },
		     { 12000, { UNDER_WAY(200, 11900), AGAIN }, ACK_DEAD });
}

static void a_stream_is_never_dead(void **state)
{
	struct ack_watch watch = { 0 };

	(void)state;
	for (uint64_t ms = 0; ms < 100 * LOOK_MS; ms += LOOK_MS) {
		struct ack_facts facts = { .read_ms = BEGIN_MS + ms, UNDER_WAY(0, 1) };

		facts.has_unsent = true;
		assert_int_equal(ack_watch_look(&watch, &facts, PATIENCE_MS), ACK_PENDING);
	}
}

/* The kernel probes a closed window after 0.2, 0.4, 0.8 ... 102.4, 120, 120 s; each is answered. */
static void who_answers_seldom_probes_lives(void **state)
{
	struct ack_watch watch = { 0 };
	uint64_t probe_ms = 0, step_ms = 200;

	(void)state;
	for (uint64_t ms = 0; ms < 3600000; ms += LOOK_MS) {
		struct ack_facts facts = { .read_ms = BEGIN_MS + ms, CLOSED(0) };

		while (probe_ms + step_ms <= ms) {
			probe_ms += step_ms;
			step_ms = MIN(2 * step_ms, 120000);
		}
		facts.since_ack_ms = (uint32_t)(ms - probe_ms);
		assert_int_equal(ack_watch_look(&watch, &facts, PATIENCE_MS), ACK_PENDING);
	}
}

/* And a look may come just between a probe and its answer. */
static void a_look_that_meets_a_probe_under_way_kills_nobody(void **state)
{
	(void)state;
	expect_looks({ 0, { CLOSED(120000), .has_probed = true }, ACK_PENDING },
		     { 2000, { CLOSED(1990) }, ACK_PENDING },
		     { 8000, { CLOSED(7990) }, ACK_PENDING },
		     { 118000, { CLOSED(117990) }, ACK_PENDING },
		     { 120000, { CLOSED(119990), .has_probed = true }, ACK_PENDING },
		     { 122000, { CLOSED(1950) }, ACK_PENDING },
		     { 130000, { CLOSED(9950) }, ACK_PENDING });
}

static void who_dies_with_a_closed_window_is_found_at_the_next_probe(void **state)
{
	(void)state;
	expect_looks({ 0, { CLOSED(1000) }, ACK_PENDING },
		     { 60000, { CLOSED(61000) }, ACK_PENDING },
		     { 120000, { CLOSED(121000), .has_probed = true }, ACK_PENDING },
		     { 127999, { CLOSED(128999), .has_probed = true }, ACK_PENDING },
		     { 128000, { CLOSED(129000), .has_probed = true }, ACK_DEAD });
}

/*
 * A window that was taken back while bytes were under way: they are sent again
 * as seldom as a probe would be, and the answer takes none of them.
 */
#define TAKEN_BACK(sent, ack) UNDER_WAY(sent, ack), .is_window_closed = true, AGAIN

static void a_window_that_was_taken_back_is_answered_for(void **state)
{
	(void)state;
	expect_looks({ 0, { TAKEN_BACK(1000, 1000) }, ACK_PENDING },
		     { 60000, { TAKEN_BACK(61000, 61000) }, ACK_PENDING },
		     { 119000, { TAKEN_BACK(120000, 119996) }, ACK_PENDING },
		     { 121000, { TAKEN_BACK(1000, 121996) }, ACK_PENDING }, /* nobody answers */
		     { 125000, { TAKEN_BACK(5000, 125996) }, ACK_PENDING },
		     { 129000, { TAKEN_BACK(9000, 129996) }, ACK_DEAD });
}

/* Without a route nothing is sent again: the ages stay as they were, but the timer runs. */
static void what_cannot_be_sent_again_is_unanswered_too(void **state)
{
	(void)state;
	expect_looks({ 0, { UNDER_WAY(1000, 1000), AGAIN }, ACK_PENDING },
		     { 4000, { UNDER_WAY(5000, 5000), AGAIN }, ACK_PENDING },
		     { 8000, { UNDER_WAY(9000, 9000), AGAIN }, ACK_DEAD });
}

static void nobody_is_dead_before_it_was_tried_again(void **state)
{
	(void)state;
	expect_looks({ 0, { UNDER_WAY(100, 90000) }, ACK_PENDING },
		     { 9000, { UNDER_WAY(9100, 99000) }, ACK_PENDING },
		     { 9500, { UNDER_WAY(100, 99500), AGAIN }, ACK_DEAD });
}

static void a_short_patience_leaves_time_for_an_answer(void **state)
{
	static const struct look near_by[] = {
		{ 0, { UNDER_WAY(5, 90), AGAIN }, ACK_PENDING },
		{ 999, { UNDER_WAY(5, 1089), AGAIN }, ACK_PENDING },
		{ 1000, { UNDER_WAY(6, 1090), AGAIN }, ACK_DEAD },
	};
	static const struct look far_away[] = {
		{ 0, { UNDER_WAY(5, 90), AGAIN, .rtt_ms = 500 }, ACK_PENDING },
		{ 2999, { UNDER_WAY(5, 3089), AGAIN, .rtt_ms = 500 }, ACK_PENDING },
		{ 3000, { UNDER_WAY(6, 3090), AGAIN, .rtt_ms = 500 }, ACK_DEAD },
	};

	(void)state;
	expect_from(BEGIN_MS, 10, near_by, ARRAY_LEN(near_by));
	expect_from(BEGIN_MS, 10, far_away, ARRAY_LEN(far_away));
}

/* The kernel's ages are whole ticks: an ACK at the very look counts as one after it. */
static void an_ack_at_the_look_itself_counts(void **state)
{
	(void)state;
	expect_looks({ 0, { CLOSED(0), .has_probed = true }, ACK_PENDING },
		     { 2000, { CLOSED(2010), .has_probed = true }, ACK_PENDING },
		     { 9000, { CLOSED(9010), .has_probed = true }, ACK_PENDING },
		     { 10000, { CLOSED(10010), .has_probed = true }, ACK_DEAD });
}

/* ---- what the kernel says ------------------------------------------------ */

static struct ack_facts conn_info_of(int fd)
{
	struct ack_facts facts;

	assert_int_equal(ack_facts_read(fd, &facts), 0);
	return facts;
}

/* [0] sends, [1] takes nothing. */
static void fill(int fd)
{
	static const char block[65536];

	while (send(fd, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
}

static void a_connection_at_rest_owes_nothing(void **state)
{
	struct addr addr = parsed("127.0.0.1:0");
	uint64_t before_ms = clock_now_ms();
	struct ack_facts facts;
	int pair[2];

	(void)state;
	make_pair(&addr, pair);
	assert_int_equal(send(pair[0], "x", 1, 0), 1);
	for (facts = conn_info_of(pair[0]); facts.has_unacked; facts = conn_info_of(pair[0]))
		assert_true(clock_now_ms() < before_ms + WAIT_MS);
	assert_false(facts.has_unsent);
	assert_false(facts.has_probed);
	assert_true(facts.read_ms >= before_ms && facts.read_ms <= clock_now_ms());
	assert_true(facts.since_sent_ms < WAIT_MS && facts.since_ack_ms < WAIT_MS);
	close_all(pair, 2);
}

static void a_closed_window_is_seen(void **state)
{
	struct addr addr = parsed("127.0.0.1:0");
	const uint64_t give_up_ms = clock_now_ms() + WAIT_MS;
	struct ack_watch watch = { 0 };
	struct ack_facts facts;
	int pair[2];

	(void)state;
	make_pair(&addr, pair);
	fill(pair[0]);
	for (facts = conn_info_of(pair[0]); !facts.has_backed_off; facts = conn_info_of(pair[0])) {
		assert_true(clock_now_ms() < give_up_ms);
		assert_int_equal(ack_watch_look(&watch, &facts, PATIENCE_MS), ACK_PENDING);
	}
	assert_true(facts.has_unsent || facts.has_unacked);
	close_all(pair, 2);
}

static void after_a_reset_nothing_is_owed(void **state)
{
	struct addr addr = parsed("127.0.0.1:0");
	const uint64_t give_up_ms = clock_now_ms() + WAIT_MS;
	struct ack_watch watch = { 0 };
	struct ack_facts facts;
	int pair[2];

	(void)state;
	make_pair(&addr, pair);
	fill(pair[0]);
	sock_close_abort(pair[1]);
	do {
		assert_true(clock_now_ms() < give_up_ms);
		facts = conn_info_of(pair[0]);
	} while (ack_watch_look(&watch, &facts, PATIENCE_MS) != ACK_ALL);
	close(pair[0]);
}

static void what_is_no_tcp_socket_has_no_facts(void **state)
{
	struct ack_facts facts;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_true(ack_facts_read(fd, &facts) < 0);
	assert_int_equal(ack_facts_read(-1, &facts), -EBADF);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_acknowledged_everything_owes_nothing),
		cmocka_unit_test(who_answers_nothing_for_so_long_is_dead),
		cmocka_unit_test(an_ack_begins_it_anew),
		cmocka_unit_test(a_stream_is_never_dead),
		cmocka_unit_test(who_answers_seldom_probes_lives),
		cmocka_unit_test(a_look_that_meets_a_probe_under_way_kills_nobody),
		cmocka_unit_test(who_dies_with_a_closed_window_is_found_at_the_next_probe),
		cmocka_unit_test(a_window_that_was_taken_back_is_answered_for),
		cmocka_unit_test(what_cannot_be_sent_again_is_unanswered_too),
		cmocka_unit_test(nobody_is_dead_before_it_was_tried_again),
		cmocka_unit_test(a_short_patience_leaves_time_for_an_answer),
		cmocka_unit_test(an_ack_at_the_look_itself_counts),
		cmocka_unit_test(a_connection_at_rest_owes_nothing),
		cmocka_unit_test(a_closed_window_is_seen),
		cmocka_unit_test(after_a_reset_nothing_is_owed),
		cmocka_unit_test(what_is_no_tcp_socket_has_no_facts),
	};

	return cmocka_run_group_tests_name("ack_watch", tests, make_dir, remove_dir);
}
