/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_HEALTH_DEFAULTS_H
#define UNIT_HEALTH_DEFAULTS_H

/* Sensible settings of checks and ejection, for tests. */

#include "config/config.h"

static const struct check_config health_check_default = {
	.interval_ms = 2000,
	.fast_interval_ms = 500,
	.timeout_ms = 1000,
	.fall = 3,
	.rise = 2,
	.jitter_percent = 10,
};

static const struct eject_config health_eject_default = {
	.in_a_row = 5,
	.failure_percent = 50,
	.window_connects_min = 10,
	.window_ms = 10000,
	.time_ms = 10000,
	.time_max_ms = 300000,
	.jitter_percent = 10,
	.ejected_max_percent = 50,
};

/* Its backends start down: see starts_down() in pool/pool_backends.c. */
static inline void until_a_check_passes(struct pool_config *config)
{
	config->check.kind = CHECK_HTTP;
	config->hold.ms = 1000;
}

#endif
