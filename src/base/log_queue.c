/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log_queue.h"

#include "base/clock.h"
#include "base/def.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
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

/* How often a thread that waits for the writer looks. */
#define LOOK_MS 1

#define NS_PER_MS 1000000

/* How often, at most, it is said on stderr that lines get lost; how often a file is made again. */
#define COMPLAIN_MS 60000
#define FILE_LOOK_MS 1000

/* What ends a line that could be written in part only, so that the next one is whole. */
static const char torn_end[] = " truncated=yes\n";

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	log_notice_fn *notice;
	char buffers[2][LOG_QUEUE_BYTES];
	unsigned filling;         /* the buffer that is appended to */
	size_t filled;            /* bytes in it */
	uint64_t dropped;         /* lines that came after those in it */
	_Atomic uint64_t lost;    /* all that were ever dropped */
	_Atomic uint64_t lost_ms; /* when the last of them was */
	uint64_t appended, taken; /* bytes, ever; taken are those that were written or given up */
	bool is_running;
	bool is_asleep;
	/* Of who writes: the thread, or while there is none who has the lock. */
	uint64_t untold;     /* lines that are missing in front of the next one */
	atomic_bool is_torn; /* what was written last is a part of a line */
	atomic_bool is_stopping;
	_Atomic uint64_t give_up_ms;
	enum log_target target;
	atomic_int fd;
	const struct log_trouble *trouble;
	int error;                     /* of the last write, -errno */
	uint64_t complain_ms, look_ms; /* not before */
} queue = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
	.fd = STDERR_FILENO,
};

void log_queue_set_fd(int fd)
{
	pthread_mutex_lock(&queue.lock);
	if (!queue.is_running && fd != queue.fd) {
		queue.untold = 0; /* nothing is missing in this one */
		queue.is_torn = false;
	}
	queue.fd = fd;
	pthread_mutex_unlock(&queue.lock);
}

void log_queue_begin_file(void)
{
	queue.is_torn = false;
}

void log_queue_set_sink(enum log_target target, int fd)
{
	log_queue_set_fd(fd);
	queue.target = target;
}

void log_queue_set_trouble(const struct log_trouble *trouble)
{
	queue.trouble = trouble;
}

/* Is this the thread that writes? */
static _Thread_local bool is_writer;

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
 * nobody can or will read, or there is no room on the disk.
 */
static size_t write_text(int fd, const char *text, size_t n)
{
	size_t done = 0;

	while (done < n && wait_for_reader(fd)) {
		ssize_t res = write(fd, text + done, chunk_of(text + done, n - done));

		if (res > 0) {
			done += (size_t)res;
			queue.give_up_ms = clock_now_ms() + LOG_STOP_PATIENCE_MS;
		} else if (res == 0 || (errno != EINTR && errno != EAGAIN)) {
			queue.error = res == 0 ? -EIO : -errno;
			break;
		}
	}
	return done;
}

/* A daemon that has no room for a datagram is not to be polled for. */
static bool send_line(const char *line, size_t n)
{
	const struct timespec pause = { .tv_nsec = GATHER_MS * NS_PER_MS };
	char datagram[LOG_DATAGRAM_BYTES];
	size_t bytes = log_sink_encode(queue.target, line, n, datagram);
	int err;

	while ((err = log_sink_send(queue.fd, datagram, bytes)) == -EAGAIN && !is_given_up())
		nanosleep(&pause, NULL);
	queue.give_up_ms = clock_now_ms() + LOG_STOP_PATIENCE_MS;
	queue.error = err;
	return err == 0;
}

/* Line by line; returns how much was sent. */
static size_t send_lines(const char *text, size_t n)
{
	size_t done = 0;

	while (done < n) {
		const char *end = memchr(text + done, '\n', n - done);
		size_t bytes = end ? (size_t)(end - text) - done : n - done;

		if (!send_line(text + done, bytes))
			break;
		done += bytes + (end ? 1 : 0);
	}
	return done;
}

/* The same for lines, which begin where a line begins. */
static size_t write_lines(const char *text, size_t n)
{
	const size_t end_bytes = sizeof(torn_end) - 1;
	size_t done;

	if (log_target_takes_datagrams(queue.target))
		return send_lines(text, n);
	if (queue.is_torn && write_text(queue.fd, torn_end, end_bytes) < end_bytes)
		return 0;
	done = write_text(queue.fd, text, n);
	queue.is_torn = done > 0 && text[done - 1] != '\n';
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
	const struct timespec pause = { .tv_nsec = GATHER_MS * NS_PER_MS };

	if (!queue.is_stopping)
		nanosleep(&pause, NULL);
}

/* Says how many lines are missing here. False when that cannot be written: they stay untold. */
static bool tell_missing(void)
{
	char notice[LOG_NOTICE_BYTES];
	size_t n;

	if (queue.untold == 0 || !queue.notice)
		return true;
	n = queue.notice(queue.untold, notice);
	if (write_lines(notice, n) < n)
		return false;
	queue.untold = 0;
	return true;
}

