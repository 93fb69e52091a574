/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/hello_fault.h"

#include "base/check.h"
#include "base/def.h"
#include "proto/tlsrec.h"

#include <assert.h>
#include <stddef.h>

/* With the alert; 0 where the peer would not understand one. */
static const struct {
	const char *text;
	uint8_t alert;
} faults[] = {
	[HELLO_FINE] = { "nothing wrong", 0 },
	[HELLO_NOT_TLS] = { "not TLS", 0 },
	[HELLO_HTTP] = { "HTTP on a TLS port", 0 },
	[HELLO_SSL2] = { "SSL 2 or not TLS", TLSREC_PROTOCOL_VERSION },
	[HELLO_NOT_HELLO] = { "TLS does not begin with a ClientHello", TLSREC_UNEXPECTED_MESSAGE },
	[HELLO_RECORD_VERSION] = { "unknown major version of TLS", TLSREC_PROTOCOL_VERSION },
	[HELLO_RECORD_EMPTY] = { "empty TLS record", TLSREC_UNEXPECTED_MESSAGE },
	[HELLO_RECORD_LENGTH] = { "TLS record of more than 16384 bytes", TLSREC_RECORD_OVERFLOW },
	[HELLO_RECORDS] = { "ClientHello in more than " TEXT_OF(HELLO_RECORDS_MAX) " records",
			    TLSREC_UNEXPECTED_MESSAGE },
	[HELLO_TOO_LONG] = { "ClientHello of more than 16 kB", TLSREC_DECODE_ERROR },
	[HELLO_TRAILING] = { "bytes behind the ClientHello in its record",
			     TLSREC_UNEXPECTED_MESSAGE },
	[HELLO_LENGTHS] = { "lengths in the ClientHello do not add up", TLSREC_DECODE_ERROR },
	[HELLO_SESSION_ID] = { "session id of more than 32 bytes", TLSREC_DECODE_ERROR },
	[HELLO_COMPRESSION] = { "client insists on compression", TLSREC_ILLEGAL_PARAMETER },
	[HELLO_EXTENSIONS] = { "more than " TEXT_OF(HELLO_EXTS_MAX) " extensions in the hello",
			       TLSREC_DECODE_ERROR },
	[HELLO_EXTENSION_TWICE] = { "an extension stands twice in the ClientHello",
				    TLSREC_ILLEGAL_PARAMETER },
	[HELLO_NAME] = { "malformed server name (SNI)", TLSREC_ILLEGAL_PARAMETER },
	[HELLO_ALPN] = { "malformed ALPN list", TLSREC_DECODE_ERROR },
	[HELLO_SHARES] = { "more than " TEXT_OF(HELLO_SHARES_MAX) " key shares",
			   TLSREC_ILLEGAL_PARAMETER },
	[HELLO_SHARE_TWICE] = { "two key shares for one group", TLSREC_ILLEGAL_PARAMETER },
	[HELLO_FRAGMENT_LENGTH] = { "max_fragment_length is none that there is",
				    TLSREC_ILLEGAL_PARAMETER },
	[HELLO_RENEGOTIATION] = { "renegotiation of a handshake that was none",
				  TLSREC_HANDSHAKE_FAILURE },
	[HELLO_POINT_FORMATS] = { "client takes no uncompressed points", TLSREC_ILLEGAL_PARAMETER },
	[HELLO_PSK_NOT_LAST] = { "pre_shared_key is not the last extension",
				 TLSREC_ILLEGAL_PARAMETER },
	[HELLO_LACKS_EXTENSION] = { "a required extension is missing", TLSREC_MISSING_EXTENSION },
	[HELLO_EARLY_DATA_AGAIN] = { "early data in the second ClientHello",
				     TLSREC_ILLEGAL_PARAMETER },
	[HELLO_OTHER_SHARE] = { "the second ClientHello has not the key share that was asked for",
				TLSREC_ILLEGAL_PARAMETER },
	[HELLO_CHANGED] = { "the second ClientHello does not say what the first said",
			    TLSREC_ILLEGAL_PARAMETER },
};

static_assert(ARRAY_LEN(faults) == HELLO_FAULTS, "every fault needs a row");

const char *hello_fault_text(enum hello_fault fault)
{
	CHECK((size_t)fault < ARRAY_LEN(faults));
	return faults[fault].text;
}

uint8_t hello_fault_alert(enum hello_fault fault)
{
	CHECK((size_t)fault < ARRAY_LEN(faults));
	return faults[fault].alert;
}
