/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "health/checker_thread.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "health/checker.h"
#include "io/loop_reader.h"
#include "tls/library.h"

/* Connects of many backends at once fit; more wait in the ring's queue for a turn. */
#define RING_ENTRIES 256

/* How soon it is looked whether those before have ended what they began. */
#define ENDING_MS 20

struct checker_thread {
	pthread_t thread;
	sem_t is_up, may_run;
	int error; /* of its start */
	const char *step;
	struct ring_features features;

	/* From the main thread. */
	pthread_mutex_t lock;
	struct checker *given[CHECKER_THREAD_CHECKERS_MAX]; /* not yet taken, in order */
	unsigned given_n;
	atomic_uint checkers_n; /* all that are not destroyed */
	atomic_uint asked;
	atomic_bool is_over;
	int wake_fd;

	/* To it. */
	atomic_uint answered;
	atomic_int broken; /* -errno */
	atomic_bool has_ended;
	int ended_fd;
	struct loop_reader ends; /* on the main thread's loop */
	eventfd_t ended_now;

	/* The thread's own. */
	struct loop loop;
	struct loop_reader wakeups;
	eventfd_t woken;
	struct checker *newest, *old[CHECKER_THREAD_CHECKERS_MAX];
	unsigned old_n;
	struct timer ending; /* set while there are old ones */
};

/* ---- in the thread: checkers --------------------------------------------- */

static void drop_old(struct checker_thread *t)
{
	unsigned left = 0;

	for (unsigned n = 0; n < t->old_n; n++) {
		if (!checker_is_idle(t->old[n])) {
			t->old[left++] = t->old[n];
			continue;
		}
		checker_destroy(t->old[n]);
		atomic_fetch_sub(&t->checkers_n, 1);
	}
	t->old_n = left;
}

static void on_ending(struct timer *timer)
{
	struct checker_thread *t = container_of(timer, struct checker_thread, ending);

	drop_old(t);
	if (t->old_n > 0)
		timer_set(&t->loop.timers, timer, t->loop.now_ms + ENDING_MS);
}

static void take_one(struct checker_thread *t, struct checker *checker)
{
	checker_begin(checker, &t->loop, t->newest, &t->is_over);
	if (t->newest) {
		CHECK(t->old_n < ARRAY_LEN(t->old));
		t->old[t->old_n++] = t->newest;
		timer_set(&t->loop.timers, &t->ending, t->loop.now_ms + 1);
	}
	t->newest = checker;
}

static void take_given(struct checker_thread *t)
{
	struct checker *given[ARRAY_LEN(t->given)];
	unsigned n;

	pthread_mutex_lock(&t->lock);
	n = t->given_n;
	for (unsigned i = 0; i < n; i++)
		given[i] = t->given[i];
	t->given_n = 0;
	pthread_mutex_unlock(&t->lock);
	for (unsigned i = 0; i < n; i++)
		take_one(t, given[i]);
}

/* ---- in the thread: turns ------------------------------------------------ */

static void on_wakeup(struct loop_reader *reader, int res)
{
	struct checker_thread *t = container_of(reader, struct checker_thread, wakeups);

	(void)res;
	atomic_store(&t->answered, atomic_load(&t->asked));
	if (!atomic_load(&t->is_over))
		take_given(t);
}

static int run_until_over(struct checker_thread *t)
{
	int err = 0;

	loop_reader_start(&t->wakeups);
	while (err == 0 && !atomic_load(&t->is_over))
		err = loop_turn(&t->loop);
	return err;
}

static bool is_idle(const struct checker_thread *t)
{
	for (unsigned n = 0; n < t->old_n; n++)
		if (!checker_is_idle(t->old[n]))
			return false;
	return (!t->newest || checker_is_idle(t->newest)) && loop_reader_is_idle(&t->wakeups);
}

static int run_until_idle(struct checker_thread *t)
{
	int err = 0;

	timer_stop(&t->loop.timers, &t->ending);
	loop_reader_stop(&t->wakeups);
	if (t->newest)
		checker_stop(t->newest);
	for (unsigned n = 0; n < t->old_n; n++)
		checker_stop(t->old[n]);
	while (err == 0 && !is_idle(t))
		err = loop_turn(&t->loop);
	return err;
}

static void finish_checkers(struct checker_thread *t)
{
	drop_old(t);
	CHECK(t->old_n == 0);
	checker_destroy(t->newest);
	for (unsigned n = 0; n < t->given_n; n++) /* the main thread gives none any more */
		checker_destroy(t->given[n]);
	t->given_n = 0;
}

/* The main thread, which is told, ends all sessions and the process. */
static void log_broken(int err)
{
	struct log_line line;

	if (!log_begin(&line, LOG_ERROR, "the ring of the checks broke: ringmain cannot go on"))
		return;
	log_errno(&line, "error", err);
	log_end(&line);
}

static void checks_run(struct checker_thread *t)
{
	int err = run_until_over(t);

	if (err == 0)
		err = run_until_idle(t);
	if (err == 0) {
		finish_checkers(t);
		loop_finish(&t->loop);
	} else {
		log_broken(err);
	}
	tls_library_leave_thread();
	atomic_store(&t->broken, err);
	atomic_store(&t->has_ended, true);
	(void)eventfd_write(t->ended_fd, 1);
}

