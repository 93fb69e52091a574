/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include <time.h>

static void every_reason_and_phase_has_a_name(void **state)
{
	(void)state;
	for (int a = 0; a < CLOSE_REASONS; a++) {
		assert_non_null(close_reason_names[a]);
		for (int b = 0; b < a; b++)
			assert_string_not_equal(close_reason_names[a], close_reason_names[b]);
	}
}

static void one_line_tells_of_each_session(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair c = bed_relaying(st);
	const char *log;

	peer_send(c.client, "ping", 4);
	bed_run(st);
	peer_send(c.backend, "answer", 6);
	bed_run(st);
	bed_pass(st, 1234);
	shutdown(c.backend, SHUT_WR);
	bed_run(st);
	shutdown(c.client, SHUT_WR);
	bed_run(st);
	log = bed_log(st);
	assert_non_null(strstr(log, "msg=session"));
	assert_non_null(strstr(log, " listener=l client=127.0.0.1:"));
	assert_non_null(strstr(log, " backend=b0 bytes_up=4 bytes_down=6 "));
	assert_non_null(strstr(log, " duration_ms=1234 "));
	assert_non_null(strstr(log, " reason=done by=backend"));
	assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1);
}

static unsigned count(const char *log, const char *words)
{
	unsigned n = 0;

	for (const char *at = strstr(log, words); at; at = strstr(at + 1, words))
		n++;
	return n;
}

static void end_cleanly(struct bed *st, struct pair *c)
{
	shutdown(c->client, SHUT_WR);
	bed_run(st);
	shutdown(c->backend, SHUT_WR);
	bed_run(st);
}

static void unusual_ends_alone_can_be_logged(void **state)
{
	struct bed *st = bed_of(state, "log_sessions = unusual");
	struct pair c = bed_relaying(st);

	end_cleanly(st, &c);
	assert_int_equal(count(bed_log(st), "msg=session "), 0);
	c = bed_relaying(st);
	bed_reset(st, c.backend);
	bed_run(st);
	assert_non_null(strstr(bed_log(st), "reason=backend_reset"));
}

static void both_ends_can_be_logged(void **state)
{
	struct bed *st = bed_of(state, "log_sessions = both");
	struct pair c = bed_relaying(st);
	const char *log = bed_log(st);

	assert_non_null(strstr(log, "msg=session_start id="));
	assert_non_null(strstr(log, " listener=l client=127.0.0.1:"));
	assert_non_null(strstr(log, " backend=b0 connect_ms=0 worker=0"));
	end_cleanly(st, &c);
	assert_int_equal(count(bed_log(st), "msg=session "), 1);
}

static void no_session_at_all_can_be_logged(void **state)
{
	struct bed *st = bed_of(state, "log_sessions = off");
	struct pair c = bed_relaying(st);

	bed_reset(st, c.backend);
	bed_run(st);
	assert_int_equal(count(bed_log(st), "msg=session"), 0);
}

static void who_only_knocked_can_be_left_out(void **state)
{
	struct bed *st = bed_of(state, "log_empty = no");
	struct pair c = bed_relaying(st);

	bed_reset(st, c.client);
	bed_run(st);
	assert_int_equal(count(bed_log(st), "msg=session "), 0);
	c = bed_relaying(st);
	bed_pass(st, 1000);
	bed_reset(st, c.client);
	bed_run(st);
	assert_int_equal(count(bed_log(st), "msg=session "), 1);
	c = bed_relaying(st);
	peer_send(c.client, "x", 1);
	bed_run(st);
	bed_reset(st, c.client);
	bed_run(st);
	assert_int_equal(count(bed_log(st), "msg=session "), 1);
}

static void what_is_over_the_rate_is_counted(void **state)
{
	struct bed *st = bed_of(state, "log_rate = 2/s");
	const struct timespec pause = { .tv_nsec = 50 * 1000000 };
	const char *told = NULL;
	struct pair c;

	for (int n = 0; n < 5; n++) {
		c = bed_relaying(st);
		bed_reset(st, c.client);
		bed_run(st);
	}
	assert_true(count(bed_log(st), "msg=session ") < 5);
	assert_true(counters_get(&bed_engine(st)->host.counters->lines_left_out) > 0);
	/* The next one that may be written says how many of which listener. */
	for (int n = 0; n < 200 && !told; n++) {
		nanosleep(&pause, NULL);
		c = bed_relaying(st);
		bed_reset(st, c.client);
		bed_run(st);
		told = strstr(bed_log(st), "msg=\"session lines left out\" n=");
	}
	assert_non_null(told);
	assert_non_null(strstr(told, " listener="));
	assert_true(strstr(told, " listener=") < strchr(told, '\n'));
}

