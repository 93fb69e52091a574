/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WORKER_HANDOVER_H
#define WORKER_HANDOVER_H

/* An accepted connection goes to the worker that has fewest sessions, and becomes one there. */

struct accepted;
struct host;
struct message;

/* To the worker with the fewest sessions, which may be this one. Its slot is taken. */
void handover_give(struct host *host, const struct accepted *accepted);

/* Takes a socket that another worker accepted, with its slot. */
void handover_take(struct host *host, const struct message *message);

#endif
