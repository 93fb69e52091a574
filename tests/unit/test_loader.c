/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Files that somebody writes in place while a reload reads them. */

#include "reload/loader.h"

#include "base/file_notes.h"
#include "config/load.h"
#include "state/tls_contexts.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#define HALF "[listener l]\nbind = 127.0.0.1:8000\npool = p\n[pool p]\nbackend = a 127.0.0.1:1\n"
#define REST "backend = b 127.0.0.1:2\n"

static char dir[] = "/tmp/test_loader.XXXXXX";
static char path[sizeof(dir) + sizeof("/x.ini")];
static struct config *known;
static struct tls_contexts *known_tls;

static void put(const char *mode, const char *text)
{
	FILE *to = fopen(path, mode);

	assert_non_null(to);
	fputs(text, to);
	assert_int_equal(fclose(to), 0);
}

static int setup(void **state)
{
	struct diag diag;

	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/x.ini", dir);
	put("w", HALF REST);
	diag_init(&diag);
	known = config_load(path, &diag, tls_contexts_check, &known_tls);
	diag_finish(&diag);
	return known ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	tls_contexts_destroy(known_tls);
	config_destroy(known);
	unlink(path);
	return rmdir(dir);
}

static struct loader loader_of(unsigned quiet_ms)
{
	return (struct loader){
		.path = path,
		.known = known,
		.tls = known_tls,
		.done_fd = eventfd(0, EFD_CLOEXEC),
		.quiet_ms = quiet_ms,
	};
}

static void wait_for(struct loader *l)
{
	uint64_t n;

	assert_int_equal(read(l->done_fd, &n, sizeof(n)), sizeof(n));
	loader_join(l);
}

static void finish(struct loader *l)
{
	close(l->done_fd);
	loader_drop(l);
}

/* What was written of it when it began is good by itself. */
static void a_file_that_is_half_written_is_read_when_it_is_whole(void **state)
{
	struct loader l = loader_of(1000);

	(void)state;
	put("w", HALF);
	assert_int_equal(loader_start(&l), 0);
	put("a", REST);
	wait_for(&l);
	assert_false(l.has_errors);
	assert_non_null(l.config);
	assert_int_equal(l.config->pools[0].backends_n, 2);
	finish(&l);
}

static _Atomic bool is_enough;

static void *write_and_write(void *arg)
{
	(void)arg;
	while (!atomic_load(&is_enough))
		put("w", HALF);
	return NULL;
}

static void a_file_that_is_written_without_end_is_refused(void **state)
{
	struct loader l = loader_of(300);
	pthread_t writer;

	(void)state;
	atomic_store(&is_enough, false);
	assert_int_equal(pthread_create(&writer, NULL, write_and_write, NULL), 0);
	assert_int_equal(loader_start(&l), 0);
	wait_for(&l);
	atomic_store(&is_enough, true);
	pthread_join(writer, NULL);
	assert_true(l.has_errors);
	assert_non_null(strstr(l.text, "x.ini: error: is being written"));
	finish(&l);
}

static void nobody_waits_for_a_file_when_it_is_over(void **state)
{
	struct loader l = loader_of(UINT32_MAX);

	(void)state;
	atomic_store(&l.is_over, true);
	put("w", HALF);
	assert_int_equal(loader_start(&l), 0);
	wait_for(&l);
	assert_false(l.has_errors);
	finish(&l);
}

/* ---- what was read ------------------------------------------------------- */

static void notes_tell_another_file_of_the_same_name(void **state)
{
	char other[sizeof(path) + 1];
	struct file_notes notes;
	struct config *config;
	struct diag diag;

	(void)state;
	diag_init(&diag);
	file_notes_begin(&notes);
	config = config_load(path, &diag, NULL, NULL);
	file_notes_end();
	assert_int_equal(notes.n, 1);
	assert_null(file_notes_changed(&notes));
	snprintf(other, sizeof(other), "%s~", path);
	assert_int_equal(rename(path, other), 0);
	put("w", HALF REST);
	assert_string_equal(file_notes_changed(&notes), path);
	unlink(other);
	file_notes_finish(&notes);
	config_destroy(config);
	diag_finish(&diag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_file_that_is_half_written_is_read_when_it_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_written_without_end_is_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_waits_for_a_file_when_it_is_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(notes_tell_another_file_of_the_same_name, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
