/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/admin.h"

#include "admin/admin_client.h"
#include "admin/request.h"
#include "unit/control_bed.h"

static const struct bed_options two = { .backends = 2 };

static void a_command_is_answered(void **state)
{
	int fd;

	office_open(state, &two);
	fd = office_connect();
	assert_non_null(strstr(office_ask(fd, "status\n"), "{\"row\":\"process\","));
	assert_non_null(strstr(office_ask(fd, "status\n"), OK_LINE));
	office_close();
}

static void lines_may_come_in_pieces_and_several_at_once(void **state)
{
	const char *said;
	int fd;

	office_open(state, &two);
	fd = office_connect();
	assert_string_equal(office_ask(fd, "hel"), "");
	said = office_ask(fd, "p help\nhelp help\n");
	assert_non_null(strstr(said, OK_LINE));
	assert_non_null(strstr(strstr(said, OK_LINE) + 1, OK_LINE));
	office_close();
}

static void a_client_that_has_ended_its_stream_is_answered_and_let_go(void **state)
{
	char byte;
	int fd;

	office_open(state, &two);
	fd = office_connect();
	peer_send(fd, "help\nstat", 9);
	shutdown(fd, SHUT_WR);
	assert_non_null(strstr(office_ask(fd, ""), OK_LINE));
	office_pass(1);
	assert_int_equal(peer_recv(fd, &byte, 1), 0);
	office_close();
}

static void mistakes_are_told_with_what_was_meant(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
		{ "statsu\n", "\"code\":\"unknown\",\"error\":\"there is no command 'statsu' (help "
			      "lists them)\",\"hint\":\"status\"" },
		{ "show sess\n", "\"status\"" },
		{ "disable server p/b\n", "\"backend POOL/NAME maint\"" },
		{ "\n", "there is no command" },
		{ "status now\n", "there is too much behind status" },
		{ "backend\n", "something is missing behind backend" },
		{ "backend x/b1 drain\n", "\"code\":\"unknown\",\"error\":\"there is no pool 'x'" },
		{ "backend b0 drain\n", "is not of the form POOL/NAME" },
		{ "backend p/b0 drain --fro 1s\n", "\"hint\":\"--for\"" },
		{ "backend p/b0 drain --for\n", "--for needs a value: TIME" },
		{ "backend p/b0 drain --for=1\n", "is no duration" },
		{ "backend p/b0 weight 257\n", "a weight is a number, 0 to 256" },
		{ "backend p/b0 drain 1\n", "there is nothing to say behind 'drain'" },
		{ "status \"\n", "a double quote is not closed" },
		{ "kill --pool \"\" --yes\n",
		  "\"code\":\"usage\",\"error\":\"--pool needs a value" },
		{ "kill --listener= --yes\n", "--listener needs a value: LISTENER" },
		{ "sessions --backend=\n", "--backend needs a value: POOL/NAME" },
		{ "sessions --client 127.0.0.2 --client 127.0.0.3\n", "--client is given twice" },
		{ "backend p/b0 drain --for 366d\n", "--for: '366d' is more than 365d" },
		{ "backend p/b0 drain --over 213503982334d\n", "is more than 365d" },
		{ "deny 127.0.0.1 --for 18446744073709551615ms\n", "is more than 365d" },
		{ "sessions --older 9000h\n", "--older: '9000h' is more than 365d" },
		{ "sessions --idle 8761h\n", "--idle: '8761h' is more than 365d" },
	};
	int fd;

	office_open(state, &two);
	fd = office_connect();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *said = office_ask(fd, rows[i].line);

		if (!strstr(said, rows[i].want))
			print_error("%s%s", rows[i].line, said);
		assert_non_null(strstr(said, rows[i].want));
	}
	office_close();
}

