/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "records/input.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void input_finish(struct input *i)
{
	if (i->second)
		second_hello_finish(i->second);
	free(i->second);
	i->second = NULL;
}

bool input_await_second_hello(struct input *i, uint16_t group)
{
	if (!i->second)
		i->second = calloc(1, sizeof(*i->second));
	i->lacks_memory |= !i->second;
	if (!i->second)
		return false;
	i->second->is_awaited = true;
	i->second->has_early_data = i->has_early_data;
	i->second->group = group;
	if (i->is_first_span && !second_hello_keep_first(i->second, i->span, i->span_bytes))
		i->lacks_memory = true;
	return !i->lacks_memory;
}

void input_give(struct input *i, const void *bytes, size_t n, uint64_t now_ms)
{
	CHECK(i->left == 0);
	i->is_first_span = !i->span;
	i->span = bytes;
	i->span_bytes = n;
	i->at = bytes;
	i->left = n;
	i->now_ms = now_ms;
}

void input_establish(struct input *i, bool is_tls13)
{
	input_finish(i);
	record_filter_establish(&i->filter, is_tls13);
	i->records = 0;
}

/* Up to the next end of a header or body; false: this record must not come here. */
static bool pass_some(struct input *i, const uint8_t *bytes, size_t *at, size_t n)
{
	enum tlsrec_passed passed;

	*at += tlsrec_walk(&i->record, bytes + *at, n - *at, &passed);
	if (passed == TLSREC_RECORD)
		i->records++;
	if (passed != TLSREC_HEADER)
		return true;
	i->has_handshake |= i->record.header[0] == TLSREC_HANDSHAKE;
	i->fault = record_filter_judge(&i->filter, i->record.header, i->now_ms);
	if (i->fault == RECORD_FINE && i->filter.established)
		i->fault = record_filter_count(&i->filter, i->records - i->data_records, i->now_ms);
	return i->fault == RECORD_FINE;
}

static bool is_within_record(const struct input *i)
{
	return tlsrec_is_in_body(&i->record) ||
	       (i->record.header_bytes > 0 && i->record.header_bytes < TLSREC_HEADER_BYTES);
}

/* False: there is nothing for the library now. */
static bool look_for_second_hello(struct input *i)
{
	enum second_hello_answer answer;
	size_t at = 0;

	if (is_within_record(i))
		return true;
	answer = second_hello_look(i->second, i->at, i->left, &at);
	i->at += at;
	i->left -= at;
	if (answer == SECOND_HELLO_BAD_RECORD)
		i->fault = i->second->record_fault;
	else if (answer == SECOND_HELLO_NO_MEMORY)
		i->lacks_memory = true;
	return answer == SECOND_HELLO_PASS;
}

/* What was held back comes first. */
static const uint8_t *next_bytes(const struct input *i, size_t *ret_n)
{
	const struct second_hello *second = i->second;
	size_t held = second ? second->held_n - second->held_taken : 0;

	*ret_n = held > 0 ? held : i->left;
	return held > 0 ? second->held + second->held_taken : i->at;
}

static void take_bytes(struct input *i, size_t n)
{
	if (i->second && i->second->held_n > 0) {
		i->second->held_taken += n;
		if (i->second->held_taken == i->second->held_n)
			second_hello_finish(i->second);
		return;
	}
	i->at += n;
	i->left -= n;
}

static bool is_at_alert(const struct input *i, uint8_t next)
{
	return i->keeps_alerts && i->has_handshake && !is_within_record(i) && next == TLSREC_ALERT;
}

/* One byte more of its record. */
static void keep_byte(struct input *i, const uint8_t *byte)
{
	size_t at = 0;

	if (tlsrec_is_in_body(&i->record))
		i->alert[sizeof(i->alert) - i->record.left] = *byte;
	if (!pass_some(i, byte, &at, 1))
		return;
	take_bytes(i, 1);
	if (i->record.header_bytes < TLSREC_HEADER_BYTES)
		return;
	if (tlsrec_body_bytes(&i->record) != sizeof(i->alert))
		i->fault = RECORD_ALERTS;
	i->has_alert = i->record.left == 0;
}

/* Does an alert come that is not for the library? It is kept as far as it came. */
static bool keep_alert(struct input *i)
{
	const uint8_t *byte;
	size_t have;

	while (i->fault == RECORD_FINE && !i->has_alert) {
		byte = next_bytes(i, &have);
		if (have == 0)
			break;
		if (!i->is_in_alert && !is_at_alert(i, *byte))
			return false;
		i->is_in_alert = true;
		keep_byte(i, byte);
	}
	return i->is_in_alert;
}

size_t input_read(struct input *i, void *out, size_t n)
{
	const uint8_t *bytes;
	size_t have, at = 0;

	if (i->second && i->second->is_awaited && !look_for_second_hello(i))
		return 0;
	if (keep_alert(i))
		return 0;
	bytes = next_bytes(i, &have);
	n = MIN(n, have);
	while (at < n && i->fault == RECORD_FINE) {
		if (!pass_some(i, bytes, &at, n))
			return 0;
	}
	if (n == 0 || i->fault != RECORD_FINE)
		return 0;
	memcpy(out, bytes, n);
	take_bytes(i, n);
	return n;
}
