/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/password.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct password *password_create(void)
{
	struct password *p =
		mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, sizeof(*p), MADV_DONTDUMP);
	(void)mlock(p, sizeof(*p));
	return p;
}

void password_destroy(struct password *p)
{
	if (!p)
		return;
	explicit_bzero(p, sizeof(*p));
	munmap(p, sizeof(*p));
}

/* At most @room bytes; what a pipe gives in pieces is put together. -errno, or how many. */
static ssize_t read_all(const char *file, char *bytes, size_t room)
{
	const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	while (n < room && got > 0) {
		got = read(fd, bytes + n, room - n);
		n += got > 0 ? (size_t)got : 0;
	}
	got = got < 0 ? -errno : (ssize_t)n;
	close(fd);
	return got;
}

static const char *check_line(char *bytes, size_t *n)
{
	if (*n > 0 && bytes[*n - 1] == '\n')
		(*n)--;
	if (*n > 0 && bytes[*n - 1] == '\r')
		(*n)--;
	if (*n == 0)
		return "there is no password in it";
	if (*n >= PASSWORD_BYTES)
		return "the password has more than 127 bytes";
	if (memchr(bytes, '\n', *n) || memchr(bytes, '\0', *n))
		return "there is more than one line in it";
	return NULL;
}

const char *password_read(struct password *p, const char *file)
{
	char bytes[PASSWORD_BYTES + 2];
	const ssize_t got = read_all(file, bytes, sizeof(bytes));
	size_t n = got > 0 ? (size_t)got : 0;
	const char *why = got < 0 ? strerrordesc_np((int)-got) : check_line(bytes, &n);

	if (!why && (strlen(p->text) != n || memcmp(p->text, bytes, n) != 0)) {
		scram_cache_wipe(&p->cache);
		explicit_bzero(p->text, sizeof(p->text));
		memcpy(p->text, bytes, n);
	}
	explicit_bzero(bytes, sizeof(bytes));
	return why;
}
