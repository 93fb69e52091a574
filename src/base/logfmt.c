/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/logfmt.h"

#include <string.h>

static const char *end_of_quoted(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		if (*at == '\\' && at + 1 < end)
			at++;
	return at < end ? at + 1 : end;
}

bool logfmt_next(const char **at, const char *end, struct logfmt_pair *ret_pair)
{
	const char *key = *at, *equals, *stop;

	while (key < end && *key == ' ')
		key++;
	equals = memchr(key, '=', (size_t)(end - key));
	if (!equals)
		return false;
	if (equals + 1 < end && equals[1] == '"')
		stop = end_of_quoted(equals + 1, end);
	else
		stop = memchr(equals, ' ', (size_t)(end - equals));
	if (!stop)
		stop = end;
	*ret_pair = (struct logfmt_pair){
		.key = key,
		.key_bytes = (size_t)(equals - key),
		.value = equals + 1,
		.value_bytes = (size_t)(stop - equals - 1),
	};
	*at = stop;
	return true;
}

size_t logfmt_bare(const struct logfmt_pair *pair, const char **ret_value)
{
	bool is_quoted = pair->value_bytes >= 2 && pair->value[0] == '"';

	*ret_value = pair->value + is_quoted;
	return pair->value_bytes - (is_quoted ? 2 : 0);
}
