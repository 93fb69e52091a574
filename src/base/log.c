/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log_queue.h"
#include "base/quote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What every line keeps free for its end: ,"truncated":true} and a newline. */
#define TAIL_BYTES 24
#define BODY_BYTES (LOG_LINE_BYTES - TAIL_BYTES)

/* A pair begins only where its key and this much of a value fit: any number does. */
#define VALUE_BYTES_MIN 24

const char *const log_level_names[LOG_LEVELS] = { "error", "warn", "info", "debug" };
const char *const log_format_names[LOG_FORMATS] = { "logfmt", "json" };

/* sd-daemon(3): what journald takes for the priority of a line; base/log_sink.c takes it, too. */
static const char *const priorities[LOG_LEVELS] = { "<3>", "<4>", "<6>", "<7>" };

static struct {
	_Atomic(enum log_level) level;
	_Atomic(enum log_format) format;
	atomic_bool has_priority; /* in front of the line, and who gets it knows the time */
	int fd;
	char path[PATH_MAX]; /* of its file; "": it is none */
} config = { .level = LOG_INFO };

/* Is @fd the stream that systemd says it connected to the journal? */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!stream || fstat(fd, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, own) == 0;
}

static void find_path(int fd, char ret_path[PATH_MAX])
{
	char link[64];
	struct stat st;
	ssize_t n = 0;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = readlink(link, ret_path, PATH_MAX - 1);
	ret_path[MAX(n, 0)] = '\0';
}

/* Who writes meanwhile writes to the one or the other: dup2(2) is one step. */
int log_reopen(void)
{
	struct stat st;
	int fd, err = 0;

	if (config.path[0] != '/')
		return -ENOTSUP;
	fd = log_file_open(config.path);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		err = -ENXIO;
	else if (dup2(fd, config.fd) < 0)
		err = -errno;
	else
		log_queue_begin_file();
	close(fd);
	return err;
}

const char *log_reopen_why(int err)
{
	return err == -ENXIO ? "what has its name now is no regular file" : strerror(-err);
}

void log_configure(enum log_level level, enum log_format format, int fd)
{
	config.level = level;
	config.format = format;
	config.has_priority = is_journal(fd);
	config.fd = fd;
	find_path(fd, config.path);
	log_queue_set_fd(fd);
}

void log_set_format(enum log_format format)
{
	config.format = format;
}

int log_direct(enum log_target target, const char *path, const struct sockaddr *to,
	       socklen_t to_bytes)
{
	int fd = log_sink_open(target, path, to, to_bytes);

	if (fd < 0)
		return fd;
	config.has_priority = log_target_takes_datagrams(target) || is_journal(fd);
	config.fd = fd;
	find_path(fd, config.path);
	log_queue_set_sink(target, fd);
	return 0;
}

void log_set_level(enum log_level level)
{
	config.level = level;
}

static void put_bytes(struct log_line *line, const char *bytes, size_t n)
{
	CHECK(n <= sizeof(line->text) - line->used);
	memcpy(line->text + line->used, bytes, n);
	line->used = (uint16_t)(line->used + n);
}

static void put_plain(struct log_line *line, const char *text)
{
	put_bytes(line, text, strlen(text));
}

static void put_u64(struct log_line *line, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	put_bytes(line, digits + at, sizeof(digits) - at);
}

static void put_quoted(struct log_line *line, const char *text)
{
	char *at = line->text + line->used;
	size_t room = BODY_BYTES - line->used;
	size_t n = line->format == LOG_JSON ? quote_json(at, room, text, &line->is_truncated)
					    : quote_logfmt(at, room, text, &line->is_truncated);

	line->used = (uint16_t)(line->used + n);
}

/* False when the line is full: then nothing may follow. */
static bool begin_pair(struct log_line *line, const char *key)
{
	const size_t n = strlen(key);
	char *at = line->text + line->used;

	if (line->is_truncated ||
	    n + strlen(",\"\":") + VALUE_BYTES_MIN > (size_t)BODY_BYTES - line->used) {
		line->is_truncated = true;
		return false;
	}
	if (line->format == LOG_JSON) {
		*at++ = ',';
		*at++ = '"';
		at = mempcpy(at, key, n);
		*at++ = '"';
		*at++ = ':';
	} else {
		*at++ = ' ';
		at = mempcpy(at, key, n);
		*at++ = '=';
	}
	line->used = (uint16_t)(at - line->text);
	return true;
}

