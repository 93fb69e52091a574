/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_MEMORY_H
#define TLS_MEMORY_H

/*
 * Did the library run out of memory? It often says something else then, such
 * as that a signature is wrong, for which nobody is to be blamed.
 */

#include <stdbool.h>

#include "base/def.h"

/* Puts itself between the library and malloc(3); before the library starts. 0 or -EIO. */
MUST_CHECK int memory_watch(void);

/* Forgets what happened so far in this thread. */
void memory_forget(void);
/* Has it been refused any since? */
bool memory_ran_out(void);

#endif
