/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/file_notes.h"

static const char *why_not(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return NULL;
	case S_IFDIR:
		return strerrordesc_np(EISDIR);
	case S_IFIFO:
		return "it is a FIFO, not a regular file";
	case S_IFSOCK:
		return "it is a socket, not a regular file";
	default:
		return "it is a device, not a regular file";
	}
}

const char *file_open_regular(const char *path, int *ret_fd, struct stat *ret_stat)
{
	const char *why = NULL;
	struct stat st;
	int fd;

	/* Some devices do something when they are opened, and sockets cannot be. */
	if (stat(path, &st) < 0)
		return strerrordesc_np(errno);
	why = why_not(st.st_mode);
	if (why)
		return why;
	/* It may be something else by now. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return strerrordesc_np(errno);
	if (fstat(fd, &st) < 0)
		why = strerrordesc_np(errno);
	else
		why = why_not(st.st_mode);
	if (why) {
		close(fd);
		return why;
	}
	file_note(path, &st);
	*ret_fd = fd;
	*ret_stat = st;
	return NULL;
}
