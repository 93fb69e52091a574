/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log_sink.h"

#include "base/logfmt.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SYSLOG_PATH "/dev/log"
#define JOURNALD_PATH "/run/systemd/journal/socket"

#define FACILITY_DAEMON (3 * 8)
#define SEVERITY_DEFAULT 6
#define HOST_BYTES 256
#define TIME_BYTES 40

/* Where datagrams go; set before the first line is sent there, and by one thread. */
static struct {
	struct sockaddr_storage addr;
	socklen_t bytes;
} to;

bool log_target_takes_datagrams(enum log_target target)
{
	return target >= LOG_TO_SYSLOG;
}

static int open_socket(void)
{
	int fd = socket(to.addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int open_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, strlen(path) + 1);
	memcpy(&to.addr, &un, sizeof(un));
	to.bytes = sizeof(un);
	return open_socket();
}

int log_file_open(const char *path)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;
	int fd = open(path, flags | O_NONBLOCK, 0640), err = -errno;

	if (fd < 0 || fcntl(fd, F_SETFL, O_APPEND) == 0)
		return fd < 0 ? err : fd;
	err = -errno;
	close(fd);
	return err;
}

int log_sink_open(enum log_target target, const char *path, const struct sockaddr *addr,
		  socklen_t to_bytes)
{
	switch (target) {
	case LOG_TO_FILE:
		return log_file_open(path);
	case LOG_TO_SYSLOG:
		return open_unix(path ? path : SYSLOG_PATH);
	case LOG_TO_JOURNALD:
		return open_unix(JOURNALD_PATH);
	case LOG_TO_SYSLOG_UDP:
		memcpy(&to.addr, addr, to_bytes);
		to.bytes = to_bytes;
		return open_socket();
	case LOG_TO_STDERR:
		break;
	}
	return STDERR_FILENO;
}

/* Without a file of that name one can be made in its folder. */
static int check_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return -EISDIR;
	if (access(path, W_OK) == 0)
		return 0;
	if (errno != ENOENT || !slash)
		return -errno;
	snprintf(folder, sizeof(folder), "%.*s", (int)MAX(slash - path, 1), path);
	return access(folder, W_OK | X_OK) == 0 ? 0 : -errno;
}

static int check_daemon(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, err;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

int log_sink_check(enum log_target target, const char *path)
{
	switch (target) {
	case LOG_TO_FILE:
		return check_file(path);
	case LOG_TO_SYSLOG:
		return check_daemon(path ? path : SYSLOG_PATH);
	case LOG_TO_JOURNALD:
		return check_daemon(JOURNALD_PATH);
	default:
		return 0;
	}
}

/* ---- datagrams ------------------------------------------------------------- */

struct datagram {
	char *text;
	size_t n;
};

static void put(struct datagram *d, const char *bytes, size_t n)
{
	n = MIN(n, LOG_DATAGRAM_BYTES - d->n);
	memcpy(d->text + d->n, bytes, n);
	d->n += n;
}

static void put_text(struct datagram *d, const char *text)
{
	put(d, text, strlen(text));
}

/* Takes the priority off, "<6>". */
static int take_severity(const char **line, size_t *n)
{
	int severity = SEVERITY_DEFAULT;

	if (*n >= 3 && (*line)[0] == '<' && (*line)[2] == '>') {
		severity = (*line)[1] - '0';
		*line += 3;
		*n -= 3;
	}
	return severity;
}

/* RFC 3164's form, which daemons at /dev/log expect: local time, no host. */
static void encode_syslog(struct datagram *d, int severity, const char *line, size_t n)
{
	char head[TIME_BYTES + 64], when[TIME_BYTES];
	time_t now = time(NULL);
	struct tm tm;

	strftime(when, sizeof(when), "%b %e %H:%M:%S", localtime_r(&now, &tm));
	snprintf(head, sizeof(head), "<%d>%s ringmain[%d]: ", FACILITY_DAEMON + severity, when,
		 (int)getpid());
	put_text(d, head);
	put(d, line, n);
}

/* RFC 5424, 6: no MSGID, no structured data. */
static void encode_rfc5424(struct datagram *d, int severity, const char *line, size_t n)
{
	char head[TIME_BYTES + HOST_BYTES + 64], when[TIME_BYTES], host[HOST_BYTES] = "-";
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &tm));
	if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
		memcpy(host, "-", sizeof("-"));
	snprintf(head, sizeof(head), "<%d>1 %s.%03ldZ %s ringmain %d - - ",
		 FACILITY_DAEMON + severity, when, now.tv_nsec / 1000000, host, (int)getpid());
	put_text(d, head);
	put(d, line, n);
}

/* RINGMAIN_CLIENT=...: systemd.journal-fields(7) allows A-Z, 0-9 and _. */
static void put_field(struct datagram *d, const struct logfmt_pair *pair)
{
	const char *value;
	size_t n = logfmt_bare(pair, &value);

	put_text(d, "RINGMAIN_");
	for (size_t i = 0; i < pair->key_bytes; i++) {
		const char letter = (char)toupper((unsigned char)pair->key[i]);

		put(d, &letter, 1);
	}
	put_text(d, "=");
	put(d, value, n);
	put_text(d, "\n");
}

static void encode_journald(struct datagram *d, int severity, const char *line, size_t n)
{
	const char *at = line, *end = line + n;
	struct logfmt_pair pair;
	char head[64];

	snprintf(head, sizeof(head), "PRIORITY=%d\nSYSLOG_IDENTIFIER=ringmain\nMESSAGE=", severity);
	put_text(d, head);
	put(d, line, n);
	put_text(d, "\n");
	while (logfmt_next(&at, end, &pair))
		put_field(d, &pair);
}

size_t log_sink_encode(enum log_target target, const char *line, size_t n,
		       char ret_text[LOG_DATAGRAM_BYTES])
{
	struct datagram d = { .text = ret_text };
	int severity = take_severity(&line, &n);

	if (target == LOG_TO_JOURNALD)
		encode_journald(&d, severity, line, n);
	else if (target == LOG_TO_SYSLOG_UDP)
		encode_rfc5424(&d, severity, line, n);
	else
		encode_syslog(&d, severity, line, n);
	return d.n;
}

int log_sink_send(int fd, const char *text, size_t n)
{
	while (sendto(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to.addr,
		      to.bytes) < 0) {
		if (errno != EINTR)
			return errno == EWOULDBLOCK || errno == ENOBUFS ? -EAGAIN : -errno;
	}
	return 0;
}
