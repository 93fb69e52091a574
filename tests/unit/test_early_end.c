/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "proto/pgsql.h"
#include "relay/early_end.h"

static const char mysql_full[] = "\027\0\0\0\377\020\004Too many connections";
static const char mysql_blocked[] = "\010\0\0\0\377\151\004Host";
static const char mysql_greeting[] = "\005\0\0\0\0128.4";

#define MYSQL_FULL_BYTES (sizeof(mysql_full) - 1)

struct error {
	uint8_t bytes[PGSQL_ERROR_BYTES_MAX];
	size_t n;
};

static struct error postgres_error(const char *sqlstate)
{
	struct error e = { .n = 0 };

	e.n = pgsql_write_error(e.bytes, sqlstate, "not now");
	return e;
}

/* Sessions that came to nothing, in a row, at the first backend. */
static unsigned unserved(struct bed *st)
{
	return atomic_load(&bed_backend(st, 0)->unserved_in_row);
}

static struct bed *speaking(void **state, const char *pool_keys)
{
	return bed_with(state, &(struct bed_options){ .pool_keys = pool_keys });
}

/* One more session, whose backend ends it before it has said anything. */
static void end_at_once(struct bed *st)
{
	struct pair c = bed_relaying(st);

	bed_close(st, c.backend);
	bed_run(st);
	bed_close(st, c.client);
	bed_run(st);
}

/* One more, whose backend says @n bytes, of which the first @first arrive alone. */
static struct pair answer_in_two(struct bed *st, const void *bytes, size_t n, size_t first)
{
	struct pair c = bed_relaying(st);

	peer_send(c.backend, bytes, first);
	bed_run(st);
	if (n > first)
		peer_send(c.backend, (const char *)bytes + first, n - first);
	bed_run(st);
	return c;
}

static struct pair answer(struct bed *st, const void *bytes, size_t n)
{
	return answer_in_two(st, bytes, n, n);
}

static void expect_error(int fd, const struct error *e)
{
	uint8_t seen[PGSQL_ERROR_BYTES_MAX + 1];

	assert_int_equal(peer_recv(fd, seen, sizeof(seen)), (long)e->n);
	assert_memory_equal(seen, e->bytes, e->n);
}

static void leave(struct bed *st, const struct pair *c)
{
	bed_close(st, c->client);
	bed_close(st, c->backend);
	bed_run(st);
}

/* ---- its end ------------------------------------------------------------- */

static void who_ends_sessions_at_once_serves_nobody(void **state)
{
	struct bed *st = speaking(state, "");

	for (unsigned n = 1; n <= 8; n++) {
		end_at_once(st);
		assert_int_equal(unserved(st), n);
	}
	assert_null(strstr(bed_log(st), "ejected")); /* one client may be the reason */
}

static void a_reset_is_an_end(void **state)
{
	struct bed *st = speaking(state, "");
	struct pair c = bed_relaying(st);

	bed_reset(st, c.backend);
	bed_run(st);
	assert_int_equal(unserved(st), 1);
}

static void a_later_end_has_some_other_reason(void **state)
{
	struct bed *st = speaking(state, "");
	struct pair c = bed_relaying(st);

	bed_pass(st, 2000);
	bed_close(st, c.backend);
	bed_run(st);
	assert_int_equal(unserved(st), 0);
}

static void an_end_that_answers_the_clients_is_none(void **state)
{
	struct bed *st = speaking(state, "");
	struct pair c = bed_relaying(st);

	shutdown(c.client, SHUT_WR);
	bed_run(st);
	expect_end(c.backend);
	bed_close(st, c.backend);
	bed_run(st);
	assert_int_equal(unserved(st), 0);
}

static void who_has_answered_may_end(void **state)
{
	struct bed *st = speaking(state, "");
	struct pair c = answer(st, "x", 1);

	bed_close(st, c.backend);
	bed_run(st);
	expect_text(c.client, "x");
	assert_int_equal(unserved(st), 0);
}

