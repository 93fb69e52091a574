/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_LOG_QUEUE_H
#define BASE_LOG_QUEUE_H

/*
 * Where finished log lines wait for the thread that writes them out. Only
 * log.c includes this. Two buffers: lines are appended to one under a lock
 * that is held for a copy and no more, while the thread writes the other.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "base/log_sink.h"

#define LOG_QUEUE_BYTES (256 * 1024) /* some thousand lines: half a second of a slow reader */
#define LOG_NOTICE_BYTES 160

/* Writes the line that says that @n lines were dropped, and returns its length. */
typedef size_t log_notice_fn(uint64_t n, char ret_text[LOG_NOTICE_BYTES]);

/* For lines that do not reach a file or a daemon. */
struct log_trouble {
	/* Writes the line for stderr that says why, from -errno, and returns its length. */
	size_t (*write)(int err, char ret_text[LOG_NOTICE_BYTES]);
	/* The file has no name any more: begins one of that name. 0 or -errno. */
	int (*reopen)(void);
};

/* Where to write from now on. The default is stderr. */
void log_queue_set_fd(int fd);
/* What it writes to is another file from now on, in which no line is torn. */
void log_queue_begin_file(void);
/* The same for what takes a datagram for each line. Before log_queue_start(). */
void log_queue_set_sink(enum log_target target, int fd);

/* What to do then. Borrows @trouble for good. Before log_queue_start(). */
void log_queue_set_trouble(const struct log_trouble *trouble);

/* Starts the thread. Returns 0 or -errno; harmless when it runs already. */
MUST_CHECK int log_queue_start(log_notice_fn *notice);

/*
 * Writes what is queued and ends the thread. A reader that has taken nothing
 * for LOG_STOP_PATIENCE_MS is given up.
 */
#define LOG_STOP_PATIENCE_MS 1000
void log_queue_stop(void);

/*
 * For a process that is about to abort: waits until what is queued now has
 * been written, or until @until_ms. Whatever thread calls it, and whatever
 * locks it has.
 */
void log_queue_flush(uint64_t until_ms);

/* Waits until half of it is free, or until @until_ms. */
void log_queue_wait(uint64_t until_ms);

/* Appends a line, which ends with a newline, or writes it at once when there is no thread. */
void log_queue_put(const char *line, size_t n);

/* How many lines were dropped since the start. From any thread. */
uint64_t log_queue_lost(void);
/* When the last of them was, as clock_now_ms(); 0: none ever was. */
uint64_t log_queue_lost_ms(void);

#endif
