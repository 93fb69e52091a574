/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "mysql_bed.h"

/* ---- who it is ----------------------------------------------------------- */

static void let_in(struct talk *t, size_t piece)
{
	login(t, &alice, piece);
	hear(t, reply(LITERAL(OK), 2), piece);
	assert_int_equal(t->step, CHECK_STEP_MORE);
	assert_memory_equal(t->said + 3, "\0\x03SHOW GLOBAL VARIABLES", 23);
	talk_expect(t, NULL, 0);
}

static const char *const writable[] = { "read_only", "OFF", "super_read_only", "OFF", NULL };
static const char *const read_only[] = { "read_only", "ON", NULL };
static const char *const in_galera[] = { "read_only", "OFF", "wsrep_on", "ON", NULL };

static struct bytes replica_status(const char *io, const char *sql, const char *lag)
{
	static const char *const names[] = { "Slave_IO_State", "Slave_IO_Running",
					     "Slave_SQL_Running", "Seconds_Behind_Master",
					     "Last_Error" };
	const char *const row[] = { "Waiting", io, sql, lag, "" };
	struct bytes b = { .n = 0 };

	add_columns(&b, names, ARRAY_LEN(names));
	if (io)
		add_row(&b, row, ARRAY_LEN(row));
	add_packet(&b, LITERAL(EOF_));
	return b;
}

static void roles_and_lags_are_understood(void **state)
{
	static const struct {
		const char *const *variables;
		const char *io, *sql, *lag;
		enum check_role role;
		bool is_detached, has_lag;
		uint64_t lag_ms;
	} cases[] = {
		{ writable, NULL, NULL, NULL, CHECK_ROLE_PRIMARY, false, false, 0 },
		{ read_only, NULL, NULL, NULL, CHECK_ROLE_REPLICA, false, false, 0 },
		{ read_only, "Yes", "Yes", "17", CHECK_ROLE_REPLICA, false, true, 17000 },
		{ read_only, "Yes", "Yes", "0", CHECK_ROLE_REPLICA, false, true, 0 },
		{ read_only, "Connecting", "Yes", NULL, CHECK_ROLE_REPLICA, true, false, 0 },
		{ read_only, "Yes", "No", NULL, CHECK_ROLE_REPLICA, true, false, 0 },
		{ read_only, "Yes", "Yes", "-5", CHECK_ROLE_REPLICA, true, false, 0 },
		{ read_only, "Yes", "Yes", "99999999999", CHECK_ROLE_REPLICA, true, false, 0 },
		{ writable, "Yes", "Yes", "3", CHECK_ROLE_PRIMARY, false, true, 3000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t piece = 1; piece < 40; piece++) {
			struct talk t;

			let_in(&t, piece);
			hear(&t, pairs(cases[i].variables), piece);
			talk_expect(&t, LITERAL("\x14\0\0\0\x03SHOW REPLICA STATUS"));
			hear(&t, replica_status(cases[i].io, cases[i].sql, cases[i].lag), piece);
			assert_int_equal(t.step, CHECK_STEP_DONE);
			talk_expect(&t, LITERAL("\x01\0\0\0\x01"));
			assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
			assert_int_equal(t.x.facts.role, cases[i].role);
			assert_int_equal(t.x.facts.is_detached, cases[i].is_detached);
			assert_int_equal(t.x.facts.has_lag, cases[i].has_lag);
			assert_true(t.x.facts.lag_ms == cases[i].lag_ms);
		}
	}
}

