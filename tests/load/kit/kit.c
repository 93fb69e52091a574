/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

void kit_die(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(KIT_EXIT_TROUBLE);
}

void *kit_alloc(size_t count, size_t bytes)
{
	void *memory = calloc(count, bytes);

	if (!memory)
		kit_die("out of memory");
	return memory;
}

uint64_t kit_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t kit_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || n < min || n > max)
		kit_die("--%s %s: a number from %llu to %llu is wanted", option, text,
			(unsigned long long)min, (unsigned long long)max);
	return n;
}

double kit_seconds(const char *option, const char *text)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end || !(n >= 0 && n <= 86400))
		kit_die("--%s %s: seconds from 0 to 86400 are wanted", option, text);
	return n;
}

void kit_raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		kit_die("RLIMIT_NOFILE: %s", strerror(errno));
}

uint64_t kit_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t kit_random(uint64_t *seed)
{
	*seed += 0x9e3779b97f4a7c15u;
	return kit_mix(*seed);
}

uint64_t kit_random_size(uint64_t *seed, uint64_t min, uint64_t max)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll(max | 1);
	uint64_t mask = UINT64_MAX >> (63 - kit_random(seed) % bits);
	uint64_t n = kit_random(seed) & mask;

	return MIN(MAX(n, min), max);
}
