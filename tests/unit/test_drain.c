/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/drain.h"

#include "relay/idle_watch.h"
#include "session/session.h"
#include "unit/control_bed.h"

static const char startup[] = "\0\0\0\021\0\003\0\0user\0me\0";
static const char welcome[] = "R\0\0\0\010\0\0\0\0Z\0\0\0\5I";
static const char busy[] = "C\0\0\0\012BEGIN\0Z\0\0\0\5T";
static const char terminate[] = "X\0\0\0\4";

#define WELCOME_BYTES (sizeof(welcome) - 1)

static void pass(uint64_t ms)
{
	office_pass(ms);
	bed_pass(office.st, ms);
	bed_run(office.st);
	office_pass(0);
}

/* Starts as many as there can be workers' turns in the time. */
static void pass_all(uint64_t ms)
{
	for (uint64_t n = 0; n < ms; n += 10)
		pass(10);
}

static void postgres(void **state)
{
	office_open(state,
		    &(struct bed_options){ .workers = 1, .listener_keys = "protocol = postgres" });
}

static struct pair logged_in(void)
{
	struct bed *st = office.st;
	struct pair c = { .client = bed_client(st) };
	char seen[64];

	peer_send(c.client, startup, sizeof(startup));
	bed_run(st);
	c.s = bed_newest(st);
	c.backend = bed_accept_at(st, 0);
	assert_int_equal(peer_recv(c.backend, seen, sizeof(seen)), sizeof(startup));
	peer_send(c.backend, welcome, WELCOME_BYTES);
	bed_run(st);
	assert_int_equal(peer_recv(c.client, seen, sizeof(seen)), WELCOME_BYTES);
	return c;
}

/* ---- idle ---- */

static void a_session_is_idle_when_its_server_says_so(void **state)
{
	struct pair c;

	postgres(state);
	c = logged_in();
	assert_true(idle_watch_is_idle(c.s));
	peer_send(c.client, "Q", 1); /* it may be anywhere */
	assert_false(idle_watch_is_idle(c.s));
	bed_run(office.st);
	assert_false(idle_watch_is_idle(c.s));
	peer_send(c.backend, busy, sizeof(busy) - 1);
	bed_run(office.st);
	assert_false(idle_watch_is_idle(c.s)); /* in a transaction */
	for (size_t n = 0; n < WELCOME_BYTES; n++) {
		assert_false(idle_watch_is_idle(c.s));
		peer_send(c.backend, welcome + n, 1);
		bed_run(office.st);
	}
	assert_true(idle_watch_is_idle(c.s));
	idle_watch_forget(c.s);
	assert_false(idle_watch_is_idle(c.s));
	office_close();
}

static void what_means_nothing_to_us_is_not_known_to_be_idle(void **state)
{
	struct pair c;

	office_open(state, &(struct bed_options){ .workers = 1 });
	c = bed_relaying(office.st);
	peer_send(c.backend, welcome, WELCOME_BYTES);
	bed_run(office.st);
	assert_false(idle_watch_is_idle(c.s));
	office_close();
}

static void the_idle_part_in_peace(void **state)
{
	struct session_filter all = { 0 };
	struct pair quiet, other;
	char said[256];
	long n;

	postgres(state);
	quiet = logged_in();
	other = logged_in();
	peer_send(other.client, "Q", 1);
	bed_run(office.st);
	assert_int_equal(drains_start(&office.context.drains, &all, 60000), 0);
	pass_all(100);
	expect_text(quiet.backend, terminate);
	expect_end(quiet.backend);
	n = peer_recv(quiet.client, said, sizeof(said));
	assert_true(n > 50 && said[0] == 'E');
	assert_non_null(memmem(said, (size_t)n, "C57P01", 7));
	expect_end(quiet.client);
	bed_close(office.st, quiet.client);
	pass_all(20);
	assert_int_equal(bed_ended(office.st, CLOSE_DRAINED), 1);
	assert_int_equal(down_of(other.s)->bytes, WELCOME_BYTES);
	expect_nothing(other.client); /* until it has its answer */
	peer_send(other.backend, welcome, WELCOME_BYTES);
	pass_all(1100);
	assert_int_equal(peer_recv(other.client, said, WELCOME_BYTES), WELCOME_BYTES);
	assert_true(peer_recv(other.client, said, sizeof(said)) > 50);
	bed_close(office.st, other.client);
	pass_all(20);
	assert_int_equal(bed_ended(office.st, CLOSE_DRAINED), 2);
	drains_stop(&office.context.drains);
	office_close();
}

