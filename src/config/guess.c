/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/guess.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/def.h"

/* In thousandths of a millisecond or of a byte, so that 1.5 of one can be had. */
#define FINE 1000ull

struct unit {
	const char *names; /* with blanks between */
	uint64_t factor;
};

#define SECOND_MS 1000ull
#define DAY_MS (24 * 3600 * SECOND_MS)

static const struct unit time_units[] = {
	{ "ms msec msecs milli millis millisecond milliseconds", 1 },
	{ "s sec secs second seconds", SECOND_MS },
	{ "m min mins minute minutes", 60 * SECOND_MS },
	{ "h hr hrs hour hours", 3600 * SECOND_MS },
	{ "d day days", DAY_MS },
	{ "w week weeks", 7 * DAY_MS },
	{ "y year years", 365 * DAY_MS },
};

static const struct unit size_units[] = {
	{ "b byte bytes", 1 },      { "k kb kib", 1ull << 10 }, { "m mb mib", 1ull << 20 },
	{ "g gb gib", 1ull << 30 }, { "t tb tib", 1ull << 40 },
};

static bool has_name(const char *names, const char *unit, size_t n)
{
	while (*names != '\0') {
		size_t bytes = strcspn(names, " ");

		if (bytes == n && strncasecmp(names, unit, n) == 0)
			return true;
		names += bytes;
		names += *names == ' ';
	}
	return false;
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* "1" or "1.5" thousandfold; gives what follows, or NULL. */
static const char *read_fine(const char *at, uint64_t *ret_fine)
{
	uint64_t value = 0, scale = FINE;
	bool has_point = false;

	if (!isdigit((unsigned char)*at))
		return NULL;
	for (; isdigit((unsigned char)*at) || (*at == '.' && !has_point); at++) {
		if (*at == '.') {
			has_point = true;
			continue;
		}
		if (value > UINT64_MAX / 16 / FINE || (has_point && scale == 1))
			return NULL;
		value = value * 10 + (uint64_t)(*at - '0');
		if (has_point)
			scale /= 10;
	}
	*ret_fine = value * scale;
	return at;
}

/* One "90 sec" of a value; gives what follows it, or NULL. */
static const char *read_part(const char *at, const struct unit *units, size_t n, uint64_t *sum)
{
	uint64_t fine, product;
	size_t letters = 0;

	at = read_fine(at, &fine);
	if (!at)
		return NULL;
	at = skip_blanks(at);
	while (isalpha((unsigned char)at[letters]))
		letters++;
	for (size_t i = 0; i < n; i++) {
		if (!has_name(units[i].names, at, letters))
			continue;
		if (__builtin_mul_overflow(fine, units[i].factor, &product) ||
		    __builtin_add_overflow(*sum, product, sum))
			return NULL;
		return skip_blanks(at + letters);
	}
	return NULL;
}

static bool read_amount(const char *typed, const struct unit *units, size_t n, uint64_t *ret_value)
{
	uint64_t sum = 0;

	do
		typed = read_part(typed, units, n, &sum);
	while (typed && *typed != '\0');
	if (!typed || sum % FINE != 0)
		return false;
	*ret_value = sum / FINE;
	return true;
}

const char *guess_number(const char *typed, char text[TEXT_NUMBER_BYTES])
{
	size_t n = 0;

	for (; isdigit((unsigned char)*typed) || (*typed && strchr(",_'", *typed)); typed++) {
		if (n == TEXT_NUMBER_BYTES - sizeof("000"))
			return NULL;
		if (isdigit((unsigned char)*typed))
			text[n++] = *typed;
	}
	text[n] = '\0';
	if (n > 0 && strcasecmp(typed, "k") == 0)
		snprintf(text + n, sizeof("000"), "000");
	else if (*typed != '\0')
		return NULL;
	return n > 0 ? text : NULL;
}

const char *guess_duration(const char *typed, char text[TEXT_NUMBER_BYTES])
{
	uint64_t value;

	/* Seconds are meant, most likely. */
	if (text_to_u64(typed, &value)) {
		if (value > UINT64_MAX / SECOND_MS)
			return NULL;
		snprintf(text, TEXT_NUMBER_BYTES, "%llus", (unsigned long long)value);
		return text;
	}
	return read_amount(typed, time_units, ARRAY_LEN(time_units), &value)
		       ? text_from_ms(value, text)
		       : NULL;
}

const char *guess_size(const char *typed, char text[TEXT_NUMBER_BYTES])
{
	uint64_t value;

	return read_amount(typed, size_units, ARRAY_LEN(size_units), &value)
		       ? text_from_bytes(value, text)
		       : NULL;
}

/* Cuts off what stands for "in a second"; false when it is in something else. */
static bool cut_second(const char *typed, char ret_amount[TEXT_NUMBER_BYTES])
{
	static const char *const ends[] = { "/second", "/sec", "r/s", "/s", "rps", "ps" };
	size_t n = strlen(typed);

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		size_t end = strlen(ends[i]);

		if (n > end && strcasecmp(typed + n - end, ends[i]) == 0) {
			n -= end;
			break;
		}
	}
	if (n >= TEXT_NUMBER_BYTES)
		return false;
	memcpy(ret_amount, typed, n);
	ret_amount[n] = '\0';
	return true;
}

static const char *guess_per_second(const char *amount, char text[TEXT_NUMBER_BYTES])
{
	snprintf(text, TEXT_NUMBER_BYTES, "%.20s/s", amount);
	return text;
}

const char *guess_rate(const char *typed, char text[TEXT_NUMBER_BYTES])
{
	char amount[TEXT_NUMBER_BYTES];
	uint64_t value;

	if (!cut_second(typed, amount))
		return NULL;
	amount[strcspn(amount, " \t")] = '\0';
	return text_to_u64(amount, &value) ? guess_per_second(amount, text) : NULL;
}

const char *guess_byte_rate(const char *typed, char text[TEXT_NUMBER_BYTES])
{
	char amount[TEXT_NUMBER_BYTES], size[TEXT_NUMBER_BYTES];
	uint64_t value;

	if (!cut_second(typed, amount))
		return NULL;
	if (text_to_u64(amount, &value))
		return guess_per_second(amount, text);
	return guess_size(amount, size) ? guess_per_second(size, text) : NULL;
}
