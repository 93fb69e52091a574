/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_RECORD_FILTER_H
#define PROTO_RECORD_FILTER_H

/*
 * What stands between a peer's TLS records and the TLS library: refuses what
 * no correct peer sends, by the header of each record, and a flood of records
 * without data. The ClientHello has a stricter reader of its own in
 * proto/hello.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "proto/tlsrec.h"

/* Records that carry none of the application's bytes: an ordinary stream has a few in all. */
#define RECORD_FILTER_CONTROL_PER_S_MAX 32

enum record_fault {
	RECORD_FINE,
	RECORD_TYPE,
	RECORD_VERSION,
	RECORD_EMPTY,
	RECORD_LENGTH,
	RECORD_SHORT,
	RECORD_CHANGE_CIPHER,
	RECORD_ALERTS,
	RECORD_FLOOD,
	RECORD_FAULTS
};

/* Of one direction of a stream. Zeroed: its handshake begins. */
struct record_filter {
	bool established; /* application data flows: everything is encrypted */
	bool tls13;
	uint16_t control_n;    /* in the second that began at window_ms */
	uint32_t control_seen; /* the last total, modulo 2^32 */
	uint64_t window_ms;
};

/* From the handshake's end on the rules are tighter. */
void record_filter_establish(struct record_filter *f, bool tls13);

/*
 * May this record come now, at @now_ms of a clock that does not jump? After
 * any answer but RECORD_FINE the stream is over.
 */
MUST_CHECK enum record_fault record_filter_judge(struct record_filter *f,
						 const uint8_t header[TLSREC_HEADER_BYTES],
						 uint64_t now_ms);

/*
 * From the handshake's end on only who decrypts knows what a record was (a
 * KeyUpdate, an empty one): tell the total of those without application bytes
 * so far. RECORD_FLOOD or RECORD_FINE.
 */
MUST_CHECK enum record_fault record_filter_count(struct record_filter *f, uint64_t control_total,
						 uint64_t now_ms);

/* In words for a log line. */
const char *record_fault_text(enum record_fault fault);
enum tlsrec_alert record_fault_alert(enum record_fault fault);

#endif
