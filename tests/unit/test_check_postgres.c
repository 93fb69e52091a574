/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "postgres_bed.h"

/* ---- beginning ----------------------------------------------------------- */

static void the_first_packet_names_who_and_where(void **state)
{
	const struct check_request all = { .protocol = &check_postgres,
					   .user = "alice",
					   .database = "shop" };
	struct talk t;

	(void)state;
	talk_begin(&t, &nobody, NULL);
	talk_expect(&t, LITERAL("\0\0\0\x43\0\x03\0\0user\0ringmain\0database\0postgres\0"
				"application_name\0ringmain\0\0"));
	talk_begin(&t, &all, NULL);
	talk_expect(&t, LITERAL("\0\0\0\x3c\0\x03\0\0user\0alice\0database\0shop\0"
				"application_name\0ringmain\0\0"));
}

static void tls_is_asked_for_where_it_is_wanted(void **state)
{
	static const struct {
		enum check_tls tls;
		const char *answer;
		size_t n;
		enum check_step step;
		bool has_started;
	} cases[] = {
		{ CHECK_TLS_PREFER, LITERAL("S"), CHECK_STEP_TLS, false },
		{ CHECK_TLS_REQUIRE, LITERAL("S"), CHECK_STEP_TLS, false },
		{ CHECK_TLS_PREFER, LITERAL("N"), CHECK_STEP_MORE, true },
		{ CHECK_TLS_REQUIRE, LITERAL("N"), CHECK_STEP_DONE, false },
		{ CHECK_TLS_PREFER, LITERAL("Eoh no\0"), CHECK_STEP_DONE, false },
		{ CHECK_TLS_PREFER, LITERAL("H"), CHECK_STEP_DONE, false },
		{ CHECK_TLS_PREFER, LITERAL("S" AUTH_OK), CHECK_STEP_DONE, false },
	};
	const struct check_channel tls = { .is_tls = true }, local = { .is_local = true };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct check_request request = { .protocol = &check_postgres,
						       .tls = cases[i].tls };
		struct talk t;

		talk_begin(&t, &request, NULL);
		talk_expect(&t, LITERAL(SSL_REQUEST));
		talk_hear(&t, cases[i].answer, cases[i].n, cases[i].n);
		assert_int_equal(t.step, cases[i].step);
		if (t.step == CHECK_STEP_DONE)
			assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
		assert_int_equal(t.said_n > 0, cases[i].has_started);
		if (t.step == CHECK_STEP_TLS) {
			talk_secure(&t, &tls);
			assert_memory_equal(t.said, "\0\0\0\x43", 4);
		}
		talk_begin(&t, &request, &tls); /* it is there already */
		assert_memory_equal(t.said, "\0\0\0\x43", 4);
		talk_begin(&t, &request, &local);
		assert_memory_equal(t.said, "\0\0\0\x43", 4);
	}
}