static char *put_digits(char *at, unsigned value, unsigned width)
{
	for (unsigned i = width; i > 0; i--, value /= 10)
		at[i - 1] = (char)('0' + value % 10);
	return at + width;
}

static void write_second(time_t second, char text[sizeof("2026-11-21T23:10:04.")])
{
	struct tm tm;
	char *at = text;

	gmtime_r(&second, &tm);
	at = put_digits(at, (unsigned)tm.tm_year + 1900, 4);
	*at++ = '-';
	at = put_digits(at, (unsigned)tm.tm_mon + 1, 2);
	*at++ = '-';
	at = put_digits(at, (unsigned)tm.tm_mday, 2);
	*at++ = 'T';
	at = put_digits(at, (unsigned)tm.tm_hour, 2);
	*at++ = ':';
	at = put_digits(at, (unsigned)tm.tm_min, 2);
	*at++ = ':';
	at = put_digits(at, (unsigned)tm.tm_sec, 2);
	*at++ = '.';
}

/* The calendar is asked once a second and thread; the rest is three digits. */
static void put_time(struct log_line *line)
{
	static _Thread_local char text[sizeof("2026-11-21T23:10:04.123Z")];
	static _Thread_local time_t second = -1;
	const size_t ms_at = strlen("2026-11-21T23:10:04.");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != second) {
		second = now.tv_sec;
		write_second(second, text);
	}
	put_digits(text + ms_at, (unsigned)(now.tv_nsec / 1000000), 3);
	text[ms_at + 3] = 'Z';
	put_bytes(line, text, sizeof(text) - 1);
}

static void begin_json(struct log_line *line, const char *message)
{
	put_plain(line, "{\"ts\":\"");
	put_time(line);
	put_plain(line, "\",\"level\":\"");
	put_plain(line, log_level_names[line->level]);
	put_plain(line, "\",\"msg\":");
	put_quoted(line, message);
}

static void begin_logfmt(struct log_line *line, const char *message, bool has_time)
{
	if (has_time) {
		put_plain(line, "ts=");
		put_time(line);
		put_plain(line, " ");
	}
	put_plain(line, "level=");
	put_plain(line, log_level_names[line->level]);
	put_plain(line, " msg=");
	put_quoted(line, message);
}

static void begin_line(struct log_line *line, enum log_level level, const char *message)
{
	const bool has_priority = config.has_priority;

	line->level = level;
	line->format = config.format;
	line->used = 0;
	line->is_truncated = false;
	if (has_priority)
		put_plain(line, priorities[level]);
	if (line->format == LOG_JSON)
		begin_json(line, message);
	else
		begin_logfmt(line, message, !has_priority);
}

static void finish_line(struct log_line *line)
{
	if (line->format == LOG_JSON) {
		put_plain(line, line->is_truncated ? ",\"truncated\":true}\n" : "}\n");
		return;
	}
	put_plain(line, line->is_truncated ? " truncated=yes\n" : "\n");
}

static size_t write_notice(uint64_t n, char ret_text[LOG_NOTICE_BYTES])
{
	struct log_line line;

	begin_line(&line, LOG_WARN, "log lines dropped");
	log_u64(&line, "n", n);
	finish_line(&line);
	CHECK(line.used <= LOG_NOTICE_BYTES);
	memcpy(ret_text, line.text, line.used);
	return line.used;
}

static size_t write_trouble(int err, char ret_text[LOG_NOTICE_BYTES])
{
	struct log_line line;

	begin_line(&line, LOG_WARN, "lines of the log get lost");
	log_errno(&line, "error", err);
	finish_line(&line);
	CHECK(line.used <= LOG_NOTICE_BYTES);
	memcpy(ret_text, line.text, line.used);
	return line.used;
}

int log_start(void)
{
	static const struct log_trouble trouble = { write_trouble, log_reopen };

	check_set_flush(log_flush);
	log_queue_set_trouble(&trouble);
	return log_queue_start(write_notice);
}

