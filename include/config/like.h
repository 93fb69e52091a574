/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_LIKE_H
#define CONFIG_LIKE_H

/* `like`: a pool has from another one what it does not say itself, backends included. */

#include "config/config.h"
#include "config/diag.h"
#include "config/kept.h"

/* Sets it in each pool that is like another one. @kept: what config->pools say, one for each. */
void like_apply(struct config *config, const struct kept *kept, struct diag *diag);

#endif
