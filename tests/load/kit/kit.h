/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LOAD_KIT_KIT_H
#define LOAD_KIT_KIT_H

/*
 * What the load tools share: trouble, numbers, time, chance. The folder kit/
 * is linked into every tool of tests/load/. Nothing of ringmain's own code is
 * used beyond macros: what measures and checks must not share a mistake with
 * what it looks at.
 *
 * A tool ends the process itself: kit_die() for trouble of its own (exit 2),
 * which is never mistaken for a verdict on the relay (exit 1).
 */

#include "base/def.h"

#include <stddef.h>
#include <stdint.h>

#define KIT_EXIT_TROUBLE 2

NORETURN void kit_die(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Zeroed memory that lives as long as the process. */
void *kit_alloc(size_t count, size_t bytes);

uint64_t kit_now_ns(void);

/* The value of an option, within limits; dies when @text is none. */
uint64_t kit_number(const char *option, const char *text, uint64_t min, uint64_t max);
double kit_seconds(const char *option, const char *text);

/* As many files as the hard limit allows: two sockets per session add up. */
void kit_raise_nofile(void);

/* The finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
 * Generators, OOPSLA 2014): every bit of @x decides about every bit of the result. */
uint64_t kit_mix(uint64_t x);

/* Random numbers from a seed that the caller keeps. */
uint64_t kit_random(uint64_t *seed);

/* From @min to @max, each order of magnitude as likely as any other. */
uint64_t kit_random_size(uint64_t *seed, uint64_t min, uint64_t max);

#endif
