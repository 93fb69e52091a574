/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/memory.h"

#include <errno.h>
#include <stdlib.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/memory.h>

static _Thread_local bool was_refused;

static void *watched_malloc(size_t n)
{
	void *p = malloc(n);

	was_refused |= !p;
	return p;
}

static void *watched_realloc(void *old, size_t n)
{
	void *p = realloc(old, n);

	was_refused |= !p && n > 0;
	return p;
}

int memory_watch(void)
{
	return wolfSSL_SetAllocators(watched_malloc, free, watched_realloc) == 0 ? 0 : -EIO;
}

void memory_forget(void)
{
	was_refused = false;
}

bool memory_ran_out(void)
{
	return was_refused;
}
