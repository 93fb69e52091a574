/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef APP_CPU_QUOTA_H
#define APP_CPU_QUOTA_H

/* What control groups let this process have of the processors: cgroup v2, or v1. */

#include "base/def.h"

/*
 * The smallest quota of its group and of those above it, in processors,
 * rounded up; 0 without one, or when it cannot be read. @root is a prefix of
 * /proc and /sys, for tests; otherwise "".
 */
unsigned cpu_quota(const char *root);

#endif
