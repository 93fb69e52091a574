/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "records/second_hello.h"

#include "proto/hello_retry.h"

#include <stdlib.h>
#include <string.h>

void second_hello_finish(struct second_hello *h)
{
	free(h->held);
	free(h->constants);
	h->held = h->constants = NULL;
	h->held_n = h->held_taken = h->constants_n = 0;
}

bool second_hello_keep_first(struct second_hello *h, const uint8_t *bytes, size_t n)
{
	uint8_t constants[HELLO_BYTES_MAX];
	struct hello first;

	if (hello_read(bytes, n, &first) != PARSE_DONE)
		return true;
	h->first_has_psk = first.has_psk;
	h->constants_n = hello_retry_constants(bytes, n, constants);
	h->constants = malloc(h->constants_n);
	if (h->constants)
		memcpy(h->constants, constants, h->constants_n);
	return h->constants != NULL;
}

/* Passes over a record, or as much of it as there is. False: there may be none like it. */
static bool drop(struct second_hello *h, const uint8_t *bytes, size_t n, size_t *at)
{
	enum tlsrec_passed passed;
	size_t from = *at;

	for (h->is_dropping = true; *at < n && h->is_dropping;) {
		*at += tlsrec_walk(&h->dropped, bytes + *at, n - *at, &passed);
		h->is_dropping = passed == TLSREC_PART || tlsrec_is_in_body(&h->dropped);
		if (passed == TLSREC_HEADER &&
		    tlsrec_body_bytes(&h->dropped) > TLSREC_SEALED_BYTES_MAX) {
			h->record_fault = RECORD_LENGTH;
			return false;
		}
	}
	h->early_bytes += *at - from;
	if (h->early_bytes > EARLY_DATA_BYTES_MAX)
		h->record_fault = RECORD_FLOOD;
	return h->record_fault == RECORD_FINE;
}

static bool hold(struct second_hello *h, const uint8_t *bytes, size_t n)
{
	uint8_t *held = realloc(h->held, h->held_n + n);

	if (!held)
		return false;
	memcpy(held + h->held_n, bytes, n);
	h->held = held;
	h->held_n += n;
	return true;
}

/* Does it say what the first has said? That may not be known. */
static bool is_like_first(const struct second_hello *h, const struct hello *hello)
{
	uint8_t constants[HELLO_BYTES_MAX];

	return !h->constants ||
	       (hello_retry_constants(h->held, h->held_n, constants) == h->constants_n &&
		memcmp(constants, h->constants, h->constants_n) == 0 &&
		(h->first_has_psk || !hello->has_psk));
}

static enum second_hello_answer judge_held(struct second_hello *h, const struct hello *hello)
{
	h->is_awaited = false;
	h->fault = hello_retry_judge(hello, h->group);
	if (h->fault == HELLO_FINE && !is_like_first(h, hello))
		h->fault = HELLO_CHANGED;
	return h->fault == HELLO_FINE ? SECOND_HELLO_PASS : SECOND_HELLO_BAD;
}

static enum second_hello_answer read_held(struct second_hello *h)
{
	struct hello hello;

	switch (hello_read(h->held, h->held_n, &hello)) {
	case PARSE_MORE:
		return SECOND_HELLO_MORE;
	case PARSE_DONE:
		return judge_held(h, &hello);
	default:
		h->fault = hello.fault;
		return SECOND_HELLO_BAD;
	}
}

enum second_hello_answer second_hello_look(struct second_hello *h, const uint8_t *bytes, size_t n,
					   size_t *at)
{
	while (*at < n) {
		if (h->is_dropping || (h->held_n == 0 && h->has_early_data &&
				       bytes[*at] == TLSREC_APPLICATION_DATA)) {
			if (!drop(h, bytes, n, at))
				return SECOND_HELLO_BAD_RECORD;
			continue;
		}
		if (h->held_n == 0 && bytes[*at] != TLSREC_HANDSHAKE)
			return SECOND_HELLO_PASS;
		if (!hold(h, bytes + *at, n - *at))
			return SECOND_HELLO_NO_MEMORY;
		*at = n;
		return read_held(h);
	}
	return SECOND_HELLO_MORE;
}
