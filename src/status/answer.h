/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATUS_ANSWER_H
#define STATUS_ANSWER_H

/*
 * What is answered to which path. An answer is made once for all who ask
 * within a moment, and lives until the last of them has read it. All that live
 * share a budget.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "busiest.h"

/* Answers that are made live for so long, and so many bytes of them may. */
#define ANSWER_FRESH_MS 200
#define ANSWERS_BYTES_MAX (32u << 20)

struct MHD_Connection;
struct MHD_Response;
struct control_context;

enum answer_kind {
	ANSWER_PAGE,
	ANSWER_JSON,
	ANSWER_PROMETHEUS,
	ANSWER_OPENMETRICS,
	ANSWER_KINDS,
};

struct answers {
	struct control_context *context;
	struct {
		struct MHD_Response *response; /* or NULL: refused, where it was made */
		bool is_made;
		uint64_t made_ms;
		size_t room; /* of the one before: about as much will be needed */
	} kept[ANSWER_KINDS];
	size_t bytes; /* of all that live */
	struct busiest busiest;
};

/* Keeps @context. */
void answers_init(struct answers *answers, struct control_context *context);
/* Before walks over sessions are stopped. */
void answers_stop(struct answers *answers);
/* Its clients have been let go. */
void answers_finish(struct answers *answers);

/* Queues the answer to a GET of @uri. False: the connection is to be closed. */
MUST_CHECK bool answer_path(struct answers *answers, struct MHD_Connection *connection,
			    const char *uri);
/* Of anything but GET and HEAD. */
MUST_CHECK bool answer_method(struct MHD_Connection *connection);

#endif
