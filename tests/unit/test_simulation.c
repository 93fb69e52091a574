/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random simulations: a few sessions, in clear or in TLS, that begin with PROXY
 * headers or PostgreSQL's preamble, whose peers send, read, end and die, and
 * whose requests complete in any order, late, short or with errors, while
 * buffers are short and inboxes full, time passes and orders to drain or to
 * stop come; the operator reloads other configurations, drains backends, pauses
 * the listener, asks for sessions and ends some. Whatever happens:
 *
 *   what arrives is an exact prefix of what the other peer of the session sent;
 *   an end is seen only where the sender has ended, and after all of its bytes;
 *   in a gentle run, one without faults, all arrives;
 *   when all is over everything is back: buffers, descriptors, pipes, slots,
 *   slots at backends and of sources, sticky entries, keys, the queue, and all
 *   that older configurations had.
 *
 * RUNS=n makes that many runs, from number FIRST on; SEED=n one of them again. The
 * parts are in tests/simulation.
 */
#include "simulation/simulation.h"

#include "state/generation.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define RUNS 500
#define STEPS 250

/* More than any dialing takes, for which a pool is kept after its last session. */
#define AFTER_MS (10ull * 3600 * 1000)

/* SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). */
unsigned below(struct simulation *sim, unsigned n)
{
	uint64_t z = sim->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (unsigned)((z ^ (z >> 31)) % n);
}

bool one_in(struct simulation *sim, unsigned n)
{
	return below(sim, n) == 0;
}

/* ---- what happens -------------------------------------------------------- */

static void time_passes(struct simulation *sim)
{
	const unsigned spans_ms[] = { 0, 1, 10, 300, 2000 };

	bed_pass(sim->st, spans_ms[below(sim, sim->is_gentle ? 4 : ARRAY_LEN(spans_ms))]);
}

static void a_step(struct simulation *sim)
{
	unsigned what = below(sim, 105);

	if (what < 45)
		a_request_completes(sim);
	else if (what < 75)
		a_peer_does_something(sim);
	else if (what < 80)
		a_client_comes(sim);
	else if (what < 88)
		backends_accept(sim);
	else if (what < 94)
		bed_turn(sim->st);
	else if (what < 97)
		time_passes(sim);
	else if (what < 98)
		an_order_comes(sim);
	else if (what < 99)
		one_in(sim, 2) ? an_inbox_fills(sim) : files_run_out(sim);
	else if (what < 100)
		bed_run(sim->st);
	else if (what < 101)
		(void)!bed_collect(sim->st);
	else
		the_operator_does_something(sim);
}

/* ---- a run --------------------------------------------------------------- */

static bool all_have_seen_the_end(const struct simulation *sim)
{
	for (unsigned n = 0; n < sim->peers_n; n++)
		if (sim->peers[n].fd >= 0 && !sim->peers[n].has_seen_end && !sim->peers[n].has_died)
			return false;
	return true;
}

/* In a gentle run everybody says who he is. */
static bool may_end(const struct simulation *sim, const struct peer *p)
{
	return wire_has_begun(p->wire) &&
	       (p->sent >= HEAD_BYTES || !sim->is_gentle || p->wire->is_cancel);
}

/* All peers end, and read what is still to come. */
static void finish(struct simulation *sim)
{
	unsigned rounds = 0;

	do {
		if (rounds++ > 20) /* for the kernel to acknowledge what came */
			usleep(1000);
		bed_pass(sim->st, rounds > 20 ? 100 : 10);
		the_operator_leaves(sim);
		bed_run(sim->st);
		backends_accept(sim);
		for (unsigned n = 0; n < sim->peers_n; n++) {
			struct peer *p = &sim->peers[n];

			if (p->fd < 0)
				continue;
			if (!p->has_ended && may_end(sim, p))
				peer_ends(p);
			else
				peer_sends(sim, p);
			for (int i = 0; i < 64; i++)
				peer_reads(sim, p, 1 << 16);
		}
	} while (rounds < 3000 && (bed_sessions(sim->st) > 0 || !all_have_seen_the_end(sim)));
	assert_int_equal(bed_sessions(sim->st), 0);
}

/* Nobody has the older configurations any more, and what they had is freed after a time. */
static void expect_all_collected(struct simulation *sim)
{
	for (int n = 0; n < 8 && !bed_collect(sim->st); n++)
		bed_pass(sim->st, AFTER_MS);
	assert_true(bed_collect(sim->st));
	assert_null(atomic_load(&sim->st->runtime->generation)->older);
}

/* Nothing has gone wrong: nothing may be missing. */
static void expect_all_arrived(const struct simulation *sim)
{
	for (unsigned n = 0; n < sim->peers_n; n++) {
		const struct peer *p = &sim->peers[n];

		if (peer_was_asked_to_cancel(p))
			continue;
		assert_true(p->has_seen_end);
		assert_int_equal(p->came, p->other ? p->other->sent : 0);
	}
}

static void live(void **state, uint64_t seed)
{
	struct simulation sim = { .random = seed };

	simulation_begin(&sim, state);
	for (unsigned n = 0; n < STEPS; n++)
		a_step(&sim);
	finish(&sim);
	if (sim.is_gentle)
		expect_all_arrived(&sim);
	simulation_expect_nothing_held(&sim);
	expect_all_collected(&sim);
	peers_finish(&sim);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 10) : otherwise;
}

static uint64_t seed_now;

static void random_runs_lose_and_keep_nothing(void **state)
{
	uint64_t runs = number_of("RUNS", RUNS), first = number_of("FIRST", 1);

	if (getenv("SEED")) {
		first = number_of("SEED", 0);
		runs = 1;
	}
	for (seed_now = first; seed_now < first + runs; seed_now++) {
		live(state, seed_now);
		assert_int_equal(bed_teardown(state), 0);
	}
	seed_now = 0;
}

static int say_which(void **state)
{
	if (seed_now > 0 && *state)
		print_error("SEED=%llu\n%s", (unsigned long long)seed_now, bed_log(*state));
	return bed_teardown(state);
}

/* When a CHECK or a sanitizer ends the program. */
static void say_number(void)
{
	if (seed_now > 0)
		dprintf(STDERR_FILENO, "SEED=%llu\n", (unsigned long long)seed_now);
}

static void on_abort(int signo)
{
	(void)signo;
	say_number();
}

#pragma weak __sanitizer_set_death_callback
void __sanitizer_set_death_callback(void (*callback)(void));

static int begin(void **state)
{
	(void)state;
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(say_number);
	signal(SIGABRT, on_abort);
	simulation_make_shared();
	return 0;
}

static int end(void **state)
{
	(void)state;
	simulation_remove_shared();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(random_runs_lose_and_keep_nothing, say_which),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
