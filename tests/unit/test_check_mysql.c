/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "check_stage.h"

#define NONCE_A "\x5a\x69\x4a\x7e\x1e\x30\x25\x38"
#define NONCE_B "\x03\x17\x73\x7f\x45\x16\x29\x54\x20\x7b\x2b\x76"

/* What go-sql-driver's tests, Python's hashlib and MySQL agree on, for "secret". */
#define PROOF_CACHING                                                      \
	"\x66\x20\x05\x23\x8f\xa1\x8c\xf1\xab\xe8\x38\x8b\x2b\x0e\x6b\xc4" \
	"\xf9\xaa\x93\x3c\xdc\xcc\x78\xb2\xd6\x0f\xb8\x96\x1a\x3d\x39\xeb"
#define PROOF_NATIVE                                                       \
	"\x50\x66\x06\x57\x30\xcf\x2b\x84\x40\xb0\x92\xea\x31\xda\x57\xca" \
	"\xa8\x59\x12\x26"

#define OK "\0\0\0\x02\0\0\0"
#define EOF_ "\xfe\0\0\x02\0"

static const struct check_request nobody = { .protocol = &check_mysql };
static const struct check_request alice = { .protocol = &check_mysql,
					    .user = "alice",
					    .password = "secret" };

/* ---- what servers say ---------------------------------------------------- */

struct bytes {
	char at[4096];
	size_t n;
	uint8_t number; /* of the next packet */
};

static void add(struct bytes *b, const char *bytes, size_t n)
{
	assert_true(b->n + n <= sizeof(b->at));
	memcpy(b->at + b->n, bytes, n);
	b->n += n;
}

static void add_packet(struct bytes *b, const char *payload, size_t n)
{
	const char head[] = { (char)n, (char)(n >> 8), (char)(n >> 16), (char)b->number++ };

	add(b, head, sizeof(head));
	add(b, payload, n);
}

/* Capabilities: those of MySQL 8, TLS if wanted. */
static struct bytes greeting(const char *plugin, bool has_tls)
{
	const char caps[] = { (char)0x0d, (char)(has_tls ? 0xaa : 0xa2) };
	struct bytes body = { .n = 0 }, b = { .n = 0 };

	add(&body, LITERAL("\x0a"
			   "8.0.40\0"
			   "\x07\0\0\0" NONCE_A "\0"));
	add(&body, caps, sizeof(caps));
	add(&body, LITERAL("\xff\x02\0\x08\0\x15\0\0\0\0\0\0\0\0\0\0" NONCE_B "\0"));
	add(&body, plugin, strlen(plugin) + 1);
	add_packet(&b, body.at, body.n);
	return b;
}

static void add_error(struct bytes *b, unsigned number, const char *text)
{
	const char head[] = { (char)0xff, (char)number, (char)(number >> 8) };
	struct bytes body = { .n = 0 };

	add(&body, head, sizeof(head));
	add(&body, text, strlen(text));
	add_packet(b, body.at, body.n);
}

static void add_text(struct bytes *b, const char *text)
{
	const char n = text ? (char)strlen(text) : (char)0xfb;

	add(b, &n, 1);
	if (text)
		add(b, text, strlen(text));
}

static void add_columns(struct bytes *b, const char *const *names, size_t n)
{
	const char count = (char)n;

	b->number = 1;
	add_packet(b, &count, 1);
	for (size_t i = 0; i < n; i++) {
		struct bytes column = { .n = 0 };

		for (size_t k = 0; k < 4; k++)
			add_text(&column, k == 0 ? "def" : "");
		add_text(&column, names[i]);
		add_text(&column, names[i]);
		add(&column, LITERAL("\x0c\x21\0\0\1\0\0\xfd\0\0\0\0\0"));
		add_packet(b, column.at, column.n);
	}
	add_packet(b, LITERAL(EOF_));
}

static void add_row(struct bytes *b, const char *const *values, size_t n)
{
	struct bytes row = { .n = 0 };

	for (size_t i = 0; i < n; i++)
		add_text(&row, values[i]);
	add_packet(b, row.at, row.n);
}

