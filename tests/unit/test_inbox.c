/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REAL_RING: none is needed */
#include "state/inbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define INBOX_MESSAGES 2048 /* as inbox.h says */

struct box {
	int read_fd, write_fd;
};

static int set_up(void **state)
{
	static struct box box;

	*state = &box;
	return inbox_open(&box.read_fd, &box.write_fd);
}

static int tear_down(void **state)
{
	struct box *box = *state;

	close(box->read_fd);
	return close(box->write_fd);
}

static void a_message_arrives_as_it_was_sent(void **state)
{
	struct box *box = *state;
	const struct message sent = {
		.kind = MESSAGE_CONNECTION, .fd = 17, .listener = 3, .is_tcp = 1
	};
	struct message came;

	assert_int_equal(inbox_send(box->write_fd, &sent), 0);
	assert_int_equal(read(box->read_fd, &came, sizeof(came)), sizeof(came));
	assert_memory_equal(&came, &sent, sizeof(sent));
}

static void a_full_box_says_so_and_loses_nothing(void **state)
{
	struct box *box = *state;
	struct message message = { .kind = MESSAGE_CONNECTION };

	for (int n = 0; n < INBOX_MESSAGES; n++) {
		message.fd = n;
		assert_int_equal(inbox_send(box->write_fd, &message), 0);
	}
	assert_int_equal(inbox_send(box->write_fd, &message), -EAGAIN);
	for (int n = 0; n < INBOX_MESSAGES; n++) {
		assert_int_equal(read(box->read_fd, &message, sizeof(message)), sizeof(message));
		assert_int_equal(message.fd, n);
	}
	assert_int_equal(inbox_send(box->write_fd, &message), 0);
	assert_int_equal(read(box->read_fd, &message, sizeof(message)), sizeof(message));
}

/* The ring waits for the read end; a read that does not wait would spin. */
static void only_the_write_end_never_waits(void **state)
{
	struct box *box = *state;

	assert_true(fcntl(box->write_fd, F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(box->read_fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(box->write_fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(box->read_fd, F_GETFD) & FD_CLOEXEC);
}

#define SENDERS 4
#define LETTERS_EACH 20000

struct sender {
	pthread_t thread;
	int write_fd;
	uint32_t number;
};

static void *send_many(void *arg)
{
	const struct sender *sender = arg;
	struct message message = { .listener = sender->number };

	for (int n = 0; n < LETTERS_EACH; n++) {
		message.fd = n;
		while (inbox_send(sender->write_fd, &message) == -EAGAIN)
			usleep(10);
	}
	return NULL;
}

/* Whole, and in the order of each sender; read many at a time, as the engine does. */
static void many_may_write_at_once(void **state)
{
	struct box *box = *state;
	struct sender senders[SENDERS];
	int next[SENDERS] = { 0 };

	for (uint32_t n = 0; n < SENDERS; n++) {
		senders[n] = (struct sender){ .write_fd = box->write_fd, .number = n };
		assert_int_equal(pthread_create(&senders[n].thread, NULL, send_many, &senders[n]),
				 0);
	}
	for (int left = SENDERS * LETTERS_EACH; left > 0;) {
		struct message message[64];
		ssize_t n = read(box->read_fd, message, sizeof(message));

		assert_true(n > 0);
		assert_int_equal(n % (ssize_t)sizeof(message[0]), 0);
		n /= (ssize_t)sizeof(message[0]);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(message[i].fd, next[message[i].listener]++);
		left -= (int)n;
	}
	for (int n = 0; n < SENDERS; n++)
		pthread_join(senders[n].thread, NULL);
}

static void without_descriptors_there_is_no_box(void **state)
{
	struct rlimit before, none;
	struct box box = { -1, -1 };

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(inbox_open(&box.read_fd, &box.write_fd), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(box.read_fd, -1);
	assert_int_equal(box.write_fd, -1);
}

static void a_box_that_nobody_reads_any_more_says_so(void **state)
{
	const struct message message = { .kind = MESSAGE_ORDER };
	struct box box;

	(void)state;
	assert_int_equal(inbox_open(&box.read_fd, &box.write_fd), 0);
	close(box.read_fd);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(inbox_send(box.write_fd, &message), -EPIPE);
	close(box.write_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_arrives_as_it_was_sent),
		cmocka_unit_test(a_full_box_says_so_and_loses_nothing),
		cmocka_unit_test(only_the_write_end_never_waits),
		cmocka_unit_test(many_may_write_at_once),
		cmocka_unit_test(without_descriptors_there_is_no_box),
		cmocka_unit_test(a_box_that_nobody_reads_any_more_says_so),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