static void any_answer_will_do_for_who_has_no_user(void **state)
{
	static const struct {
		const char *answer;
		size_t n;
		enum check_verdict verdict;
	} cases[] = {
		{ LITERAL(AUTH_CLEAR), CHECK_PASSED },
		{ LITERAL(AUTH_MD5), CHECK_PASSED },
		{ LITERAL("R\0\0\0\x08\0\0\0\x07"), CHECK_PASSED },
		{ LITERAL("R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"), CHECK_PASSED },
		{ LITERAL(AUTH_OK READY), CHECK_PASSED },
		{ LITERAL(AUTH_OK), CHECK_FAILED },
		{ LITERAL("R\0\0\0\x04"), CHECK_FAILED },
		{ LITERAL(READY), CHECK_FAILED },
		{ LITERAL("R\0\0\0\x08\0\0\0\x0b"), CHECK_FAILED },
		{ LITERAL("R\0\0\0\x03\0\0\0\x03"), CHECK_FAILED },
		{ LITERAL("R\xff\xff\xff\xff"), CHECK_FAILED },
		{ LITERAL("HTTP/1.1 400 Bad Request\r\n"), CHECK_FAILED },
		{ LITERAL("SSH-2.0-OpenSSH\r\n"), CHECK_FAILED },
		{ LITERAL("N"), CHECK_FAILED },
		{ LITERAL(""), CHECK_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		talk_ends(&nobody, cases[i].answer, cases[i].n, cases[i].verdict);
}

static void who_is_let_in_without_a_user_says_goodbye(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, &nobody, NULL);
	talk_expect(&t, NULL, 0);
	talk_hear(&t, LITERAL(AUTH_OK KEY READY), 1);
	assert_int_equal(t.step, CHECK_STEP_DONE);
	talk_expect(&t, LITERAL(QUIT));
}

/* The server has room, and only the role that the check has may not have more. */
static void a_role_with_too_many_connections_is_no_full_server(void **state)
{
	static const struct {
		const char *sqlstate, *routine;
		enum check_verdict with_user, without;
	} cases[] = {
		{ "53300", "InitializeSessionUserId", CHECK_OWN_FAULT, CHECK_PASSED },
		{ "53300", "InitializeSessionUser", CHECK_FULL, CHECK_FULL },
		{ "53300", "InitPostgres", CHECK_FULL, CHECK_FULL },
		{ "57P03", "InitializeSessionUserId", CHECK_NOT_READY, CHECK_NOT_READY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct bytes error = error_found_by(cases[i].sqlstate, cases[i].routine);

		talk_ends(&alice, error.at, error.n, cases[i].with_user);
		talk_ends(&nobody, error.at, error.n, cases[i].without);
	}
}

static void refusals_are_told_apart(void **state)
{
	static const struct {
		const char *sqlstate;
		enum check_verdict with_user, without;
	} cases[] = {
		{ "53300", CHECK_FULL, CHECK_FULL },
		{ "57P03", CHECK_NOT_READY, CHECK_NOT_READY },
		{ "57P01", CHECK_NOT_READY, CHECK_NOT_READY },
		{ "28P01", CHECK_OWN_FAULT, CHECK_PASSED },
		{ "28000", CHECK_OWN_FAULT, CHECK_PASSED },
		{ "3D000", CHECK_OWN_FAULT, CHECK_PASSED },
		{ "42501", CHECK_OWN_FAULT, CHECK_PASSED },
		{ "55000", CHECK_OWN_FAULT, CHECK_PASSED },
		{ "53100", CHECK_FAILED, CHECK_FAILED },
		{ "58030", CHECK_FAILED, CHECK_FAILED },
		{ "XX000", CHECK_FAILED, CHECK_FAILED },
		{ "08P01", CHECK_FAILED, CHECK_FAILED },
	};
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct bytes error = error_of(cases[i].sqlstate);

		talk_ends(&alice, error.at, error.n, cases[i].with_user);
		talk_ends(&nobody, error.at, error.n, cases[i].without);
		talk_begin(&t, &alice, NULL);
		talk_hear(&t, error.at, error.n, error.n);
		assert_memory_equal(t.x.facts.words, cases[i].sqlstate, 5);
		assert_string_equal(t.x.facts.words + 5, " for that reason");
	}
	/* Of errors that nobody can read: nothing is known, so nothing is passed. */
	talk_ends(&nobody, LITERAL("E\0\0\0\x05\0"), CHECK_FAILED);
	talk_ends(&nobody, LITERAL("E\0\0\0\x04"), CHECK_FAILED);
	talk_ends(&nobody,
		  LITERAL("E\0\0\0\x0a"
			  "C28000"),
		  CHECK_PASSED);
	talk_ends(&nobody,
		  LITERAL("E\0\0\0\x0c"
			  "C280001\0"),
		  CHECK_FAILED);
	talk_ends(&nobody,
		  LITERAL("E\0\0\0\x0b"
			  "C2800\0\0"),
		  CHECK_FAILED);
}

/* ---- logging in ---------------------------------------------------------- */

#define SASL "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"
#define SASL_BOTH "R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"
#define FIRST "r=" NONCE "srv,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

static struct bytes sasl(char kind, const char *text)
{
	struct bytes body = { .at = { 0, 0, 0, kind }, .n = 4 }, message = { .n = 0 };

	add(&body, text, strlen(text));
	add_message(&message, 'R', body.at, body.n);
	return message;
}

/* The values are those of Python's hashlib and hmac; see test_scram.c. */
static const struct {
	const char *name, *first, *answer, *final;
	bool is_bound;
} ways[] = {
	{ "SCRAM-SHA-256", "n,,n=,r=" NONCE,
	  "c=biws,r=" NONCE "srv,p=2G0QN/uhfw2eNEdNGJHywUALAo88r5lDLtdwFZFS0+4=",
	  "v=KzMSVpvaYCQ9mVrh/QNdEaybIvcFuUwaVluFsZKKhnE=", false },
	{ "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=" NONCE,
	  "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo=,r=" NONCE
	  "srv,p=q1JHpfxAQCkeJx6lgTmlYt9qHK6lvszzUSjjbFik1E0=",
	  "v=etpfteTBGOfWY5bscPO+WTmXG288cnpFBrwhfG/NFxM=", true },
};

static void begin_sasl(struct talk *t, bool is_bound)
{
	struct check_channel channel = { .is_tls = is_bound, .end_point_bytes = is_bound ? 32 : 0 };

	memset(channel.end_point, 0xaa, 32);
	talk_begin(t, &alice, &channel);
	talk_expect(t, NULL, 0);
}

static void passwords_are_proved_by_scram(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct bytes first = sasl(11, FIRST), final = sasl(12, ways[i].final);

		for (size_t piece = 1; piece < 60; piece++) {
			struct talk t;
			const uint8_t *body;

			begin_sasl(&t, ways[i].is_bound);
			talk_hear(&t, LITERAL(SASL_BOTH), piece);
			assert_int_equal(t.said[0], 'p');
			assert_int_equal(t.said[4], t.said_n - 1);
			body = t.said + 5;
			assert_string_equal((const char *)body, ways[i].name);
			body += strlen(ways[i].name) + 1;
			assert_memory_equal(body, "\0\0\0", 3);
			assert_int_equal(body[3], strlen(ways[i].first));
			assert_memory_equal(body + 4, ways[i].first, body[3]);
			talk_expect(&t, NULL, 0);

			talk_hear(&t, first.at, first.n, piece);
			assert_int_equal(t.said_n, 5 + strlen(ways[i].answer));
			assert_memory_equal(t.said + 5, ways[i].answer, t.said_n - 5);
			talk_expect(&t, NULL, 0);

			talk_hear(&t, final.at, final.n, piece);
			talk_hear(&t, LITERAL(AUTH_OK READY), piece);
			assert_int_equal(t.step, CHECK_STEP_MORE);
			assert_int_equal(t.said[0], 'Q');
		}
	}
}

