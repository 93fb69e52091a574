/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "health/checker.h"

#include <limits.h>

#include "unit/runtime_bed.h"

#define CHECKED                                                           \
	"check = tcp\ncheck_interval = 1s\ncheck_fast_interval = 200ms\n" \
	"check_timeout = 500ms\ncheck_fall = 2\ncheck_rise = 2\n"

/* The checks' thread: its loop, whose time a test lets pass. */
struct control {
	struct bed *st;
	atomic_bool is_over;
	struct loop loop;
	struct checker *checker;
};

static struct control control;

static void start(void **state, const struct bed_options *options)
{
	struct control *c = &control;

	c->st = bed_with(state, options);
	c->loop =
		(struct loop){ .ring = bed_engine(c->st)->host.loop.ring, .now_ms = c->st->now_ms };
	timers_init(&c->loop.timers, c->loop.now_ms);
	c->checker = checker_create(c->st->runtime);
	assert_non_null(c->checker);
	checker_begin(c->checker, &c->loop, NULL, &c->is_over);
}

static void start_with(void **state, const char *pool_keys)
{
	start(state, &(struct bed_options){ .pool_keys = pool_keys });
}

/* The check that is under way, if there is one. */
static struct io_op *under_way(void)
{
	for (unsigned n = 0; n < fake_requests(); n++)
		if (fake_request_at(n).kind == FAKE_CONNECT)
			return fake_request_at(n).op;
	return NULL;
}

static void pass(uint64_t ms)
{
	for (; ms > 0; ms--) {
		control.loop.now_ms++;
		timers_run(&control.loop.timers, control.loop.now_ms);
	}
}

/* Lets up to @ms pass until a check begins. */
static struct io_op *next_within(uint64_t ms)
{
	assert_null(under_way());
	for (; ms > 0 && !under_way(); ms--)
		pass(1);
	assert_non_null(under_way());
	return under_way();
}

static void answer(uint64_t within_ms, int res)
{
	fake_complete(next_within(within_ms), res, 0);
}

static void expect_state(enum backend_state state)
{
	assert_int_equal(atomic_load(&bed_backend(control.st, 0)->state), state);
}

static void finish(void)
{
	checker_stop(control.checker);
	fake_run_cancels();
	assert_true(checker_is_idle(control.checker));
	checker_destroy(control.checker);
	assert_int_equal(control.loop.timers.armed, 0);
}

/* ---- how often ----------------------------------------------------------- */

static void every_backend_is_asked_within_the_interval(void **state)
{
	const struct io_op *asked[4] = { 0 };
	size_t n = 0;

	start(state, &(struct bed_options){ .backends = 4, .pool_keys = CHECKED });
	for (int ms = 0; ms < 1000; ms++) {
		pass(1);
		for (struct io_op *op; (op = under_way()); assert_true(fake_perform(op)))
			if (op != asked[0] && op != asked[1] && op != asked[2] && op != asked[3])
				asked[n++ % 4] = op;
	}
	assert_int_equal(n, 4);
	finish();
}

/* An interval is 1 s and up to a tenth more or less. */
static void one_that_is_healthy_is_asked_once_an_interval(void **state)
{
	start_with(state, CHECKED);
	assert_true(fake_perform(next_within(1000)));
	for (int n = 0; n < 10; n++) {
		pass(899);
		assert_true(fake_perform(next_within(202)));
	}
	expect_state(BACKEND_READY);
	finish();
}

static void nobody_is_asked_without_checks(void **state)
{
	start_with(state, "check = none");
	pass(10000);
	assert_null(under_way());
	finish();
}

/* ---- what the answers do ------------------------------------------------- */

static void it_falls_and_rises_in_fast_steps(void **state)
{
	start_with(state, CHECKED);
	answer(1000, 0);
	answer(1101, -ECONNREFUSED);
	expect_state(BACKEND_READY);
	answer(221, -ECONNREFUSED);
	expect_state(BACKEND_DOWN);
	assert_non_null(strstr(bed_log(control.st), "change=down"));
	answer(1101, 0);
	expect_state(BACKEND_DOWN);
	answer(221, 0);
	expect_state(BACKEND_READY);
	assert_non_null(strstr(bed_log(control.st), "change=up"));
	finish();
}

/* Neither does it fall as long as it passes now and then, nor is it up when it does. */
static void one_that_flaps_stays_as_it_is(void **state)
{
	start_with(state, CHECKED);
	answer(1000, 0);
	for (int n = 0; n < 20; n++) {
		answer(1101, n % 2 == 0 ? -ECONNREFUSED : 0);
		expect_state(BACKEND_READY);
	}
	answer(1101, -ECONNREFUSED);
	answer(1101, -ECONNREFUSED);
	for (int n = 0; n < 20; n++) {
		expect_state(BACKEND_DOWN);
		answer(1101, n % 2 == 0 ? 0 : -ECONNREFUSED);
	}
	finish();
}

