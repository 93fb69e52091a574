/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "net/sock.h"

/* ---- what there is ------------------------------------------------------- */

/* They may be meant for another process: one that has started us. */
static size_t count_passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t meant, n;

	if (!pid || !fds || !text_to_u64(pid, &meant) || meant != (uint64_t)getpid())
		return 0;
	return text_to_u64(fds, &n) ? MIN(n, PASSED_MAX) : 0;
}

/* The next of the names, which have colons between. */
static const char *take_name(const char *names, char ret_name[CONFIG_NAME_BYTES])
{
	size_t n = strcspn(names, ":");

	snprintf(ret_name, CONFIG_NAME_BYTES, "%.*s", (int)n, names);
	return names[n] ? names + n + 1 : names + n;
}

static int check_listens(int fd)
{
	int listens = 0;
	socklen_t n = sizeof(listens);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0)
		return -errno;
	return listens ? 0 : -EINVAL;
}

static int look_at(struct passed_socket *s, int fd)
{
	int err = check_listens(fd);

	s->fd = fd;
	if (err == 0)
		err = sock_local_addr(fd, &s->addr);
	if (err == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		err = -errno;
	return err;
}

static void log_bad(int fd, int err)
{
	struct log_line line;

	if (!log_begin(&line, LOG_ERROR, "what was passed is no listening socket"))
		return;
	log_u64(&line, "fd", (uint64_t)fd);
	log_errno(&line, "error", err);
	log_end(&line);
}

int passed_init(struct passed *p)
{
	const char *names = getenv("LISTEN_FDNAMES");
	size_t n = count_passed();
	int err = 0;

	p->n = 0;
	names = names ? names : "";
	for (; p->n < n && err == 0; p->n++) {
		int fd = PASSED_FIRST_FD + (int)p->n;

		names = take_name(names, p->all[p->n].name);
		err = look_at(&p->all[p->n], fd);
		if (err < 0)
			log_bad(fd, err);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return err;
}

/* ---- who gets them ------------------------------------------------------- */

bool passed_is_a_listener(const struct config *config, const char *name)
{
	for (size_t n = 0; n < config->listeners_n; n++)
		if (strcmp(config->listeners[n].name, name) == 0)
			return true;
	return false;
}

int passed_take(struct passed *p, const struct config *config,
		const struct listener_config *listener, const struct addr *addr)
{
	for (size_t n = 0; n < p->n; n++) {
		struct passed_socket *s = &p->all[n];
		int fd;

		if (!addr_is_equal(&s->addr, addr))
			continue;
		if (strcmp(s->name, listener->name) != 0 && passed_is_a_listener(config, s->name))
			continue;
		fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
		s->is_taken |= fd >= 0;
		return fd;
	}
	return -1;
}

static void log_left(const struct passed_socket *s)
{
	char text[ADDR_TEXT_BYTES];
	struct log_line line;

	if (!log_begin(&line, LOG_ERROR, "no listener binds what was passed"))
		return;
	log_u64(&line, "fd", (uint64_t)s->fd);
	log_text(&line, "name", s->name);
	log_text(&line, "addr", addr_format(&s->addr, text));
	log_text(&line, "hint",
		 "ListenStream= of the socket unit has to be the bind of a listener, and "
		 "FileDescriptorName= that listener's name");
	log_end(&line);
}

bool passed_are_taken(const struct passed *p)
{
	bool is_good = true;

	for (size_t n = 0; n < p->n; n++) {
		if (p->all[n].is_taken)
			continue;
		log_left(&p->all[n]);
		is_good = false;
	}
	return is_good;
}

bool passed_has(const struct passed *p, const struct addr *addr)
{
	for (size_t n = 0; n < p->n; n++)
		if (addr_is_equal(&p->all[n].addr, addr))
			return true;
	return false;
}

void passed_finish(struct passed *p)
{
	for (size_t n = 0; n < p->n; n++)
		close(p->all[n].fd);
	p->n = 0;
}
