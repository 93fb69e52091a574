/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

/* A path, or the name of an abstract socket behind an @. */
static bool read_address(struct notify *n, const char *name)
{
	size_t bytes = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || bytes < 2 || bytes >= sizeof(n->to.sun_path))
		return false;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, name, bytes);
	if (name[0] == '@')
		n->to.sun_path[0] = '\0';
	n->to_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
	return true;
}

/* The watchdog may be meant for another process: one that has started us. */
static uint64_t find_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t value;

	if (!usec || !text_to_u64(usec, &value))
		return 0;
	if (pid) {
		uint64_t meant;

		if (!text_to_u64(pid, &meant) || meant != (uint64_t)getpid())
			return 0;
	}
	return value / 1000;
}

void notify_init(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*n = (struct notify){ .fd = -1 };
	if (!name || !name[0])
		return;
	if (!read_address(n, name)) {
		log_say(LOG_WARN, "NOTIFY_SOCKET: '%.60s' is no address of a unix socket", name);
		return;
	}
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd < 0)
		log_say(LOG_WARN, "NOTIFY_SOCKET: %s", strerror(errno));
	else
		n->watchdog_ms = find_watchdog_ms();
}

void notify_finish(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

/* Never waits. False: the manager's queue is full. */
static bool notify_say(const struct notify *n, const char *text)
{
	return n->fd < 0 ||
	       sendto(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&n->to, n->to_bytes) >= 0 ||
	       (errno != EAGAIN && errno != ENOBUFS);
}

bool notify_ready(struct notify *n)
{
	return notify_say(n, "READY=1\n");
}

void notify_reloading(struct notify *n)
{
	struct timespec now;
	char text[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
		 (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	(void)notify_say(n, text);
}

void notify_stopping(struct notify *n)
{
	(void)notify_say(n, "STOPPING=1\n");
}

void notify_alive(struct notify *n)
{
	(void)notify_say(n, "WATCHDOG=1\n");
}

void notify_status(struct notify *n, const char *format, ...)
{
	char status[NOTIFY_STATUS_BYTES], text[NOTIFY_STATUS_BYTES + 16];
	va_list args;

	if (n->fd < 0)
		return;
	va_start(args, format);
	vsnprintf(status, sizeof(status), format, args);
	va_end(args);
	if (strcmp(status, n->status) == 0)
		return;
	snprintf(text, sizeof(text), "STATUS=%s\n", status);
	if (notify_say(n, text))
		memcpy(n->status, status, sizeof(status));
}
