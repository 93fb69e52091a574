/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RECORDS_INPUT_H
#define RECORDS_INPUT_H

/*
 * Between the ciphertext that a stream is given and the library, which reads
 * from here: records are walked, counted and filtered as the library comes to
 * them, and a second ClientHello is held back until it has been read. For
 * tls/stream.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "proto/record_filter.h"
#include "proto/tlsrec.h"
#include "records/second_hello.h"

/* Zeroed at first. */
struct input {
	const uint8_t *span; /* that was given, borrowed; NULL: none yet */
	size_t span_bytes;
	bool is_first_span;
	const uint8_t *at; /* what is left of it */
	size_t left;
	uint64_t now_ms; /* when it came */
	struct tlsrec record;
	struct record_filter filter;
	enum record_fault fault; /* RECORD_FINE: nothing was refused */
	uint64_t records;        /* whole ones, since the handshake */
	uint64_t data_records;   /* of them, those that had data; whoever decrypts counts them */
	struct second_hello *second; /* ours; NULL: none is awaited */
	bool has_early_data;         /* the first hello said that they follow it */
	bool has_handshake;          /* a record of the peer's has come that belongs to one */
	bool keeps_alerts;           /* those in clear are not for the library */
	bool is_in_alert;            /* one has begun; nothing follows it */
	bool has_alert;              /* it has come whole */
	uint8_t alert[2];            /* its level and type */
	bool lacks_memory;
};

void input_finish(struct input *i);
void input_give(struct input *i, const void *bytes, size_t n, uint64_t now_ms);
/*
 * A HelloRetryRequest for this group (0: any) is sent, in answer to the hello
 * in the span. False: lacks_memory.
 */
MUST_CHECK bool input_await_second_hello(struct input *i, uint16_t group);
/* The handshake is over. */
void input_establish(struct input *i, bool is_tls13);

/*
 * Gives the library up to @n of the next bytes. 0: there are none now, or none
 * that may come: see fault, second.fault, has_alert and lacks_memory.
 */
MUST_CHECK size_t input_read(struct input *i, void *out, size_t n);

#endif
