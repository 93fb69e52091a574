/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include "log_bed.h"

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

static void a_line_is_words_then_keys(void **state)
{
	struct log_line line;

	(void)state;
	assert_true(log_begin(&line, LOG_INFO, "session"));
	log_u64(&line, "id", 17);
	log_text(&line, "listener", "pg");
	log_text(&line, "absent", NULL);
	log_text(&line, "sni", "two words");
	log_i64(&line, "balance", -5);
	log_flag(&line, "tls", true);
	log_flag(&line, "splice", false);
	log_end(&line);
	expect_line("level=info msg=session id=17 listener=pg sni=\"two words\" balance=-5 tls=yes "
		    "splice=no\n");
}

static void numbers_are_written_to_their_ends(void **state)
{
	struct log_line line;

	(void)state;
	assert_true(log_begin(&line, LOG_ERROR, "two words"));
	log_u64(&line, "a", 0);
	log_u64(&line, "b", UINT64_MAX);
	log_i64(&line, "c", INT64_MIN);
	log_i64(&line, "d", INT64_MAX);
	log_end(&line);
	expect_line("level=error msg=\"two words\" a=0 b=18446744073709551615 "
		    "c=-9223372036854775808 d=9223372036854775807\n");
}

/* What stands between the texts is somebody else's. */
static const char *own_line(const char *value, char end, bool is_within)
{
	struct log_line line;

	assert_true(log_begin_own(&line, LOG_INFO));
	log_put(&line, "a ", 2);
	log_put_text(&line, value, end, is_within);
	log_put(&line, "|", 1);
	log_put_u64(&line, 7);
	log_end(&line);
	return catch_line();
}

static void values_cannot_leave_a_line_of_another_form(void **state)
{
	(void)state;
	assert_string_equal(own_line("pg1", '|', false), "a pg1|7\n");
	assert_string_equal(own_line(NULL, '|', false), "a -|7\n");
	assert_string_equal(own_line("-", '|', false), "a \"-\"|7\n");
	assert_string_equal(own_line("", '|', false), "a \"\"|7\n");
	assert_string_equal(own_line("x|8", '|', false), "a \"x|8\"|7\n");
	assert_string_equal(own_line("x|8", '\0', false), "a x|8|7\n");
	assert_string_equal(own_line("x\na y|9", '|', false), "a \"x\\na y|9\"|7\n");
	assert_string_equal(own_line("x\x1b[2J", '|', false), "a \"x\\x1b[2J\"|7\n");
	assert_string_equal(own_line("say \"hi\"", '"', true), "a say \\\"hi\\\"|7\n");
	assert_string_equal(own_line("pg1", '"', true), "a pg1|7\n");
}

static void lines_of_another_form_are_cut_too(void **state)
{
	char text[LOG_LINE_BYTES];
	struct log_line line;
	const char *said;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(log_begin_own(&line, LOG_INFO));
	log_put_text(&line, text, ' ', true);
	log_put_u64(&line, 7);
	log_put_time(&line);
	log_end(&line);
	said = catch_line();
	assert_true(strlen(said) <= LOG_LINE_BYTES);
	assert_string_equal(said + strlen(said) - strlen("x truncated=yes\n"), "x truncated=yes\n");
}

static void errors_have_names(void **state)
{
	struct log_line line;

	(void)state;
	assert_true(log_begin(&line, LOG_WARN, "dial"));
	log_errno(&line, "a", -ECONNREFUSED);
	log_errno(&line, "b", ETIMEDOUT);
	log_errno(&line, "c", 0);
	log_errno(&line, "d", -9999);
	log_end(&line);
	expect_line("level=warn msg=dial a=ECONNREFUSED b=ETIMEDOUT c=0 d=9999\n");
}

static void what_is_below_the_level_is_not_begun(void **state)
{
	struct log_line line;

	(void)state;
	for (int level = LOG_ERROR; level < LOG_LEVELS; level++) {
		log_configure(level, LOG_LOGFMT, log_pipe[1]);
		for (int asked = LOG_ERROR; asked < LOG_LEVELS; asked++) {
			assert_int_equal(log_is_on(asked), asked <= level);
			assert_int_equal(log_begin(&line, asked, "x"), asked <= level);
		}
	}
	log_configure(LOG_WARN, LOG_LOGFMT, log_pipe[1]);
	log_say(LOG_INFO, "not %s", "this");
	log_say(LOG_WARN, "but %s", "this");
	expect_line("level=warn msg=\"but this\"\n");
}