static void connections_can_be_described(void **state)
{
	struct bed *st = bed_of(state, "log_tcp = yes");
	struct pair c = bed_relaying(st);
	const char *log;

	end_cleanly(st, &c);
	log = bed_log(st);
	assert_non_null(strstr(log, " client_rtt_us="));
	assert_non_null(strstr(log, " client_retransmits=0 client_unacked="));
	assert_non_null(strstr(log, " backend_rtt_us="));
}

static void pass_seconds(struct bed *st, int n)
{
	while (n-- > 0)
		bed_pass(st, 1000);
}

static void long_sessions_are_told_of_meanwhile(void **state)
{
	static const char bytes[4000];
	struct bed *st = bed_of(state, "log_interval = 10s\nlog_tcp = yes");
	struct pair c = bed_relaying(st);
	char drained[sizeof(bytes) + 8];
	const char *log;

	peer_send(c.client, "ping", 4);
	bed_run(st);
	pass_seconds(st, 10);
	log = bed_log(st);
	assert_int_equal(count(log, "msg=session_interim "), 1);
	assert_non_null(strstr(log, " bytes_up=4 bytes_down=0 rate_up=0 rate_down=0 "));
	assert_non_null(strstr(log, " client_rtt_us="));
	assert_null(strstr(log, "reason="));
	peer_send(c.client, bytes, sizeof(bytes));
	bed_run(st);
	pass_seconds(st, 10);
	log = bed_log(st);
	assert_int_equal(count(log, "msg=session_interim "), 1);
	assert_non_null(strstr(log, " bytes_up=4004 bytes_down=0 rate_up=400 rate_down=0 "));
	assert_true(peer_recv(c.backend, drained, sizeof(drained)) > 0);
	end_cleanly(st, &c);
	log = bed_log(st);
	assert_int_equal(count(log, "msg=session "), 1);
	assert_null(strstr(log, "rate_up"));
}

static void those_that_begin_at_once_are_told_of_one_after_the_other(void **state)
{
	struct bed *st =
		bed_with(state, &(struct bed_options){ .listener_keys = "log_interval = 10s",
						       .sessions_max = 32 });
	unsigned all = 0, most = 0;

	for (int n = 0; n < 32; n++)
		(void)bed_relaying(st);
	(void)bed_log(st);
	for (int n = 0; n < 100; n++) {
		unsigned now;

		bed_pass(st, 100);
		now = count(bed_log(st), "msg=session_interim ");
		most = MAX(most, now);
		all += now;
		assert_true(n > 48 || all == 0);
	}
	assert_int_equal(all, 32);
	assert_true(most < 8);
}

static void usual_ones_can_be_sampled(void **state)
{
	struct bed *st = bed_of(state, "log_sample = 4\nlog_sessions = both");
	unsigned ends, starts;
	const char *log;
	struct pair c;

	for (int n = 0; n < 60; n++) {
		c = bed_relaying(st);
		end_cleanly(st, &c);
	}
	log = bed_log(st);
	ends = count(log, "msg=session ");
	starts = count(log, "msg=session_start ");
	assert_true(ends > 3 && ends < 35);
	assert_int_equal(starts, ends);
	for (int n = 0; n < 20; n++) {
		c = bed_relaying(st);
		bed_reset(st, c.backend);
		bed_run(st);
	}
	assert_int_equal(count(bed_log(st), "msg=session "), 20);
}

static void lines_can_have_a_form_of_ones_own(void **state)
{
	struct bed *st = bed_with(
		state, &(struct bed_options){
			       .listener_keys = "log_sessions = both\nlog_tcp = yes",
			       .pool_keys = "[global]\nlog_format = \"{{{level} {msg}} {listener}>"
					    "{backend}, {bytes_up}/{bytes_down} {sni} {reason} "
					    "{client_retransmits} {wait_ms} {user}\"" });
	struct pair c = bed_relaying(st);

	peer_send(c.client, "ping", 4);
	bed_run(st);
	end_cleanly(st, &c);
	assert_string_equal(bed_log(st), "{info session_start} l>b0, 0/0 - - 0 - -\n"
					 "{info session} l>b0, 4/0 - done 0 - -\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(every_reason_and_phase_has_a_name),
		bed_test(one_line_tells_of_each_session),
		bed_test(unusual_ends_alone_can_be_logged),
		bed_test(both_ends_can_be_logged),
		bed_test(no_session_at_all_can_be_logged),
		bed_test(who_only_knocked_can_be_left_out),
		bed_test(what_is_over_the_rate_is_counted),
		bed_test(connections_can_be_described),
		bed_test(long_sessions_are_told_of_meanwhile),
		bed_test(those_that_begin_at_once_are_told_of_one_after_the_other),
		bed_test(usual_ones_can_be_sampled),
		bed_test(lines_can_have_a_form_of_ones_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
