/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log_queue.h"

#include "log_stage.h"

#include "base/clock.h"
#include "base/def.h"

#include <pthread.h>
#include <stdlib.h>
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
		ON_A_PIPE(lines_of_many_threads_stay_whole),
		ON_A_PIPE(a_thread_that_cannot_be_had_is_an_error),
	};

	return cmocka_run_group_tests_name("log_queue", tests, NULL, NULL);
}
