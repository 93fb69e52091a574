/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTL_LINK_H
#define CTL_LINK_H

/* The connection to a running ringmain: requests out, rows of the answer in. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/def.h"

struct link {
	int fd;
	FILE *in;
	char *line; /* the row that came last, as it was sent */
	size_t room;
};

/* Connects to the socket at @path. 0 or -errno. */
MUST_CHECK int link_open(struct link *link, const char *path);
void link_close(struct link *link);

/* Sends the words as one line, in quotes where that is needed or @all are to be. 0 or -errno. */
MUST_CHECK int link_send(struct link *link, char *const *words, bool all);

/*
 * Waits for the first row of an answer, without end as long as the other side runs. 0; or the
 * process that is stopped and will not answer, see proc(5): state T or t of /proc/PID/stat.
 */
MUST_CHECK int link_wait(const struct link *link);

/* The next row, the caller's to json_decref(); NULL when there is none, or no JSON. */
json_t *link_receive(struct link *link);

#endif
