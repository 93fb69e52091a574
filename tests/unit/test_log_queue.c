/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log_queue.h"

#include "log_bed.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/def.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define THREADS 4
#define LINES_PER_THREAD 5000
#define TOO_MANY 20000 /* lines: twice what the queue holds, and more */

static void *catch_until_closed(void *unused)
{
	ssize_t n;

	(void)unused;
	do {
		n = read(log_pipe[0], caught + caught_bytes, sizeof(caught) - 1 - caught_bytes);
		caught_bytes += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	caught[caught_bytes] = '\0';
	return NULL;
}

/* Ends the log and gives all that came through the pipe to a reader that began late. */
static void stop_and_catch(pthread_t reader)
{
	log_stop();
	close(log_pipe[1]);
	log_pipe[1] = -1;
	assert_int_equal(pthread_join(reader, NULL), 0);
}

static void what_is_queued_is_written_by_the_thread(void **state)
{
	pthread_t reader;

	(void)state;
	assert_int_equal(log_start(), 0);
	assert_int_equal(log_start(), 0);
	for (unsigned i = 0; i < 100; i++)
		log_say(LOG_INFO, "line%u", i);
	assert_int_equal(pthread_create(&reader, NULL, catch_until_closed, NULL), 0);
	stop_and_catch(reader);
	assert_non_null(strstr(caught, "msg=line0\n"));
	assert_non_null(strstr(caught, "msg=line99\n"));
}

static void the_log_can_start_and_stop_again(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(log_start(), 0);
		log_say(LOG_INFO, "queued");
		log_stop();
		expect_line("level=info msg=queued\n");
		log_say(LOG_INFO, "direct");
		expect_line("level=info msg=direct\n");
	}
	log_stop();
}

static size_t count(const char *needle)
{
	size_t n = 0;

	for (const char *at = caught; (at = strstr(at, needle)); at++)
		n++;
	return n;
}

/* What all notices together say, and each of them says something. */
static unsigned long long count_dropped(void)
{
	const char *const notice = "level=warn msg=\"log lines dropped\" n=";
	unsigned long long n, sum = 0;

	for (const char *at = caught; (at = strstr(at, notice)); sum += n) {
		at += strlen(notice);
		n = strtoull(at, NULL, 10);
		assert_true(n > 0);
	}
	return sum;
}

static void log_too_much(void)
{
	for (int i = 0; i < TOO_MANY; i++)
		log_say(LOG_INFO, "a line of which there are far too many for the queue");
}

static void lines_nobody_reads_are_dropped_and_counted(void **state)
{
	unsigned long long dropped;
	pthread_t reader;

	(void)state;
	assert_int_equal(log_start(), 0);
	log_too_much();
	assert_int_equal(pthread_create(&reader, NULL, catch_until_closed, NULL), 0);
	stop_and_catch(reader);
	dropped = count_dropped();
	assert_int_equal(count("a line of which"), TOO_MANY - dropped);
	/* The two buffers and the pipe hold the others. */
	assert_in_range(dropped, 1, TOO_MANY - 2000);
	assert_in_range(count("log lines dropped"), 1, 2);
}

static void who_waits_for_room_loses_no_line(void **state)
{
	pthread_t reader;

	(void)state;
	assert_int_equal(log_start(), 0);
	assert_int_equal(pthread_create(&reader, NULL, catch_until_closed, NULL), 0);
	for (int i = 0; i < TOO_MANY; i++) {
		log_wait_for_room(UINT64_MAX);
		log_say(LOG_INFO, "a line of which there are far too many for the queue");
	}
	stop_and_catch(reader);
	assert_int_equal(count("a line of which"), TOO_MANY);
}

static void room_is_not_waited_for_longer_than_was_said(void **state)
{
	pthread_t reader;

	(void)state;
	assert_int_equal(log_start(), 0);
	log_too_much(); /* nobody reads */
	log_wait_for_room(clock_now_ms() + 20);
	assert_int_equal(pthread_create(&reader, NULL, catch_until_closed, NULL), 0);
	stop_and_catch(reader);
}

static void the_next_line_that_fits_says_how_many_are_missing(void **state)
{
	pthread_t reader;

	(void)state;
	assert_int_equal(log_start(), 0);
	log_too_much();
	assert_int_equal(pthread_create(&reader, NULL, catch_until_closed, NULL), 0);
	for (int i = 0; i < 200; i++) {
		const struct timespec pause = { .tv_nsec = 1000000 };

		nanosleep(&pause, NULL);
		log_say(LOG_INFO, "afterwards");
	}
	stop_and_catch(reader);
	assert_true(strstr(caught, "log lines dropped") < strstr(caught, "afterwards"));
	assert_int_equal(count("a line of which") + count("afterwards") + count_dropped(),
			 TOO_MANY + 200);
}

static void a_reader_that_is_stuck_does_not_hold_up_the_end(void **state)
{
	uint64_t began_ms;

	(void)state;
	assert_int_equal(log_start(), 0);
	log_too_much();
	began_ms = clock_now_ms();
	log_stop();
	assert_in_range(clock_now_ms() - began_ms, 0, LOG_STOP_PATIENCE_MS * 5);
}

