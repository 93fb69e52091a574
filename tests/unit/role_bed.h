/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_ROLE_BED_H
#define UNIT_ROLE_BED_H

#include "role/role_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"

#define AGE_MS 6000

/* A pool, a clock, and checks that say what a test wants. */
struct bench {
	struct role_judge *judge;
	uint64_t now_ms;
};

static struct bench b;

static inline void begin(const struct role_config *config, size_t n)
{
	role_judge_destroy(b.judge);
	b.judge = role_judge_create(config, n);
	assert_non_null(b.judge);
	b.now_ms = 1000;
}

static inline struct role_config postgres(enum role_wanted wanted)
{
	return (struct role_config){ .wanted = wanted,
				     .fence = true,
				     .age_max_ms = AGE_MS,
				     .lag_max_bytes = ROLE_NO_LAG_LIMIT,
				     .lag_max_ms = ROLE_NO_LAG_LIMIT };
}

static inline void say(size_t n, struct check_facts facts)
{
	role_judge_note(b.judge, n, &facts, b.now_ms);
	role_judge_decide(b.judge, b.now_ms);
}

static inline void primary(size_t n, uint32_t timeline)
{
	say(n, (struct check_facts){ .role = CHECK_ROLE_PRIMARY,
				     .system_id = 7,
				     .timeline = timeline,
				     .started_us = 100 + n,
				     .has_position = true,
				     .position = 1000 * timeline });
}

static inline void replica(size_t n, uint32_t timeline, uint64_t position)
{
	say(n, (struct check_facts){ .role = CHECK_ROLE_REPLICA,
				     .system_id = 7,
				     .is_read_only = true,
				     .timeline = timeline,
				     .started_us = 100 + n,
				     .has_position = true,
				     .position = position });
}

static inline void fails(size_t n, enum check_verdict verdict)
{
	say(n, (struct check_facts){ .verdict = verdict });
}

static inline void pass(uint64_t ms)
{
	b.now_ms += ms;
	role_judge_decide(b.judge, b.now_ms);
}

static inline void dies(size_t n)
{
	fails(n, CHECK_FAILED);
	role_judge_note_down(b.judge, n);
	role_judge_decide(b.judge, b.now_ms);
}

static inline void expect(size_t n, enum role_reason reason)
{
	if (b.judge->members[n].reason != reason)
		print_error("server %zu: %s, expected: %s\n", n,
			    role_reason_text(b.judge->members[n].reason), role_reason_text(reason));
	assert_int_equal(b.judge->members[n].reason, reason);
}

static inline int finish(void **state)
{
	(void)state;
	role_judge_destroy(b.judge);
	return 0;
}

#endif
