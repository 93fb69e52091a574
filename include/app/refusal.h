/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef APP_REFUSAL_H
#define APP_REFUSAL_H

/* io_uring is not to be had: says why, as far as can be found out, and what helps. */
void refusal_explain(int err);

#endif
