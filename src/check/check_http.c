/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Asks over HTTP. The answer is read line by line, its body piece by piece:
 * nothing of it is kept but the line under way, and of the body what may
 * still become part of a match.
 *
 *	status -> headers -> body by length, by chunks or to the end
 *
 * The verdict may be known early; the rest is read all the same, as far as it
 * is short, for who still writes when the connection ends has a line about it
 * in its log.
 */

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "check/http.h"
#include "exchange.h"
#include "expect_match.h"

#define STATUS_DIGITS_AT 9 /* behind "HTTP/1.1 " */
#define STATUS_LINE_MIN 12
#define CHUNK_DIGITS_MAX 7
#define LENGTH_DIGITS_MAX 15

enum http_phase {
	HTTP_STATUS,
	HTTP_HEADERS,
	HTTP_BODY, /* so many bytes, or to the end */
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK,
	HTTP_CHUNK_END,
	HTTP_TRAILERS,
};

struct http {
	enum http_phase phase;
	unsigned status;
	bool has_length, is_chunked;
	bool has_header; /* that is asked for, and it matches */
	bool is_judged;  /* the verdict is known, and the words are in the facts */
	enum check_verdict verdict;
	uint64_t left; /* of the body or chunk, where that is known */
	uint32_t head_bytes, body_bytes;
	struct expect_match match; /* of the body, from the window's beginning */
	size_t window_bytes;
	uint8_t window[2 * HTTP_PATTERN_BYTES];
};

static_assert(sizeof(struct http) <= CHECK_STATE_BYTES, "there is room for it");

/* A line or a header's value in the input. */
struct http_text {
	const char *at;
	size_t n;
};

static struct http *state_of(struct check_exchange *x)
{
	return (struct http *)(void *)x->state;
}

/* ---- the question -------------------------------------------------------- */

static enum check_step http_begin(struct check_exchange *x)
{
	const struct http_question *q = x->request->http;
	int n = snprintf((char *)x->out, sizeof(x->out),
			 "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ringmain\r\n"
			 "Accept: */*\r\nConnection: close\r\n\r\n",
			 q->method ? q->method : "GET", q->path ? q->path : "/",
			 q->host ? q->host : "localhost");

	CHECK(n > 0 && (size_t)n < sizeof(x->out));
	x->out_bytes = (size_t)n;
	return CHECK_STEP_MORE;
}

/* ---- the verdict --------------------------------------------------------- */

PRINTF_LIKE(3, 4)
static void judge(struct check_exchange *x, enum check_verdict verdict, const char *format, ...)
{
	struct http *h = state_of(x);
	va_list args;

	CHECK(!h->is_judged);
	h->is_judged = true;
	h->verdict = verdict;
	va_start(args, format);
	vsnprintf(x->facts.words, sizeof(x->facts.words), format, args);
	va_end(args);
}

static enum check_step conclude(struct check_exchange *x)
{
	char words[CHECK_WORDS_BYTES];

	memcpy(words, x->facts.words, sizeof(words));
	return exchange_done(x, state_of(x)->verdict, "%s", words);
}

static void pass(struct check_exchange *x)
{
	judge(x, CHECK_PASSED, "answered %u", state_of(x)->status);
}

static void miss(struct check_exchange *x)
{
	judge(x, CHECK_FAILED, "answered %u, but its body does not match", state_of(x)->status);
}

/* All that there is was read. */
static enum check_step end_answer(struct check_exchange *x)
{
	if (!state_of(x)->is_judged)
		miss(x);
	(void)!conclude(x);
	x->facts.is_complete = true;
	return CHECK_STEP_DONE;
}

/* What comes is not worth reading. */
static enum check_step break_off(struct check_exchange *x, const char *why)
{
	if (!state_of(x)->is_judged)
		judge(x, CHECK_FAILED, "answered with %s", why);
	return conclude(x);
}

/* ---- the answer's head --------------------------------------------------- */