static void an_old_server_is_asked_in_its_words(void **state)
{
	struct talk t;

	(void)state;
	let_in(&t, 100);
	hear(&t, pairs(read_only), 100);
	talk_expect(&t, NULL, 0);
	hear(&t, refusal(1064, "#42000syntax", 1), 1);
	talk_expect(&t, LITERAL("\x12\0\0\0\x03SHOW SLAVE STATUS"));
	hear(&t, replica_status("Yes", "Yes", "5"), 1);
	assert_int_equal(t.x.facts.lag_ms, 5000);

	let_in(&t, 100); /* one who may not ask */
	hear(&t, pairs(read_only), 100);
	hear(&t, refusal(1227, "#42000denied", 1), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
	assert_int_equal(t.x.facts.role, CHECK_ROLE_REPLICA);
	assert_false(t.x.facts.has_lag);
}

static void members_of_a_cluster_serve_while_they_are_in_it(void **state)
{
	static const struct {
		const char *ready, *state, *status;
		bool serves;
	} cases[] = {
		{ "ON", "4", "Primary", true },        { "ON", "2", "Primary", true },
		{ "OFF", "4", "Primary", false },      { "ON", "1", "Primary", false },
		{ "ON", "3", "Primary", false },       { "ON", "4", "non-Primary", false },
		{ "OFF", "0", "Disconnected", false }, { "ON", "44", "Primary", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *const words[] = { "wsrep_ready",
					      cases[i].ready,
					      "wsrep_local_state",
					      cases[i].state,
					      "wsrep_cluster_status",
					      cases[i].status,
					      "wsrep_local_state_comment",
					      "Joiner",
					      NULL };
		struct talk t;

		let_in(&t, 100);
		hear(&t, pairs(in_galera), 100);
		assert_memory_equal(t.said + 5, "SHOW GLOBAL STATUS", 18);
		hear(&t, pairs(words), 7);
		if (cases[i].serves)
			hear(&t, replica_status(NULL, NULL, NULL), 7);
		assert_int_equal(t.step, CHECK_STEP_DONE);
		assert_int_equal(t.x.facts.verdict,
				 cases[i].serves ? CHECK_PASSED : CHECK_NOT_READY);
	}
}

static void a_query_that_is_refused_says_why(void **state)
{
	static const struct {
		unsigned number;
		enum check_verdict verdict;
	} cases[] = {
		{ 1047, CHECK_NOT_READY },
		{ 1053, CHECK_NOT_READY },
		{ 1820, CHECK_OWN_FAULT },
		{ 1227, CHECK_PASSED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;

		let_in(&t, 100);
		hear(&t, refusal(cases[i].number, "#HY000no", 1), 1);
		assert_int_equal(t.x.facts.verdict, cases[i].verdict);
		assert_int_equal(t.x.facts.role, CHECK_ROLE_UNKNOWN);
		talk_expect(&t, LITERAL("\x01\0\0\0\x01"));
	}
}

static void answers_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *payload;
		size_t n;
	} bad[] = {
		{ LITERAL(OK) }, /* no rows at all */
		{ LITERAL("\xfb"
			  "/etc/passwd") }, /* wants a file of ours */
		{ LITERAL("\xfc\0\1") },
		{ LITERAL("\xfb") },
		{ LITERAL("\xff") },
	};
	struct bytes b = { .number = 1 };
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		let_in(&t, 100);
		hear(&t, reply(bad[i].payload, bad[i].n, 1), 1);
		assert_int_equal(t.step, CHECK_STEP_DONE);
		assert_int_equal(t.x.facts.role, CHECK_ROLE_UNKNOWN);
		assert_true(t.x.facts.verdict == CHECK_FAILED || bad[i].n == 1);
	}
	let_in(&t, 100); /* a column too many */
	add_packet(&b, LITERAL("\1"));
	add_packet(&b, LITERAL("\0\0\0\0\0\0"));
	add_packet(&b, LITERAL("\0\0\0\0\0\0"));
	hear(&t, b, 1);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
	let_in(&t, 100); /* a column that ends too soon */
	b = (struct bytes){ .number = 1 };
	add_packet(&b, LITERAL("\1"));
	add_packet(&b, LITERAL("\3de"));
	hear(&t, b, 1);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

/* Of a row that is longer than there is room for, what comes first counts. */
static void long_rows_are_read_as_far_as_they_matter(void **state)
{
	static const char *const names[] = { "Seconds_Behind_Source", "Executed_Gtid_Set" };
	static char row[20000];
	struct talk t;

	(void)state;
	for (size_t piece = 1; piece < sizeof(row); piece = piece * 9 + 1) {
		struct bytes columns = { .n = 0 };
		const size_t payload = sizeof(row) - 4;

		let_in(&t, 100);
		hear(&t, pairs(read_only), 100);
		add_columns(&columns, names, 2);
		hear(&t, columns, 100);
		memset(row, 'x', sizeof(row));
		memcpy(row,
		       (const char[]){ (char)payload, (char)(payload >> 8), 0, 5, 2, '4', '2',
				       (char)0xfd, (char)(payload - 7), (char)((payload - 7) >> 8),
				       0 },
		       11);
		talk_hear(&t, row, sizeof(row), piece);
		hear(&t, reply(LITERAL(EOF_), 6), piece);
		assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
		assert_int_equal(t.x.facts.lag_ms, 42000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_and_lags_are_understood),
		cmocka_unit_test(an_old_server_is_asked_in_its_words),
		cmocka_unit_test(members_of_a_cluster_serve_while_they_are_in_it),
		cmocka_unit_test(a_query_that_is_refused_says_why),
		cmocka_unit_test(answers_that_cannot_be_are_refused),
		cmocka_unit_test(long_rows_are_read_as_far_as_they_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
