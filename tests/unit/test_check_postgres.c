/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "check_stage.h"
#include "tls/scram.h"

#define SSL_REQUEST "\0\0\0\x08\x04\xd2\x16\x2f"
#define AUTH_OK "R\0\0\0\x08\0\0\0\0"
#define AUTH_CLEAR "R\0\0\0\x08\0\0\0\x03"
#define AUTH_MD5 "R\0\0\0\x0c\0\0\0\x05salt"
#define READY "Z\0\0\0\x05I"
#define KEY "K\0\0\0\x0c\0\0\0\x01\0\0\0\x02"
#define STANDBY "S\0\0\0\x16in_hot_standby\0on\0"
#define NO_STANDBY "S\0\0\0\x17in_hot_standby\0off\0"
#define OTHER "S\0\0\0\x0dname\0val\0"
#define NOTICE "N\0\0\0\x06x\0"
#define DESCRIPTION "T\0\0\0\x06\0\0"
#define COMPLETE "C\0\0\0\x0dSELECT 1\0"
#define QUIT "X\0\0\0\x04"
#define NONCE "AAECAwQFBgcICQoLDA0ODxAR"

static struct scram_cache cache;
static const struct check_request nobody = { .protocol = &check_postgres };
static const struct check_request alice = {
	.protocol = &check_postgres, .user = "alice", .password = "pencil", .scram_cache = &cache
};
static const struct check_request bare = { .protocol = &check_postgres, .user = "alice" };

/* ---- what servers say ---------------------------------------------------- */

struct bytes {
	char at[1024];
	size_t n;
};

static void add(struct bytes *b, const char *bytes, size_t n)
{
	assert_true(b->n + n <= sizeof(b->at));
	memcpy(b->at + b->n, bytes, n);
	b->n += n;
}

static void add_message(struct bytes *b, char type, const char *body, size_t n)
{
	const char head[] = { type, 0, 0, (char)((n + 4) >> 8), (char)(n + 4) };

	add(b, head, sizeof(head));
	add(b, body, n);
}

static struct bytes error_of(const char *sqlstate)
{
	struct bytes body = { .n = 0 }, message = { .n = 0 };

	add(&body, "SFATAL\0VFATAL\0C", 15);
	add(&body, sqlstate, 6);
	add(&body, "Mfor that reason\0\0", 18);
	add_message(&message, 'E', body.at, body.n);
	return message;
}

/* Columns with | between; - is a null. */
static struct bytes row_of(const char *columns)
{
	struct bytes body = { .at = { 0, 1 }, .n = 2 }, message = { .n = 0 };

	for (const char *at = columns; *at; at++)
		body.at[1] = (char)(body.at[1] + (*at == '|'));
	for (const char *at = columns;; at++) {
		const size_t n = strcspn(at, "|");
		const char head[] = { 0, 0, 0, (char)n };

		if (n == 1 && *at == '-')
			add(&body, "\xff\xff\xff\xff", 4);
		else
			add(&body, head, 4);
		if (n != 1 || *at != '-')
			add(&body, at, n);
		at += n;
		if (*at == '\0')
			break;
	}
	add_message(&message, 'D', body.at, body.n);
	return message;
}

static void login(struct talk *t, const struct check_request *request, size_t piece)
{
	talk_begin(t, request, NULL);
	talk_expect(t, NULL, 0);
	talk_hear(t, LITERAL(AUTH_OK OTHER NO_STANDBY KEY NOTICE READY), piece);
	assert_int_equal(t->step, CHECK_STEP_MORE);
	assert_memory_equal(t->said, "Q", 1);
	talk_expect(t, NULL, 0);
}

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
		{ LITERAL("R\0\0\0\x08\0\0\0\x0b"), CHECK_PASSED },
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

