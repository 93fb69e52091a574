/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/proxy_stage.h"

static void bytes_and_ends_go_both_ways(void **state)
{
	struct stage *st = stage_of(state, NULL);
	struct cast c = stage_relaying(st);

	peer_send(c.client, "ping", 4);
	stage_run(st);
	expect_text(c.backend, "ping");
	peer_send(c.backend, "pong", 4);
	stage_run(st);
	expect_text(c.client, "pong");
	shutdown(c.client, SHUT_WR);
	stage_run(st);
	expect_end(c.backend);
	expect_nothing(c.client);
	shutdown(c.backend, SHUT_WR);
	stage_run(st);
	expect_end(c.client);
	assert_int_equal(stage_sessions(st), 0);
	assert_int_equal(stage_ended(st, CLOSE_DONE), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		stage_test(bytes_and_ends_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
