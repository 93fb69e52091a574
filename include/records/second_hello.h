/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RECORDS_SECOND_HELLO_H
#define RECORDS_SECOND_HELLO_H

/*
 * A client's answer to a HelloRetryRequest (RFC 8446, 4.1.4): its second
 * ClientHello is read as strictly as the first before the library sees it,
 * and compared with that one; early data that were sent before it are dropped
 * (4.2.10).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "proto/hello.h"
#include "proto/record_filter.h"
#include "proto/tlsrec.h"

/* Early data of tickets that others gave out; usually they allow 16 kB. */
#define EARLY_DATA_BYTES_MAX 65536

enum second_hello_answer {
	SECOND_HELLO_MORE,       /* all input was taken, and more is needed */
	SECOND_HELLO_PASS,       /* what comes next is for the library: input, or what was held */
	SECOND_HELLO_BAD,        /* see fault */
	SECOND_HELLO_BAD_RECORD, /* among early data: see record_fault */
	SECOND_HELLO_NO_MEMORY,
};

/* Zeroed at first. */
struct second_hello {
	bool is_awaited;     /* a HelloRetryRequest was sent */
	bool has_early_data; /* the first hello said that they follow it */
	bool first_has_psk;
	uint16_t group;     /* that was asked for; 0: any */
	uint8_t *constants; /* of the first hello, ours; NULL: not known */
	size_t constants_n;
	enum hello_fault fault;
	enum record_fault record_fault;
	struct tlsrec dropped; /* of early data, the record that is passing */
	bool is_dropping;
	size_t early_bytes;
	uint8_t *held; /* the hello, and what came with it, as far as it came */
	size_t held_n, held_taken;
};

void second_hello_finish(struct second_hello *h);

/*
 * Keeps what must not change of the first hello, with which these bytes begin;
 * of other bytes nothing. False: no memory.
 */
MUST_CHECK bool second_hello_keep_first(struct second_hello *h, const uint8_t *bytes, size_t n);

/*
 * Looks at input that stands at the beginning of a record, while a second
 * hello is awaited. Moves *at on over what it takes of @n bytes.
 */
MUST_CHECK enum second_hello_answer second_hello_look(struct second_hello *h, const uint8_t *bytes,
						      size_t n, size_t *at);

#endif