/* Takes a line's text without its end; the line itself stays in the input until it is taken. */
static bool find_line(const struct check_exchange *x, struct http_text *ret_line, size_t *ret_bytes)
{
	const uint8_t *end = memchr(x->in, '\n', x->in_bytes);

	if (!end)
		return false;
	ret_line->at = (const char *)x->in;
	ret_line->n = (size_t)(end - x->in);
	*ret_bytes = ret_line->n + 1;
	if (ret_line->n > 0 && ret_line->at[ret_line->n - 1] == '\r')
		ret_line->n--;
	return true;
}

/* A number of so many digits at most; false on anything else. */
static bool read_digits(const struct http_text *text, size_t digits_max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (text->n == 0 || text->n > digits_max)
		return false;
	for (size_t i = 0; i < text->n; i++) {
		if (text->at[i] < '0' || text->at[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text->at[i] - '0');
	}
	*ret_value = value;
	return true;
}

static bool read_status(const struct http_text *line, unsigned *ret_status)
{
	uint64_t status;

	if (line->n < STATUS_LINE_MIN || memcmp(line->at, "HTTP/1.", 7) != 0 ||
	    line->at[STATUS_DIGITS_AT - 1] != ' ')
		return false;
	if (line->n > STATUS_LINE_MIN && line->at[STATUS_LINE_MIN] != ' ')
		return false;
	if (!read_digits(&(struct http_text){ line->at + STATUS_DIGITS_AT, 3 }, 3, &status))
		return false;
	*ret_status = (unsigned)status;
	return status >= 100;
}

static bool is_wanted(const struct http_question *q, unsigned status)
{
	if (q->statuses_n == 0)
		return status >= 200 && status <= 399;
	for (size_t i = 0; i < q->statuses_n; i++)
		if (status >= q->statuses[i].first && status <= q->statuses[i].last)
			return true;
	return false;
}

/* Of a status that is not wanted. */
static enum check_verdict verdict_of(unsigned status)
{
	switch (status) {
	case 401:
	case 407:
		return CHECK_OWN_FAULT;
	case 503: /* it says itself that it does not serve: believed at once */
		return CHECK_NOT_READY;
	default:
		return CHECK_FAILED;
	}
}

static enum check_step on_status(struct check_exchange *x, const struct http_text *line)
{
	struct http *h = state_of(x);
	struct exchange_quote quote = exchange_quote(line->at, line->n);

	if (!read_status(line, &h->status))
		return exchange_done(x, CHECK_FAILED, "not an answer in HTTP: %s", quote.text);
	if (h->status >= 200 || h->status == 101) {
		quote = exchange_quote(line->at + STATUS_DIGITS_AT, line->n - STATUS_DIGITS_AT);
		if (!is_wanted(x->request->http, h->status))
			judge(x, verdict_of(h->status), "answered %s", quote.text);
	}
	h->phase = HTTP_HEADERS;
	return CHECK_STEP_MORE;
}

static bool is_header(const struct http_text *line, const char *name, struct http_text *ret_value)
{
	const size_t n = strlen(name);

	if (line->n <= n || line->at[n] != ':' || strncasecmp(line->at, name, n) != 0)
		return false;
	*ret_value = (struct http_text){ line->at + n + 1, line->n - n - 1 };
	while (ret_value->n > 0 && (ret_value->at[0] == ' ' || ret_value->at[0] == '\t')) {
		ret_value->at++;
		ret_value->n--;
	}
	while (ret_value->n > 0 &&
	       (ret_value->at[ret_value->n - 1] == ' ' || ret_value->at[ret_value->n - 1] == '\t'))
		ret_value->n--;
	return true;
}

static bool text_matches(const struct http_text *text, const char *pattern)
{
	const struct expect_pattern p = { pattern, strlen(pattern), false };
	struct expect_match match = { 0 };

	return expect_match(&match, &p, (const uint8_t *)text->at, text->n) == PARSE_DONE;
}

static bool ends_in_chunked(const struct http_text *value)
{
	const size_t n = strlen("chunked");

	return value->n >= n && strncasecmp(value->at + value->n - n, "chunked", n) == 0;
}

static enum check_step on_header(struct check_exchange *x, const struct http_text *line)
{
	const struct http_question *q = x->request->http;
	struct http *h = state_of(x);
	struct http_text value;
	uint64_t length;

	if (q->header && is_header(line, q->header, &value))
		h->has_header |= !q->value || text_matches(&value, q->value);
	if (is_header(line, "Transfer-Encoding", &value))
		h->is_chunked = ends_in_chunked(&value);
	if (!is_header(line, "Content-Length", &value))
		return CHECK_STEP_MORE;
	if (!read_digits(&value, LENGTH_DIGITS_MAX, &length) ||
	    (h->has_length && length != h->left))
		return break_off(x, "a bad Content-Length");
	h->has_length = true;
	h->left = length;
	return CHECK_STEP_MORE;
}

static bool has_no_body(const struct check_exchange *x, unsigned status)
{
	const char *method = x->request->http->method;

	return status == 204 || status == 304 || status == 101 ||
	       (method && strcmp(method, "HEAD") == 0);
}

static enum check_step begin_body(struct check_exchange *x)
{
	struct http *h = state_of(x);

	h->phase = h->is_chunked ? HTTP_CHUNK_SIZE : HTTP_BODY;
	if (h->is_chunked || !h->has_length)
		return CHECK_STEP_MORE;
	if (h->is_judged && h->left > HTTP_BODY_BYTES_MAX)
		return conclude(x);
	return h->left == 0 ? end_answer(x) : CHECK_STEP_MORE;
}

static enum check_step on_head_end(struct check_exchange *x)
{
	const struct http_question *q = x->request->http;
	struct http *h = state_of(x);

	if (h->status < 200 && h->status != 101) { /* an interim answer: the real one follows */
		h->phase = HTTP_STATUS;
		h->has_length = h->is_chunked = h->has_header = false;
		return CHECK_STEP_MORE;
	}
	if (!h->is_judged && q->header && !h->has_header)
		judge(x, CHECK_FAILED, "answered %u, but not with the right %s", h->status,
		      q->header);
	if (!h->is_judged && !q->body)
		pass(x);
	if (has_no_body(x, h->status))
		return end_answer(x);
	return begin_body(x);
}

/* ---- its body ------------------------------------------------------------ */

/* The size of a chunk, and perhaps extensions (RFC 9112, 7.1). */
static enum check_step on_chunk_size(struct check_exchange *x, const struct http_text *line)
{
	struct http *h = state_of(x);
	uint64_t size = 0;
	size_t n = 0;

	for (; n < line->n && n < CHUNK_DIGITS_MAX; n++) {
		static const char digits[] = "0123456789abcdef0123456789ABCDEF";
		const char *digit = line->at[n] ? strchr(digits, line->at[n]) : NULL;

		if (!digit)
			break;
		size = size << 4 | (uint64_t)((digit - digits) & 15);
	}
	if (n == 0 || (n < line->n && !strchr("; \t", line->at[n])))
		return break_off(x, "a malformed chunk");
	h->left = size;
	h->phase = size > 0 ? HTTP_CHUNK : HTTP_TRAILERS;
	return CHECK_STEP_MORE;
}

/* Looks at the next bytes of the body; DONE: it matches, BAD: it cannot any more. */
static enum parse look_at_body(const struct http_question *q, struct http *h, const uint8_t *bytes,
			       size_t n)
{
	const struct expect_pattern pattern = { q->body, strlen(q->body), false };
	enum parse result = PARSE_MORE;

	CHECK(pattern.n < HTTP_PATTERN_BYTES);
	while (n > 0 && result == PARSE_MORE) {
		const size_t took = MIN(n, sizeof(h->window) - h->window_bytes);

		memcpy(h->window + h->window_bytes, bytes, took);
		h->window_bytes += took;
		bytes += took;
		n -= took;
		result = expect_match(&h->match, &pattern, h->window, h->window_bytes);
		/* What lies before the place that is looked at is of no use any more. */
		h->window_bytes -= h->match.input_at;
		memmove(h->window, h->window + h->match.input_at, h->window_bytes);
		h->match.input_at = 0;
	}
	return result;
}

static void judge_body(struct check_exchange *x, const uint8_t *bytes, size_t n)
{
	switch (look_at_body(x->request->http, state_of(x), bytes, n)) {
	case PARSE_DONE:
		pass(x);
		break;
	case PARSE_BAD:
		miss(x);
		break;
	default:
		break;
	}
}

static enum check_step on_body(struct check_exchange *x)
{
	struct http *h = state_of(x);
	const bool is_counted = h->phase == HTTP_CHUNK || h->has_length;
	const size_t n = is_counted ? MIN(x->in_bytes, h->left) : x->in_bytes;

	if (!h->is_judged)
		judge_body(x, x->in, n);
	h->body_bytes += (uint32_t)n;
	exchange_take(x, n);
	if (is_counted)
		h->left -= n;
	if (h->body_bytes >= HTTP_BODY_BYTES_MAX) {
		if (!h->is_judged)
			miss(x);
		return conclude(x);
	}
	if (!is_counted || h->left > 0)
		return CHECK_STEP_MORE;
	if (h->phase == HTTP_BODY)
		return end_answer(x);
	h->phase = HTTP_CHUNK_END;
	return CHECK_STEP_MORE;
}

static enum check_step on_line(struct check_exchange *x, const struct http_text *line)
{
	struct http *h = state_of(x);

	switch (h->phase) {
	case HTTP_STATUS:
		return on_status(x, line);
	case HTTP_HEADERS:
		return line->n > 0 ? on_header(x, line) : on_head_end(x);
	case HTTP_CHUNK_SIZE:
		return on_chunk_size(x, line);
	case HTTP_TRAILERS:
		return line->n > 0 ? CHECK_STEP_MORE : end_answer(x);
	default:
		CHECK(h->phase == HTTP_CHUNK_END);
		h->phase = HTTP_CHUNK_SIZE;
		if (line->n > 0)
			return break_off(x, "a malformed chunk");
		return CHECK_STEP_MORE;
	}
}

static enum check_step http_received(struct check_exchange *x)
{
	struct http *h = state_of(x);
	struct http_text line;
	enum check_step step;
	size_t bytes;

	if (h->phase == HTTP_BODY || h->phase == HTTP_CHUNK)
		return on_body(x);
	if (!find_line(x, &line, &bytes))
		return CHECK_STEP_MORE;
	h->head_bytes += (uint32_t)bytes;
	if (h->head_bytes > HTTP_HEAD_BYTES_MAX)
		return break_off(x, "too many headers");
	step = on_line(x, &line);
	exchange_take(x, bytes);
	return step;
}

static enum check_step http_cut_short(struct check_exchange *x)
{
	return state_of(x)->is_judged ? conclude(x) : CHECK_STEP_MORE;
}

static enum check_step http_ended(struct check_exchange *x)
{
	const struct http *h = state_of(x);

	if (h->phase == HTTP_TRAILERS || (h->phase == HTTP_BODY && !h->has_length))
		return end_answer(x);
	return http_cut_short(x);
}

static const char *http_awaited(const struct check_exchange *x)
{
	const struct http *h = (const struct http *)(const void *)x->state;

	return h->phase == HTTP_STATUS    ? "the answer"
	       : h->phase == HTTP_HEADERS ? "the answer's headers"
					  : "the answer's body";
}

const struct check_protocol check_http = {
	.name = "http",
	.begin = http_begin,
	.received = http_received,
	.ended = http_ended,
	.cut_short = http_cut_short,
	.awaited = http_awaited,
};
