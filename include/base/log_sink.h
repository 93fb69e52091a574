/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

/*
 * What takes the lines of the log: a file descriptor, or a daemon that takes
 * a datagram for each. Of those the socket is not connected: one that is away
 * and comes back is found again by the next line.
 *
 * Formats: syslog(3)'s of /dev/log; RFC 5424 over UDP (RFC 5426); journald's
 * native one (https://systemd.io/JOURNAL_NATIVE_PROTOCOL), with a field for
 * each key of the line.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/def.h"

enum log_target { LOG_TO_STDERR, LOG_TO_FILE, LOG_TO_SYSLOG, LOG_TO_SYSLOG_UDP, LOG_TO_JOURNALD };

#define LOG_DATAGRAM_BYTES 8192

/* Takes a line each, or bytes? */
bool log_target_takes_datagrams(enum log_target target);

/*
 * A file to append to, made if it is missing; or -errno. Never waits: for a
 * FIFO that nobody reads it is -ENXIO. Writing may wait.
 */
MUST_CHECK int log_file_open(const char *path);

/*
 * A socket for @target, or a file of @path; or -errno. For LOG_TO_SYSLOG @path
 * is NULL, or of another socket than /dev/log; for LOG_TO_SYSLOG_UDP @to, of
 * @to_bytes, says where.
 */
MUST_CHECK int log_sink_open(enum log_target target, const char *path, const struct sockaddr *to,
			     socklen_t to_bytes);

/*
 * Would it go there? Makes nothing. 0 or -errno: no such folder, a file that
 * may not be written to, a daemon that is not there. What goes by UDP is not
 * known.
 */
MUST_CHECK int log_sink_check(enum log_target target, const char *path);

/*
 * The datagram for a line, "<6>level=info msg=...", without its newline. Gives
 * its length; what does not fit is left out.
 */
size_t log_sink_encode(enum log_target target, const char *line, size_t n,
		       char ret_text[LOG_DATAGRAM_BYTES]);

/* Sends one. 0; -EAGAIN when the daemon takes no more just now, -errno. Never waits. */
MUST_CHECK int log_sink_send(int fd, const char *text, size_t n);

#endif
