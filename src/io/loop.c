/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/loop.h"

#include "base/clock.h"

#define NS_PER_MS 1000000ull

/* With nothing to do a turn still ends once in a while. */
#define WAIT_MAX_MS 60000

int loop_init(struct loop *loop, const struct loop_options *options, const char **ret_step)
{
	int err;

	*loop = (struct loop){ .now_ms = clock_now_ms(), .hooks = options->hooks };
	timers_init(&loop->timers, loop->now_ms);
	*ret_step = "memory";
	err = buf_pool_init(&loop->bufs, options->buffers);
	if (err < 0)
		return err;
	err = ring_create(&options->ring, &loop->bufs, &loop->ring, ret_step);
	if (err < 0)
		buf_pool_finish(&loop->bufs);
	return err;
}

void loop_finish(struct loop *loop)
{
	ring_destroy(loop->ring);
	buf_pool_finish(&loop->bufs);
}

static uint64_t wait_allowed_ns(const struct loop *loop)
{
	uint64_t until_ms = timers_next_ms(&loop->timers);

	if (loop->hooks->wait_until_ms)
		until_ms = MIN(until_ms, loop->hooks->wait_until_ms(loop));
	if (until_ms <= loop->now_ms)
		return 0;
	return MIN(until_ms - loop->now_ms, WAIT_MAX_MS) * NS_PER_MS;
}

void loop_work(struct loop *loop, uint64_t now_ms)
{
	loop->now_ms = now_ms;
	loop->completions += ring_dispatch(loop->ring);
	if (loop->hooks->completed)
		loop->hooks->completed(loop);
	timers_run(&loop->timers, loop->now_ms);
	if (loop->hooks->turned)
		loop->hooks->turned(loop);
}

int loop_turn(struct loop *loop)
{
	int err = ring_wait(loop->ring, wait_allowed_ns(loop));

	if (err == 0)
		loop_work(loop, clock_now_ms());
	return err;
}
