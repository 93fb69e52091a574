/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_CURSOR_H
#define PROTO_CURSOR_H

/* What is left of something that is being read, and TLS's lists, which begin with their length. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	const uint8_t *at;
	size_t left;
};

/* Takes @n bytes off the front, as a cursor of their own. */
static inline bool cursor_take_bytes(struct cursor *c, size_t n, struct cursor *ret_part)
{
	if (c->left < n)
		return false;
	*ret_part = (struct cursor){ c->at, n };
	c->at += n;
	c->left -= n;
	return true;
}

static inline bool cursor_take_number(struct cursor *c, size_t bytes, size_t *ret_number)
{
	struct cursor part;
	size_t number = 0;

	if (!cursor_take_bytes(c, bytes, &part))
		return false;
	for (size_t i = 0; i < bytes; i++)
		number = number << 8 | part.at[i];
	*ret_number = number;
	return true;
}

/* Takes a list that begins with its length, itself in so many bytes. */
static inline bool cursor_take_list(struct cursor *c, size_t length_bytes, struct cursor *ret_list)
{
	size_t length;

	return cursor_take_number(c, length_bytes, &length) &&
	       cursor_take_bytes(c, length, ret_list);
}

/* The same when the list must be all there is, and not empty. */
static inline bool cursor_take_whole_list(struct cursor *c, size_t length_bytes,
					  struct cursor *ret_list)
{
	return cursor_take_list(c, length_bytes, ret_list) && c->left == 0 && ret_list->left > 0;
}

#endif
