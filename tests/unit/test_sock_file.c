/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/sock_bed.h"

#include <sys/stat.h>

static void a_unix_socket_is_one_socket_for_all(void **state)
{
	struct addr addr = path_addr();
	int fds[WORKERS], client;
	struct stat st;

	(void)state;
	listen_on(&addr, fds, WORKERS);
	assert_true(is_cloexec(fds[0]) && is_cloexec(fds[WORKERS - 1]));
	client = dial(&addr);
	assert_int_equal(accept_all(fds[WORKERS - 1]), 1);
	assert_int_equal(accept_all(fds[0]), 0);
	close(client);
	close_all(fds, WORKERS);

	assert_int_equal(stat(path, &st), 0);
	sock_file_remove(&addr, &own_file);
	assert_int_equal(stat(path, &st), -1);
	sock_file_remove(&addr, &own_file);
}

static void a_stale_unix_socket_is_replaced_a_live_one_is_not(void **state)
{
	struct addr addr = path_addr();
	int fd, client;

	(void)state;
	listen_on(&addr, &fd, 1);
	expect_taken(&addr);
	client = dial(&addr);
	close(client);
	close(fd);
	listen_on(&addr, &fd, 1);
	close(fd);
	sock_file_remove(&addr, &own_file);
}

/* Its queue is full, even: whether it lives can be told all the same, and nothing stays in it. */
static void a_probe_leaves_nothing_in_the_queue_of_a_live_socket(void **state)
{
	struct sock_listen want = { .addr = path_addr(), .backlog = 1, .ret_file = &own_file };
	struct sock_listen second = { .addr = path_addr(), .backlog = 1 };
	const char *step;
	int fd, other, clients[2];

	(void)state;
	assert_int_equal(sock_listen_many(&want, &fd, 1, &step), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sock_listen_many(&second, &other, 1, &step), -EADDRINUSE);
		assert_string_equal(step, "bind");
		clients[i] = dial(&want.addr);
	}
	assert_int_equal(sock_listen_many(&second, &other, 1, &step), -EADDRINUSE);
	assert_int_equal(accept_all(fd), 2);
	close_all(clients, 2);
	close(fd);
	sock_file_remove(&want.addr, &own_file);
}

static void the_file_of_a_successor_is_left_alone(void **state)
{
	struct addr addr = path_addr();
	struct sock_file first;
	int fd, later;

	(void)state;
	listen_on(&addr, &fd, 1);
	first = own_file;
	assert_int_equal(unlink(path), 0);
	listen_on(&addr, &later, 1);
	sock_file_remove(&addr, &first);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);

	/* Removed once, it is not removed again, though the next may have its inode. */
	first = own_file;
	sock_file_remove(&addr, &own_file);
	assert_int_equal(access(path, F_OK), -1);
	close(later);
	listen_on(&addr, &fd, 1);
	first.ino = 0;
	sock_file_remove(&addr, &first);
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	sock_file_remove(&addr, &own_file);
}

static void the_file_has_the_mode_that_is_wanted(void **state)
{
	static const struct {
		unsigned wanted, umask, got;
	} rows[] = {
		{ 0660, 0077, 0660 }, { 0666, 0022, 0666 }, { 0600, 0, 0600 },
		{ 0, 0022, 0755 },    { 0, 0077, 0700 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sock_listen want = { .addr = path_addr(),
					    .backlog = 1,
					    .ret_file = &own_file };
		mode_t before = umask(rows[i].umask);
		const char *step = "";
		struct stat st;
		int fd;

		want.access.mode = rows[i].wanted;
		assert_int_equal(sock_listen_many(&want, &fd, 1, &step), 0);
		assert_int_equal(umask(before), rows[i].umask);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, rows[i].got);
		sock_file_remove(&want.addr, &own_file);
		close(fd);
	}
}

static void the_file_belongs_to_whom_it_shall(void **state)
{
	struct sock_listen want = {
		.addr = path_addr(),
		.backlog = 1,
		.ret_file = &own_file,
		.access = { .has_owner = true, .owner = 12345, .has_group = true, .group = 54321 },
	};
	const char *step = "";
	struct stat st;
	int fd, err = sock_listen_many(&want, &fd, 1, &step);

	(void)state;
	if (geteuid() != 0) {
		assert_int_equal(err, -EPERM);
		assert_string_equal(step, "chown");
		assert_int_equal(access(path, F_OK), -1);
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 54321);
	close(fd);
	sock_file_remove(&want.addr, &own_file);
}

static void another_file_in_its_place_is_left_alone(void **state)
{
	struct addr addr = path_addr();
	int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	assert_true(file >= 0);
	expect_taken(&addr);
	sock_file_remove(&addr, &own_file);
	assert_int_equal(access(path, F_OK), 0);
	close(file);
	unlink(path);
}

static void an_abstract_name_needs_no_file(void **state)
{
	char text[64];
	struct addr addr;
	int fds[2], client;

	(void)state;
	snprintf(text, sizeof(text), "unix:@test_sock.%d", getpid());
	addr = parsed(text);
	listen_on(&addr, fds, 2);
	expect_taken(&addr);
	client = dial(&addr);
	assert_int_equal(accept_all(fds[1]), 1);
	sock_file_remove(&addr, &own_file);
	close(client);
	close_all(fds, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_unix_socket_is_one_socket_for_all),
		cmocka_unit_test(a_stale_unix_socket_is_replaced_a_live_one_is_not),
		cmocka_unit_test(a_probe_leaves_nothing_in_the_queue_of_a_live_socket),
		cmocka_unit_test(the_file_of_a_successor_is_left_alone),
		cmocka_unit_test(the_file_has_the_mode_that_is_wanted),
		cmocka_unit_test(the_file_belongs_to_whom_it_shall),
		cmocka_unit_test(another_file_in_its_place_is_left_alone),
		cmocka_unit_test(an_abstract_name_needs_no_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