/* time(2) may lag behind the clock by some milliseconds. */
static time_t wall_clock_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

static void the_stamp_is_the_time_in_utc(void **state)
{
	time_t before = wall_clock_s(), then;
	struct tm tm = { 0 };
	const char *line, *rest;

	(void)state;
	log_say(LOG_INFO, "x");
	line = catch_line();
	rest = strptime(line, "ts=%Y-%m-%dT%H:%M:%S.", &tm);
	assert_non_null(rest);
	then = timegm(&tm);
	assert_in_range(then, before, wall_clock_s());
	assert_true(isdigit(rest[0]) && isdigit(rest[1]) && isdigit(rest[2]) && rest[3] == 'Z');
}

static void the_stamp_moves_on_with_the_second(void **state)
{
	const uint64_t give_up_ms = clock_now_ms() + 5000;
	char first[32];
	const char *line;

	(void)state;
	log_say(LOG_INFO, "x");
	memcpy(first, catch_line(), strlen("ts=2026-11-21T23:10:04"));
	do {
		const struct timespec pause = { .tv_nsec = 50 * 1000000 };

		assert_true(clock_now_ms() < give_up_ms);
		nanosleep(&pause, NULL);
		log_say(LOG_INFO, "x");
		line = catch_line();
	} while (memcmp(first, line, strlen("ts=2026-11-21T23:10:04")) == 0);
}

/*
 * A checker of JSON that knows what log lines need: one object of strings,
 * numbers and booleans. Gives what follows, or NULL.
 */
static const char *skip_string(const char *at)
{
	if (*at++ != '"')
		return NULL;
	while (*at != '"') {
		if ((unsigned char)*at < ' ')
			return NULL;
		if (*at == '\\') {
			at++;
			if (*at == 'u' && strspn(at + 1, "0123456789abcdef") >= 4)
				at += 4;
			else if (!*at || !strchr("\"\\/bfnrt", *at))
				return NULL;
		}
		at++;
	}
	return at + 1;
}

static const char *skip_value(const char *at)
{
	if (*at == '"')
		return skip_string(at);
	if (strncmp(at, "true", 4) == 0)
		return at + 4;
	if (strncmp(at, "false", 5) == 0)
		return at + 5;
	at += *at == '-';
	if (*at == '0')
		return at + 1;
	return isdigit(*at) ? at + strspn(at, "0123456789") : NULL;
}

static bool is_json_line(const char *at)
{
	if (*at != '{')
		return false;
	do {
		at = skip_string(at + 1);
		if (!at || *at != ':')
			return false;
		at = skip_value(at + 1);
	} while (at && *at == ',');
	return at && strcmp(at, "}\n") == 0;
}

static void json_lines_are_json(void **state)
{
	struct log_line line;
	char every_byte[256];

	(void)state;
	for (int i = 0; i < 255; i++)
		every_byte[i] = (char)(i + 1);
	every_byte[255] = '\0';
	log_configure(LOG_INFO, LOG_JSON, log_pipe[1]);
	assert_true(log_begin(&line, LOG_INFO, "\"quoted\""));
	log_u64(&line, "id", 0);
	log_i64(&line, "n", -7);
	log_flag(&line, "yes", true);
	log_flag(&line, "no", false);
	log_text(&line, "all", every_byte);
	log_errno(&line, "errno", -EPIPE);
	log_end(&line);
	catch_line();
	if (!is_json_line(caught))
		fail_msg("%s", caught);
	assert_non_null(strstr(caught,
			       "\"level\":\"info\",\"msg\":\"\\\"quoted\\\"\",\"id\":0,\"n\":-7,"
			       "\"yes\":true,\"no\":false,\"all\":\"\\u0001"));
	assert_non_null(strstr(caught, "\\u00ff\",\"errno\":\"EPIPE\"}\n"));
}

