/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_stage.h"

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
	struct stage *st = stage_of(state, NULL);
	struct pair c = stage_relaying(st);
	const char *log;

	peer_send(c.client, "ping", 4);
	stage_run(st);
	peer_send(c.backend, "answer", 6);
	stage_run(st);
	stage_pass(st, 1234);
	shutdown(c.backend, SHUT_WR);
	stage_run(st);
	shutdown(c.client, SHUT_WR);
	stage_run(st);
	log = stage_log(st);
	assert_non_null(strstr(log, "msg=session"));
	assert_non_null(strstr(log, " listener=l client=127.0.0.1:"));
	assert_non_null(strstr(log, " backend=b0 bytes_up=4 bytes_down=6 "));
	assert_non_null(strstr(log, " duration_ms=1234 "));
	assert_non_null(strstr(log, " reason=done by=backend"));
	assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		stage_test(every_reason_and_phase_has_a_name),
		stage_test(one_line_tells_of_each_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
