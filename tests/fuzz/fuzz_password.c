/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the file that a check's password stands in: the password is
 * its only line, or what was known stays. EVERY_PREFIX
 */
#include "fuzz/fuzz.h"

#include "base/check.h"
#include "crypto/password.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_password(const char *text, const uint8_t *data, size_t size)
{
	const size_t n = strlen(text);

	CHECK(n > 0 && n < PASSWORD_BYTES);
	CHECK(n <= size && memcmp(text, data, n) == 0);
	CHECK(!memchr(text, '\n', n));
	CHECK(size - n <= 2); /* a line's end, at most */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct password *p = password_create();
	const int fd = memfd_create("password", MFD_CLOEXEC);
	char path[32];

	CHECK(p);
	CHECK(fd >= 0);
	CHECK(write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memcpy(p->text, "old", sizeof("old"));
	if (password_read(p, path))
		CHECK(strcmp(p->text, "old") == 0);
	else
		check_password(p->text, data, size);
	close(fd);
	password_destroy(p);
	return 0;
}
