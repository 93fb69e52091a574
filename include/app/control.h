/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef APP_CONTROL_H
#define APP_CONTROL_H

/*
 * The main thread while the workers work: signals and what they mean, and the
 * backends' checks, on a small ring of its own.
 *
 *   running --TERM--> draining --drain_timeout, or a second TERM--> stopping --> ended
 */

#include "app/sockets.h"
#include "base/def.h"
#include "io/ring.h"
#include "proxy/proxy.h"

/* To be called before any thread is started: they inherit what is blocked. */
MUST_CHECK int control_init(void);

/*
 * Serves signals until all workers have ended; @ended_fd counts them. Removes
 * the files of @sockets before draining begins. 0 or -errno.
 */
MUST_CHECK int control_run(struct proxy *proxy, struct sockets *sockets,
			   const struct ring_features *features, int ended_fd);

#endif