/* Who reads stderr is not waited for. */
static void complain(int err)
{
	struct pollfd stderr_poll = { .fd = STDERR_FILENO, .events = POLLOUT };
	char text[LOG_NOTICE_BYTES];
	const uint64_t now_ms = clock_now_ms();
	size_t n;

	if (!queue.trouble || queue.target == LOG_TO_STDERR || now_ms < queue.complain_ms)
		return;
	queue.complain_ms = now_ms + COMPLAIN_MS;
	n = queue.trouble->write(err, text);
	if (poll(&stderr_poll, 1, 0) == 1)
		(void)!write(STDERR_FILENO, text, n);
}

/* What is written to a file that was removed is gone with it: false while there is no other. */
static bool has_file(void)
{
	const uint64_t now_ms = clock_now_ms();
	struct stat st;

	if (!queue.trouble || queue.target != LOG_TO_FILE || fstat(queue.fd, &st) < 0 ||
	    st.st_nlink > 0)
		return true;
	if (now_ms < queue.look_ms)
		return false;
	queue.look_ms = now_ms + FILE_LOOK_MS;
	queue.error = queue.trouble->reopen();
	return queue.error == 0;
}

static void count_lost(uint64_t lines)
{
	if (lines == 0)
		return;
	atomic_fetch_add(&queue.lost, lines);
	atomic_store(&queue.lost_ms, clock_now_ms());
}

/* Nothing is written where it cannot be said what is missing before it. */
static void write_or_drop(const char *text, size_t n)
{
	size_t done;
	uint64_t lost;

	done = has_file() && tell_missing() ? write_lines(text, n) : 0;
	lost = count_lines(text + done, n - done);
	if (lost > 0)
		complain(queue.error);
	queue.untold += lost;
	count_lost(lost);
}

/* Called with the lock held, which it lets go while it writes. */
static void write_buffer(void)
{
	const char *text = queue.buffers[queue.filling];
	size_t n = queue.filled;
	uint64_t dropped = queue.dropped;

	queue.filling = !queue.filling;
	queue.filled = 0;
	queue.dropped = 0;
	pthread_mutex_unlock(&queue.lock);
	write_or_drop(text, n);
	queue.untold += dropped;
	if (has_file())
		(void)tell_missing();
	pthread_mutex_lock(&queue.lock);
	queue.taken += n;
}

static void *write_until_stopped(void *unused)
{
	(void)unused;
	is_writer = true;
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
	/* From here on lines are written by who logs them. */
	queue.is_running = false;
	pthread_mutex_unlock(&queue.lock);
	return NULL;
}

/* Signals are for the main thread; SIGPIPE, of a log's reader that has gone, is ignored. */
static int start_thread_without_signals(void)
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
		err = start_thread_without_signals();
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

/* Has all been written that was queued when *goal was set? Sets it when it is not yet. */
static bool is_written_up_to(uint64_t *goal)
{
	bool is;

	if (pthread_mutex_trylock(&queue.lock) != 0)
		return false;
	*goal = MIN(*goal, queue.appended);
	is = !queue.is_running || queue.taken >= *goal;
	wake();
	pthread_mutex_unlock(&queue.lock);
	return is;
}

/* By the writer itself, whatever state it is in: without the lock, it may have it. */
static void write_queued(uint64_t until_ms)
{
	queue.give_up_ms = until_ms;
	queue.is_stopping = true;
	(void)write_lines(queue.buffers[queue.filling], queue.filled);
}

void log_queue_flush(uint64_t until_ms)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * NS_PER_MS };
	uint64_t goal = UINT64_MAX;

	if (is_writer) {
		write_queued(until_ms);
		return;
	}
	while (!is_written_up_to(&goal) && clock_now_ms() < until_ms)
		nanosleep(&pause, NULL);
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
	const struct timespec pause = { .tv_nsec = LOOK_MS * NS_PER_MS };

	while (is_half_full() && clock_now_ms() < until_ms)
		nanosleep(&pause, NULL);
}

/*
 * Behind a line that found no room none is appended until the writer has taken
 * the buffer: how many are missing is said in one place, behind what is in it.
 */
static void append_or_drop(const char *line, size_t n)
{
	if (queue.dropped > 0 || n > LOG_QUEUE_BYTES - queue.filled) {
		queue.dropped++;
		count_lost(1);
		return;
	}
	memcpy(queue.buffers[queue.filling] + queue.filled, line, n);
	queue.filled += n;
	queue.appended += n;
}

void log_queue_put(const char *line, size_t n)
{
	pthread_mutex_lock(&queue.lock);
	if (queue.is_running) {
		append_or_drop(line, n);
		wake();
	} else {
		write_or_drop(line, n);
	}
	pthread_mutex_unlock(&queue.lock);
}

uint64_t log_queue_lost(void)
{
	return atomic_load(&queue.lost);
}

uint64_t log_queue_lost_ms(void)
{
	return atomic_load(&queue.lost_ms);
}