static void a_reader_that_went_harms_nobody(void **state)
{
	int none[2];

	(void)state;
	assert_int_equal(pipe(none), 0);
	close(none[0]);
	assert_int_equal(log_start(), 0);
	log_configure(LOG_INFO, LOG_LOGFMT, none[1]);
	log_say(LOG_INFO, "lost");
	log_stop();
	log_configure(LOG_INFO, LOG_LOGFMT, log_pipe[1]);
	close(none[1]);
}

/* Gives what follows the number behind @key in @line, or NULL. */
static const char *read_number(const char *line, const char *key, unsigned long *ret_number)
{
	const char *at = strstr(line, key);
	char *end;

	if (!at)
		return NULL;
	*ret_number = strtoul(at + strlen(key), &end, 10);
	return end;
}

/* ---- a disk that is full --------------------------------------------------- */

#define LINES 300

/* From here on files end at @bytes: what is written beyond is short, then it fails. */
static void set_disk_bytes(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Waits until the log has done what it can, and gives all that is in the file. */
static void catch_file(int fd)
{
	ssize_t n = pread(fd, caught, sizeof(caught) - 1, 0);

	assert_true(n >= 0);
	caught[n] = '\0';
}

static unsigned long log_numbers(unsigned long first)
{
	for (unsigned long n = first; n < first + LINES; n++)
		log_say(LOG_INFO, "number %lu of them", n);
	return first + LINES;
}

static bool is_cut(const char *line)
{
	static const char end[] = " truncated=yes";
	const size_t n = strlen(line), end_n = strlen(end);

	return n >= end_n && strcmp(line + n - end_n, end) == 0;
}

/* How many of the lines @log_numbers wrote are there, or are said to be missing; in order. */
static unsigned long count_lines_told(void)
{
	unsigned long told = 0, next = 0, number = 0;
	char *rest = caught, *line;

	while ((line = strsep(&rest, "\n")) && rest) {
		if (is_cut(line))
			continue;
		if (strncmp(line, "ts=", 3) != 0)
			fail_msg("glued: '%s'", line);
		if (read_number(line, "msg=\"log lines dropped\" n=", &number)) {
			told += number;
			continue;
		}
		if (!read_number(line, "msg=\"number ", &number) || number < next)
			fail_msg("'%s' after %lu", line, next);
		assert_string_equal(line + strlen(line) - 9, " of them\"");
		next = number + 1;
		told++;
	}
	assert_true(line && *line == '\0'); /* the last one has its end, too */
	return told;
}

/*
 * The disk is full after @bytes, which is at any place in a line, and once
 * more in the middle of what says so; then there is room again.
 */
static void log_to_a_full_disk(rlim_t bytes, bool with_thread)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	unsigned long n = 0;

	assert_true(fd >= 0);
	log_configure(LOG_INFO, LOG_LOGFMT, fd);
	if (with_thread)
		assert_int_equal(log_start(), 0);
	set_disk_bytes(bytes);
	n = log_numbers(n);
	log_flush(UINT32_MAX);
	set_disk_bytes(bytes + bytes % 97);
	n = log_numbers(n);
	log_flush(UINT32_MAX);
	set_disk_bytes(RLIM_INFINITY);
	n = log_numbers(n);
	log_stop();
	catch_file(fd);
	assert_non_null(strstr(caught, "log lines dropped"));
	assert_int_equal(count_lines_told(), n);
	log_configure(LOG_INFO, LOG_LOGFMT, log_pipe[1]);
	close(fd);
}

static void what_a_full_disk_costs_is_counted_to_the_line(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	for (rlim_t bytes = 1000; bytes < 1120; bytes++)
		log_to_a_full_disk(bytes, bytes % 2);
	signal(SIGXFSZ, SIG_DFL);
}

/* ---- broken promises --------------------------------------------------------- */

#define PATIENCE_MS 20000 /* ten times what they have */

/* Runs @part in a process of its own, whose stderr and log are the pipe; it is to abort. */
static void expect_abort(void (*part)(void))
{
	struct pollfd out = { .fd = log_pipe[0], .events = POLLIN };
	uint64_t began_ms = clock_now_ms();
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		dup2(log_pipe[1], STDERR_FILENO);
		part();
		_exit(0);
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		assert_true(clock_now_ms() - began_ms < PATIENCE_MS);
		(void)poll(&(struct pollfd){ .fd = -1 }, 1, 1);
	}
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	caught[0] = '\0';
	if (poll(&out, 1, 0) > 0)
		catch_line();
}

static void break_a_promise(void)
{
	if (log_start() < 0)
		_exit(1);
	for (int n = 0; n < 5; n++)
		log_say(LOG_INFO, "before %d", n);
	CHECK(!"kept");
}