static void a_megabyte_without_a_newline_is_refused(void **state)
{
	static char bytes[1 << 20];
	size_t sent = 0;
	int fd;

	office_open(state, &two);
	fd = office_connect();
	memset(bytes, 'x', sizeof(bytes));
	for (int n = 0; n < 1000 && sent < sizeof(bytes); n++) {
		ssize_t now =
			send(fd, bytes + sent, sizeof(bytes) - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (now < 0 && errno == EPIPE)
			break;
		sent += now > 0 ? (size_t)now : 0;
		office_pass(1);
	}
	assert_true(sent < sizeof(bytes)); /* nobody reads the rest */
	assert_non_null(strstr(office_ask(fd, ""), "a line has more than 4095 bytes"));
	office_close();
}

/* It asks for more than its socket can hold, and reads nothing. */
static void a_client_that_never_reads_holds_up_nobody(void **state)
{
	int fd, other;

	office_open(state, &two);
	fd = office_connect();
	for (int n = 0; n < 3000; n++) {
		(void)!send(fd, "help\n", 5, MSG_DONTWAIT | MSG_NOSIGNAL);
		office_pass(1);
	}
	other = office_connect();
	assert_non_null(strstr(office_ask(other, "status\n"), OK_LINE));
	office_close();
}

static void who_comes_when_there_are_many_takes_the_place_of_the_idlest(void **state)
{
	int fds[ADMIN_CLIENTS_MAX + 40];
	unsigned open = 0;

	office_open(state, &two);
	for (size_t n = 0; n < ARRAY_LEN(fds); n++) {
		fds[n] = office_connect();
		assert_non_null(strstr(office_ask(fds[n], "help\n"), OK_LINE));
		if (n > 0) /* the first one stays busy */
			assert_non_null(strstr(office_ask(fds[0], "help\n"), OK_LINE));
	}
	for (size_t n = 0; n < ARRAY_LEN(fds); n++)
		open += peer_says(fds[n]) == -EAGAIN;
	assert_int_equal(open, ADMIN_CLIENTS_MAX);
	office_close();
}

static void completion_knows_commands_names_and_options(void **state)
{
	static const struct {
		const char *line, *want;
	} rows[] = {
		{ "complete \"sta\"\n", "{\"row\":\"word\",\"word\":\"status\"}\n" OK_LINE },
		{ "complete backend \"p/b0\"\n", "{\"row\":\"word\",\"word\":\"p/b0\"}\n" OK_LINE },
		{ "complete backend \"p/b0\" \"dr\"\n",
		  "{\"row\":\"word\",\"word\":\"drain\"}\n" OK_LINE },
		{ "complete backend \"--for\" \"1s\" \"p/b1\"\n",
		  "{\"row\":\"word\",\"word\":\"p/b1\"}\n" OK_LINE },
		{ "complete backend \"--f\"\n", "{\"row\":\"word\",\"word\":\"--for\"}\n" OK_LINE },
		{ "complete kill \"--backend=p/b1\"\n",
		  "{\"row\":\"word\",\"word\":\"--backend=p/b1\"}\n" OK_LINE },
		{ "complete kill \"--pool=p\" \"--bac\"\n",
		  "{\"row\":\"word\",\"word\":\"--backend\"}\n" OK_LINE },
		{ "complete kill \"--all=\"\n", OK_LINE },
		{ "complete status \"x\"\n", OK_LINE },
		{ "complete nothing \"x\"\n", OK_LINE },
	};
	int fd;

	office_open(state, &two);
	fd = office_connect();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(office_ask(fd, rows[i].line), rows[i].want);
	office_close();
}

static void clients_are_kept_out_for_a_while(void **state)
{
	int fd, client;

	office_open(state, &two);
	fd = office_connect();
	assert_string_equal(office_ask(fd, "deny 127.0.0.0/8 --for 10s --listener l\n"), OK_LINE);
	assert_non_null(strstr(office_ask(fd, "deny\n"),
			       "{\"row\":\"ban\",\"client\":\"127.0.0.0/8\",\"listener\":\"l\","));
	client = bed_client(office.st);
	bed_run(office.st);
	expect_reset(client);
	office_pass(10000);
	assert_string_equal(office_ask(fd, "deny\n"), OK_LINE);
	client = bed_client(office.st);
	bed_run(office.st);
	expect_nothing(client);
	office_close();
}

static void a_ban_can_be_undone(void **state)
{
	int fd;

	office_open(state, &two);
	fd = office_connect();
	assert_string_equal(office_ask(fd, "deny 10.0.0.0/8 --for 1h\n"), OK_LINE);
	assert_string_equal(office_ask(fd, "deny 10.0.0.0/8 --for 2h\n"), OK_LINE);
	assert_int_equal(office.st->runtime->bans.n, 1);
	assert_non_null(strstr(office_ask(fd, "deny 10.0.0.1 --undo\n"), "it was not denied"));
	assert_string_equal(office_ask(fd, "deny 10.0.0.0/8 --undo\n"), OK_LINE);
	assert_int_equal(office.st->runtime->bans.n, 0);
	assert_non_null(strstr(office_ask(fd, "deny 10.0.0.1\n"), "for how long?"));
	assert_non_null(strstr(office_ask(fd, "deny 10.0.0.1/8 --for 1h\n"), "\"hint\":"));
	assert_non_null(strstr(office_ask(fd, "deny ::1 --for 1h --listener m\n"), "no listener"));
	office_close();
}

static void a_pool_that_a_reload_removes_is_shown_as_leaving(void **state)
{
	const char *said;
	int fd;

	office_open(state, &(struct bed_options){ .backends = 1 });
	fd = office_connect();
	bed_relaying(office.st);
	bed_reload(office.st, &(struct bed_options){ .backends = 1, .pool_name = "q" });
	bed_run(office.st);
	said = office_ask(fd, "status\n");
	assert_non_null(
		strstr(said, "\"pool\":\"q\",\"balance\":\"random\",\"backends\":1,\"ready\":1,"));
	assert_non_null(strstr(said, "\"pool\":\"p\",\"balance\":\"random\",\"backends\":1,"));
	assert_null(strstr(said, "\"pool\":\"p\",\"balance\":\"random\",\"backends\":1,\"ready\""));
	assert_non_null(strstr(said, "\"state\":\"leaving\""));
	office_close();
}

/* ---- what the operator sets of backends ---------------------------------- */

static enum backend_state state_of(unsigned n)
{
	return atomic_load(&bed_backend(office.st, n)->state);
}

static void an_override_lasts_until_it_is_undone(void **state)
{
	int fd;

	office_open(state, &two);
	fd = office_connect();
	assert_string_equal(office_ask(fd, "backend p/b0 drain\n"), OK_LINE);
	office_pass(100000000);
	assert_int_equal(state_of(0), BACKEND_DRAIN);
	assert_non_null(strstr(office_ask(fd, "status\n"), "\"override\":\"drain\"}"));
	assert_string_equal(office_ask(fd, "backend p/b0 ready\n"), OK_LINE);
	assert_int_equal(state_of(0), BACKEND_READY);
	assert_null(strstr(office_ask(fd, "status\n"), "\"override\":"));
	office_close();
}

static void an_override_for_a_while_ends_by_itself(void **state)
{
	struct backend_facts facts;
	int fd;

	office_open(state, &two);
	fd = office_connect();
	assert_string_equal(office_ask(fd, "backend p/b0 maint --for 10m\n"), OK_LINE);
	assert_string_equal(office_ask(fd, "backend p/b1 weight 7 --for=1h\n"), OK_LINE);
	office_pass(599000);
	assert_int_equal(state_of(0), BACKEND_MAINT);
	office_pass(2000);
	assert_int_equal(state_of(0), BACKEND_READY);
	pool_inspect(office.st->runtime->pools[0], bed_backend(office.st, 1), &facts);
	assert_int_equal(facts.weight, 7);
	office_pass(3600000);
	pool_inspect(office.st->runtime->pools[0], bed_backend(office.st, 1), &facts);
	assert_int_equal(facts.weight, 1);
	assert_int_equal(office.context.overrides.n, 0);
	office_close();
}

/* What its checks say is not forgotten meanwhile. */
static void an_override_that_has_ended_leaves_it_as_its_checks_say(void **state)
{
	uint64_t delay_ms;
	struct pool *pool;
	int fd;

	office_open(state, &(struct bed_options){ .backends = 2, .pool_keys = "check = tcp" });
	pool = office.st->runtime->pools[0];
	fd = office_connect();
	assert_string_equal(office_ask(fd, "backend p/b0 drain --for 10s\n"), OK_LINE);
	for (int n = 0; n < 10; n++)
		(void)pool_on_check(pool, bed_backend(office.st, 0), false, 0, &delay_ms);
	assert_int_equal(state_of(0), BACKEND_DOWN);
	office_pass(20000);
	assert_int_equal(office.context.overrides.n, 0);
	assert_int_equal(state_of(0), BACKEND_DOWN);
	office_close();
}

static void a_state_and_a_weight_end_each_by_itself(void **state)
{
	struct backend_facts facts;
	struct pool *pool;
	int fd;

	office_open(state, &two);
	pool = office.st->runtime->pools[0];
	fd = office_connect();
	assert_string_equal(office_ask(fd, "backend p/b0 drain\n"), OK_LINE);
	assert_string_equal(office_ask(fd, "backend p/b0 weight 3 --for 10s\n"), OK_LINE);
	assert_string_equal(office_ask(fd, "backend p/b1 drain --for 10s\n"), OK_LINE);
	assert_string_equal(office_ask(fd, "backend p/b1 weight 3\n"), OK_LINE);
	assert_non_null(strstr(office_ask(fd, "status\n"),
			       "\"override\":\"drain, weight 3\",\"override_weight_ends_ms\":"));
	assert_non_null(strstr(office_ask(fd, "status\n"),
			       "\"override\":\"drain, weight 3\",\"override_ends_ms\":"));
	office_pass(20000);
	pool_inspect(pool, bed_backend(office.st, 0), &facts);
	assert_int_equal(facts.weight, 1);
	assert_int_equal(state_of(0), BACKEND_DRAIN);
	pool_inspect(pool, bed_backend(office.st, 1), &facts);
	assert_int_equal(facts.weight, 3);
	assert_int_equal(state_of(1), BACKEND_READY);
	office_close();
}

static void an_override_of_a_backend_that_is_gone_is_shown_and_can_be_undone(void **state)
{
	int fd;

	office_open(state, &two);
	fd = office_connect();
	assert_string_equal(office_ask(fd, "backend p/b1 maint\n"), OK_LINE);
	assert_null(strstr(office_ask(fd, "status\n"), "{\"row\":\"override\""));
	bed_reload(office.st, &(struct bed_options){ .absent = 1u << 1 });
	bed_run(office.st);
	assert_non_null(strstr(office_ask(fd, "status\n"),
			       "{\"row\":\"override\",\"pool\":\"p\",\"backend\":\"b1\","
			       "\"override\":\"maint\"}"));
	assert_non_null(strstr(office_ask(fd, "backend p/b1 drain\n"), "has no backend 'b1'"));
	assert_string_equal(office_ask(fd, "backend p/b1 ready\n"), OK_LINE);
	assert_int_equal(office.context.overrides.n, 0);
	assert_non_null(strstr(office_ask(fd, "backend p/b1 ready\n"), "has no backend 'b1'"));
	bed_reload(office.st, &two);
	bed_run(office.st);
	overrides_apply(&office.context.overrides);
	assert_int_equal(state_of(1), BACKEND_READY);
	office_close();
}

static void a_long_command_is_logged_with_its_reason(void **state)
{
	char line[4096] = "kill";
	const char *said;
	size_t n = 4;
	int fd;

	office_open(state, &two);
	fd = office_connect();
	for (unsigned id = 100000; id < 100125; id++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %u", id);
	snprintf(line + n, sizeof(line) - n, " --reason INC-4711\n");
	(void)office_ask(fd, line);
	said = bed_log(office.st);
	assert_non_null(strstr(said, "reason=INC-4711"));
	assert_non_null(strstr(said, " 100123 100124 --reason"));
	office_close();
}

static void who_changes_something_is_logged(void **state)
{
	char want[64];
	int fd;

	office_open(state, &two);
	fd = office_connect();
	(void)office_ask(fd, "status\n");
	assert_null(strstr(bed_log(office.st), "msg=control"));
	(void)office_ask(fd, "backend p/b0 drain\n");
	snprintf(want, sizeof(want), "uid=%u gid=%u pid=%d", getuid(), getgid(), getpid());
	assert_non_null(strstr(bed_log(office.st), want));
	office_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_command_is_answered),
		bed_test(lines_may_come_in_pieces_and_several_at_once),
		bed_test(a_client_that_has_ended_its_stream_is_answered_and_let_go),
		bed_test(mistakes_are_told_with_what_was_meant),
		bed_test(a_megabyte_without_a_newline_is_refused),
		bed_test(a_client_that_never_reads_holds_up_nobody),
		bed_test(who_comes_when_there_are_many_takes_the_place_of_the_idlest),
		bed_test(completion_knows_commands_names_and_options),
		bed_test(clients_are_kept_out_for_a_while),
		bed_test(a_ban_can_be_undone),
		bed_test(a_pool_that_a_reload_removes_is_shown_as_leaving),
		bed_test(an_override_lasts_until_it_is_undone),
		bed_test(an_override_for_a_while_ends_by_itself),
		bed_test(an_override_that_has_ended_leaves_it_as_its_checks_say),
		bed_test(a_state_and_a_weight_end_each_by_itself),
		bed_test(an_override_of_a_backend_that_is_gone_is_shown_and_can_be_undone),
		bed_test(a_long_command_is_logged_with_its_reason),
		bed_test(who_changes_something_is_logged),
	};

	return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
