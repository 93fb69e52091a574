/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

/*
 * Assertions. CHECK stays on in release builds: it guards memory and life
 * cycles, where going on would corrupt somebody's session. DCHECK is for hot
 * loops and is compiled in debug and sanitizer builds only (-DRINGMAIN_DEBUG).
 * Neither is ever used on input from outside.
 */

#include <stdint.h>

#include "base/def.h"

#define CHECK(cond) (likely(cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__, __func__))

#ifdef RINGMAIN_DEBUG
#define DCHECK(cond) CHECK(cond)
#else
#define DCHECK(cond) ((void)sizeof(cond))
#endif

/*
 * Calls the function of check_set_flush(), says on stderr which promise was
 * broken, and aborts; all within two seconds, also when nobody reads.
 */
NORETURN void check_failed(const char *cond, const char *file, int line, const char *func);

/*
 * Who writes out what the log has queued, within @patience_ms, in whatever
 * state the process is. Before there are threads; the log does this.
 */
void check_set_flush(void (*flush)(uint64_t patience_ms));

#endif
