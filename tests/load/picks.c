/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * picks: how fast the balancers are and how good the hash table is, without
 * a network.
 *
 *      picks [--seconds S] [--threads N] [--json]
 *
 * Picks: each thread keeps four sessions per backend; a step ends its oldest
 * one and picks for a new one with a random key. Weights are 1, 2 and 3. Per
 * second: of all threads together; ns: processor time of one step.
 * Table: how even Maglev's table is and how much of it changes when backends
 * fail, beside what plain Maglev is known to do.
 */

#include "balance/maglev_table.h"
#include "unit/pool_pick.h"
#include "base/hash.h"
#include "kit/kit.h"

#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKENDS_MAX 1000
#define THREADS_MAX 64
#define SESSIONS_PER_BACKEND 4
#define STEPS_BETWEEN_LOOKS 256
#define BUILDS_MIN 5

static const size_t sizes[] = { 3, 100, 1000 };
static const uint32_t tables[] = { MAGLEV_SLOTS_SMALL, MAGLEV_SLOTS_LARGE };
static double seconds = 0.3;
static unsigned threads_n = 4;
static bool is_json;

/* ---- picks --------------------------------------------------------------- */

static struct backend_config backends[BACKENDS_MAX];

struct picker {
	struct pool *pool;
	uint64_t seed, until_ns;
	uint64_t steps;
	size_t held_n;
	struct backend **held;
};

static struct backend *pick(struct picker *p)
{
	struct pool_ask ask = { .key = kit_random(&p->seed) };
	enum pool_answer why;
	struct backend *b = pool_pick(p->pool, &ask, &why);

	if (!b)
		kit_die("nobody to pick");
	return b;
}

static void *picker_run(void *arg)
{
	struct picker *p = arg;
	size_t at = 0;

	while (kit_now_ns() < p->until_ns) {
		for (unsigned i = 0; i < STEPS_BETWEEN_LOOKS; i++) {
			pool_release(p->pool, p->held[at]);
			p->held[at] = pick(p);
			at = at + 1 == p->held_n ? 0 : at + 1;
		}
		p->steps += STEPS_BETWEEN_LOOKS;
	}
	return NULL;
}

static struct pool *pool_of(enum balance_kind kind, size_t n)
{
	static struct pool_config config;
	struct pool *pool;

	for (size_t i = 0; i < n; i++) {
		snprintf(backends[i].name, sizeof(backends[i].name), "b%zu", i);
		backends[i].weight = 1 + (unsigned)i % 3;
	}
	config = (struct pool_config){ .balance = kind, .backends = backends, .backends_n = n };
	pool = pool_create(&config);
	if (!pool)
		kit_die("no memory for a pool");
	return pool;
}

static void picker_start(struct picker *p, struct pool *pool, uint64_t seed)
{
	*p = (struct picker){ .pool = pool, .seed = seed };
	p->held_n = SESSIONS_PER_BACKEND * pool_backends(pool);
	p->held = kit_alloc(p->held_n, sizeof(*p->held));
	for (size_t i = 0; i < p->held_n; i++)
		p->held[i] = pick(p);
}

/* Of this process; unlike time it is not stolen by others on the machine. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
		kit_die("no clock of processor time");
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct speed {
	double per_second; /* of all threads together */
	double cpu_ns;     /* of one pick and release */
};

