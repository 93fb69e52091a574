/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Since * takes as little as will do and nothing need match at the end, the
 * first place where a part fits is as good as any: no part is looked for
 * again once it was found.
 */

#include "expect_match.h"

/* One place of a part: is it the byte, and how many letters of the pattern is it? */
static bool fits(const struct expect_pattern *p, size_t *at, uint8_t byte)
{
	const char letter = p->bytes[*at];

	(*at)++;
	if (p->is_literal || (letter != '\\' && letter != '?'))
		return (uint8_t)letter == byte;
	if (letter == '?')
		return true;
	if (*at == p->n) /* a backslash that stands for itself */
		return byte == '\\';
	return (uint8_t)p->bytes[(*at)++] == byte;
}

static bool is_star(const struct expect_pattern *p, size_t at)
{
	return !p->is_literal && at < p->n && p->bytes[at] == '*';
}

/* Does the part at *part match at *at? Both move behind it. */
static enum parse match_part(const struct expect_pattern *p, size_t *part, const uint8_t *input,
			     size_t n, size_t *at)
{
	size_t in_pattern = *part, in_input = *at;

	while (in_pattern < p->n && !is_star(p, in_pattern)) {
		if (in_input == n)
			return PARSE_MORE;
		if (!fits(p, &in_pattern, input[in_input++]))
			return PARSE_BAD;
	}
	*part = in_pattern;
	*at = in_input;
	return PARSE_DONE;
}

static bool is_anchored(const struct expect_pattern *p)
{
	return !p->is_literal && p->n > 0 && p->bytes[0] == '^';
}

enum parse expect_match(struct expect_match *m, const struct expect_pattern *pattern,
			const uint8_t *input, size_t n)
{
	while (m->pattern_at < pattern->n) {
		size_t part = m->pattern_at, at = m->input_at;
		enum parse result;

		if (is_star(pattern, part)) {
			m->pattern_at++;
			continue;
		}
		if (part == 0 && is_anchored(pattern))
			part++;
		result = match_part(pattern, &part, input, n, &at);
		if (result == PARSE_MORE)
			return PARSE_MORE;
		if (result == PARSE_BAD && m->pattern_at == 0 && is_anchored(pattern))
			return PARSE_BAD;
		if (result == PARSE_BAD) {
			m->input_at++;
			continue;
		}
		m->pattern_at = (uint32_t)part;
		m->input_at = (uint32_t)at;
	}
	return PARSE_DONE;
}
