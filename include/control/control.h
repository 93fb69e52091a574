/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

/*
 * The main thread while the workers work: signals and what they mean, the operator's commands
 * and reloads, on a small ring of its own. How it ends: see control/ending.h.
 *
 * A ring that breaks, a worker's or its own, ends the process at once.
 */

#include "process/sockets.h"
#include "worker/workers.h"
#include "base/def.h"
#include "io/ring.h"
#include "state/runtime.h"

/* To be called before any thread is started: they inherit what is blocked. */
MUST_CHECK int control_init(void);

struct control;

struct control_options {
	struct ring_features features;
	const char *config_path; /* which a reload reads again; kept */
};

/*
 * Everything the main thread needs, to be had before a worker starts. Keeps
 * @runtime and @sockets, whose files it removes before draining begins. On
 * failure says why in the log and returns NULL, -errno in *ret_err.
 */
MUST_CHECK struct control *control_create(struct runtime *runtime, struct sockets *sockets,
					  const struct control_options *options, int *ret_err);

/*
 * Serves signals until all workers have ended: 0. -errno when the process
 * cannot go on, as the ring of a worker or its own broke, or when workers were
 * told to end at once and do not (-ETIMEDOUT); the workers may still run then.
 */
MUST_CHECK int control_run(struct control *control, const struct workers *workers);

/*
 * After control_run() has returned 0, or without it. Accepts NULL. False: a
 * thread of its own still waits for the resolver; then nothing that the
 * configuration has may be given back, and the end of the process ends it.
 */
MUST_CHECK bool control_destroy(struct control *control);

#endif
