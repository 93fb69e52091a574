/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CHECK_RESP_H
#define CHECK_RESP_H

/*
 * Replies of a Redis server (RESP 2), read token by token: a list is told by
 * how many it has, then come these. Nothing is kept, so a list may be of any length.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "proto/parse.h"

enum resp_kind { RESP_TEXT, RESP_ERROR, RESP_NUMBER, RESP_LIST };

struct resp_token {
	enum resp_kind kind;
	const uint8_t *text; /* in the input */
	size_t n;            /* of the text */
	int64_t number;      /* or how many the list has; -1 is none: a null */
	size_t bytes;        /* of the token: what follows is the next one's */
};

#define RESP_TEXT_BYTES_MAX 4096
#define RESP_LIST_MAX 4096

/* Reads the token at the start of @n bytes, which it borrows. */
MUST_CHECK enum parse resp_read(const uint8_t *bytes, size_t n, struct resp_token *ret_token);

#endif
