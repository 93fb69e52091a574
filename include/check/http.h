/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CHECK_HTTP_H
#define CHECK_HTTP_H

/*
 * What an http check asks and what it takes for an answer: HTTP/1.1 (RFC
 * 9112), one request on a connection. Of the answer's body as much is looked
 * at as HTTP_BODY_BYTES_MAX; what comes behind is not waited for.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

#define HTTP_METHOD_BYTES 16 /* each with its NUL */
#define HTTP_PATH_BYTES 1024
#define HTTP_HOST_BYTES 256
#define HTTP_PATTERN_BYTES 256
#define HTTP_HEADER_BYTES 64
#define HTTP_RANGES_MAX 8
#define HTTP_BODY_BYTES_MAX (64u << 10)
#define HTTP_HEAD_BYTES_MAX (32u << 10) /* status line, headers, trailers, chunks' sizes */

/* Status codes, from first to last. */
struct http_range {
	uint16_t first, last;
};

/* NULL and 0: the default. Kept while it is used. Patterns are those of check/expect.h. */
struct http_question {
	const char *method;                          /* GET */
	const char *path;                            /* "/" */
	const char *host;                            /* what Host says; "localhost" */
	struct http_range statuses[HTTP_RANGES_MAX]; /* that pass; 200 to 399 */
	size_t statuses_n;
	const char *header; /* this header must be there, in any case of its letters, */
	const char *value;  /* and match this; NULL: be anything */
	const char *body;   /* the body must match this */
};

#endif
