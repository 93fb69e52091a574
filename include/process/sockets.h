/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROCESS_SOCKETS_H
#define PROCESS_SOCKETS_H

/*
 * The listening sockets of all listeners: for each address one for each
 * worker. An address that stays keeps its sockets over reloads, whichever
 * listener has it then: nobody who waits in a backlog notices.
 *
 * The workers close them: when they have passed to a generation that has them
 * no more, and at their own end.
 */

#include <stddef.h>

#include "base/def.h"
#include "net/addr.h"
#include "process/sockets_failure.h"
#include "process/sockets_table.h"
#include "state/generation.h"
#include "state/runtime.h"

/*
 * Opens those of the runtime's first generation, and logs each address; on
 * failure logs all that cannot be had and returns -errno.
 */
MUST_CHECK int sockets_open(struct sockets *sockets, struct runtime *runtime);

/*
 * From the sockets there are to those of another generation, whose listeners
 * have their slots. New ones are opened, those that are needed no more are
 * left to the workers, which find in generation.sockets what to do.
 * NULL, and nothing has changed: *ret_failures says what cannot be had.
 */
struct sockets_change;

MUST_CHECK struct sockets_change *sockets_prepare(struct sockets *sockets, struct runtime *runtime,
						  struct generation *generation,
						  struct sockets_failures *ret_failures);
/* Closes what was opened. Accepts NULL. */
void sockets_abandon(struct sockets_change *change);
/* To be called after the generation was published, before workers are told. Logs what changes. */
void sockets_commit(struct sockets_change *change);

/*
 * Removes the files of unix sockets, but none that has taken the place of
 * ours: before the sockets are closed, so that whoever is started instead
 * finds its place free, and what it puts there stays.
 */
void sockets_remove_files(struct sockets *sockets);
/* The same, and frees the table; the workers close the sockets. */
void sockets_finish(struct sockets *sockets);

/* All that a listener listens on, as far as there is room for it. Gives @text. */
#define SOCKETS_TEXT_BYTES 160
const char *sockets_describe(const struct sockets *sockets, const struct listener *listener,
			     char text[SOCKETS_TEXT_BYTES]);

#endif
