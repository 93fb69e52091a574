/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands/cmd.h"

#include "session/session.h"
#include "state/peers.h"
#include "unit/control_bed.h"

/* Workers and the main thread take turns until the answer has come. */
static const char *ask(int fd, const char *text)
{
	static char said[1 << 16];
	long n = 0, more;

	peer_send(fd, text, strlen(text));
	for (int i = 0; i < 50 && (n == 0 || !strstr(said, "\"end\"")); i++) {
		office_pass(1);
		bed_run(office.st);
		more = peer_recv(fd, said + n, sizeof(said) - 1 - (size_t)n);
		n += more > 0 ? more : 0;
		said[n] = '\0';
	}
	return said;
}

static unsigned count(const char *text, const char *word)
{
	unsigned n = 0;

	while ((text = strstr(text, word))) {
		text += strlen(word);
		n++;
	}
	return n;
}

static void sessions_of_all_workers_are_told(void **state)
{
	const char *said;
	int fd;

	office_open(state, &(struct bed_options){ .workers = 3, .sessions_max = 1000 });
	for (int n = 0; n < 300; n++) { /* more than one look at each worker */
		(void)bed_client(office.st);
		bed_run(office.st);
		(void)bed_accept_at(office.st, 0);
	}
	bed_run(office.st);
	fd = office_connect();
	said = ask(fd, "sessions --limit 20\n");
	assert_int_equal(count(said, "{\"row\":\"session\","), 20);
	assert_int_equal(count(said, "\"phase\":\"relaying\""), 20);
	assert_non_null(strstr(said, "{\"row\":\"left_out\",\"found\":300,\"left_out\":280}"));
	office_close();
}

static void filters_choose(void **state)
{
	static const struct {
		const char *line;
		unsigned want;
	} rows[] = {
		{ "sessions\n", 2 },
		{ "sessions --client 127.0.0.0/8\n", 2 },
		{ "sessions --client 10.0.0.0/8\n", 0 },
		{ "sessions --backend p/b0\n", 2 },
		{ "sessions --pool p --listener l\n", 2 },
		{ "sessions --older 1m\n", 1 },
		{ "sessions --idle 1m\n", 0 },
	};
	struct pair first;
	int fd;

	office_open(state, &(struct bed_options){ .workers = 1 });
	first = bed_relaying(office.st);
	bed_pass(office.st, 100000);
	(void)bed_relaying(office.st);
	peer_send(first.client, "x", 1);
	bed_run(office.st);
	fd = office_connect();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(count(ask(fd, rows[i].line), "{\"row\":\"session\","),
				 rows[i].want);
	office_close();
}

static void the_largest_come_first(void **state)
{
	struct pair pairs[3];
	const char *said;
	char want[64];
	int fd;

	office_open(state, &(struct bed_options){ .workers = 1 });
	for (int n = 0; n < 3; n++)
		pairs[n] = bed_relaying(office.st);
	peer_send(pairs[1].client, "xxxx", 4);
	bed_run(office.st);
	fd = office_connect();
	said = ask(fd, "sessions --sort bytes --limit 1\n");
	snprintf(want, sizeof(want), "\"id\":%llu,", (unsigned long long)pairs[1].s->id);
	assert_non_null(strstr(said, want));
	assert_int_equal(count(said, "{\"row\":\"session\","), 1);
	office_close();
}

static void rates_are_those_of_a_second(void **state)
{
	struct pair pairs[2];
	char said[4096], want[64], *row;
	long n = 0, more;
	int fd;

	office_open(state, &(struct bed_options){ .workers = 1 });
	for (int i = 0; i < 2; i++)
		pairs[i] = bed_relaying(office.st);
	peer_send(pairs[0].client, "before", 6);
	bed_run(office.st);
	fd = office_connect();
	peer_send(fd, "sessions --sort rate --limit 1\n", 31);
	for (int i = 0; i < 10; i++) {
		office_pass(1);
		bed_run(office.st);
	}
	assert_int_equal(peer_recv(fd, said, sizeof(said)), -EAGAIN);
	peer_send(pairs[1].client, "xxxx", 4);
	peer_send(pairs[1].backend, "yyyyyyyy", 8);
	bed_run(office.st);
	bed_pass(office.st, 1000);
	office_pass(1000);
	for (int i = 0; i < 10; i++) {
		bed_run(office.st);
		office_pass(1);
		more = peer_recv(fd, said + n, sizeof(said) - 1 - (size_t)n);
		n += more > 0 ? more : 0;
	}
	said[n] = '\0';
	snprintf(want, sizeof(want), "\"id\":%llu,", (unsigned long long)pairs[1].s->id);
	row = strstr(said, "{\"row\":\"session\"");
	assert_non_null(row);
	assert_non_null(strstr(row, want));
	assert_non_null(strstr(row, "\"bytes_up_per_s\":4,\"bytes_down_per_s\":8}"));
	assert_int_equal(count(said, "{\"row\":\"session\","), 1);
	office_close();
}