static void the_first_answer_counts_at_once(void **state)
{
	start_with(state, CHECKED);
	bed_stop_server(control.st, 0);
	assert_true(fake_perform(next_within(1000)));
	expect_state(BACKEND_DOWN);
	finish();
}

/* The kernel picks the backend's own port to connect from, and nobody listens there. */
static void a_check_that_meets_itself_is_a_refusal(void **state)
{
	struct io_op *connect;
	const struct addr *addr;

	start_with(state, CHECKED);
	bed_stop_server(control.st, 0);
	connect = next_within(1000);
	addr = fake_request_of(connect).addr;
	assert_int_equal(bind(fake_request_of(connect).fd, &addr->sa, addr->len), 0);
	assert_true(fake_perform(connect));
	expect_state(BACKEND_DOWN);
	finish();
}

static void no_answer_in_time_is_none(void **state)
{
	start_with(state, CHECKED);
	answer(1000, 0);
	for (int n = 0; n < 2; n++) {
		struct io_op *connect = next_within(1101);

		pass(499);
		fake_run_cancels();
		assert_true(connect->in_kernel);
		pass(1);
		fake_run_cancels();
		assert_false(connect->in_kernel);
	}
	expect_state(BACKEND_DOWN);
	finish();
}

static void full_until_down(void)
{
	int asked = 0;

	for (int ms = 0; ms < 4000; ms++) {
		if (under_way()) {
			fake_complete(under_way(), -EAGAIN, 0);
			asked++;
		}
		pass(1);
	}
	assert_in_range(asked, 10, 400);
}

/* Of a unix socket: one is asked again within the check's time, and then it has not answered. */
static void a_full_backlog_is_asked_again_and_then_no_answer(void **state)
{
	start(state, &(struct bed_options){ .is_unix = true, .pool_keys = CHECKED });
	fake_complete(next_within(1000), -EAGAIN, 0);
	assert_true(fake_perform(next_within(50)));
	expect_state(BACKEND_READY);
	full_until_down();
	expect_state(BACKEND_DOWN);
	finish();
}

static void a_check_of_a_full_backlog_can_be_stopped(void **state)
{
	start(state, &(struct bed_options){ .is_unix = true, .pool_keys = CHECKED });
	fake_complete(next_within(1000), -EAGAIN, 0);
	finish();
}

/* The answer came when the cancel was on its way, and that is not back when the next is due. */
static void a_cancel_that_takes_long_is_waited_for(void **state)
{
	struct io_op *connect;

	start_with(state, CHECKED);
	connect = next_within(1000);
	pass(500);
	fake_complete(connect, 0, 0);
	pass(2000);
	assert_null(under_way());
	fake_run_cancels();
	assert_ptr_equal(next_within(2), connect);
	expect_state(BACKEND_READY);
	finish();
}

