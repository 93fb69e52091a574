/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes a call fail in a process that loads this with LD_PRELOAD (kit/faults.py):
 *
 *	FAULT_CALL    the function
 *	FAULT_NTH     its first call that fails, from 1; the others do what they always do
 *	FAULT_ERROR   errno; 0: the call never returns
 *	FAULT_ALWAYS  also all calls after it fail, if set
 *	FAULT_THREAD  only calls of the thread of this name, if set
 *	FAULT_WHEN    only while this file exists, if set
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

struct io_uring;
struct io_uring_params;

static int number(const char *variable)
{
	const char *text = getenv(variable);

	return text ? (int)strtol(text, NULL, 10) : 0;
}

static bool is_this_thread(void)
{
	const char *wanted = getenv("FAULT_THREAD");
	char name[16] = "";

	prctl(PR_GET_NAME, name);
	return !wanted || strcmp(name, wanted) == 0;
}

static bool is_time(void)
{
	const char *file = getenv("FAULT_WHEN");

	return !file || access(file, F_OK) == 0;
}

/* 0, or the errno that this call of @name is to fail with. */
static int fault_of(const char *name)
{
	static atomic_int calls;
	const char *call = getenv("FAULT_CALL");
	int nth, before = errno, error;

	if (!call || strcmp(call, name) != 0 || !is_this_thread() || !is_time()) {
		errno = before;
		return 0;
	}
	nth = atomic_fetch_add(&calls, 1) + 1;
	error = number("FAULT_ERROR");
	if (nth < number("FAULT_NTH"))
		return 0;
	if (nth > number("FAULT_NTH") && !getenv("FAULT_ALWAYS"))
		return 0;
	while (error == 0)
		pause();
	return error;
}

#define real(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	int error = fault_of("pthread_create");

	return error ? error : real(pthread_create)(thread, attr, run, arg);
}

/* lint: not our signature */
void *mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	int error = fault_of("mmap");

	if (!error)
		return real(mmap)(at, bytes, prot, flags, fd, offset);
	errno = error;
	return MAP_FAILED;
}

static int failed(int error)
{
	errno = error;
	return -1;
}

int eventfd(unsigned count, int flags)
{
	int error = fault_of("eventfd");

	return error ? failed(error) : real(eventfd)(count, flags);
}

int signalfd(int fd, const void *set, int flags)
{
	int error = fault_of("signalfd");

	return error ? failed(error) : real(signalfd)(fd, set, flags);
}

int pipe2(int ends[2], int flags)
{
	int error = fault_of("pipe2");

	return error ? failed(error) : real(pipe2)(ends, flags);
}

/* liburing's, which answer -errno. */

int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
			       struct io_uring_params *params)
{
	int error = fault_of("io_uring_queue_init_params");

	return error ? -error : real(io_uring_queue_init_params)(entries, ring, params);
}

int io_uring_submit(struct io_uring *ring)
{
	int error = fault_of("io_uring_enter");

	return error ? -error : real(io_uring_submit)(ring);
}

/* lint: not our signature */
int io_uring_enter2(unsigned fd, unsigned submit, unsigned wait, unsigned flags, void *arg,
		    size_t bytes)
{
	int error = fault_of("io_uring_enter");

	return error ? -error : real(io_uring_enter2)(fd, submit, wait, flags, arg, bytes);
}