/* Names and values, with a NULL at the end. */
static struct bytes pairs(const char *const *words)
{
	static const char *const names[] = { "Variable_name", "Value" };
	struct bytes b = { .n = 0 };

	add_columns(&b, names, 2);
	for (; *words; words += 2)
		add_row(&b, words, 2);
	add_packet(&b, LITERAL(EOF_));
	return b;
}

static struct bytes reply(const char *payload, size_t n, uint8_t number)
{
	struct bytes b = { .number = number };

	add_packet(&b, payload, n);
	return b;
}

static struct bytes refusal(unsigned number, const char *text, uint8_t at)
{
	struct bytes b = { .number = at };

	add_error(&b, number, text);
	return b;
}

static void hear(struct talk *t, struct bytes b, size_t piece)
{
	talk_hear(t, b.at, b.n, piece);
}

/* ---- logging in ---------------------------------------------------------- */

#define OPTIONS(caps)       \
	caps "\0\0\1\0\x21" \
	     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static void a_proof_is_sent_in_the_servers_own_way(void **state)
{
	static const struct {
		const char *plugin, *said;
		size_t n;
	} cases[] = {
		{ "caching_sha2_password",
		  LITERAL("\x5d\0\0\1" OPTIONS("\x05\xa2\x08\0") "alice\0\x20" PROOF_CACHING
								 "caching_sha2_password\0") },
		{ "mysql_native_password",
		  LITERAL("\x51\0\0\1" OPTIONS("\x05\xa2\x08\0") "alice\0\x14" PROOF_NATIVE
								 "mysql_native_password\0") },
		/* One that nobody knows: it will ask for another, if that will do for this user. */
		{ "client_ed25519",
		  LITERAL("\x51\0\0\1" OPTIONS("\x05\xa2\x08\0") "alice\0\x14" PROOF_NATIVE
								 "mysql_native_password\0") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t piece = 1; piece < 90; piece++) {
			struct talk t;

			talk_begin(&t, &alice, NULL);
			talk_expect(&t, LITERAL(""));
			hear(&t, greeting(cases[i].plugin, true), piece);
			talk_expect(&t, cases[i].said, cases[i].n);
		}
	}
}

