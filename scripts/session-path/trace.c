/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * For scripts/session-path.sh: preloaded into a ringmain that was built with
 * -finstrument-functions, it writes who called whom in the threads named
 * worker-*, as pairs of addresses within the program, to the file that
 * $SESSION_PATH_TRACE names.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 256

static int trace_fd = -1;
static uintptr_t base;

static __thread uintptr_t stack[DEPTH_MAX];
static __thread unsigned depth;
static __thread int is_worker; /* 0: not known yet, -1: no */

static int take_first(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	base = info->dlpi_addr;
	return 1; /* the program itself comes first */
}

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("SESSION_PATH_TRACE");

	dl_iterate_phdr(take_first, NULL);
	if (path)
		trace_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_traced(void)
{
	char name[16] = "";

	if (is_worker == 0) {
		if (pthread_getname_np(pthread_self(), name, sizeof(name)) != 0)
			return 0;
		if (strncmp(name, "worker-", 7) != 0)
			return 0; /* it may get its name yet */
		is_worker = 1;
	}
	return is_worker > 0 && trace_fd >= 0;
}

void __cyg_profile_func_enter(void *function, void *site);
void __cyg_profile_func_exit(void *function, void *site);

void __cyg_profile_func_enter(void *function, void *site)
{
	uintptr_t at = (uintptr_t)function - base;

	(void)site;
	if (depth < DEPTH_MAX)
		stack[depth] = at;
	if (depth > 0 && depth < DEPTH_MAX && is_traced()) {
		const uint64_t pair[2] = { stack[depth - 1], at };

		(void)!write(trace_fd, pair, sizeof(pair));
	}
	depth++;
}

void __cyg_profile_func_exit(void *function, void *site)
{
	(void)function;
	(void)site;
	depth--;
}