static void a_broken_promise_comes_after_what_was_logged(void **state)
{
	(void)state;
	expect_abort(break_a_promise);
	assert_int_equal(count("msg=\"before"), 5);
	assert_true(strstr(caught, "before 4") <
		    strstr(caught, "break_a_promise: broken: !\"kept\""));
}

static void break_it_while_nobody_reads(void)
{
	if (log_start() < 0)
		_exit(1);
	log_too_much();
	CHECK(!"kept");
}

static void a_reader_that_is_stuck_does_not_hold_up_an_abort(void **state)
{
	(void)state;
	expect_abort(break_it_while_nobody_reads);
}

static size_t break_it_in_a_notice(uint64_t n, char ret_text[LOG_NOTICE_BYTES])
{
	(void)ret_text;
	CHECK(n == 0);
	return 0;
}

/* More than the queue holds while the thread sleeps, so that there is something to notice. */
static void break_it_in_the_thread(void)
{
	static char line[LOG_LINE_BYTES];

	memset(line, '-', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	log_queue_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	if (log_queue_start(break_it_in_a_notice) < 0)
		_exit(1);
	for (unsigned n = 0; n < 1000 * LOG_QUEUE_BYTES / sizeof(line); n++)
		log_queue_put(line, sizeof(line));
	log_stop();
}

static void the_thread_of_the_log_can_say_what_it_broke(void **state)
{
	(void)state;
	expect_abort(break_it_in_the_thread);
	assert_non_null(strstr(caught, "break_it_in_a_notice: broken: n == 0"));
}

static void *log_many(void *name)
{
	for (uint64_t i = 0; i < LINES_PER_THREAD; i++) {
		struct log_line line;

		if (!log_begin(&line, LOG_INFO, "m"))
			continue;
		log_text(&line, "t", name);
		log_u64(&line, "i", i);
		log_end(&line);
	}
	return NULL;
}

/* Every line is whole, and those of one thread come in its order. */
static void check_orders(void)
{
	unsigned long next[THREADS] = { 0 };
	char *rest = caught, *line;

	while ((line = strsep(&rest, "\n")) && *line) {
		unsigned long number = 0, thread = 0;
		const char *end;

		if (strstr(line, "dropped"))
			continue;
		assert_int_equal(strncmp(line, "ts=", 3), 0);
		assert_non_null(read_number(line, "level=info msg=m t=t", &thread));
		end = read_number(line, " i=", &number);
		if (!end || *end != '\0')
			fail_msg("'%s'", line);
		assert_true(thread < THREADS);
		assert_true(number >= next[thread]);
		next[thread] = number + 1;
	}
}

static void lines_of_many_threads_stay_whole(void **state)
{
	static char names[THREADS][3] = { "t0", "t1", "t2", "t3" };
	pthread_t threads[THREADS], reader;

	(void)state;
	assert_int_equal(pthread_create(&reader, NULL, catch_until_closed, NULL), 0);
	assert_int_equal(log_start(), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	stop_and_catch(reader);
	assert_int_equal(count("msg=m") + count_dropped(), THREADS * LINES_PER_THREAD);
	assert_in_range(count("msg=m"), 1000, THREADS * LINES_PER_THREAD);
	check_orders();
}

static void a_thread_that_cannot_be_had_is_an_error(void **state)
{
	pthread_attr_t before, endless;

	(void)state;
	assert_int_equal(pthread_getattr_default_np(&before), 0);
	pthread_attr_init(&endless);
	pthread_attr_setstacksize(&endless, (size_t)1 << 48);
	assert_int_equal(pthread_setattr_default_np(&endless), 0);
	assert_true(log_start() < 0);
	assert_int_equal(pthread_setattr_default_np(&before), 0);
	pthread_attr_destroy(&endless);
	pthread_attr_destroy(&before);

	log_say(LOG_INFO, "direct");
	expect_line("level=info msg=direct\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_PIPE(what_is_queued_is_written_by_the_thread),
		ON_A_PIPE(the_log_can_start_and_stop_again),
		ON_A_PIPE(lines_nobody_reads_are_dropped_and_counted),
		ON_A_PIPE(who_waits_for_room_loses_no_line),
		ON_A_PIPE(room_is_not_waited_for_longer_than_was_said),
		ON_A_PIPE(the_next_line_that_fits_says_how_many_are_missing),
		ON_A_PIPE(a_reader_that_is_stuck_does_not_hold_up_the_end),
		ON_A_PIPE(a_reader_that_went_harms_nobody),
		ON_A_PIPE(what_a_full_disk_costs_is_counted_to_the_line),
		ON_A_PIPE(a_broken_promise_comes_after_what_was_logged),
		ON_A_PIPE(a_reader_that_is_stuck_does_not_hold_up_an_abort),
		ON_A_PIPE(the_thread_of_the_log_can_say_what_it_broke),
		ON_A_PIPE(lines_of_many_threads_stay_whole),
		ON_A_PIPE(a_thread_that_cannot_be_had_is_an_error),
	};

	return cmocka_run_group_tests_name("log_queue", tests, NULL, NULL);
}