/* ---- its first words ----------------------------------------------------- */

static void a_normal_answer_ends_the_row(void **state)
{
	struct bed *st = speaking(state, "check = mysql");
	struct pair c;

	end_at_once(st);
	end_at_once(st);
	c = answer(st, mysql_greeting, sizeof(mysql_greeting) - 1);
	assert_int_equal(unserved(st), 0);
	expect_bytes(c.client, mysql_greeting, sizeof(mysql_greeting) - 1);
	assert_null(c.s->detail);
}

static void an_error_is_counted_logged_and_passed_on(void **state)
{
	struct bed *st = speaking(state, "check = mysql");
	struct pair c = answer(st, mysql_full, MYSQL_FULL_BYTES);

	assert_int_equal(unserved(st), 1);
	assert_string_equal(c.s->detail, "1040: it has too many connections");
	expect_bytes(c.client, mysql_full, MYSQL_FULL_BYTES);
	bed_close(st, c.backend); /* which is not counted again */
	bed_run(st);
	assert_int_equal(unserved(st), 1);
	c = answer(st, mysql_blocked, sizeof(mysql_blocked) - 1);
	assert_string_equal(c.s->detail, "1129: it has blocked this host");
	assert_int_equal(unserved(st), 2);
}

/* By its code, or where that is not there, by the end that follows. */
static void an_error_in_pieces_counts(void **state)
{
	struct bed *st = speaking(state, "check = mysql");

	for (size_t first = 1; first < MYSQL_FULL_BYTES; first++) {
		struct pair c = answer_in_two(st, mysql_full, MYSQL_FULL_BYTES, first);

		expect_bytes(c.client, mysql_full, MYSQL_FULL_BYTES);
		leave(st, &c);
		assert_int_equal(unserved(st), first);
	}
}

static void an_error_of_postgres_counts_whole(void **state)
{
	struct bed *st = speaking(state, "check = postgres");
	const struct error e = postgres_error("57P03");
	struct pair c;

	for (size_t first = 1; first < e.n; first++) {
		c = answer_in_two(st, e.bytes, e.n, first);
		expect_error(c.client, &e);
		assert_int_equal(unserved(st), first - 1); /* before its end it is not known */
		assert_null(c.s->detail);
		leave(st, &c);
	}
	c = answer(st, e.bytes, e.n);
	assert_int_equal(unserved(st), e.n);
	assert_string_equal(c.s->detail, "57P03: it serves nobody now");
}

/* Who serves nobody ends the session behind its error, however that is cut. */
static void an_error_in_two_segments_is_no_service(void **state)
{
	struct bed *st = speaking(state, "check = postgres");
	const struct error e = postgres_error("57P03");

	for (size_t first = 1; first < e.n; first++) {
		struct pair c = answer_in_two(st, e.bytes, e.n, first);

		bed_close(st, c.backend);
		bed_run(st);
		assert_int_equal(unserved(st), first);
		bed_close(st, c.client);
		bed_run(st);
	}
}

static void only_some_errors_are_held_against_it(void **state)
{
	static const struct {
		const char *sqlstate, *detail;
	} cases[] = {
		{ "28P01", NULL }, /* the client's own password */
		{ "3D000", NULL }, /* or database */
		{ "08P01", NULL },
		{ "28000", "28000: it does not let this client in" },
		{ "53200", "53: it has run out of something" },
		{ "57P01", "57P: it is shutting down" },
		{ "58030", "58: its system fails it" },
		{ "XX001", "XX: it is broken inside" },
	};
	struct bed *st = speaking(state, "check = postgres");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct error e = postgres_error(cases[i].sqlstate);
		struct pair c;

		end_at_once(st);
		c = answer(st, e.bytes, e.n);
		if (cases[i].detail)
			assert_string_equal(c.s->detail, cases[i].detail);
		else
			assert_null(c.s->detail);
		assert_int_equal(unserved(st) > 1, cases[i].detail != NULL);
		leave(st, &c);
		c = answer(st, "R", 1);
		leave(st, &c);
	}
}