/* Whose sessions nobody ends is asked of each by its own bytes; a refusal's kernel resets them. */
static void what_does_not_answer_is_silent_however_it_is_told(void **state)
{
	static const struct {
		int err;
		bool is_silent;
	} cases[] = {
		{ -ECONNREFUSED, false }, { -ECONNRESET, false }, { -ECANCELED, true },
		{ -EHOSTUNREACH, true },  { -ENETUNREACH, true }, { -EHOSTDOWN, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		start_with(state, CHECKED "eject_max_percent = 100\n");
		atomic_store(&bed_backend(control.st, 0)->sessions, 1);
		answer(1001, cases[i].err); /* the first one counts at once */
		expect_state(BACKEND_DOWN);
		if (!strstr(bed_log(control.st), "does not acknowledge") == cases[i].is_silent)
			fail_msg("case %zu: errno %d", i, -cases[i].err);
		atomic_store(&bed_backend(control.st, 0)->sessions, 0);
		finish();
		assert_int_equal(bed_teardown(state), 0);
	}
}

static void a_full_backlog_is_silence(void **state)
{
	start(state, &(struct bed_options){ .is_unix = true,
					    .pool_keys = CHECKED "eject_max_percent = 100\n" });
	atomic_store(&bed_backend(control.st, 0)->sessions, 1);
	fake_complete(next_within(1000), -EAGAIN, 0);
	full_until_down();
	assert_non_null(strstr(bed_log(control.st), "does not acknowledge"));
	atomic_store(&bed_backend(control.st, 0)->sessions, 0);
	finish();
}

static void trouble_of_our_own_says_nothing_of_the_backend(void **state)
{
	static const int errors[] = { -EADDRNOTAVAIL, -ENOBUFS, -ENOMEM };

	start_with(state, CHECKED);
	for (int n = 0; n < 12; n++)
		answer(1001, errors[n % 3]);
	expect_state(BACKEND_READY);
	finish();
}

static void a_check_sends_a_proxy_header(void **state)
{
	static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
	char header[32];
	int fd;

	start_with(state, CHECKED "send_proxy = v2");
	assert_true(fake_perform(next_within(1000)));
	fd = bed_accept_at(control.st, 0);
	assert_int_equal(peer_recv(fd, header, sizeof(header)), 16);
	assert_memory_equal(header, local, 16);
	finish();
}

/* ---- a pool in time ------------------------------------------------------ */

static void one_that_was_ejected_returns(void **state)
{
	struct pool *pool;

	start(state, &(struct bed_options){ .backends = 2,
					    .pool_keys = "eject_after = 1\neject_time = 5s\n"
							 "eject_max_percent = 50" });
	pool = control.st->runtime->pools[0];
	assert_int_equal(pool_on_connect(pool, bed_backend(control.st, 0), HEALTH_FAILED,
					 control.loop.now_ms),
			 HEALTH_EJECTED);
	pass(4500);
	expect_state(BACKEND_EJECTED);
	pass(3000);
	expect_state(BACKEND_READY);
	assert_non_null(strstr(bed_log(control.st), "change=returned"));
	finish();
}

/* ---- many at once -------------------------------------------------------- */

static void answer_all(uint64_t until_ms, const struct io_op *sick, int *left_to_fail)
{
	for (struct io_op *op; control.loop.now_ms < until_ms; pass(1))
		while ((op = under_way())) {
			const bool fails = op == sick || *left_to_fail > 0;

			*left_to_fail -= fails && op != sick;
			fake_complete(op, fails ? -ECONNREFUSED : 0, 0);
		}
}

/* Whenever that time begins: three of four within less than a second are more than half. */
static void so_many_that_go_down_in_the_time_of_a_check_keep_their_sessions(void **state)
{
	const struct io_op *first;
	uint64_t fell_ms;
	int fail = 0;

	start(state, &(struct bed_options){
			     .backends = 4,
			     .pool_keys = "balance = roundrobin\non_down = reset\ncheck = tcp\n"
					  "check_fall = 1\ncheck_interval = 1s\n"
					  "check_fast_interval = 1s\ncheck_timeout = 5s\n" });
	for (int n = 0; n < 4; n++)
		(void)bed_relaying(control.st);
	answer_all(control.loop.now_ms + 1101, NULL, &fail);
	first = next_within(1101);
	fell_ms = control.loop.now_ms;
	answer_all(fell_ms + 4800, first, &fail);
	fail = 1;
	answer_all(fell_ms + 6050, first, &fail);
	assert_int_equal(fail, 0);
	assert_null(strstr(bed_log(control.st), "too many backends down at once"));
	fail = INT_MAX;
	answer_all(fell_ms + 7200, first, &fail);
	assert_non_null(strstr(bed_log(control.st), "too many backends down at once"));
	finish();
}

/* ---- its end ------------------------------------------------------------- */

static void it_waits_for_what_is_under_way(void **state)
{
	struct io_op *connect;

	start_with(state, CHECKED);
	connect = next_within(1000);
	checker_stop(control.checker);
	assert_false(checker_is_idle(control.checker));
	fake_complete(connect, 0, 0); /* the cancel came too late */
	assert_false(checker_is_idle(control.checker));
	fake_run_cancels();
	assert_true(checker_is_idle(control.checker));
	pass(5000);
	assert_null(under_way());
	finish();
}

static void a_check_that_is_cut_short_says_nothing(void **state)
{
	start_with(state, CHECKED);
	(void)next_within(1000);
	finish();
	expect_state(BACKEND_READY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(every_backend_is_asked_within_the_interval),
		bed_test(one_that_is_healthy_is_asked_once_an_interval),
		bed_test(nobody_is_asked_without_checks),
		bed_test(it_falls_and_rises_in_fast_steps),
		bed_test(one_that_flaps_stays_as_it_is),
		bed_test(the_first_answer_counts_at_once),
		bed_test(a_check_that_meets_itself_is_a_refusal),
		bed_test(no_answer_in_time_is_none),
		bed_test(a_full_backlog_is_asked_again_and_then_no_answer),
		bed_test(a_check_of_a_full_backlog_can_be_stopped),
		bed_test(a_cancel_that_takes_long_is_waited_for),
		bed_test(what_does_not_answer_is_silent_however_it_is_told),
		bed_test(a_full_backlog_is_silence),
		bed_test(trouble_of_our_own_says_nothing_of_the_backend),
		bed_test(a_check_sends_a_proxy_header),
		bed_test(one_that_was_ejected_returns),
		bed_test(so_many_that_go_down_in_the_time_of_a_check_keep_their_sessions),
		bed_test(it_waits_for_what_is_under_way),
		bed_test(a_check_that_is_cut_short_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