/* Whatever is logged, a line has its limit, its end and its form. */
static void long_lines_say_that_they_are_cut(void **state)
{
	char text[LOG_LINE_BYTES * 2];

	(void)state;
	for (size_t n = LOG_LINE_BYTES - 200; n < LOG_LINE_BYTES + 10; n++) {
		struct log_line line;

		memset(text, n % 2 ? 'a' : '\x01', n);
		text[n] = '\0';
		log_configure(LOG_INFO, n % 4 < 2 ? LOG_JSON : LOG_LOGFMT, log_pipe[1]);
		assert_true(log_begin(&line, LOG_INFO, "long"));
		log_text(&line, "text", text);
		log_u64(&line, "id", UINT64_MAX);
		log_flag(&line, "flag", true);
		log_end(&line);
		catch_line();
		assert_true(strlen(caught) <= LOG_LINE_BYTES);
		assert_true(caught[strlen(caught) - 1] == '\n');
		assert_true(n % 4 >= 2 || is_json_line(caught));
		if (line.is_truncated)
			assert_non_null(strstr(caught, "truncated"));
		else
			assert_non_null(strstr(caught, "flag"));
	}
}

static void endless_messages_are_cut_too(void **state)
{
	(void)state;
	log_say(LOG_INFO, "%*s", 3 * LOG_LINE_BYTES, "x");
	catch_line();
	assert_true(strlen(caught) <= LOG_LINE_BYTES);
	assert_non_null(strstr(caught, "\" truncated=yes\n"));
}

static void journald_gets_a_priority_and_no_stamp(void **state)
{
	struct stat st;
	char stream[64];

	(void)state;
	assert_int_equal(fstat(log_pipe[1], &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_configure(LOG_DEBUG, LOG_LOGFMT, log_pipe[1]);
	log_say(LOG_ERROR, "a");
	assert_string_equal(catch_line(), "<3>level=error msg=a\n");
	log_say(LOG_DEBUG, "b");
	assert_string_equal(catch_line(), "<7>level=debug msg=b\n");

	log_configure(LOG_DEBUG, LOG_JSON, log_pipe[1]);
	log_say(LOG_INFO, "c");
	assert_memory_equal(catch_line(), "<6>{\"ts\":\"", 10);

	/* Some other stream of ours is the journal's, not this one. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_configure(LOG_INFO, LOG_LOGFMT, log_pipe[1]);
	log_say(LOG_INFO, "d");
	assert_memory_equal(catch_line(), "ts=", 3);
	unsetenv("JOURNAL_STREAM");
}

static void a_rate_lets_one_through_and_counts_the_others(void **state)
{
	struct log_rate rate = { 0 };
	uint64_t suppressed = 99;

	(void)state;
	assert_true(log_rate_allows(&rate, 5000, 1000, &suppressed));
	assert_int_equal(suppressed, 0);
	suppressed = 99;
	assert_false(log_rate_allows(&rate, 5000, 1000, &suppressed));
	assert_false(log_rate_allows(&rate, 5999, 1000, &suppressed));
	assert_int_equal(suppressed, 99);
	assert_true(log_rate_allows(&rate, 6000, 1000, &suppressed));
	assert_int_equal(suppressed, 2);
	assert_true(log_rate_allows(&rate, 7000, 1000, &suppressed));
	assert_int_equal(suppressed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_PIPE(a_line_is_words_then_keys),
		ON_A_PIPE(numbers_are_written_to_their_ends),
		ON_A_PIPE(values_cannot_leave_a_line_of_another_form),
		ON_A_PIPE(lines_of_another_form_are_cut_too),
		ON_A_PIPE(errors_have_names),
		ON_A_PIPE(what_is_below_the_level_is_not_begun),
		ON_A_PIPE(the_stamp_is_the_time_in_utc),
		ON_A_PIPE(the_stamp_moves_on_with_the_second),
		ON_A_PIPE(json_lines_are_json),
		ON_A_PIPE(long_lines_say_that_they_are_cut),
		ON_A_PIPE(endless_messages_are_cut_too),
		ON_A_PIPE(journald_gets_a_priority_and_no_stamp),
		cmocka_unit_test(a_rate_lets_one_through_and_counts_the_others),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
