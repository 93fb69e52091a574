/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "state/backend_report.h"

static const char *told(struct bed *st, const struct backend_report *report)
{
	(void)bed_log(st);
	backend_report_change(st->runtime->pools[0], bed_backend(st, 0), report);
	return bed_log(st);
}

static void every_change_says_why_and_for_how_long(void **state)
{
	static const struct {
		struct backend_report report;
		const char *words;
	} rows[] = {
		{ { HEALTH_WENT_DOWN, -ECONNREFUSED, NULL, 3, 1000 },
		  "change=down state=ready by=checks failures=3 took_ms=0 "
		  "reason=\"connection refused\"\n" },
		{ { HEALTH_WENT_UP, 0, NULL, 2, 5500 },
		  "change=up state=ready by=checks passes=2 took_ms=0 down_for_ms=4500\n" },
		{ { HEALTH_EJECTED, -ETIMEDOUT, NULL, 0, 6000 },
		  "change=ejected state=ready by=sessions failures=5 reason=\"timed out\"\n" },
		{ { HEALTH_WENT_DOWN, -ECONNRESET, NULL, 1, 7000 },
		  "change=down state=ready by=checks failures=1 took_ms=0 "
		  "reason=\"connection reset\"\n" },
		{ { HEALTH_RETURNED, 0, NULL, 0, 16000 },
		  "change=returned state=ready down_for_ms=10000\n" },
		{ { HEALTH_WENT_UP, 0, NULL, 1, 17000 },
		  "change=up state=ready by=checks passes=1 took_ms=0 down_for_ms=10000\n" },
		{ { HEALTH_EJECTED, -EPROTO, "certificate expired", 0, 18000 },
		  "failures=5 reason=\"TLS failed\" detail=\"certificate expired\"\n" },
		{ { .change = HEALTH_FILLED,
		    .words = "53300 no room",
		    .now_ms = 19000,
		    .took_ms = 4 },
		  "change=full state=ready by=checks took_ms=4 reason=\"53300 no room\"\n" },
		{ { .change = HEALTH_HAS_ROOM, .words = "in", .now_ms = 20000, .took_ms = 5 },
		  "change=room state=ready by=checks took_ms=5\n" },
	};
	struct bed *st = bed_of(state, NULL);

	atomic_store(&bed_backend(st, 0)->blamed_failures, 5);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *log = told(st, &rows[i].report);

		assert_non_null(strstr(log, "level=warn msg=backend pool=p backend=b0 change="));
		if (!strstr(log, rows[i].words))
			fail_msg("not '%s': %s", rows[i].words, log);
	}
}

static void a_share_of_failures_is_told_with_its_whole(void **state)
{
	const struct backend_report report = { HEALTH_EJECTED, -ECONNREFUSED, NULL, 0, 1000 };
	struct bed *st = bed_of(state, NULL);

	atomic_store(&bed_backend(st, 0)->blamed_failures, 12);
	atomic_store(&bed_backend(st, 0)->blamed_connects, 20);
	assert_non_null(strstr(told(st, &report), "by=sessions failures=12 connects=20 reason="));
}

/* It was down from the start: nobody knows for how long. */
static void who_was_never_up_comes_back_from_nowhere(void **state)
{
	const struct backend_report report = { HEALTH_WENT_UP, 0, NULL, 1, 1000 };
	const char *log = told(bed_of(state, NULL), &report);

	assert_non_null(strstr(log, "change=up"));
	assert_null(strstr(log, "down_for_ms"));
}

/* By the pool itself: sessions fail, three in a row are enough. */
static void sessions_that_fail_are_counted(void **state)
{
	struct bed *st = bed_with(
		state, &(struct bed_options){ .backends = 2,
					      .pool_keys = "balance = first\neject_after = 3" });

	for (int n = 0; n < 3; n++) {
		struct pair c = bed_dialing(st);

		fake_complete(&backend_of(c.s)->send, -ECONNREFUSED, 0);
		bed_run(st);
		bed_close(st, c.client);
		bed_run(st);
	}
	assert_non_null(strstr(bed_log(st), "change=ejected state=ejected by=sessions failures=3 "
					    "reason=\"connection refused\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(every_change_says_why_and_for_how_long),
		bed_test(a_share_of_failures_is_told_with_its_whole),
		bed_test(who_was_never_up_comes_back_from_nowhere),
		bed_test(sessions_that_fail_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
