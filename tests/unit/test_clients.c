/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "status/clients.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Clients in the order in which they come, one each millisecond. */
static struct clients clients;
static struct client *come[CLIENTS_MAX + CLIENTS_GOING_MAX];
static int peers[CLIENTS_MAX + CLIENTS_GOING_MAX];
static unsigned n;

static int begin(void **state)
{
	(void)state;
	clients_init(&clients);
	n = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n; i++) {
		close(come[i]->fd);
		close(peers[i]);
	}
	return 0;
}

static struct client *one_comes(const char *host)
{
	struct addr addr;
	char text[64];
	int pair[2];

	snprintf(text, sizeof(text), "%s:%u", host, 1000 + n);
	assert_true(addr_parse(text, &addr));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	peers[n] = pair[1];
	come[n] = clients_add(&clients, pair[0], &addr, n);
	assert_non_null(come[n]);
	return come[n++];
}

static void come_of(unsigned many, const char *host)
{
	for (unsigned i = 0; i < many; i++)
		(void)one_comes(host);
}

static bool is_let_go(unsigned i)
{
	char byte;

	return recv(peers[i], &byte, 1, MSG_DONTWAIT) == 0;
}

static unsigned let_go(void)
{
	unsigned gone = 0;

	for (unsigned i = 0; i < n; i++)
		gone += is_let_go(i);
	return gone;
}

static void of_one_address_the_oldest_goes(void **state)
{
	(void)state;
	(void)one_comes("192.0.2.9");
	come_of(CLIENTS_OF_ONE_MAX, "192.0.2.1");
	assert_int_equal(let_go(), 0);
	(void)one_comes("192.0.2.1");
	(void)one_comes("[::ffff:192.0.2.1]");
	assert_int_equal(let_go(), 2);
	assert_true(is_let_go(1) && is_let_go(2));
}

static void of_all_who_has_asked_nothing_for_the_longest_time_goes(void **state)
{
	(void)state;
	come_of(CLIENTS_OF_ONE_MAX, "192.0.2.1");
	come_of(CLIENTS_OF_ONE_MAX, "192.0.2.2");
	client_asks(come[0], n);
	assert_int_equal(let_go(), 0);
	(void)one_comes("192.0.2.9");
	assert_int_equal(let_go(), 1);
	assert_true(is_let_go(1));
}

static void who_has_gone_makes_room(void **state)
{
	(void)state;
	come_of(CLIENTS_OF_ONE_MAX, "192.0.2.1");
	n--;
	close(come[n]->fd);
	close(peers[n]);
	client_remove(come[n]);
	(void)one_comes("192.0.2.1");
	assert_int_equal(let_go(), 0);
}

static void a_head_has_ten_seconds(void **state)
{
	(void)state;
	come_of(3, "192.0.2.1"); /* at 0, 1 and 2 */
	client_asks(come[0], 3);
	client_asks(come[1], 3);
	client_has_answer(come[1], 4);
	clients_tick(&clients, 1 + CLIENT_HEAD_MS);
	assert_int_equal(let_go(), 0);
	clients_tick(&clients, 2 + CLIENT_HEAD_MS);
	assert_int_equal(let_go(), 1);
	assert_true(is_let_go(2));
	clients_tick(&clients, 4 + CLIENT_HEAD_MS);
	assert_int_equal(let_go(), 2);
	assert_false(is_let_go(0)); /* reads its answer still */
}

static bool is_of_first_net(const void *owner, const struct addr *addr)
{
	struct addr first;

	(void)owner;
	assert_true(addr_parse("192.0.2.1:0", &first));
	addr_set_port(&first, addr_port(addr));
	return addr_is_equal(&first, addr);
}

static void who_may_ask_no_more_goes(void **state)
{
	(void)state;
	(void)one_comes("192.0.2.1");
	(void)one_comes("192.0.2.2");
	clients_recheck(&clients, is_of_first_net, NULL);
	assert_int_equal(let_go(), 1);
	assert_true(is_let_go(1));
}

#define client_test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		client_test(of_one_address_the_oldest_goes),
		client_test(of_all_who_has_asked_nothing_for_the_longest_time_goes),
		client_test(who_has_gone_makes_room),
		client_test(a_head_has_ten_seconds),
		client_test(who_may_ask_no_more_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
