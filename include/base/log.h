/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * One event, one line: a message in words, then keys with values, as logfmt
 * or as JSON, to one file descriptor (stderr), or to a daemon (base/log_sink.h).
 *
 *	struct log_line line;
 *
 *	if (log_begin(&line, LOG_INFO, "session")) {
 *		log_u64(&line, "id", s->id);
 *		log_text(&line, "listener", s->listener->name);
 *		log_end(&line);
 *	}
 *
 *	ts=2026-11-21T23:10:04.123Z level=info msg=session id=17 listener=pg
 *
 * log_end() never waits for the reader of the log: lines go into a bounded
 * queue that a thread of the logger writes out a few milliseconds later. When
 * it is full, or the disk is, lines are dropped and counted, and where they
 * are missing a line says how many ("log lines dropped" n=...). One of which
 * only a part could be written ends with truncated=yes and is counted, too.
 * Before log_start() and after log_stop() lines are written at once by the
 * caller, who ignores SIGPIPE. Any thread may log.
 *
 * Under journald ($JOURNAL_STREAM names stderr) each line begins with the
 * syslog priority, "<6>", and the time stamp is left out in logfmt.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "base/log_sink.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVELS };
enum log_format { LOG_LOGFMT, LOG_JSON, LOG_FORMATS };

extern const char *const log_level_names[LOG_LEVELS];
extern const char *const log_format_names[LOG_FORMATS];

/* A longer line ends with truncated=yes: a value is cut, those behind it are left out. */
#define LOG_LINE_BYTES 2048

struct log_line {
	enum log_level level;
	enum log_format format;
	uint16_t used;
	bool is_truncated;
	char text[LOG_LINE_BYTES];
};

/*
 * What is logged from now on, and how; lines that are queued go to the new fd
 * too. Thread-safe; the default is info, logfmt, fd 2, not for journald.
 * Borrows @fd until it is configured away: the caller closes it, after
 * log_stop().
 */
void log_configure(enum log_level level, enum log_format format, int fd);

/*
 * To a file of @path, syslog's daemon or journald's instead of stderr from now
 * on; log_configure() has been called. @to of @to_bytes is for
 * LOG_TO_SYSLOG_UDP. 0 or -errno: then lines go where they went. Before
 * log_start(); what is opened is the process's until it ends.
 */
MUST_CHECK int log_direct(enum log_target target, const char *path, const struct sockaddr *to,
			  socklen_t to_bytes);

/*
 * The log is a file that was moved away: goes on in a new one of the name that
 * it had when it was configured. 0; -ENOTSUP when it is no file, -errno when it
 * cannot be opened, -ENXIO when that is no regular file: then it goes on where
 * it is.
 */
MUST_CHECK int log_reopen(void);
/* In words, for such an error. */
const char *log_reopen_why(int err);

/* The level alone. */
void log_set_level(enum log_level level);
/* Of lines that begin from now on. */
void log_set_format(enum log_format format);

/*
 * Starts and stops the writing thread. log_start() returns 0 or -errno.
 * log_stop() writes what is queued, but gives up a reader that takes nothing
 * for a second. One thread calls these two, after any fork(2).
 */
MUST_CHECK int log_start(void);
void log_stop(void);

/*
 * For a process that is about to abort: writes what is queued, if that can be
 * done in @patience_ms. Any thread, whatever it is doing.
 */
void log_flush(uint64_t patience_ms);

/*
 * For a thread that has time and very many lines, which the queue may not
 * hold: waits until half of it is free, or until @until_ms of clock_now_ms()
 * for a reader that is stuck.
 */
void log_wait_for_room(uint64_t until_ms);

bool log_is_on(enum log_level level);

/* Begins a line; false, and nothing to do, when @level is not logged. */
MUST_CHECK bool log_begin(struct log_line *line, enum log_level level, const char *message);

/*
 * Add a key, which is ours and written as it is, and a value, which may be a
 * client's: it is quoted and escaped as the format needs it, and control
 * bytes never reach the terminal. A text that is NULL adds nothing.
 */
void log_text(struct log_line *line, const char *key, const char *value);
void log_u64(struct log_line *line, const char *key, uint64_t value);
void log_i64(struct log_line *line, const char *key, int64_t value);
void log_flag(struct log_line *line, const char *key, bool value);
/* "errno=ECONNREFUSED", from -errno or errno; "errno=0" when all was well. */
void log_errno(struct log_line *line, const char *key, int err);
void log_end(struct log_line *line);

/*
 * A line of the caller's own form, for log_end(): it begins with nothing, and
 * what is put follows each other. A value that is somebody else's cannot leave
 * its place: it is quoted and escaped as in logfmt, also where it holds @end,
 * the byte that follows it (NUL: none does), and "-" stands for none (NULL).
 * @is_within: it stands between quotes of the caller's already.
 */
MUST_CHECK bool log_begin_own(struct log_line *line, enum log_level level);
void log_put(struct log_line *line, const char *bytes, size_t n);
void log_put_text(struct log_line *line, const char *value, char end, bool is_within);
void log_put_u64(struct log_line *line, uint64_t value);
void log_put_time(struct log_line *line);

/* A line with no keys but what the format string makes of itself. For start-up and rare events. */
void log_say(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * At most one line per @every_ms from this place: true when it is time, and
 * then *ret_suppressed says how often it was not since the last time. Any
 * thread may ask; of several that ask at once more than one may get a yes.
 * Begins as a structure of zeroes.
 */
struct log_rate {
	_Atomic uint64_t next_ms;
	_Atomic uint64_t suppressed;
};
MUST_CHECK bool log_rate_allows(struct log_rate *rate, uint64_t now_ms, uint64_t every_ms,
				uint64_t *ret_suppressed);

#endif
