/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_RUNTIME_COLLECT_H
#define STATE_RUNTIME_COLLECT_H

/* What older generations leave behind, and who has left, for the main thread. */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "config/config.h"
#include "state/runtime.h"

/*
 * Frees the generations that nobody has any more, and the listeners, pools and
 * backends that have left, and what backends were before. Gives whether something is left to be
 * collected, and in *ret_freed whether something was freed.
 */
bool runtime_collect(struct runtime *runtime, uint64_t now_ms, bool *ret_freed);

/* Why an older generation is alive: who has it, in words. */
const char *runtime_held_by(const struct runtime *runtime, const struct generation *generation);

/* How long a session of a pool may be busy finding a backend. */
uint64_t runtime_dial_ms(const struct pool_config *config);

#endif