/* What a hostile server does in place of the one that knows the password. */
static void a_server_must_prove_itself_too(void **state)
{
	const struct bytes first = sasl(11, FIRST), right = sasl(12, ways[0].final);
	const struct bytes forged = sasl(12, "v=LzMSVpvaYCQ9mVrh/QNdEaybIvcFuUwaVluFsZKKhnE=");
	const struct bytes refused = sasl(12, "e=invalid-proof");
	const struct bytes other = sasl(11, "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
	const struct bytes costly = sasl(11, "r=" NONCE "srv,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=100001");
	const struct {
		const struct bytes *say[2];
		bool is_let_in_then;
		enum check_verdict verdict;
	} cases[] = {
		{ { NULL, NULL }, true, CHECK_FAILED },
		{ { &first, NULL }, true, CHECK_FAILED },
		{ { &first, &forged }, true, CHECK_FAILED },
		{ { &first, &refused }, true, CHECK_OWN_FAULT },
		{ { &first, &first }, true, CHECK_FAILED },
		{ { &right, NULL }, true, CHECK_FAILED },
		{ { &other, NULL }, true, CHECK_FAILED },
		{ { &costly, NULL }, true, CHECK_FAILED },
		{ { &first, &right }, false, CHECK_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;

		begin_sasl(&t, false);
		talk_hear(&t, LITERAL(SASL), 100);
		for (size_t k = 0; k < 2 && cases[i].say[k]; k++)
			talk_hear(&t, cases[i].say[k]->at, cases[i].say[k]->n, 100);
		if (cases[i].is_let_in_then)
			talk_hear(&t, LITERAL(AUTH_OK READY), 100);
		else
			talk_hear(&t, LITERAL(READY), 100);
		assert_int_equal(t.step, CHECK_STEP_DONE);
		assert_int_equal(t.x.facts.verdict, cases[i].verdict);
	}
}

/* With a user and without one. */
static void the_middle_of_a_log_in_is_no_beginning(void **state)
{
	static const struct {
		const char *answer;
		size_t n;
	} cases[] = {
		{ LITERAL("R\0\0\0\x09\0\0\0\x08x") },
		{ LITERAL("R\0\0\0\x17\0\0\0\x0br=x,s=eA==,i=4096") },
		{ LITERAL("R\0\0\0\x0b\0\0\0\x0cv=x") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		talk_ends(&alice, cases[i].answer, cases[i].n, CHECK_FAILED);
		talk_ends(&nobody, cases[i].answer, cases[i].n, CHECK_FAILED);
	}
}

static void what_cannot_be_used_is_the_checks_fault(void **state)
{
	static const struct {
		const struct check_request *request;
		const char *answer;
		size_t n;
		const char *words;
	} cases[] = {
		{ &bare, LITERAL(SASL), "it asks for a password" },
		{ &bare, LITERAL(AUTH_CLEAR), "it asks for a password" },
		{ &alice, LITERAL(AUTH_CLEAR), "it asks for the password in clear" },
		{ &alice, LITERAL(AUTH_MD5), "it asks for the password in MD5" },
		{ &alice, LITERAL("R\0\0\0\x08\0\0\0\x07"), "it asks for Kerberos" },
		{ &alice, LITERAL("R\0\0\0\x08\0\0\0\x63"),
		  "it asks for an unknown way to log in" },
		{ &alice, LITERAL("R\0\0\0\x0e\0\0\0\x0aOAUTH\0"),
		  "it asks for an unknown way to log in" },
		{ &alice, LITERAL("R\0\0\0\x1c\0\0\0\x0aSCRAM-SHA-256-PLUS\0\0"),
		  "it asks for an unknown way to log in" },
		{ &alice, LITERAL("R\0\0\0\x15\0\0\0\x0aSCRAM-SHA-256"),
		  "it asks for an unknown way to log in" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;

		talk_ends(cases[i].request, cases[i].answer, cases[i].n, CHECK_OWN_FAULT);
		talk_begin(&t, cases[i].request, NULL);
		talk_expect(&t, NULL, 0);
		talk_hear(&t, cases[i].answer, cases[i].n, 100);
		assert_memory_equal(t.x.facts.words, cases[i].words, strlen(cases[i].words));
		assert_int_equal(t.said_n, 0);
	}
}

static void a_password_in_clear_is_for_verified_tls_and_unix_sockets(void **state)
{
	static const struct {
		struct check_channel channel;
		bool is_sent;
	} cases[] = {
		{ { .is_tls = true, .is_verified = true }, true },
		{ { .is_tls = true }, false },
		{ { .is_verified = true }, false },
		{ { .is_local = true }, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;

		talk_begin(&t, &alice, &cases[i].channel);
		talk_expect(&t, NULL, 0);
		talk_hear(&t, LITERAL(AUTH_CLEAR), 1);
		if (cases[i].is_sent)
			talk_expect(&t, LITERAL("p\0\0\0\x0bpencil\0"));
		else
			talk_expect(&t, LITERAL(""));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_packet_names_who_and_where),
		cmocka_unit_test(tls_is_asked_for_where_it_is_wanted),
		cmocka_unit_test(any_answer_will_do_for_who_has_no_user),
		cmocka_unit_test(who_is_let_in_without_a_user_says_goodbye),
		cmocka_unit_test(a_role_with_too_many_connections_is_no_full_server),
		cmocka_unit_test(refusals_are_told_apart),
		cmocka_unit_test(passwords_are_proved_by_scram),
		cmocka_unit_test(a_server_must_prove_itself_too),
		cmocka_unit_test(the_middle_of_a_log_in_is_no_beginning),
		cmocka_unit_test(what_cannot_be_used_is_the_checks_fault),
		cmocka_unit_test(a_password_in_clear_is_for_verified_tls_and_unix_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