/* By its bytes, in whatever protocol, if they are there: else they are an answer like any other. */
static void a_refusal_is_known_where_nobody_says_what_is_spoken(void **state)
{
	struct bed *st = speaking(state, "check = tcp");
	const struct error e = postgres_error("53300");

	(void)answer(st, e.bytes, e.n);
	(void)answer(st, mysql_full, MYSQL_FULL_BYTES);
	assert_int_equal(unserved(st), 2);
	(void)answer(st, mysql_full, 4);
	assert_int_equal(unserved(st), 0);
	end_at_once(st);
	(void)answer(st, e.bytes, e.n - 1);
	assert_int_equal(unserved(st), 0);
	end_at_once(st);
	(void)answer(st, "Error\r\n", 7);
	assert_int_equal(unserved(st), 0);
}

/* A notice is passed over, but not more of them than one receive brings. */
static void an_error_behind_more_than_is_looked_at_is_not_seen(void **state)
{
	static const uint8_t notice[5 + 4096] = { 'N', 0, 0, 0x10, 4 };
	const struct error e = postgres_error("53300");
	static uint8_t says[BUF_BYTES + sizeof(notice) + PGSQL_ERROR_BYTES_MAX];
	struct bed *st = speaking(state, "check = postgres");
	struct pair c;
	size_t n = sizeof(notice);

	memcpy(says, notice, n);
	memcpy(says + n, e.bytes, e.n);
	c = answer(st, says, n + e.n);
	assert_string_equal(c.s->detail, "53300: it has too many connections");
	assert_int_equal(unserved(st), 1);
	while (n < BUF_BYTES) {
		memcpy(says + n, notice, sizeof(notice));
		n += sizeof(notice);
	}
	memcpy(says + n, e.bytes, e.n);
	c = answer(st, says, n + e.n);
	assert_null(c.s->detail);
	assert_int_equal(unserved(st), 1);
}

/* ---- who can be the reason ----------------------------------------------- */

/* Of one client's sessions; the default of eject_after is 5. */
static bool ejects(struct bed *st, const void *bytes, size_t n)
{
	for (unsigned times = 0; times < 5; times++) {
		struct pair c = answer(st, bytes, n);

		leave(st, &c);
	}
	assert_int_equal(unserved(st), 5);
	return strstr(bed_log(st), "change=ejected");
}

static void mysql_may_refuse_for_one_client(void **state)
{
	struct bed *st = bed_with(
		state, &(struct bed_options){ .backends = 2,
					      .pool_keys = "balance = first\ncheck = mysql" });

	assert_false(ejects(st, mysql_full, MYSQL_FULL_BYTES));
}

static void postgres_refuses_whoever_has_said_who_it_is(void **state)
{
	struct bed *st = bed_with(
		state, &(struct bed_options){ .backends = 2,
					      .pool_keys = "balance = first\ncheck = postgres" });
	const struct error e = postgres_error("57P03");

	assert_true(ejects(st, e.bytes, e.n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(who_ends_sessions_at_once_serves_nobody),
		bed_test(a_reset_is_an_end),
		bed_test(a_later_end_has_some_other_reason),
		bed_test(an_end_that_answers_the_clients_is_none),
		bed_test(who_has_answered_may_end),
		bed_test(a_normal_answer_ends_the_row),
		bed_test(an_error_is_counted_logged_and_passed_on),
		bed_test(an_error_in_pieces_counts),
		bed_test(an_error_of_postgres_counts_whole),
		bed_test(an_error_in_two_segments_is_no_service),
		bed_test(only_some_errors_are_held_against_it),
		bed_test(a_refusal_is_known_where_nobody_says_what_is_spoken),
		bed_test(an_error_behind_more_than_is_looked_at_is_not_seen),
		bed_test(mysql_may_refuse_for_one_client),
		bed_test(postgres_refuses_whoever_has_said_who_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