static void a_password_in_clear_needs_verified_tls(void **state)
{
	static const struct {
		struct check_channel channel;
		bool is_sent;
	} cases[] = {
		{ { .is_tls = true, .is_verified = true }, true },
		{ { .is_tls = true }, false },
		{ { .is_verified = true }, false },
		{ { .is_local = true }, false },
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

/* ---- who it is ----------------------------------------------------------- */

static void rows_are_understood(void **state)
{
	static const struct {
		const char *columns;
		enum check_role role;
		bool is_read_only, is_detached, has_position;
		uint64_t position, system_id, started_us;
		uint32_t timeline;
	} cases[] = {
		{ "f|off|50331648|7|7012345678901234567|1795641537149749|-", CHECK_ROLE_PRIMARY,
		  false, false, true, 50331648, 7012345678901234567, 1795641537149749, 7 },
		{ "f|on|18446744073709551615|4294967295|1|1|-", CHECK_ROLE_PRIMARY, true, false,
		  true, UINT64_MAX, 1, 1, UINT32_MAX },
		{ "t|on|50331648|7|7012345678901234567|5|streaming", CHECK_ROLE_REPLICA, true,
		  false, true, 50331648, 7012345678901234567, 5, 7 },
		{ "t|on|50331648|7|7012345678901234567|5|-", CHECK_ROLE_REPLICA, true, true, true,
		  50331648, 7012345678901234567, 5, 7 },
		{ "t|on|1|7|8|5|stopped", CHECK_ROLE_REPLICA, true, true, true, 1, 8, 5, 7 },
		{ "t|on|-|-|-|-|-", CHECK_ROLE_REPLICA, true, true, false, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct bytes row = row_of(cases[i].columns);

		for (size_t piece = 1; piece < 50; piece++) {
			struct talk t;

			login(&t, &alice, piece);
			talk_hear(&t, LITERAL(DESCRIPTION), piece);
			talk_hear(&t, row.at, row.n, piece);
			talk_hear(&t, LITERAL(COMPLETE READY), piece);
			assert_int_equal(t.step, CHECK_STEP_DONE);
			talk_expect(&t, LITERAL(QUIT));
			assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
			assert_int_equal(t.x.facts.role, cases[i].role);
			assert_int_equal(t.x.facts.is_read_only, cases[i].is_read_only);
			assert_int_equal(t.x.facts.is_detached, cases[i].is_detached);
			assert_int_equal(t.x.facts.has_position, cases[i].has_position);
			assert_true(t.x.facts.position == cases[i].position);
			assert_true(t.x.facts.system_id == cases[i].system_id);
			assert_true(t.x.facts.started_us == cases[i].started_us);
			assert_int_equal(t.x.facts.timeline, cases[i].timeline);
		}
	}
}

static void rows_that_cannot_be_are_refused(void **state)
{
	static const char *const bad[] = {
		"f",
		"f|off",
		"f|off|1|1|1|1|-|-",
		"x|off|1|1|1|1|-",
		"|off|1|1|1|1|-",
		"-|off|1|1|1|1|-",
		"f|-|1|1|1|1|-",
		"f|maybe|1|1|1|1|-",
		"f|off|x|1|1|1|-",
		"f|off|-1|1|1|1|-",
		"f|off|18446744073709551616|1|1|1|-",
		"f|off|1|4294967296|1|1|-",
		"f|off|1|1|1.5|1|-",
		"f|off|1|1|1|99999999999999999999999|-",
		"f|off|1|1|1|1|0123456789012345678901234567890123456789012345678901234567890123",
	};
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct bytes row = row_of(bad[i]);

		login(&t, &alice, 100);
		talk_hear(&t, row.at, row.n, 100);
		assert_int_equal(t.step, CHECK_STEP_DONE);
		assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
		assert_int_equal(t.x.facts.role, CHECK_ROLE_UNKNOWN);
	}
	login(&t, &alice, 100);
	talk_hear(&t,
		  LITERAL("D\0\0\0\x0c\0\x07\xff\xff\xff\xfe"
			  "xx"),
		  100);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
	login(&t, &alice, 100);
	talk_hear(&t, LITERAL("D\0\0\0\x05\0"), 100);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

static void a_second_row_is_refused(void **state)
{
	const struct bytes row = row_of("f|off|1|1|1|1|-");
	struct talk t;

	(void)state;
	login(&t, &alice, 100);
	talk_hear(&t, row.at, row.n, 100);
	talk_hear(&t, row.at, row.n, 100);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

static void who_may_not_ask_all_asks_less(void **state)
{
	const struct bytes error = error_of("42501"), row = row_of("t|on");
	struct talk t;

	(void)state;
	login(&t, &alice, 100);
	talk_hear(&t, error.at, error.n, 1);
	talk_hear(&t, LITERAL(READY), 1);
	assert_int_equal(t.step, CHECK_STEP_MORE);
	assert_int_equal(t.said[0], 'Q');
	talk_expect(&t, NULL, 0);
	talk_hear(&t, row.at, row.n, 1);
	talk_hear(&t, LITERAL(COMPLETE READY), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
	assert_int_equal(t.x.facts.role, CHECK_ROLE_REPLICA);
	assert_true(t.x.facts.is_read_only);

	/* Not even that: what the server told by itself counts. */
	login(&t, &alice, 100);
	for (int i = 0; i < 2; i++) {
		talk_hear(&t, error.at, error.n, 100);
		talk_hear(&t, LITERAL(READY), 100);
	}
	assert_int_equal(t.step, CHECK_STEP_DONE);
	assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
	assert_int_equal(t.x.facts.role, CHECK_ROLE_PRIMARY);
	assert_string_equal(t.x.facts.words, "does not say who it is: 42501 for that reason");

	talk_begin(&t, &alice, NULL);
	talk_hear(&t, LITERAL(AUTH_OK STANDBY READY), 1);
	for (int i = 0; i < 2; i++) {
		talk_hear(&t, error.at, error.n, 100);
		talk_hear(&t, LITERAL(READY), 100);
	}
	assert_int_equal(t.x.facts.role, CHECK_ROLE_REPLICA);
}

static void a_server_that_goes_while_it_is_asked_is_not_ready(void **state)
{
	const struct bytes error = error_of("57P01");
	struct talk t;

	(void)state;
	login(&t, &alice, 100);
	talk_hear(&t, error.at, error.n, 1);
	assert_int_equal(t.step, CHECK_STEP_DONE);
	assert_int_equal(t.x.facts.verdict, CHECK_NOT_READY);
}

/* Notices may be longer than there is room for; they are passed over. */
static void long_messages_are_passed_over(void **state)
{
	static char notice[30000];
	struct talk t;

	(void)state;
	memset(notice, 'x', sizeof(notice));
	memcpy(notice, "N\0\0\x75\x2f", 5);
	for (size_t piece = 1; piece < sizeof(notice); piece = piece * 7 + 1) {
		talk_begin(&t, &alice, NULL);
		talk_hear(&t, notice, sizeof(notice), piece);
		talk_hear(&t, LITERAL(AUTH_OK READY), piece);
		assert_int_equal(t.step, CHECK_STEP_MORE);
		assert_int_equal(t.said[t.said_n - 1], '\0');
		check_late(&t.x);
		assert_string_equal(t.x.facts.words,
				    "no answer in time: waited for the answer to a query");
	}
}

static void nothing_of_the_password_is_left(void **state)
{
	const struct check_channel channel = { .is_tls = true, .is_verified = true };
	struct talk t;

	(void)state;
	talk_begin(&t, &alice, &channel);
	t.step = check_receive(&t.x, (const uint8_t *)AUTH_CLEAR, sizeof(AUTH_CLEAR) - 1);
	assert_non_null(memmem(t.x.out, sizeof(t.x.out), "pencil", 6));
	check_finish(&t.x);
	assert_null(memmem(&t.x, sizeof(t.x), "pencil", 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_packet_names_who_and_where),
		cmocka_unit_test(tls_is_asked_for_where_it_is_wanted),
		cmocka_unit_test(any_answer_will_do_for_who_has_no_user),
		cmocka_unit_test(who_is_let_in_without_a_user_says_goodbye),
		cmocka_unit_test(refusals_are_told_apart),
		cmocka_unit_test(passwords_are_proved_by_scram),
		cmocka_unit_test(a_server_must_prove_itself_too),
		cmocka_unit_test(what_cannot_be_used_is_the_checks_fault),
		cmocka_unit_test(a_password_in_clear_needs_verified_tls),
		cmocka_unit_test(rows_are_understood),
		cmocka_unit_test(rows_that_cannot_be_are_refused),
		cmocka_unit_test(a_second_row_is_refused),
		cmocka_unit_test(who_may_not_ask_all_asks_less),
		cmocka_unit_test(a_server_that_goes_while_it_is_asked_is_not_ready),
		cmocka_unit_test(long_messages_are_passed_over),
		cmocka_unit_test(nothing_of_the_password_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
