/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/timer.h"

#include "base/check.h"

#include <assert.h>

/*
 * A due time is read as digits of 6 bits. A timer lies on the level of the
 * highest digit in which its due time differs from now, in the slot of that
 * digit's value:
 *
 *	level    4       3       2       1       0
 *	due  ...[29..24][23..18][17..12][11..6 ][5..0]
 *
 * So every occupied slot lies ahead of now on its level, and all of level n
 * is due before any of level n + 1. When now reaches a slot of a coarse
 * level, its timers agree with now in one more digit and move down. Those
 * that differ above the top digit wait on the list of far ones.
 */
#define DIGIT_BITS 6
#define WHEEL_BITS (DIGIT_BITS * TIMER_LEVELS)

static_assert(1 << DIGIT_BITS == TIMER_SLOTS, "a digit names a slot");
static_assert(TIMER_SLOTS == 64, "a word has a bit for each slot");

static unsigned digit_of(uint64_t ms, unsigned level)
{
	return (ms >> (DIGIT_BITS * level)) & (TIMER_SLOTS - 1);
}

/* TIMER_LEVELS or above when it is a far one. */
static unsigned level_of(uint64_t due_ms, uint64_t now_ms)
{
	uint64_t difference = (due_ms ^ now_ms) | 1;

	return (63u - (unsigned)__builtin_clzll(difference)) / DIGIT_BITS;
}

static void place_in_wheel(struct timers *timers, struct timer *timer)
{
	uint64_t due_ms = MAX(timer->due_ms, timers->now_ms);
	unsigned level = level_of(due_ms, timers->now_ms);
	unsigned slot;

	if (level >= TIMER_LEVELS) {
		list_append(&timers->far, &timer->node);
		return;
	}
	slot = digit_of(due_ms, level);
	list_append(&timers->slots[level][slot], &timer->node);
	timers->occupied[level] |= UINT64_C(1) << slot;
}

/* Clears the bit of the slot whose head is @head; leaves other lists' heads alone. */
static void mark_empty(struct timers *timers, const struct list *head)
{
	size_t offset = (size_t)((uintptr_t)head - (uintptr_t)timers->slots);
	size_t n = offset / sizeof(struct list);

	if (offset < sizeof(timers->slots))
		timers->occupied[n / TIMER_SLOTS] &= ~(UINT64_C(1) << n % TIMER_SLOTS);
}

static void take_off(struct timers *timers, struct timer *timer)
{
	const struct list *neighbour = timer->node.next;

	list_remove(&timer->node);
	if (list_is_empty(neighbour))
		mark_empty(timers, neighbour);
}

void timers_init(struct timers *timers, uint64_t now_ms)
{
	timers->now_ms = now_ms;
	timers->armed = 0;
	list_init(&timers->far);
	for (size_t level = 0; level < TIMER_LEVELS; level++) {
		timers->occupied[level] = 0;
		for (size_t slot = 0; slot < TIMER_SLOTS; slot++)
			list_init(&timers->slots[level][slot]);
	}
}

void timer_init(struct timer *timer, timer_fire_fn *fire)
{
	list_init(&timer->node);
	timer->due_ms = TIMER_NEVER;
	timer->fire = fire;
}

bool timer_is_set(const struct timer *timer)
{
	return !list_is_empty(&timer->node);
}

void timer_set(struct timers *timers, struct timer *timer, uint64_t due_ms)
{
	timer_stop(timers, timer);
	if (due_ms == TIMER_NEVER)
		return;
	timer->due_ms = due_ms;
	place_in_wheel(timers, timer);
	timers->armed++;
}

void timer_stop(struct timers *timers, struct timer *timer)
{
	if (!timer_is_set(timer))
		return;
	CHECK(timers->armed > 0);
	take_off(timers, timer);
	timers->armed--;
}

/* When the coarsest level begins anew; TIMER_NEVER past the end of time. */
static uint64_t next_round_ms(uint64_t now_ms)
{
	uint64_t rounds = (now_ms >> WHEEL_BITS) + 1;

	return rounds > UINT64_MAX >> WHEEL_BITS ? TIMER_NEVER : rounds << WHEEL_BITS;
}

/* The level of the slot that comes next; TIMER_LEVELS: the far ones, if any. */
static unsigned next_level(const struct timers *timers)
{
	unsigned level = 0;

	while (level < TIMER_LEVELS && timers->occupied[level] == 0)
		level++;
	return level;
}

static uint64_t level_due_ms(const struct timers *timers, unsigned level)
{
	uint64_t round_ms, slot;

	if (level == TIMER_LEVELS)
		return list_is_empty(&timers->far) ? TIMER_NEVER : next_round_ms(timers->now_ms);
	round_ms = timers->now_ms >> (DIGIT_BITS * (level + 1)) << (DIGIT_BITS * (level + 1));
	slot = (uint64_t)__builtin_ctzll(timers->occupied[level]);
	return round_ms | slot << (DIGIT_BITS * level);
}

uint64_t timers_next_ms(const struct timers *timers)
{
	return level_due_ms(timers, next_level(timers));
}

/* Takes all timers off the slot, or off the far list, that now has reached. */
static void take_reached(struct timers *timers, unsigned level, struct list *ret_taken)
{
	struct list *head = &timers->far;

	if (level < TIMER_LEVELS) {
		unsigned slot = digit_of(timers->now_ms, level);

		head = &timers->slots[level][slot];
		timers->occupied[level] &= ~(UINT64_C(1) << slot);
	}
	list_init(ret_taken);
	list_move_all(ret_taken, head);
}

/* Moves on to @now_ms and puts what falls due on the way on @due, in order. */
static void advance(struct timers *timers, uint64_t now_ms, struct list *due)
{
	for (;;) {
		unsigned level = next_level(timers);
		uint64_t next_ms = level_due_ms(timers, level);
		struct list taken, *node;

		if (next_ms > now_ms || next_ms == TIMER_NEVER)
			break;
		timers->now_ms = next_ms;
		take_reached(timers, level, &taken);
		while ((node = list_take_first(&taken))) {
			if (level == 0)
				list_append(due, node);
			else
				place_in_wheel(timers, container_of(node, struct timer, node));
		}
	}
	timers->now_ms = now_ms;
}

void timers_run(struct timers *timers, uint64_t now_ms)
{
	struct list due, *node;

	list_init(&due);
	advance(timers, MAX(now_ms, timers->now_ms), &due);
	while ((node = list_take_first(&due))) {
		struct timer *timer = container_of(node, struct timer, node);

		timers->armed--;
		timer->fire(timer);
	}
}
