/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/tlsrec.h"

#include "base/check.h"

#include <assert.h>
#include <string.h>

enum record_type { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, APPLICATION_DATA = 23 };

/* What protection may add: RFC 8446, 5.2; RFC 5246, 6.2.3. */
#define TLS13_EXPANSION_MAX 256
#define TLS12_EXPANSION_MAX 2048

/* An AEAD tag and one byte: of inner type in TLS 1.3, of data in TLS 1.2. */
#define SEALED_BYTES_MIN 17
#define ALERT_BYTES 2

void tlsrec_init(struct tlsrec *t)
{
	*t = (struct tlsrec){ 0 };
}

void tlsrec_establish(struct tlsrec *t, bool tls13)
{
	t->established = true;
	t->tls13 = tls13;
}

static size_t body_bytes(const struct tlsrec *t)
{
	return (size_t)t->header[3] << 8 | t->header[4];
}

static size_t body_bytes_max(const struct tlsrec *t)
{
	bool tls13 = t->established && t->tls13;

	return TLSREC_PLAIN_BYTES_MAX + (tls13 ? TLS13_EXPANSION_MAX : TLS12_EXPANSION_MAX);
}

/*
 * Once keys are there, TLS 1.3 sends everything as application data (RFC 8446,
 * 5 and D.4). TLS 1.2 may still ask for another handshake, which the library
 * declines.
 */
static bool type_is_allowed(const struct tlsrec *t)
{
	switch (t->header[0]) {
	case APPLICATION_DATA:
		return true;
	case HANDSHAKE:
	case ALERT:
		return !(t->established && t->tls13);
	case CHANGE_CIPHER_SPEC:
		return !t->established;
	default:
		return false;
	}
}

static bool is_too_short(const struct tlsrec *t)
{
	size_t n = body_bytes(t);

	switch (t->header[0]) {
	case APPLICATION_DATA:
		return n < SEALED_BYTES_MIN;
	case CHANGE_CIPHER_SPEC:
		return n != 1;
	default:
		return t->established ? n < SEALED_BYTES_MIN : n < ALERT_BYTES;
	}
}

/* Of these a running stream has next to none; a handshake may cut its messages small. */
static bool is_control(const struct tlsrec *t)
{
	return t->header[0] != APPLICATION_DATA && (t->established || t->header[0] != HANDSHAKE);
}

static bool window_is_over(const struct tlsrec *t, uint64_t now_ms)
{
	return now_ms - t->window_ms >= 1000;
}

static enum tlsrec_fault count(struct tlsrec *t, uint64_t n, uint64_t now_ms)
{
	if (window_is_over(t, now_ms)) {
		t->window_ms = now_ms;
		t->control_n = 0;
	}
	if (n > (uint64_t)(TLSREC_CONTROL_PER_S_MAX - t->control_n))
		return TLSREC_FLOOD;
	t->control_n += (uint16_t)n;
	return TLSREC_FINE;
}

static enum tlsrec_fault judge_header(struct tlsrec *t, uint64_t now_ms)
{
	if (!type_is_allowed(t))
		return TLSREC_TYPE;
	if (t->header[1] != 3)
		return TLSREC_VERSION;
	if (body_bytes(t) == 0)
		return TLSREC_EMPTY;
	if (body_bytes(t) > body_bytes_max(t))
		return TLSREC_LENGTH;
	if (is_too_short(t))
		return TLSREC_SHORT;
	return is_control(t) ? count(t, 1, now_ms) : TLSREC_FINE;
}

enum tlsrec_fault tlsrec_pass(struct tlsrec *t, const uint8_t *bytes, size_t n, uint64_t now_ms)
{
	while (n > 0) {
		size_t took;

		if (t->left > 0) {
			took = MIN(n, t->left);
			t->left -= (uint16_t)took;
		} else {
			took = MIN(n, (size_t)(TLSREC_HEADER_BYTES - t->header_bytes));
			memcpy(t->header + t->header_bytes, bytes, took);
			t->header_bytes += (uint8_t)took;
		}
		bytes += took;
		n -= took;
		if (t->header_bytes == TLSREC_HEADER_BYTES) {
			enum tlsrec_fault fault = judge_header(t, now_ms);

			if (fault != TLSREC_FINE)
				return fault;
			t->left = (uint16_t)body_bytes(t);
			t->header_bytes = 0;
		}
	}
	return TLSREC_FINE;
}

enum tlsrec_fault tlsrec_count_control(struct tlsrec *t, uint64_t total, uint64_t now_ms)
{
	uint32_t fresh = (uint32_t)total - t->control_seen;

	if (fresh == 0)
		return TLSREC_FINE;
	t->control_seen = (uint32_t)total;
	return count(t, fresh, now_ms);
}

static const struct {
	const char *text;
	enum tlsrec_alert alert;
} faults[] = {
	[TLSREC_FINE] = { "nothing wrong", TLSREC_INTERNAL_ERROR },
	[TLSREC_TYPE] = { "TLS record of a type that cannot come here", TLSREC_UNEXPECTED_MESSAGE },
	[TLSREC_VERSION] = { "unknown major version in a TLS record", TLSREC_PROTOCOL_VERSION },
	[TLSREC_EMPTY] = { "empty TLS record", TLSREC_UNEXPECTED_MESSAGE },
	[TLSREC_LENGTH] = { "TLS record longer than allowed", TLSREC_RECORD_OVERFLOW },
	[TLSREC_SHORT] = { "TLS record too short to be one", TLSREC_DECODE_ERROR },
	[TLSREC_FLOOD] = { "too many TLS records without data", TLSREC_UNEXPECTED_MESSAGE },
};

static_assert(ARRAY_LEN(faults) == TLSREC_FAULTS, "every fault needs a row");

const char *tlsrec_fault_text(enum tlsrec_fault fault)
{
	CHECK((size_t)fault < ARRAY_LEN(faults));
	return faults[fault].text;
}

enum tlsrec_alert tlsrec_fault_alert(enum tlsrec_fault fault)
{
	CHECK((size_t)fault < ARRAY_LEN(faults));
	return faults[fault].alert;
}

void tlsrec_write_alert(uint8_t out[TLSREC_ALERT_BYTES], uint8_t alert)
{
	const uint8_t record[TLSREC_ALERT_BYTES] = { ALERT, 3, 3, 0, 2, 2 /* fatal */, alert };

	memcpy(out, record, sizeof(record));
}