static struct speed measure_picks(enum balance_kind kind, size_t n, unsigned n_threads)
{
	struct pool *pool = pool_of(kind, n);
	struct picker pickers[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	uint64_t start_ns, start_cpu_ns, steps = 0;
	struct speed speed;

	for (unsigned t = 0; t < n_threads; t++)
		picker_start(&pickers[t], pool, t + 1);
	start_ns = kit_now_ns();
	start_cpu_ns = cpu_ns();
	for (unsigned t = 0; t < n_threads; t++) {
		pickers[t].until_ns = start_ns + (uint64_t)(seconds * 1e9);
		if (pthread_create(&threads[t], NULL, picker_run, &pickers[t]) != 0)
			kit_die("no thread");
	}
	for (unsigned t = 0; t < n_threads; t++) {
		pthread_join(threads[t], NULL);
		steps += pickers[t].steps;
	}
	speed.per_second = (double)steps * 1e9 / (double)(kit_now_ns() - start_ns);
	speed.cpu_ns = (double)(cpu_ns() - start_cpu_ns) / (double)steps;
	for (unsigned t = 0; t < n_threads; t++)
		for (size_t i = 0; i < pickers[t].held_n; i++)
			pool_release(pool, pickers[t].held[i]);
	pool_destroy(pool);
	return speed;
}

static void picks_row(enum balance_kind kind, unsigned n_threads, bool is_first)
{
	if (!is_json)
		printf("%-11s %7u ", balance_kind_names[kind], n_threads);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct speed speed = measure_picks(kind, sizes[i], n_threads);

		if (is_json)
			printf("%s{\"balance\":\"%s\",\"threads\":%u,\"backends\":%zu,"
			       "\"per_second\":%.0f,\"cpu_ns\":%.1f}",
			       is_first && i == 0 ? "" : ",", balance_kind_names[kind], n_threads,
			       sizes[i], speed.per_second, speed.cpu_ns);
		else
			printf(" %8.2f M/s %4.0f ns", speed.per_second / 1e6, speed.cpu_ns);
	}
	if (!is_json)
		printf("\n");
}

static void report_picks(void)
{
	printf("%s", is_json ? "{\"picks\":[" : "");
	if (!is_json)
		printf("picks (with a release each) at %zu, %zu and %zu backends\n"
		       "balance     threads\n",
		       sizes[0], sizes[1], sizes[2]);
	for (unsigned kind = 0; kind < BALANCE_KINDS; kind++)
		picks_row((enum balance_kind)kind, 1, kind == 0);
	for (unsigned kind = 0; kind < BALANCE_KINDS && threads_n > 1; kind++)
		picks_row((enum balance_kind)kind, threads_n, false);
	printf("%s", is_json ? "]" : "\n");
}

/* ---- the table of Maglev ------------------------------------------------- */

static void build(uint16_t *slots, uint32_t slots_n, const unsigned *weights, size_t n)
{
	static struct maglev_name names[BACKENDS_MAX];
	static char texts[BACKENDS_MAX][32];

	for (size_t i = 0; i < n; i++) {
		snprintf(texts[i], sizeof(texts[i]), "b%zu", i);
		names[i] = (struct maglev_name){ texts[i], (uint16_t)i, weights[i] };
	}
	if (maglev_build(slots, slots_n, names, n) < 0)
		kit_die("no memory for a table");
}

static void set_weights(unsigned *weights, size_t n)
{
	for (size_t i = 0; i < n; i++)
		weights[i] = 1;
}

/* The fastest of some, in milliseconds of processor time: the others were disturbed. */
static double measure_build(uint32_t slots_n, size_t n)
{
	uint16_t *slots = kit_alloc(slots_n, sizeof(*slots));
	uint64_t until_ns = kit_now_ns() + (uint64_t)(seconds * 1e9), best_ns = UINT64_MAX;
	unsigned weights[BACKENDS_MAX];

	set_weights(weights, n);
	for (unsigned i = 0; i < BUILDS_MIN || kit_now_ns() < until_ns; i++) {
		uint64_t start_ns = cpu_ns();

		build(slots, slots_n, weights, n);
		best_ns = MIN(best_ns, cpu_ns() - start_ns);
	}
	free(slots);
	return (double)best_ns / 1e6;
}

static void report_builds(void)
{
	printf("%s", is_json ? ",\"builds\":[" : "building maglev's table\n");
	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			double ms = measure_build(tables[t], sizes[i]);

			if (is_json)
				printf("%s{\"slots\":%u,\"backends\":%zu,\"ms\":%.3f}",
				       t + i ? "," : "", tables[t], sizes[i], ms);
			else
				printf("%7u slots %5zu backends %8.2f ms\n", tables[t], sizes[i],
				       ms);
		}
	}
	printf("%s", is_json ? "]" : "\n");
}

/* ---- evenness and disruption --------------------------------------------- */

