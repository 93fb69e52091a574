/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_DEF_H
#define BASE_DEF_H

/*
 * The few words that C lacks. Every file may include this; it includes
 * nothing of ours.
 */

#include <stddef.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* What a macro stands for, as text. */
#define TEXT_OF(macro) TEXT_OF_(macro)
#define TEXT_OF_(token) #token
#define BIT(n) (1u << (n))

/* The structure that holds @member at @ptr. */
#define container_of(ptr, type, member) ((type *)(((char *)(ptr)) - offsetof(type, member)))

/* The caller must look at what the function returns. */
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))

/* Of two addresses that different threads write, keep one cache line apart. */
#define CACHE_LINE_BYTES 64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE_BYTES)))

/* 1 when ThreadSanitizer watches, or AddressSanitizer: gcc says so in one way, clang in another. */
#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#else
#define WITH_TSAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define WITH_ASAN 1
#else
#define WITH_ASAN 0
#endif

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
