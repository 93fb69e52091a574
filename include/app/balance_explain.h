/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef APP_BALANCE_EXPLAIN_H
#define APP_BALANCE_EXPLAIN_H

/*
 * What decides where no key does, in words: for ringmain --route. All
 * backends are taken to be healthy.
 */

#include <stdio.h>

#include "config/config.h"

/* A line for those that serve, one for each tier behind them, one for those without weight. */
void balance_explain(const struct pool_config *pool, FILE *to);

/* A line, if the pool remembers where a client was: that counts before anything else. */
void balance_explain_stick(const struct pool_config *pool, FILE *to);

#endif