/* Plain Maglev with other hash functions. */
static const struct bar {
	size_t n;
	uint32_t slots_n;
	size_t fail;
	unsigned least, most;     /* slots of one backend */
	double changed, needless; /* percent of all slots */
} bars[] = {
	{ 3, 65537, 1, 21845, 21846, 33.41, 0.08 }, { 5, 65537, 1, 13107, 13108, 20.11, 0.11 },
	{ 10, 65537, 1, 6553, 6554, 10.23, 0.23 },  { 10, 65537, 2, 6553, 6554, 20.21, 0.21 },
	{ 100, 65537, 1, 655, 656, 1.58, 0.58 },    { 100, 65537, 5, 655, 656, 5.86, 0.86 },
	{ 1000, 65537, 1, 65, 66, 0.70, 0.60 },     { 1000, 65537, 10, 65, 66, 3.38, 2.37 },
	{ 1000, 655373, 1, 655, 656, 0.43, 0.33 },  { 1000, 655373, 10, 655, 656, 1.58, 0.58 },
};

static struct bar measure_table(const struct bar *bar)
{
	struct bar is = { bar->n, bar->slots_n, bar->fail, UINT32_MAX, 0, 0, 0 };
	uint16_t *before = kit_alloc(bar->slots_n, sizeof(*before));
	uint16_t *after = kit_alloc(bar->slots_n, sizeof(*after));
	unsigned weights[BACKENDS_MAX], counts[BACKENDS_MAX] = { 0 };
	double slot = 100.0 / bar->slots_n;

	set_weights(weights, bar->n);
	build(before, bar->slots_n, weights, bar->n);
	for (size_t i = 0; i < bar->fail; i++)
		weights[i * bar->n / bar->fail] = 0;
	build(after, bar->slots_n, weights, bar->n);
	for (uint32_t i = 0; i < bar->slots_n; i++) {
		counts[before[i]]++;
		is.changed += before[i] != after[i] ? slot : 0;
		is.needless += before[i] != after[i] && weights[before[i]] > 0 ? slot : 0;
	}
	for (size_t i = 0; i < bar->n; i++) {
		is.least = MIN(is.least, counts[i]);
		is.most = MAX(is.most, counts[i]);
	}
	free(before);
	free(after);
	return is;
}

static void table_row(const struct bar *known, bool is_first)
{
	struct bar is = measure_table(known);

	if (is_json)
		printf("%s{\"backends\":%zu,\"slots\":%u,\"fail\":%zu,\"least\":%u,\"most\":%u,"
		       "\"changed\":%.2f,\"needless\":%.2f,\"known_changed\":%.2f,"
		       "\"known_needless\":%.2f}",
		       is_first ? "" : ",", is.n, is.slots_n, is.fail, is.least, is.most,
		       is.changed, is.needless, known->changed, known->needless);
	else
		printf("%8zu %7u %5zu %7u %7u (%5u %5u) %6.2f (%5.2f) %6.2f (%4.2f)\n", is.n,
		       is.slots_n, is.fail, is.least, is.most, known->least, known->most,
		       is.changed, known->changed, is.needless, known->needless);
}

static void report_table(void)
{
	if (is_json)
		printf(",\"table\":[");
	else
		printf("maglev's table when backends fail (plain Maglev in brackets)\n"
		       "backends   slots  fail   least    most               changed %%"
		       "     needless %%\n");
	for (size_t i = 0; i < ARRAY_LEN(bars); i++)
		table_row(&bars[i], i == 0);
	printf("%s", is_json ? "]}\n"
			     : "A health check's verdict changes no slot: only keys of "
			       "who is down move, and come home.\n");
}

/* ---- command line -------------------------------------------------------- */

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "threads", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			seconds = kit_seconds("--seconds", optarg);
			break;
		case 't':
			threads_n = (unsigned)kit_number("--threads", optarg, 1, THREADS_MAX);
			break;
		case 'j':
			is_json = true;
			break;
		default:
			kit_die("usage: picks [--seconds S] [--threads N] [--json]");
		}
	}
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	report_picks();
	report_builds();
	report_table();
	return 0;
}