void log_wait_for_room(uint64_t until_ms)
{
	log_queue_wait(until_ms);
}

void log_flush(uint64_t patience_ms)
{
	log_queue_flush(clock_now_ms() + patience_ms);
}

void log_stop(void)
{
	log_queue_stop();
}

bool log_is_on(enum log_level level)
{
	return level <= atomic_load_explicit(&config.level, memory_order_relaxed);
}

bool log_begin(struct log_line *line, enum log_level level, const char *message)
{
	if (!log_is_on(level))
		return false;
	begin_line(line, level, message);
	return true;
}

void log_text(struct log_line *line, const char *key, const char *value)
{
	if (value && begin_pair(line, key))
		put_quoted(line, value);
}

void log_u64(struct log_line *line, const char *key, uint64_t value)
{
	if (begin_pair(line, key))
		put_u64(line, value);
}

void log_i64(struct log_line *line, const char *key, int64_t value)
{
	if (!begin_pair(line, key))
		return;
	if (value < 0)
		put_plain(line, "-");
	put_u64(line, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void log_flag(struct log_line *line, const char *key, bool value)
{
	if (!begin_pair(line, key))
		return;
	if (line->format == LOG_JSON)
		put_plain(line, value ? "true" : "false");
	else
		put_plain(line, value ? "yes" : "no");
}

void log_errno(struct log_line *line, const char *key, int err)
{
	const int number = err < 0 ? -err : err;
	const char *name = strerrorname_np(number);

	if (name)
		log_text(line, key, name);
	else
		log_i64(line, key, number);
}

void log_end(struct log_line *line)
{
	finish_line(line);
	log_queue_put(line->text, line->used);
}

/* ---- lines of another form ------------------------------------------------ */

bool log_begin_own(struct log_line *line, enum log_level level)
{
	if (!log_is_on(level))
		return false;
	line->level = level;
	line->format = LOG_LOGFMT;
	line->used = 0;
	line->is_truncated = false;
	if (config.has_priority)
		put_plain(line, priorities[level]);
	return true;
}

/* Is there room for so many bytes? If not, nothing follows any more. */
static bool has_room(struct log_line *line, size_t n)
{
	if (n > (size_t)BODY_BYTES - line->used)
		line->is_truncated = true;
	return !line->is_truncated;
}

void log_put(struct log_line *line, const char *bytes, size_t n)
{
	if (has_room(line, n))
		put_bytes(line, bytes, n);
}

static bool needs_quotes(const char *value, char end)
{
	return strcmp(value, "-") == 0 || (end != '\0' && strchr(value, end));
}

void log_put_text(struct log_line *line, const char *value, char end, bool is_within)
{
	char *at = line->text + line->used;
	size_t room = BODY_BYTES - line->used, n;

	if (!value) {
		log_put(line, "-", 1);
		return;
	}
	if (!has_room(line, VALUE_BYTES_MIN))
		return;
	if (!is_within && !needs_quotes(value, end)) {
		put_quoted(line, value);
		return;
	}
	n = quote_always(at, room, value, &line->is_truncated);
	if (is_within)
		memmove(at, at + 1, n -= 2);
	line->used = (uint16_t)(line->used + n);
}

void log_put_u64(struct log_line *line, uint64_t value)
{
	if (has_room(line, VALUE_BYTES_MIN))
		put_u64(line, value);
}

void log_put_time(struct log_line *line)
{
	if (has_room(line, sizeof("2026-11-21T23:10:04.123Z")))
		put_time(line);
}

void log_say(enum log_level level, const char *format, ...)
{
	struct log_line line;
	char message[LOG_LINE_BYTES];
	va_list args;

	if (!log_is_on(level))
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	begin_line(&line, level, message);
	log_end(&line);
}

bool log_rate_allows(struct log_rate *rate, uint64_t now_ms, uint64_t every_ms,
		     uint64_t *ret_suppressed)
{
	if (now_ms < rate->next_ms) {
		rate->suppressed++;
		return false;
	}
	rate->next_ms = now_ms + every_ms;
	*ret_suppressed = atomic_exchange(&rate->suppressed, 0);
	return true;
}
