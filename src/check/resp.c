/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resp.h"

#include <stdbool.h>
#include <string.h>

#define LINE_BYTES_MAX 1024
#define DIGITS_MAX 18 /* what fits into 64 bits for sure */

static bool read_number(const uint8_t *text, size_t n, int64_t *ret_number)
{
	const bool is_negative = n > 0 && text[0] == '-';
	const size_t from = is_negative ? 1 : 0;
	int64_t value = 0;

	if (n == from || n - from > DIGITS_MAX)
		return false;
	for (size_t i = from; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (text[i] - '0');
	}
	*ret_number = is_negative ? -value : value;
	return true;
}

/* The text behind the line that told its size. */
static enum parse read_bulk(const uint8_t *bytes, size_t n, struct resp_token *token)
{
	if (token->number == -1) {
		token->text = bytes + token->bytes;
		token->n = 0;
		return PARSE_DONE;
	}
	if (token->number < 0 || token->number > RESP_TEXT_BYTES_MAX)
		return PARSE_BAD;
	token->n = (size_t)token->number;
	token->text = bytes + token->bytes;
	if (n - token->bytes < token->n + 2)
		return PARSE_MORE;
	if (token->text[token->n] != '\r' || token->text[token->n + 1] != '\n')
		return PARSE_BAD;
	token->bytes += token->n + 2;
	return PARSE_DONE;
}

static enum parse read_line(const uint8_t *bytes, size_t n, struct resp_token *token)
{
	const bool has_number = bytes[0] != '+' && bytes[0] != '-';

	*token = (struct resp_token){ .text = bytes + 1, .n = n - 1, .number = -1, .bytes = n + 2 };
	if (has_number && !read_number(token->text, token->n, &token->number))
		return PARSE_BAD;
	switch (bytes[0]) {
	case '-':
		token->kind = RESP_ERROR;
		break;
	case ':':
		token->kind = RESP_NUMBER;
		break;
	case '*':
		token->kind = RESP_LIST;
		if (token->number < -1 || token->number > RESP_LIST_MAX)
			return PARSE_BAD;
		break;
	default:
		token->kind = RESP_TEXT;
		break;
	}
	return PARSE_DONE;
}

enum parse resp_read(const uint8_t *bytes, size_t n, struct resp_token *ret_token)
{
	const uint8_t *end;
	enum parse result;

	if (n == 0)
		return PARSE_MORE;
	if (!memchr("+-:$*", bytes[0], strlen("+-:$*")))
		return PARSE_BAD;
	end = memchr(bytes, '\r', MIN(n, (size_t)LINE_BYTES_MAX));
	if (!end)
		return n < LINE_BYTES_MAX ? PARSE_MORE : PARSE_BAD;
	if (end + 1 == bytes + n)
		return PARSE_MORE;
	if (end[1] != '\n')
		return PARSE_BAD;
	result = read_line(bytes, (size_t)(end - bytes), ret_token);
	if (result != PARSE_DONE || bytes[0] != '$')
		return result;
	return read_bulk(bytes, n, ret_token);
}