/* ---- the others ---- */

static void the_rest_ends_evenly_the_most_silent_first(void **state)
{
	struct session_filter all = { 0 };
	struct pair pairs[10];

	office_open(state, &(struct bed_options){ .workers = 1 });
	for (int n = 0; n < 10; n++) {
		pairs[n] = bed_relaying(office.st);
		pass(1000);
	}
	assert_int_equal(drains_start(&office.context.drains, &all, 10000), 0);
	pass_all(900);
	assert_int_equal(bed_ended(office.st, CLOSE_DRAIN_TIMEOUT), 0);
	for (unsigned n = 1; n <= 9; n++) {
		pass_all(1000);
		assert_int_equal(bed_ended(office.st, CLOSE_DRAIN_TIMEOUT), n);
		expect_reset(pairs[n - 1].client);
		expect_nothing(pairs[n].client);
	}
	drains_stop(&office.context.drains);
	office_close();
}

static void one_of_a_backend_leaves_the_others_alone(void **state)
{
	struct session_filter one = { .pool = "p", .backend = "b1" };
	struct pair a, b;
	uint64_t left_ms;

	office_open(state, &(struct bed_options){ .workers = 1, .backends = 2 });
	a = bed_relaying(office.st);
	b = bed_relaying(office.st);
	assert_ptr_not_equal(a.s->backend, b.s->backend);
	assert_int_equal(drains_start(&office.context.drains, &one, 500), 0);
	assert_true(drains_find(&office.context.drains, &one, &left_ms));
	assert_int_equal(left_ms, 500);
	pass_all(600);
	assert_int_equal(bed_ended(office.st, CLOSE_DRAIN_TIMEOUT), 1);
	assert_false(drains_find(&office.context.drains, &one, &left_ms)); /* it is over */
	assert_int_equal(bed_sessions(office.st), 1);
	assert_string_equal(bed_newest(office.st)->backend->config->name, "b0");
	office_close();
}

static void one_that_is_ended_lets_sessions_live(void **state)
{
	struct session_filter one = { .listener = "l" };
	struct pair c;

	office_open(state, &(struct bed_options){ .workers = 1 });
	c = bed_relaying(office.st);
	assert_int_equal(drains_start(&office.context.drains, &one, 500), 0);
	pass_all(300);
	assert_true(drains_end(&office.context.drains, &one));
	assert_false(drains_end(&office.context.drains, &one));
	pass_all(600);
	expect_nothing(c.client);
	office_close();
}

/* As a driver's pool does, whose sessions come back as soon as they are ended. */
static void who_begins_later_is_left_alone(void **state)
{
	struct session_filter one = { .listener = "l" };
	struct pair old, later;
	uint64_t left_ms;

	office_open(state, &(struct bed_options){ .workers = 1 });
	old = bed_relaying(office.st);
	pass(100);
	assert_int_equal(drains_start(&office.context.drains, &one, 500), 0);
	pass_all(100);
	later = bed_relaying(office.st);
	pass_all(300);
	bed_relaying(office.st);
	pass_all(200);
	expect_reset(old.client);
	assert_int_equal(bed_ended(office.st, CLOSE_DRAIN_TIMEOUT), 1);
	assert_false(drains_find(&office.context.drains, &one, &left_ms)); /* it is over */
	pass_all(1000);
	expect_nothing(later.client);
	assert_int_equal(bed_sessions(office.st), 2);
	office_close();
}

static void one_ends_with_the_state_that_it_was_for(void **state)
{
	struct pair a;
	int fd;

	office_open(state, &(struct bed_options){ .workers = 1 });
	fd = office_connect();
	a = bed_relaying(office.st);
	assert_string_equal(office_ask(fd, "backend p/b0 drain --for 300ms --over 600ms\n"),
			    OK_LINE);
	assert_int_equal(office.context.drains.n, 1);
	pass_all(400);
	assert_int_equal(office.context.overrides.n, 0);
	assert_int_equal(office.context.drains.n, 0);
	pass_all(600);
	expect_nothing(a.client);
	office_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_session_is_idle_when_its_server_says_so),
		bed_test(what_means_nothing_to_us_is_not_known_to_be_idle),
		bed_test(the_idle_part_in_peace),
		bed_test(the_rest_ends_evenly_the_most_silent_first),
		bed_test(one_of_a_backend_leaves_the_others_alone),
		bed_test(one_that_is_ended_lets_sessions_live),
		bed_test(who_begins_later_is_left_alone),
		bed_test(one_ends_with_the_state_that_it_was_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
