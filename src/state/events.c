/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/events.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

atomic_uint events_watchers;

/*
 * A bounded queue of many writers and one reader (D. Vyukov's): the number of
 * a cell says whose turn it is there, a writer's or the reader's.
 */
struct cell {
	atomic_uint_fast64_t turn;
	struct event event;
};

static struct {
	_Atomic(struct cell *) cells; /* made when somebody watches first, and kept */
	atomic_uint_fast64_t written, lost;
	uint64_t taken;

	pthread_rwlock_t lock; /* of all that follow */
	struct addr_block traces[EVENTS_TRACES_MAX];
	unsigned traces_n;
} queue = { .lock = PTHREAD_RWLOCK_INITIALIZER };

bool events_are_traced(const struct addr *client)
{
	bool is_traced = false;

	pthread_rwlock_rdlock(&queue.lock);
	for (unsigned n = 0; n < queue.traces_n && !is_traced; n++)
		is_traced = addr_block_has(&queue.traces[n], client);
	pthread_rwlock_unlock(&queue.lock);
	return is_traced;
}

/* NULL when the reader has not been there yet. */
static struct cell *claim(struct cell *cells, uint64_t *ret_turn)
{
	uint64_t turn = atomic_load_explicit(&queue.written, memory_order_relaxed);

	for (;;) {
		struct cell *cell = &cells[turn % EVENTS_MAX];
		uint64_t now = atomic_load_explicit(&cell->turn, memory_order_acquire);

		if (now < turn)
			return NULL;
		if (now > turn) {
			turn = atomic_load_explicit(&queue.written, memory_order_relaxed);
		} else if (atomic_compare_exchange_weak(&queue.written, &turn, turn + 1)) {
			*ret_turn = turn;
			return cell;
		}
	}
}

void events_put(const struct event *event)
{
	struct cell *cells = atomic_load(&queue.cells), *cell;
	uint64_t turn;

	cell = cells ? claim(cells, &turn) : NULL;
	if (!cell) {
		atomic_fetch_add(&queue.lost, 1);
		return;
	}
	cell->event = *event;
	atomic_store_explicit(&cell->turn, turn + 1, memory_order_release);
}

bool events_take(struct event *ret_event)
{
	struct cell *cells = atomic_load(&queue.cells);
	struct cell *cell = cells ? &cells[queue.taken % EVENTS_MAX] : NULL;

	if (!cell || atomic_load_explicit(&cell->turn, memory_order_acquire) != queue.taken + 1)
		return false;
	*ret_event = cell->event;
	atomic_store_explicit(&cell->turn, queue.taken + EVENTS_MAX, memory_order_release);
	queue.taken++;
	return true;
}

uint64_t events_take_lost(void)
{
	return atomic_exchange(&queue.lost, 0);
}

static void copy(char *to, size_t bytes, const char *text)
{
	if (text)
		text_copy_cut(to, bytes, text);
}

void events_tell_change(enum event_kind kind, const char *listener, const char *what,
			const char *detail)
{
	struct event event = { .kind = kind, .what = what, .at_ms = clock_now_ms() };

	if (!events_are_wanted())
		return;
	copy(event.listener, sizeof(event.listener), listener);
	copy(event.detail, sizeof(event.detail), detail);
	events_put(&event);
}

/* ---- who watches --------------------------------------------------------- */

static int make_cells(void)
{
	struct cell *cells;

	if (atomic_load(&queue.cells))
		return 0;
	cells = calloc(EVENTS_MAX, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	for (uint64_t n = 0; n < EVENTS_MAX; n++)
		atomic_init(&cells[n].turn, n);
	atomic_store(&queue.cells, cells);
	return 0;
}

int events_watch(void)
{
	struct event old;
	int err = make_cells();

	if (err < 0)
		return err;
	if (!events_are_wanted()) {
		while (events_take(&old)) /* for those who watched before */
			continue;
		(void)events_take_lost();
	}
	atomic_fetch_add(&events_watchers, 1);
	return 0;
}

void events_unwatch(void)
{
	atomic_fetch_sub(&events_watchers, 1);
}

int events_trace(const struct addr_block *clients)
{
	int err = -ENOSPC;

	pthread_rwlock_wrlock(&queue.lock);
	if (queue.traces_n < EVENTS_TRACES_MAX) {
		queue.traces[queue.traces_n++] = *clients;
		err = 0;
	}
	pthread_rwlock_unlock(&queue.lock);
	return err;
}

void events_untrace(const struct addr_block *clients)
{
	unsigned n = 0;

	pthread_rwlock_wrlock(&queue.lock);
	while (n < queue.traces_n && memcmp(&queue.traces[n], clients, sizeof(*clients)) != 0)
		n++;
	if (n < queue.traces_n)
		queue.traces[n] = queue.traces[--queue.traces_n];
	pthread_rwlock_unlock(&queue.lock);
}
