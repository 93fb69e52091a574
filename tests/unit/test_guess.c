/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/def.h"
#include "config/guess.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *(*guess)(const char *typed, char text[TEXT_NUMBER_BYTES]);
	const char *typed, *meant; /* NULL: anybody's guess */
} rows[] = {
	{ guess_duration, "5min", "5m" },
	{ guess_duration, "5 minutes", "5m" },
	{ guess_duration, "30sec", "30s" },
	{ guess_duration, "1h30m", "90m" },
	{ guess_duration, "1h 30m", "90m" },
	{ guess_duration, "2 days 1 hour", "49h" },
	{ guess_duration, "1.5s", "1500ms" },
	{ guess_duration, "0.5h", "30m" },
	{ guess_duration, "5M", "5m" },
	{ guess_duration, "300", "300s" },
	{ guess_duration, "1w", "7d" },
	{ guess_duration, "1y", "365d" },
	{ guess_duration, "250 msec", "250ms" },
	{ guess_duration, "500us", NULL },
	{ guess_duration, "5x", NULL },
	{ guess_duration, "1.5", NULL },
	{ guess_duration, "", NULL },
	{ guess_duration, "s", NULL },
	{ guess_duration, "soon", NULL },
	{ guess_duration, "1.0005s", NULL },
	{ guess_duration, "99999999999999999999s", NULL },
	{ guess_duration, "18446744073709551615", NULL },
	{ guess_duration, "1.2.3s", NULL },
	{ guess_size, "256MB", "256M" },
	{ guess_size, "256m", "256M" },
	{ guess_size, "1GiB", "1G" },
	{ guess_size, "64 KB", "64k" },
	{ guess_size, "64K", "64k" },
	{ guess_size, "1.5k", "1536" },
	{ guess_size, "1T", "1024G" },
	{ guess_size, "512 bytes", "512" },
	{ guess_size, "10Mbit", NULL },
	{ guess_size, "much", NULL },
	{ guess_rate, "100", "100/s" },
	{ guess_rate, "100r/s", "100/s" },
	{ guess_rate, "100/sec", "100/s" },
	{ guess_rate, "100 /second", "100/s" },
	{ guess_rate, "100rps", "100/s" },
	{ guess_rate, "100/min", NULL },
	{ guess_rate, "100/h", NULL },
	{ guess_rate, "many", NULL },
	{ guess_byte_rate, "10M", "10M/s" },
	{ guess_byte_rate, "10MB/s", "10M/s" },
	{ guess_byte_rate, "10 MiB/sec", "10M/s" },
	{ guess_byte_rate, "1000", "1000/s" },
	{ guess_byte_rate, "10Mbit/s", NULL },
	{ guess_byte_rate, "10M/min", NULL },
	{ guess_number, "10k", "10000" },
	{ guess_number, "1,024", "1024" },
	{ guess_number, "10_000", "10000" },
	{ guess_number, "1'000", "1000" },
	{ guess_number, "4.5", NULL },
	{ guess_number, "many", NULL },
	{ guess_number, "k", NULL },
	{ guess_number, "1M", NULL },
	{ guess_number, "123456789012345678901234567890", NULL },
};

static void what_was_meant_is_guessed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[TEXT_NUMBER_BYTES];
		const char *meant = rows[i].guess(rows[i].typed, text);

		if (!meant != !rows[i].meant || (meant && strcmp(meant, rows[i].meant) != 0))
			fail_msg("'%s': %s", rows[i].typed, meant ? meant : "nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_meant_is_guessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