/* ---- the thread ---------------------------------------------------------- */

/* A ring wants some buffers; nothing is received into them here. */
static const struct loop_hooks no_hooks = { 0 };

static int open_loop(struct checker_thread *t)
{
	const struct loop_options options = {
		.ring = {
			.entries = RING_ENTRIES,
			.completions = RING_ENTRIES * 4,
			.buffers_offered = BUF_COUNT_MIN / 2,
			.features = t->features,
		},
		.buffers = BUF_COUNT_MIN,
		.hooks = &no_hooks,
	};

	return loop_init(&t->loop, &options, &t->step);
}

static void wait_for_semaphore(sem_t *sem)
{
	while (sem_wait(sem) < 0)
		continue;
}

static void *checks_main(void *arg)
{
	struct checker_thread *t = arg;
	int err;

	(void)pthread_setname_np(pthread_self(), "checks");
	err = t->error = open_loop(t);
	sem_post(&t->is_up);
	if (err < 0)
		return NULL;
	timer_init(&t->ending, on_ending);
	t->wakeups = (struct loop_reader){
		.loop = &t->loop,
		.fd = t->wake_fd,
		.bytes = &t->woken,
		.room = sizeof(t->woken),
		.arrived = on_wakeup,
	};
	wait_for_semaphore(&t->may_run);
	checks_run(t);
	return NULL;
}

/* ---- the main thread ----------------------------------------------------- */

static void free_parts(struct checker_thread *t)
{
	if (t->wake_fd >= 0)
		close(t->wake_fd);
	if (t->ended_fd >= 0)
		close(t->ended_fd);
	sem_destroy(&t->is_up);
	sem_destroy(&t->may_run);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static int start(struct checker_thread *t, const char **ret_step)
{
	int err;

	*ret_step = "eventfd";
	t->wake_fd = eventfd(0, EFD_CLOEXEC);
	t->ended_fd = eventfd(0, EFD_CLOEXEC);
	if (t->wake_fd < 0 || t->ended_fd < 0)
		return -errno;
	*ret_step = "pthread_create";
	err = pthread_create(&t->thread, NULL, checks_main, t);
	if (err != 0)
		return -err;
	wait_for_semaphore(&t->is_up);
	if (t->error == 0)
		return 0;
	(void)pthread_join(t->thread, NULL);
	*ret_step = t->step;
	return t->error;
}

struct checker_thread *checker_thread_create(const struct ring_features *features, int *ret_err,
					     const char **ret_step)
{
	struct checker_thread *t = calloc(1, sizeof(*t));
	int err;

	*ret_err = -ENOMEM;
	*ret_step = "memory";
	if (!t)
		return NULL;
	t->features = *features;
	t->wake_fd = t->ended_fd = -1;
	(void)sem_init(&t->is_up, 0, 0);
	(void)sem_init(&t->may_run, 0, 0);
	pthread_mutex_init(&t->lock, NULL);
	err = start(t, ret_step);
	if (err == 0)
		return t;
	free_parts(t);
	*ret_err = err;
	return NULL;
}

static void on_ended(struct loop_reader *reader, int res)
{
	(void)res;
	loop_reader_stop(reader);
}

void checker_thread_run(struct checker_thread *t, struct loop *loop)
{
	t->ends = (struct loop_reader){
		.loop = loop,
		.fd = t->ended_fd,
		.bytes = &t->ended_now,
		.room = sizeof(t->ended_now),
		.arrived = on_ended,
	};
	loop_reader_start(&t->ends);
	sem_post(&t->may_run);
}

static void wake(struct checker_thread *t)
{
	(void)eventfd_write(t->wake_fd, 1);
}

bool checker_thread_give(struct checker_thread *t, struct checker *checker)
{
	if (atomic_load(&t->checkers_n) == CHECKER_THREAD_CHECKERS_MAX)
		return false;
	atomic_fetch_add(&t->checkers_n, 1);
	pthread_mutex_lock(&t->lock);
	t->given[t->given_n++] = checker;
	pthread_mutex_unlock(&t->lock);
	wake(t);
	return true;
}

bool checker_thread_is_settled(const struct checker_thread *t)
{
	return atomic_load(&t->checkers_n) == 1;
}

void checker_thread_ask(struct checker_thread *t)
{
	atomic_fetch_add(&t->asked, 1);
	wake(t);
}

bool checker_thread_has_answered(const struct checker_thread *t)
{
	return atomic_load(&t->answered) == atomic_load(&t->asked);
}

void checker_thread_stop(struct checker_thread *t)
{
	atomic_store(&t->is_over, true);
	wake(t);
}

bool checker_thread_has_ended(const struct checker_thread *t)
{
	return atomic_load(&t->has_ended) && loop_reader_is_idle(&t->ends);
}

int checker_thread_error(const struct checker_thread *t)
{
	return atomic_load(&t->broken);
}

void checker_thread_destroy(struct checker_thread *t)
{
	if (!t)
		return;
	if (!atomic_load(&t->has_ended)) {
		checker_thread_stop(t);
		sem_post(&t->may_run); /* it did not run */
	}
	(void)pthread_join(t->thread, NULL);
	free_parts(t);
}
