/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "app/balance_explain.h"

#include "pool/pool.h"
#include "base/check.h"
#include "config/directive.h"

/* Of one line: who wants all of them has the configuration. */
#define NAMED_MAX 8u

static const char *const manners[BALANCE_KINDS] = {
	[BALANCE_ROUNDROBIN] = "in turns by weight, whoever comes",
	[BALANCE_LEASTCONN] = "the one with the fewest sessions for its weight",
	[BALANCE_RANDOM] = "the one with fewer sessions of two that are drawn by weight",
	[BALANCE_MAGLEV] = "by the hash of a key",
	[BALANCE_FIRST] = "the first that has room",
};

static void print_one(const struct backend_config *b, FILE *to)
{
	char addr[ADDR_TEXT_BYTES];

	fprintf(to, "%s (%s)", b->name, addr_format(&b->addr, addr));
	if (b->weight > 1)
		fprintf(to, " weight=%u", b->weight);
	if (b->sessions_max > 0)
		fprintf(to, " max_sessions=%u", b->sessions_max);
}

static bool is_meant(const struct backend_config *b, bool has_weight, unsigned tier)
{
	return (b->weight > 0) == has_weight && (!has_weight || b->tier == tier);
}

static unsigned count(const struct pool_config *pool, bool has_weight, unsigned tier)
{
	unsigned n = 0;

	for (size_t i = 0; i < pool->backends_n; i++)
		n += is_meant(&pool->backends[i], has_weight, tier);
	return n;
}

static void print_all(const struct pool_config *pool, bool has_weight, unsigned tier, FILE *to)
{
	unsigned n = 0;

	for (size_t i = 0; i < pool->backends_n; i++) {
		if (!is_meant(&pool->backends[i], has_weight, tier) || n++ >= NAMED_MAX)
			continue;
		if (n > 1)
			fputs(", ", to);
		print_one(&pool->backends[i], to);
	}
	if (n > NAMED_MAX)
		fprintf(to, " and %u more", n - NAMED_MAX);
	putc('\n', to);
}

void balance_explain(const struct pool_config *pool, FILE *to)
{
	unsigned wanted = MAX(pool->tier_ready_min, 1), ready = 0;

	for (unsigned tier = 0; tier < POOL_TIERS_MAX; tier++) {
		unsigned n = count(pool, true, tier);

		if (n == 0)
			continue;
		fprintf(to, "[pool %s]: ", pool->name);
		if (ready == 0)
			fprintf(to, "balance = %s: %s, of ", balance_kind_names[pool->balance],
				manners[pool->balance]);
		else if (ready < wanted)
			fprintf(to, "tier %u too, as there are fewer than %u before it: ", tier,
				wanted);
		else
			fprintf(to, "tier %u too, while fewer than %u before it are ready: ", tier,
				wanted);
		print_all(pool, true, tier, to);
		ready += n;
	}
	if (ready == 0)
		fprintf(to, "[pool %s]: nobody gets a backend, for all weights are 0\n",
			pool->name);
	if (count(pool, false, 0) > 0) {
		fprintf(to, "[pool %s]: nothing new, for their weight is 0: ", pool->name);
		print_all(pool, false, 0, to);
	}
}

void balance_explain_stick(const struct pool_config *pool, FILE *to)
{
	const struct directive *stick = directive_find(SECTION_POOL, "stick");

	if (pool->stick.kind == CLIENT_KEY_NONE)
		return;
	CHECK(stick);
	fprintf(to, "[pool %s]: before all that, stick = ", pool->name);
	stick->type->print(stick, pool, 0, to);
	fputs(": a client goes back to the backend it was on, if that is ready and has room\n", to);
}
