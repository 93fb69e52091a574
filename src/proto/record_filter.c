/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/record_filter.h"

#include "base/check.h"

#include <assert.h>

/* What protection may add: RFC 5246, 6.2.3. */
#define TLS12_EXPANSION_MAX 2048

/* An AEAD tag, and the byte of TLS 1.3 that says what is inside; in TLS 1.2 nothing need be. */
#define TLS13_SEALED_BYTES_MIN 17
#define TLS12_SEALED_BYTES_MIN 16
#define ALERT_BYTES 2

void record_filter_establish(struct record_filter *f, bool tls13)
{
	f->established = true;
	f->tls13 = tls13;
}

static size_t body_bytes_max(const struct record_filter *f)
{
	bool tls13 = f->established && f->tls13;

	return tls13 ? TLSREC_SEALED_BYTES_MAX : TLSREC_PLAIN_BYTES_MAX + TLS12_EXPANSION_MAX;
}

/*
 * Once keys are there, TLS 1.3 sends everything as application data (RFC 8446,
 * 5 and D.4). TLS 1.2 may still ask for another handshake, which the library
 * declines.
 */
static bool type_is_allowed(const struct record_filter *f, uint8_t type)
{
	switch (type) {
	case TLSREC_APPLICATION_DATA:
		return true;
	case TLSREC_HANDSHAKE:
	case TLSREC_ALERT:
		return !(f->established && f->tls13);
	case TLSREC_CHANGE_CIPHER_SPEC:
		return !f->established;
	default:
		return false;
	}
}

static size_t body_bytes_min(const struct record_filter *f, uint8_t type)
{
	if (f->established && !f->tls13)
		return TLS12_SEALED_BYTES_MIN;
	if (f->established || type == TLSREC_APPLICATION_DATA)
		return TLS13_SEALED_BYTES_MIN;
	/* Alerts alone must not be cut (RFC 8446, 5.1). */
	return type == TLSREC_ALERT ? ALERT_BYTES : 1;
}

static enum record_fault size_fault(const struct record_filter *f, const uint8_t *header)
{
	size_t n = tlsrec_length_in(header);

	if (n == 0)
		return RECORD_EMPTY;
	if (n > body_bytes_max(f))
		return RECORD_LENGTH;
	if (header[0] == TLSREC_CHANGE_CIPHER_SPEC && n != 1)
		return RECORD_CHANGE_CIPHER;
	return n < body_bytes_min(f, header[0]) ? RECORD_SHORT : RECORD_FINE;
}

/* A handshake may cut its messages small. */
static bool is_control(const struct record_filter *f, uint8_t type)
{
	return !f->established && type != TLSREC_APPLICATION_DATA && type != TLSREC_HANDSHAKE;
}

static bool window_is_over(const struct record_filter *f, uint64_t now_ms)
{
	return now_ms - f->window_ms >= 1000;
}

static enum record_fault count(struct record_filter *f, uint64_t n, uint64_t now_ms)
{
	if (window_is_over(f, now_ms)) {
		f->window_ms = now_ms;
		f->control_n = 0;
	}
	if (n > (uint64_t)(RECORD_FILTER_CONTROL_PER_S_MAX - f->control_n))
		return RECORD_FLOOD;
	f->control_n += (uint16_t)n;
	return RECORD_FINE;
}

enum record_fault record_filter_judge(struct record_filter *f,
				      const uint8_t header[TLSREC_HEADER_BYTES], uint64_t now_ms)
{
	enum record_fault fault;

	if (!type_is_allowed(f, header[0]))
		return RECORD_TYPE;
	if (header[1] != 3)
		return RECORD_VERSION;
	fault = size_fault(f, header);
	if (fault != RECORD_FINE)
		return fault;
	return is_control(f, header[0]) ? count(f, 1, now_ms) : RECORD_FINE;
}

enum record_fault record_filter_count(struct record_filter *f, uint64_t control_total,
				      uint64_t now_ms)
{
	uint32_t fresh = (uint32_t)control_total - f->control_seen;

	if (fresh == 0)
		return RECORD_FINE;
	f->control_seen = (uint32_t)control_total;
	return count(f, fresh, now_ms);
}

static const struct {
	const char *text;
	enum tlsrec_alert alert;
} faults[] = {
	[RECORD_FINE] = { "nothing wrong", TLSREC_INTERNAL_ERROR },
	[RECORD_TYPE] = { "TLS record of a type that cannot come here", TLSREC_UNEXPECTED_MESSAGE },
	[RECORD_VERSION] = { "unknown major version in a TLS record", TLSREC_PROTOCOL_VERSION },
	[RECORD_EMPTY] = { "empty TLS record", TLSREC_UNEXPECTED_MESSAGE },
	[RECORD_LENGTH] = { "TLS record longer than allowed", TLSREC_RECORD_OVERFLOW },
	[RECORD_SHORT] = { "TLS record too short to be one", TLSREC_DECODE_ERROR },
	/* RFC 8446, 5 and 5.1 */
	[RECORD_CHANGE_CIPHER] = { "malformed ChangeCipherSpec", TLSREC_UNEXPECTED_MESSAGE },
	[RECORD_ALERTS] = { "an alert that is not alone in its record", TLSREC_UNEXPECTED_MESSAGE },
	[RECORD_FLOOD] = { "too many TLS records without data", TLSREC_UNEXPECTED_MESSAGE },
};

static_assert(ARRAY_LEN(faults) == RECORD_FAULTS, "every fault needs a row");

const char *record_fault_text(enum record_fault fault)
{
	CHECK((size_t)fault < ARRAY_LEN(faults));
	return faults[fault].text;
}

enum tlsrec_alert record_fault_alert(enum record_fault fault)
{
	CHECK((size_t)fault < ARRAY_LEN(faults));
	return faults[fault].alert;
}