static void a_database_and_tls_are_asked_for(void **state)
{
	const struct check_request request = { .protocol = &check_mysql,
					       .user = "alice",
					       .password = "secret",
					       .database = "shop",
					       .tls = CHECK_TLS_PREFER };
	const struct check_request must = { .protocol = &check_mysql, .tls = CHECK_TLS_REQUIRE };
	const struct check_channel tls = { .is_tls = true };
	struct talk t;

	(void)state;
	talk_begin(&t, &request, NULL);
	hear(&t, greeting("mysql_native_password", true), 1);
	assert_int_equal(t.step, CHECK_STEP_TLS);
	talk_expect(&t, LITERAL("\x20\0\0\1" OPTIONS("\x0d\xaa\x08\0")));
	t.said_n = 0;
	talk_secure(&t, &tls);
	talk_expect(&t, LITERAL("\x56\0\0\2" OPTIONS(
				"\x0d\xaa\x08\0") "alice\0\x14" PROOF_NATIVE
						  "shop\0mysql_native_password\0"));

	talk_begin(&t, &request, NULL); /* one that has no TLS */
	hear(&t, greeting("mysql_native_password", false), 1);
	assert_int_equal(t.step, CHECK_STEP_MORE);
	talk_begin(&t, &must, NULL);
	hear(&t, greeting("mysql_native_password", false), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
	assert_string_equal(t.x.facts.words, "does not speak TLS");
}

static void login(struct talk *t, const struct check_request *request, size_t piece)
{
	talk_begin(t, request, NULL);
	hear(t, greeting("caching_sha2_password", false), piece);
	talk_expect(t, NULL, 0);
}

static void a_server_may_switch_to_another_way_once(void **state)
{
	static const char native[] = "\xfe"
				     "mysql_native_password\0" NONCE_A NONCE_B;
	static const char caching[] = "\xfe"
				      "caching_sha2_password\0" NONCE_A NONCE_B;
	struct talk t;

	(void)state;
	login(&t, &alice, 100);
	hear(&t, reply(native, sizeof(native), 2), 1);
	talk_expect(&t, LITERAL("\x14\0\0\3" PROOF_NATIVE));
	hear(&t, reply(LITERAL(OK), 4), 1);
	assert_int_equal(t.said[4], 3);

	login(&t, &alice, 100);
	hear(&t, reply(native, sizeof(native), 2), 1);
	hear(&t, reply(caching, sizeof(caching), 4), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);

	login(&t, &alice, 100); /* a nonce that is too short */
	hear(&t, reply(native, sizeof(native) - 3, 2), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

static void ways_that_are_not_known_are_the_checks_fault(void **state)
{
	static const struct {
		const char *payload;
		size_t n;
		const char *words;
	} cases[] = {
		{ LITERAL("\xfe"
			  "client_ed25519\0abc"),
		  "it asks for an unknown way to log in: client_ed25519" },
		{ LITERAL("\xfe"), "it asks for a password of before MySQL 4.1" },
		{ LITERAL("\xfe"
			  "mysql_clear_password\0"),
		  "it asks for the password in clear" },
		{ LITERAL("\x01\x07"),
		  "it asks for an unknown way to log in: caching_sha2_password" },
		{ LITERAL("\xfe"
			  "a_way_whose_name_is_longer_than_any_that_there_is_and_will_ever_be_really\0"),
		  "it asks for an unknown way to log in: a_way_whose" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;

		login(&t, &alice, 100);
		hear(&t, reply(cases[i].payload, cases[i].n, 2), 1);
		assert_int_equal(t.step, CHECK_STEP_DONE);
		assert_int_equal(t.x.facts.verdict, CHECK_OWN_FAULT);
		assert_memory_equal(t.x.facts.words, cases[i].words, strlen(cases[i].words));
		assert_int_equal(t.said_n, 0);
		login(&t, &nobody, 100);
		hear(&t, reply(cases[i].payload, cases[i].n, 2), 1);
		assert_true(t.x.facts.verdict == CHECK_PASSED || i == 1);
	}
}

static void the_whole_password_goes_only_where_it_is_safe(void **state)
{
	static const struct {
		struct check_channel channel;
		const char *said; /* NULL: nothing */
		size_t n;
	} cases[] = {
		{ { .is_tls = true, .is_verified = true }, LITERAL("\x07\0\0\3secret\0") },
		{ { .is_local = true }, LITERAL("\x07\0\0\3secret\0") },
		{ { .is_tls = true }, LITERAL("") },
		{ { .is_tls = false }, LITERAL("\x01\0\0\3\x02") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;

		talk_begin(&t, &alice, &cases[i].channel);
		hear(&t, greeting("caching_sha2_password", false), 100);
		talk_expect(&t, NULL, 0);
		hear(&t, reply(LITERAL("\x01\x04"), 2), 1);
		talk_expect(&t, cases[i].said, cases[i].n);
		if (cases[i].n == 0)
			assert_int_equal(t.x.facts.verdict, CHECK_OWN_FAULT);
	}
}

static void a_key_that_is_none_gets_no_password(void **state)
{
	struct talk t;

	(void)state;
	login(&t, &alice, 100);
	hear(&t, reply(LITERAL("\x01\x04"), 2), 1);
	talk_expect(&t, NULL, 0);
	hear(&t,
	     reply(LITERAL("\x01-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), 4),
	     1);
	assert_int_equal(t.x.facts.verdict, CHECK_OWN_FAULT);
	assert_int_equal(t.said_n, 0);

	login(&t, &alice, 100); /* nor is it enough to say OK then */
	hear(&t, reply(LITERAL("\x01\x04"), 2), 1);
	hear(&t, reply(LITERAL(OK), 4), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

static void refusals_are_told_apart(void **state)
{
	static const struct {
		unsigned number;
		enum check_verdict with_user, without;
	} cases[] = {
		{ 1040, CHECK_FULL, CHECK_FULL },
		{ 1203, CHECK_FULL, CHECK_FULL },
		{ 1045, CHECK_OWN_FAULT, CHECK_PASSED },
		{ 1044, CHECK_OWN_FAULT, CHECK_PASSED },
		{ 1049, CHECK_OWN_FAULT, CHECK_PASSED },
		{ 1820, CHECK_OWN_FAULT, CHECK_PASSED },
		{ 1053, CHECK_NOT_READY, CHECK_NOT_READY },
		{ 1047, CHECK_NOT_READY, CHECK_NOT_READY },
		{ 1129, CHECK_FAILED, CHECK_FAILED },
		{ 1130, CHECK_FAILED, CHECK_FAILED },
		{ 1158, CHECK_FAILED, CHECK_FAILED },
	};
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct check_request *const requests[] = { &alice, &nobody };
		const enum check_verdict verdicts[] = { cases[i].with_user, cases[i].without };

		for (size_t k = 0; k < 2; k++) {
			talk_begin(&t, requests[k], NULL); /* in place of a greeting */
			hear(&t, refusal(cases[i].number, "no", 0), 1);
			assert_int_equal(t.x.facts.verdict, verdicts[k]);
			login(&t, requests[k], 100);
			hear(&t, refusal(cases[i].number, "#HY000no", 2), 1);
			assert_int_equal(t.x.facts.verdict, verdicts[k]);
			assert_string_equal(strchr(t.x.facts.words, ' '), " no");
		}
	}
	talk_begin(&t, &nobody, NULL);
	hear(&t, reply(LITERAL("\xff\x15"), 0), 1); /* no error at all */
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

static void a_check_without_a_user_logs_in_as_nobody(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, &nobody, NULL);
	hear(&t, greeting("caching_sha2_password", false), 1);
	talk_expect(&t, LITERAL("\x40\0\0\1" OPTIONS("\x05\xa2\x08\0") "ringmain\0\0"
								       "caching_sha2_password\0"));
	hear(&t, reply(LITERAL(OK), 2), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
	talk_expect(&t, LITERAL("\x01\0\0\0\x01"));
}

static void greetings_that_are_none_are_refused(void **state)
{
	const struct bytes whole = greeting("caching_sha2_password", false);

	(void)state;
	for (size_t n = 0; n < whole.n - 4 - sizeof("caching_sha2_password"); n++) {
		struct bytes cut = { .n = 0 };

		add_packet(&cut, whole.at + 4, n);
		if (n != 62) /* all but the last zero of the nonce: some servers leave it out */
			talk_ends(&alice, cut.at, cut.n, CHECK_FAILED);
	}
	for (size_t n = 0; n < whole.n; n++)
		talk_ends(&alice, whole.at, n, CHECK_FAILED);
	talk_ends(&alice, LITERAL("HTTP/1.1 400 Bad Request\r\n\r\n"), CHECK_FAILED);
	talk_ends(&alice,
		  LITERAL("\x05\0\0\0\x09"
			  "3.23"),
		  CHECK_FAILED);
	talk_ends(&alice, LITERAL("\0\0\0\0"), CHECK_FAILED);
}

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

/* A row of a replica may have texts that are longer than there is room for; what is before counts. */
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
		cmocka_unit_test(a_proof_is_sent_in_the_servers_own_way),
		cmocka_unit_test(a_database_and_tls_are_asked_for),
		cmocka_unit_test(a_server_may_switch_to_another_way_once),
		cmocka_unit_test(ways_that_are_not_known_are_the_checks_fault),
		cmocka_unit_test(the_whole_password_goes_only_where_it_is_safe),
		cmocka_unit_test(a_key_that_is_none_gets_no_password),
		cmocka_unit_test(refusals_are_told_apart),
		cmocka_unit_test(a_check_without_a_user_logs_in_as_nobody),
		cmocka_unit_test(greetings_that_are_none_are_refused),
		cmocka_unit_test(roles_and_lags_are_understood),
		cmocka_unit_test(an_old_server_is_asked_in_its_words),
		cmocka_unit_test(members_of_a_cluster_serve_while_they_are_in_it),
		cmocka_unit_test(a_query_that_is_refused_says_why),
		cmocka_unit_test(answers_that_cannot_be_are_refused),
		cmocka_unit_test(long_rows_are_read_as_far_as_they_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
