/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/events.h"

#include <pthread.h>

#include "unit/control_bed.h"

#define WRITERS 4
#define WRITTEN 20000

static struct event of_session(uint64_t id)
{
	return (struct event){
		.kind = EVENT_SESSION_ENDED, .id = id, .what = "done", .by = "client"
	};
}

static void put(uint64_t id)
{
	const struct event event = of_session(id);

	events_put(&event);
}

static void they_come_in_order_and_what_finds_no_room_is_counted(void **state)
{
	struct event event;

	(void)state;
	assert_false(events_are_wanted());
	assert_int_equal(events_watch(), 0);
	assert_true(events_are_wanted());
	for (int round = 0; round < 3; round++) {
		for (uint64_t n = 0; n < EVENTS_MAX + 5; n++)
			put(n);
		for (uint64_t n = 0; n < EVENTS_MAX; n++) {
			assert_true(events_take(&event));
			assert_int_equal(event.id, n);
		}
		assert_false(events_take(&event));
		assert_int_equal(events_take_lost(), 5);
	}
	put(1);
	events_unwatch();
	assert_int_equal(events_watch(), 0); /* what was for others is gone */
	assert_false(events_take(&event));
	events_unwatch();
}

static void *write_many(void *arg)
{
	uint64_t writer = (uintptr_t)arg;

	for (uint64_t n = 1; n <= WRITTEN; n++)
		put(writer << 32 | n);
	return NULL;
}

static void many_may_write_at_once(void **state)
{
	uint64_t last[WRITERS] = { 0 }, taken = 0, lost = 0;
	pthread_t threads[WRITERS];
	struct event event;

	(void)state;
	assert_int_equal(events_watch(), 0);
	for (uintptr_t n = 0; n < WRITERS; n++)
		assert_int_equal(pthread_create(&threads[n], NULL, write_many, (void *)n), 0);
	while (taken + lost < WRITERS * WRITTEN) {
		lost += events_take_lost();
		if (!events_take(&event))
			continue;
		assert_true((event.id & UINT32_MAX) > last[event.id >> 32]);
		last[event.id >> 32] = event.id & UINT32_MAX;
		taken++;
	}
	for (int n = 0; n < WRITERS; n++)
		pthread_join(threads[n], NULL);
	assert_true(taken > 0);
	events_unwatch();
}

static void clients_are_traced_until_they_are_not(void **state)
{
	struct addr_block block;
	struct addr client;
	const char *why;

	(void)state;
	assert_true(addr_block_parse("10.0.0.0/8", &block, &why));
	assert_true(addr_parse("10.1.2.3:4", &client));
	assert_false(events_are_traced(&client));
	for (int n = 0; n < EVENTS_TRACES_MAX; n++)
		assert_int_equal(events_trace(&block), 0);
	assert_int_equal(events_trace(&block), -ENOSPC);
	for (int n = 0; n < EVENTS_TRACES_MAX; n++) {
		assert_true(events_are_traced(&client));
		events_untrace(&block);
	}
	assert_false(events_are_traced(&client));
}

/* A megabyte waits for it, in the kernel and here; the rest is counted. */
static void who_does_not_read_loses_and_is_told(void **state)
{
	static char said[4 << 20];
	long n = 0, more;
	int fd;

	office_open(state, &(struct bed_options){ .workers = 1 });
	fd = office_connect();
	peer_send(fd, "follow\n", 7);
	office_pass(1);
	office_pass(1);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 1500; i++)
			put(7);
		office_pass(100);
		office_pass(1);
	}
	assert_true(office.context.loop->timers.armed > 0);
	for (int i = 0; i < 2000 && !strstr(said, "\"event\":\"lost\""); i++) {
		more = peer_recv(fd, said + n, sizeof(said) - 1 - (size_t)n);
		n += more > 0 ? more : 0;
		office_pass(more > 0 ? 1 : 100);
	}
	assert_non_null(strstr(said, "\"event\":\"lost\",\"events\":"));
	bed_close(office.st, fd);
	office_pass(100);
	office_pass(100);
	assert_false(events_are_wanted());
	office_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_come_in_order_and_what_finds_no_room_is_counted),
		cmocka_unit_test(many_may_write_at_once),
		cmocka_unit_test(clients_are_traced_until_they_are_not),
		bed_test(who_does_not_read_loses_and_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
