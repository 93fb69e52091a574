/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log_queue.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * The thread sleeps this long after the first line, so that a busy log wakes
 * it 200 times a second and not for each line.
 */
#define GATHER_MS 5

/* A pipe that poll(2) calls writable takes this much without blocking: PIPE_BUF. */
#define CHUNK_BYTES 4096

#define POLL_MS 100

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	log_notice_fn *notice;
	char buffers[2][LOG_QUEUE_BYTES];
	unsigned filling; /* the buffer that is appended to */
	size_t filled;    /* bytes in it */
	uint64_t dropped; /* lines, since the last notice */
	bool is_running;
	bool is_asleep;
	atomic_bool is_stopping;
	_Atomic uint64_t give_up_ms;
	atomic_int fd;
} queue = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
	.fd = STDERR_FILENO,
};

void log_queue_set_fd(int fd)
{
	queue.fd = fd;
}

static bool is_given_up(void)
{
	return queue.is_stopping && clock_now_ms() >= queue.give_up_ms;
}

/* Waits until the reader takes something; false when it has been waited for long enough. */
static bool wait_for_reader(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

	while (poll(&pollfd, 1, POLL_MS) <= 0) {
		if (is_given_up())
			return false;
	}
	return true;
}

static size_t chunk_of(const char *text, size_t n)
{
	const char *end;

	if (n <= CHUNK_BYTES)
		return n;
	end = memrchr(text, '\n', CHUNK_BYTES);
	return end ? (size_t)(end - text) + 1 : CHUNK_BYTES;
}

/*
 * Writes whole lines at a time, so that those of other processes on the same
 * pipe do not come between. Returns how much was written; less than @n when
 * nobody can or will read.
 */
static size_t write_lines(int fd, const char *text, size_t n)
{
	size_t done = 0;

	while (done < n && wait_for_reader(fd)) {
		ssize_t res = write(fd, text + done, chunk_of(text + done, n - done));

		if (res > 0) {
			done += (size_t)res;
			queue.give_up_ms = clock_now_ms() + LOG_STOP_PATIENCE_MS;
		} else if (errno != EINTR && errno != EAGAIN) {
			break;
		}
	}
	return done;
}

static uint64_t count_lines(const char *text, size_t n)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

static void gather(void)
{
	const struct timespec pause = { .tv_nsec = GATHER_MS * 1000000 };

	if (!queue.is_stopping)
		nanosleep(&pause, NULL);
}

/* Called with the lock held, which it lets go while it writes. */
static void write_buffer(void)
{
	const char *text = queue.buffers[queue.filling];
	size_t n = queue.filled, done;

	queue.filling = !queue.filling;
	queue.filled = 0;
	pthread_mutex_unlock(&queue.lock);
	done = write_lines(queue.fd, text, n);
	pthread_mutex_lock(&queue.lock);
	queue.dropped += count_lines(text + done, n - done);
}

static void write_last_notice(void)
{
	char notice[LOG_NOTICE_BYTES];

	if (queue.dropped > 0)
		write_lines(queue.fd, notice, queue.notice(queue.dropped, notice));
	queue.dropped = 0;
}

static void *write_until_stopped(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&queue.lock);
	while (queue.filled > 0 || !queue.is_stopping) {
		if (queue.filled == 0) {
			queue.is_asleep = true;
			pthread_cond_wait(&queue.wake, &queue.lock);
			continue;
		}
		pthread_mutex_unlock(&queue.lock);
		gather();
		pthread_mutex_lock(&queue.lock);
		write_buffer();
	}
	write_last_notice();
	/* From here on lines are written by who logs them. */
	queue.is_running = false;
	pthread_mutex_unlock(&queue.lock);
	return NULL;
}

/* Signals are for the main thread; the SIGPIPE of a reader that went is for nobody. */
static int start_deaf_thread(void)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&queue.thread, NULL, write_until_stopped, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err == 0)
		pthread_setname_np(queue.thread, "log");
	return -err;
}

int log_queue_start(log_notice_fn *notice)
{
	int err = 0;

	pthread_mutex_lock(&queue.lock);
	if (!queue.is_running) {
		queue.notice = notice;
		queue.is_stopping = false;
		err = start_deaf_thread();
		queue.is_running = err == 0;
	}
	pthread_mutex_unlock(&queue.lock);
	return err;
}

static void wake(void)
{
	if (!queue.is_asleep)
		return;
	queue.is_asleep = false;
	pthread_cond_signal(&queue.wake);
}

void log_queue_stop(void)
{
	bool was_running;

	pthread_mutex_lock(&queue.lock);
	was_running = queue.is_running;
	queue.give_up_ms = clock_now_ms() + LOG_STOP_PATIENCE_MS;
	queue.is_stopping = true;
	wake();
	pthread_mutex_unlock(&queue.lock);
	if (was_running)
		pthread_join(queue.thread, NULL);
}

static bool is_half_full(void)
{
	bool is;

	pthread_mutex_lock(&queue.lock);
	is = queue.is_running && queue.filled > LOG_QUEUE_BYTES / 2;
	pthread_mutex_unlock(&queue.lock);
	return is;
}

void log_queue_wait(uint64_t until_ms)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (is_half_full() && clock_now_ms() < until_ms)
		nanosleep(&pause, NULL);
}

static void append(const char *text, size_t n)
{
	memcpy(queue.buffers[queue.filling] + queue.filled, text, n);
	queue.filled += n;
}

static void append_notice(void)
{
	char notice[LOG_NOTICE_BYTES];
	size_t n = queue.notice(queue.dropped, notice);

	append(notice, n);
	queue.dropped = 0;
}

/* Appends the line and, before it, how many are missing; or counts it as missing. */
static void append_or_drop(const char *line, size_t n)
{
	const bool has_gap = queue.dropped > 0;

	if (n + (has_gap ? LOG_NOTICE_BYTES : 0) > LOG_QUEUE_BYTES - queue.filled) {
		queue.dropped++;
		return;
	}
	if (has_gap)
		append_notice();
	append(line, n);
}

void log_queue_put(const char *line, size_t n)
{
	bool is_running;

	pthread_mutex_lock(&queue.lock);
	is_running = queue.is_running;
	if (is_running) {
		append_or_drop(line, n);
		wake();
	}
	pthread_mutex_unlock(&queue.lock);
	if (!is_running)
		write_lines(queue.fd, line, n);
}
