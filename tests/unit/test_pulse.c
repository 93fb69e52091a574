/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/pulse.h"

#include "state/peers.h"
#include "unit/control_bed.h"

static int manager = -1;
static struct pulse pulse;

/* A service manager that wants a sign of life each second. */
static void open_manager(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(sa_family_t); /* the kernel gives it an abstract name */
	char name[sizeof(un.sun_path) + 1] = "@";

	manager = bed_keep(office.st, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	assert_int_equal(bind(manager, (struct sockaddr *)&un, n), 0);
	n = sizeof(un);
	assert_int_equal(getsockname(manager, (struct sockaddr *)&un, &n), 0);
	memcpy(name + 1, un.sun_path + 1, n - sizeof(sa_family_t) - 1);
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "1000000", 1);
	pulse_init(&pulse, &office.loop, office.st->runtime, NULL, &office.context.state);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
}

/* How often was it told something that begins with @text? All is taken. */
static unsigned heard(const char *text)
{
	char said[256];
	unsigned n = 0;
	long bytes;

	while ((bytes = peer_recv(manager, said, sizeof(said) - 1)) > 0) {
		said[bytes] = '\0';
		n += strncmp(said, text, strlen(text)) == 0;
	}
	return n;
}

/* The main thread's time alone passes: the workers do nothing. */
static void pass_alone(uint64_t ms)
{
	office.loop.now_ms += ms;
	timers_run(&office.loop.timers, office.loop.now_ms);
}

static void workers_that_take_turns_feed_the_watchdog(void **state)
{
	office_open(state, &(struct bed_options){ .workers = 3 });
	open_manager();
	pulse_start(&pulse);
	assert_int_equal(heard("READY=1\n"), 1);
	for (int n = 0; n < 4; n++) {
		bed_run(office.st);
		office_pass(250);
		assert_int_equal(heard("WATCHDOG=1\n"), 1);
	}
	pulse_finish(&pulse);
	office_close();
}

static void a_worker_that_is_stuck_stops_the_watchdog(void **state)
{
	office_open(state, &(struct bed_options){ .workers = 2 });
	open_manager();
	pulse_start(&pulse);
	(void)heard("");
	for (int n = 0; n < 8; n++) {
		peers_answer(office.st->runtime, 0); /* the other one does not */
		pass_alone(250);
		assert_int_equal(heard("WATCHDOG=1\n"), 0);
	}
	bed_run(office.st);
	pass_alone(250);
	assert_int_equal(heard("WATCHDOG=1\n"), 1);
	pulse_finish(&pulse);
	office_close();
}

static void one_that_has_ended_need_not_answer(void **state)
{
	office_open(state, &(struct bed_options){ .workers = 2 });
	open_manager();
	pulse_start(&pulse);
	(void)heard("");
	query_worker_ends(office.st->runtime, 1);
	peers_answer(office.st->runtime, 0);
	pass_alone(250);
	assert_int_equal(heard("WATCHDOG=1\n"), 1);
	pulse_finish(&pulse);
	office_close();
}

static void a_status_is_told_when_it_changes(void **state)
{
	office_open(state, &(struct bed_options){ .workers = 1 });
	open_manager();
	pulse_start(&pulse);
	(void)heard("");
	office_pass(20000);
	assert_int_equal(heard("STATUS="), 0);
	(void)bed_relaying(office.st);
	office_pass(5000);
	assert_int_equal(heard("STATUS=running, 1 sessions, 1 of 1 backends ready\n"), 1);
	pulse_finish(&pulse);
	office_close();
}

static void without_a_manager_nothing_is_said(void **state)
{
	office_open(state, &(struct bed_options){ .workers = 1 });
	unsetenv("NOTIFY_SOCKET");
	pulse_init(&pulse, &office.loop, office.st->runtime, NULL, &office.context.state);
	pulse_start(&pulse);
	office_pass(60000);
	pulse_finish(&pulse);
	office_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(workers_that_take_turns_feed_the_watchdog),
		bed_test(a_worker_that_is_stuck_stops_the_watchdog),
		bed_test(one_that_has_ended_need_not_answer),
		bed_test(a_status_is_told_when_it_changes),
		bed_test(without_a_manager_nothing_is_said),
	};

	return cmocka_run_group_tests_name("pulse", tests, NULL, NULL);
}
