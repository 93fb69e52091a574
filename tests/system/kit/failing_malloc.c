/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For LD_PRELOAD: of so many allocations one fails, by chance, as the number in the file says that
 * the environment names with FAILING_MALLOC; 0: none. The file is mapped: who writes to it switches
 * a process that runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t n);

static const volatile uint32_t *one_of;

__attribute__((constructor)) static void map_switch(void)
{
	const char *path = getenv("FAILING_MALLOC");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at = MAP_FAILED;

	if (fd >= 0)
		at = mmap(NULL, sizeof(*one_of), PROT_READ, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		one_of = at;
	if (fd >= 0)
		close(fd);
}

static int fails_now(void)
{
	static _Thread_local uint32_t random = 2463534242;

	if (!one_of || *one_of == 0)
		return 0;
	random ^= random << 13;
	random ^= random >> 17;
	random ^= random << 5;
	if (random % *one_of != 0)
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n)
{
	return fails_now() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
	return fails_now() ? NULL : __libc_realloc(old, n);
}
