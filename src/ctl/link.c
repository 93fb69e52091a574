/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Of waiting, until it is looked what the other side does. */
#define LOOK_MS 1000

int link_open(struct link *link, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int err = 0;

	*link = (struct link){ .fd = -1 };
	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, strlen(path) + 1);
	link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->fd < 0 || connect(link->fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		err = -errno;
	if (err == 0)
		link->in = fdopen(link->fd, "r");
	if (err == 0 && !link->in)
		err = -errno;
	if (err < 0 && link->fd >= 0)
		close(link->fd);
	return err;
}

void link_close(struct link *link)
{
	fclose(link->in);
	free(link->line);
}

static bool needs_quotes(const char *word)
{
	return *word == '\0' || strpbrk(word, " \t\"\\") != NULL;
}

static void write_word(const char *word, bool quoted, FILE *to)
{
	if (!quoted && !needs_quotes(word)) {
		fputs(word, to);
		return;
	}
	putc('"', to);
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			putc('\\', to);
		putc(*word, to);
	}
	putc('"', to);
}

static int send_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return -errno;
		bytes += sent > 0 ? sent : 0;
		n -= sent > 0 ? (size_t)sent : 0;
	}
	return 0;
}

int link_send(struct link *link, char *const *words, bool all)
{
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);
	int err = -ENOMEM;

	if (!to)
		return err;
	for (size_t i = 0; words[i]; i++) {
		if (i > 0)
			putc(' ', to);
		write_word(words[i], all && i > 0, to);
	}
	putc('\n', to);
	if (fclose(to) == 0)
		err = send_all(link->fd, text, n);
	free(text);
	return err;
}

/* The state stands behind the name, which may have brackets of its own. */
static bool is_stopped(int pid)
{
	char path[32], stat[256] = "";
	const char *end;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	in = fopen(path, "re");
	if (!in)
		return false;
	end = fgets(stat, sizeof(stat), in) ? strrchr(stat, ')') : NULL;
	fclose(in);
	return end && (end[2] == 'T' || end[2] == 't');
}

int link_wait(const struct link *link)
{
	struct pollfd answer = { .fd = link->fd, .events = POLLIN };
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	if (getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return 0;
	while (poll(&answer, 1, LOOK_MS) == 0)
		if (peer.pid > 0 && is_stopped(peer.pid))
			return peer.pid;
	return 0;
}

json_t *link_receive(struct link *link)
{
	ssize_t n = getline(&link->line, &link->room, link->in);
	json_t *row;

	if (n <= 0)
		return NULL;
	row = json_loadb(link->line, (size_t)n, 0, NULL);
	if (row && !json_is_object(row)) {
		json_decref(row);
		row = NULL;
	}
	return row;
}
