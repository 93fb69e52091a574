/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Limits of sources. The first four bytes: how many sources, sessions of each,
 * and new ones a second there may be, and how large the blocks are; then each
 * byte is a step, of time or of a client.
 */

#include "fuzz/fuzz.h"

#include "base/check.h"
#include "balance/limits.h"

#include <errno.h>
#include <string.h>

#define SOURCES 16
#define SESSIONS_MAX 256
#define NS_PER_S 1000000000ull

struct held {
	uint32_t number;
	unsigned source;
};

struct world {
	struct limits_config config;
	struct limits *limits;
	uint64_t now_ns;
	struct held held[SESSIONS_MAX];
	unsigned held_n;
	unsigned by_source[SOURCES]; /* sessions */
	uint64_t admitted[SOURCES];
	uint64_t asked;
	bool was_resized;
};

static struct addr address_of(unsigned source)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct addr addr;

	in.sin_addr.s_addr = htonl(0x0a000000 + source);
	in6.sin6_addr.s6_addr[0] = 0x20;
	in6.sin6_addr.s6_addr[15] = (uint8_t)source;
	if (source % 2 == 0)
		addr_from_sockaddr(&addr, (struct sockaddr *)&in, sizeof(in));
	else
		addr_from_sockaddr(&addr, (struct sockaddr *)&in6, sizeof(in6));
	return addr;
}

/* Sources in one block are one: their first. */
static unsigned block_of(const struct world *w, unsigned source)
{
	unsigned bits = source % 2 == 0 ? 32 - w->config.bits4 : 128 - w->config.bits6;

	return bits >= 4 ? source % 2 : (source >> bits << bits) | source % 2;
}

static unsigned sources_held(const struct world *w)
{
	unsigned n = 0;

	for (unsigned s = 0; s < SOURCES; s++)
		n += w->by_source[s] > 0;
	return n;
}

static void check_answer(const struct world *w, unsigned block, enum limits_answer answer)
{
	bool is_full = w->config.sessions_max > 0 && w->by_source[block] >= w->config.sessions_max;
	bool is_crowded = w->by_source[block] == 0 && sources_held(w) >= w->config.sources_max;

	if (w->was_resized) { /* those in older tables take no room in the newest */
		CHECK(answer != LIMITS_TABLE_FULL || sources_held(w) >= w->config.sources_max);
		CHECK(answer != LIMITS_SESSIONS || is_full);
		CHECK(answer != LIMITS_FINE || !is_full);
	} else {
		CHECK((answer == LIMITS_TABLE_FULL) == is_crowded);
		CHECK((answer == LIMITS_SESSIONS) == (is_full && !is_crowded));
	}
	if (w->config.sessions.per_second == 0)
		CHECK(answer != LIMITS_RATE);
}

static void enter(struct world *w, unsigned source)
{
	unsigned block = block_of(w, source);
	struct addr addr = address_of(source);
	struct held *h = &w->held[w->held_n];
	enum limits_answer answer;

	if (w->held_n == SESSIONS_MAX)
		return;
	answer = limits_enter(w->limits, &addr, w->now_ns, &h->number);
	check_answer(w, block, answer);
	CHECK((answer == LIMITS_FINE) == (h->number != LRU_NONE));
	if (answer != LIMITS_FINE)
		return;
	h->source = block;
	w->by_source[block]++;
	w->held_n++;
}

static void leave(struct world *w, unsigned which)
{
	struct held *h = &w->held[w->held_n > 0 ? which % w->held_n : 0];

	if (w->held_n == 0)
		return;
	limits_leave(w->limits, h->number);
	w->by_source[h->source]--;
	*h = w->held[--w->held_n];
}

/* A table of another size, unless so many older ones are held that there is no room. */
static void resize(struct world *w, unsigned sources_max)
{
	struct limits_config config = w->config;
	struct lru_fresh fresh = { 0 };
	int err;

	config.sources_max = sources_max;
	err = limits_prepare(w->limits, &config, 1, &fresh);
	CHECK(err == 0 || err == -ENOSPC);
	if (err < 0)
		return;
	limits_change(w->limits, &config, &fresh);
	w->config = config;
	w->was_resized = true;
}

static void step(struct world *w, uint8_t byte)
{
	switch (byte >> 5) {
	case 0:
	case 1:
	case 2:
		enter(w, byte % SOURCES);
		break;
	case 3:
	case 4:
		leave(w, byte & 31);
		break;
	case 7:
		resize(w, 1 + byte % SOURCES);
		break;
	default:
		w->now_ns += (uint64_t)(byte & 31) * (NS_PER_S / 16);
	}
}

/* All is given back: who comes alone, long afterwards, is let in. */
static void check_end(struct world *w)
{
	struct addr addr = address_of(0);
	uint32_t number;

	while (w->held_n > 0)
		leave(w, 0);
	CHECK(limits_enter(w->limits, &addr, w->now_ns + 1000 * NS_PER_S, &number) == LIMITS_FINE);
	limits_leave(w->limits, number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .now_ns = NS_PER_S };

	if (size < 4)
		return 0;
	w.config = (struct limits_config){
		.sources_max = 1 + data[0] % SOURCES,
		.bits4 = 32 - data[3] % 4,
		.bits6 = 128 - (data[3] >> 4) % 4,
		.sessions_max = data[1] % 8,
		.sessions = { .per_second = data[2] % 16, .burst = 1 + (data[2] >> 4) },
	};
	w.limits = limits_create(&w.config, 1);
	CHECK(w.limits);
	for (size_t n = 4; n < size; n++)
		step(&w, data[n]);
	check_end(&w);
	limits_destroy(w.limits);
	return 0;
}
