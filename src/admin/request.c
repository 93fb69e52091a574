/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/request.h"

#include <stdint.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

/* One line being read. */
struct scan {
	const char *at, *end;
	char *to; /* in request.text */
	const char *why;
};

/* Behind the opening quote, up to behind the closing one. */
static void copy_quoted(struct scan *scan)
{
	while (scan->at < scan->end && *scan->at != '"') {
		const char *next = scan->at + 1;

		if (*scan->at == '\\' && next < scan->end && (*next == '"' || *next == '\\'))
			scan->at = next;
		*scan->to++ = *scan->at++;
	}
	if (scan->at == scan->end)
		scan->why = "a double quote is not closed";
	else
		scan->at++;
}

static void copy_word(struct scan *scan, bool *ret_is_quoted)
{
	*ret_is_quoted = *scan->at == '"';
	while (scan->at < scan->end && !is_blank(*scan->at) && !scan->why) {
		if (*scan->at != '"') {
			*scan->to++ = *scan->at++;
			continue;
		}
		scan->at++;
		copy_quoted(scan);
	}
	*scan->to++ = '\0';
}

static const char *why_not_a_line(const char *line, size_t n)
{
	if (n >= REQUEST_BYTES_MAX)
		return "the line is too long";
	for (size_t i = 0; i < n; i++)
		if (is_control(line[i]))
			return "there is a control character in the line";
	return NULL;
}

/*
 * A word takes no more bytes than it has in the line, its NUL the place of the
 * blank behind it, or, behind the last, that of the newline.
 */
bool request_parse(struct request *request, const char *line, size_t n, const char **ret_why)
{
	struct scan scan = { .at = line, .end = line + n, .to = request->text };

	request->words_n = 0;
	if (n > 0 && line[n - 1] == '\r')
		scan.end--;
	scan.why = why_not_a_line(line, (size_t)(scan.end - line));
	while (!scan.why) {
		while (scan.at < scan.end && is_blank(*scan.at))
			scan.at++;
		if (scan.at == scan.end)
			return true;
		if (request->words_n == REQUEST_WORDS_MAX) {
			scan.why = "there are too many words";
			break;
		}
		request->words[request->words_n] = scan.to;
		copy_word(&scan, &request->is_quoted[request->words_n++]);
	}
	*ret_why = scan.why;
	return false;
}
