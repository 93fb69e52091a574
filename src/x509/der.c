/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "x509/der.h"

#include <stddef.h>
#include <string.h>

bool der_take(struct der *from, uint8_t *ret_tag, struct der *ret_value)
{
	size_t left = (size_t)(from->end - from->at), head = 2, n;

	if (left < head)
		return false;
	n = from->at[1];
	if (n > 0x80 && n <= 0x83) { /* so many bytes of length follow */
		head += n - 0x80;
		if (left < head)
			return false;
		n = 0;
		for (size_t i = 2; i < head; i++)
			n = n << 8 | from->at[i];
	} else if (n >= 0x80) {
		return false;
	}
	if (n > left - head)
		return false;
	*ret_tag = from->at[0];
	*ret_value = (struct der){ from->at + head, from->at + head + n };
	from->at = ret_value->end;
	return true;
}

bool der_enter(struct der *from, uint8_t tag, struct der *ret_value)
{
	struct der rest = *from, value;
	uint8_t is;

	if (!der_take(&rest, &is, &value) || is != tag)
		return false;
	*from = rest;
	*ret_value = value;
	return true;
}

bool der_is(const struct der *value, const void *bytes, size_t n)
{
	return (size_t)(value->end - value->at) == n && memcmp(value->at, bytes, n) == 0;
}

/* Two digits; -1 when they are none. */
static int read_two(const uint8_t *text)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return -1;
	return 10 * (text[0] - '0') + text[1] - '0';
}

/* "YYMMDDhhmmssZ" or "YYYYMMDDhhmmssZ". */
time_t der_time(struct der from)
{
	enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, PARTS };
	struct der text;
	int century, part[PARTS];
	size_t century_bytes;
	struct tm tm;
	uint8_t tag;

	if (!der_take(&from, &tag, &text) || (tag != DER_UTC_TIME && tag != DER_GENERAL_TIME))
		return 0;
	century_bytes = tag == DER_UTC_TIME ? 0 : 2;
	if ((size_t)(text.end - text.at) != century_bytes + 2 * PARTS + 1)
		return 0;
	for (size_t i = 0; i < PARTS; i++) {
		part[i] = read_two(text.at + century_bytes + 2 * i);
		if (part[i] < 0)
			return 0;
	}
	century = tag == DER_UTC_TIME ? (part[YEAR] < 50 ? 20 : 19) : read_two(text.at);
	tm = (struct tm){ .tm_year = 100 * (century - 19) + part[YEAR],
			  .tm_mon = part[MONTH] - 1,
			  .tm_mday = part[DAY],
			  .tm_hour = part[HOUR],
			  .tm_min = part[MINUTE],
			  .tm_sec = part[SECOND] };
	return timegm(&tm);
}