static void who_leaves_between_two_looks_leaves_nothing(void **state)
{
	int fd;

	office_open(state, &(struct bed_options){ .workers = 1 });
	(void)bed_relaying(office.st);
	fd = office_connect();
	peer_send(fd, "sessions --rates\n", 17);
	for (int i = 0; i < 10; i++) {
		office_pass(1);
		bed_run(office.st);
	}
	bed_reset(office.st, fd);
	office_pass(1);
	office_pass(2000);
	office_close();
}

static void one_is_ended_by_its_id_and_more_are_asked_for_first(void **state)
{
	struct pair pairs[3];
	char line[64];
	int fd;

	office_open(state, &(struct bed_options){ .workers = 1 });
	for (int n = 0; n < 3; n++)
		pairs[n] = bed_relaying(office.st);
	fd = office_connect();
	snprintf(line, sizeof(line), "kill %llu\n", (unsigned long long)pairs[1].s->id);
	assert_non_null(strstr(ask(fd, line), "\"killed\":1"));
	expect_reset(pairs[1].client);
	expect_reset(pairs[1].backend);
	expect_nothing(pairs[0].client);
	assert_non_null(strstr(ask(fd, line), "there is no such session"));
	assert_non_null(strstr(ask(fd, "kill\n"), "which ones?"));
	assert_non_null(strstr(ask(fd, "kill --all\n"),
			       "\"code\":\"confirm\",\"error\":\"2 sessions would be ended\""));
	expect_nothing(pairs[0].client);
	assert_non_null(strstr(ask(fd, "kill --all --yes\n"), "\"killed\":2"));
	assert_int_equal(bed_ended(office.st, CLOSE_KILLED), 3);
	office_close();
}

static void names_that_are_none_are_told(void **state)
{
	int fd;

	office_open(state, &(struct bed_options){ .workers = 1 });
	fd = office_connect();
	assert_non_null(strstr(ask(fd, "sessions --listener k\n"), "there is no listener 'k'"));
	assert_non_null(strstr(ask(fd, "sessions --pool q\n"), "there is no pool 'q'"));
	assert_non_null(strstr(ask(fd, "sessions --client 10.0.0.1/8\n"), "\"code\":\"usage\""));
	assert_non_null(strstr(ask(fd, "sessions --sort byets\n"), "\"hint\":\"bytes\""));
	assert_non_null(strstr(ask(fd, "kill x\n"), "is no id of a session"));
	office_close();
}

/* The client leaves while workers have its queries. */
static void a_client_may_leave_in_the_middle(void **state)
{
	int fd;

	office_open(state, &(struct bed_options){ .workers = 2 });
	(void)bed_client(office.st);
	bed_run(office.st);
	fd = office_connect();
	peer_send(fd, "sessions\n", 9);
	while (fake_run() > 0) /* of the control socket's clients, too */
		continue;
	bed_close(office.st, fd);
	for (int n = 0; n < 5; n++) {
		office_pass(1);
		bed_run(office.st);
	}
	office_close();
}

static void a_worker_that_has_ended_holds_up_nobody(void **state)
{
	int fd;

	office_open(state, &(struct bed_options){ .workers = 2 });
	query_worker_ends(office.st->runtime, 1);
	fd = office_connect();
	assert_non_null(strstr(ask(fd, "sessions\n"), OK_LINE));
	office_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(sessions_of_all_workers_are_told),
		bed_test(filters_choose),
		bed_test(the_largest_come_first),
		bed_test(rates_are_those_of_a_second),
		bed_test(who_leaves_between_two_looks_leaves_nothing),
		bed_test(one_is_ended_by_its_id_and_more_are_asked_for_first),
		bed_test(names_that_are_none_are_told),
		bed_test(a_client_may_leave_in_the_middle),
		bed_test(a_worker_that_has_ended_holds_up_nobody),
	};

	return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
