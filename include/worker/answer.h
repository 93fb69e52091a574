/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WORKER_ANSWER_H
#define WORKER_ANSWER_H

/* What a worker answers to the main thread's queries: see state/query.h. */

struct host;
struct query;
struct session;

/* Looks at some sessions for each query of the list, and gives them back. NULL for none. */
void answer_queries(struct host *host, struct query *queries);

/* @s has ended: it is remembered if that is something an operator would look at. */
void answer_note_end(const struct session *s);

#endif
