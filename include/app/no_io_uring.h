/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef APP_NO_IO_URING_H
#define APP_NO_IO_URING_H

#include "base/def.h"

/*
 * io_uring is not to be had: says why, as far as can be found out, and what
 * helps. Returns the exit status: EX_UNAVAILABLE, or EXIT_FAILURE for want of
 * memory or descriptors, as then another try may succeed.
 */
MUST_CHECK int no_io_uring_explain(int err);

#endif
