/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTL_TOP_H
#define CTL_TOP_H

/* ringmainctl top: listeners, pools, backends and their sessions, a look each second. */

#include <stdbool.h>

#include "base/def.h"

/* Until it is left. False, and a word on stderr, when there is no terminal for it. */
MUST_CHECK bool top_run(const char *path);

#endif
