/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_PGSQL_H
#define PROTO_PGSQL_H

/*
 * How a PostgreSQL connection begins (PostgreSQL's manual, "Frontend/Backend
 * Protocol", message flow and formats): zero or more requests for encryption,
 * then a start-up packet or a request to cancel; or, since version 17, TLS at
 * once. Nothing behind that is looked at, but for the key that a later cancel
 * request names.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "proto/parse.h"

#define PGSQL_STARTUP_BYTES_MAX 10000 /* as in the server */
#define PGSQL_REQUEST_BYTES 8
#define PGSQL_NAME_BYTES 64        /* with its NUL: NAMEDATALEN; the rest is cut off */
#define PGSQL_SECRET_BYTES_MAX 256 /* protocol 3.2; always 4 in 3.0 */
#define PGSQL_ERROR_BYTES_MAX 512

enum pgsql_kind {
	PGSQL_SSL_REQUEST, /* answer PGSQL_YES and TLS begins, or PGSQL_NO */
	PGSQL_GSS_REQUEST, /* answer PGSQL_NO */
	PGSQL_CANCEL,
	PGSQL_STARTUP,
	PGSQL_TLS, /* not a packet: a ClientHello starts here, see proto/hello.h */
};

enum pgsql_fault {
	PGSQL_FINE,
	PGSQL_NOT_PGSQL, /* the first bytes are of another protocol */
	PGSQL_LENGTH,
	PGSQL_VERSION, /* protocol 2 and older, or unknown */
	PGSQL_PARAMETERS,
	PGSQL_NO_USER,
	PGSQL_EAGER, /* clear bytes behind a request for encryption */
	PGSQL_AGAIN, /* the same request for encryption twice */
	PGSQL_FAULTS
};

#define PGSQL_YES 'S'
#define PGSQL_NO 'N'

/* The key of a session, as the server gave it and a cancel request names it. */
struct pgsql_key {
	uint32_t process;
	uint8_t secret[PGSQL_SECRET_BYTES_MAX];
	size_t secret_bytes;
};

struct pgsql_packet {
	enum pgsql_kind kind;
	enum pgsql_fault fault;
	size_t bytes;          /* of the packet; 0 for PGSQL_TLS */
	struct pgsql_key key;  /* of PGSQL_CANCEL */
	uint16_t major, minor; /* and these of PGSQL_STARTUP */
	char user[PGSQL_NAME_BYTES];
	char database[PGSQL_NAME_BYTES]; /* the user's name when the client gave none */
};

/*
 * Reads the packet at the start of @n bytes, which it borrows. On DONE
 * *ret_packet is set, on BAD its fault, on MORE nothing; MORE never at
 * PGSQL_STARTUP_BYTES_MAX or above. Says nothing about what follows.
 */
MUST_CHECK enum parse pgsql_read(const uint8_t *bytes, size_t n, struct pgsql_packet *ret_packet);

/*
 * The same for a connection that is still in clear, with the rules that span
 * packets: each request for encryption once, and nothing behind one before it
 * is answered (CVE-2021-23222). @asked is 0 at first, and remembers.
 */
MUST_CHECK enum parse pgsql_read_clear(const uint8_t *bytes, size_t n, unsigned *asked,
				       struct pgsql_packet *ret_packet);

/* In words for a log line. */
const char *pgsql_fault_text(enum pgsql_fault fault);

/*
 * Writes an ErrorResponse of severity FATAL into @out; returns its size.
 * @sqlstate has five characters: "28000" refuses who or how, "08P01" is a
 * breach of protocol, "57P03" means not now. A long @text is cut.
 */
size_t pgsql_write_error(uint8_t out[PGSQL_ERROR_BYTES_MAX], const char *sqlstate,
			 const char *text);

/* Writes the request that TLS to a server begins with. The server answers with one byte. */
void pgsql_write_ssl_request(uint8_t out[PGSQL_REQUEST_BYTES]);

/*
 * Watches what a server sends, from its first byte until it is ready for
 * queries, for the key of the session. Zeroed at first; spans of any size.
 */
struct pgsql_watch {
	struct pgsql_key key; /* whole when DONE was answered and has_key is set */
	uint8_t head[5];
	uint8_t head_bytes;
	uint8_t has_key;
	uint8_t has_continued; /* SCRAM has begun, and is not through */
	uint8_t is_unbound;    /* it failed by its channel binding: 28000, not 28P01 */
	char field;            /* that is read of an error; 0: its letter is next */
	char sqlstate[5];
	uint8_t sqlstate_bytes;
	uint32_t auth;   /* the code of an authentication message */
	uint32_t left;   /* of the message's body */
	uint32_t offset; /* in the body */
	uint64_t total;  /* seen, to give up some day */
};

#define PGSQL_WATCH_BYTES_MAX (64u << 10) /* log-in never takes more */

/*
 * DONE: ready for queries, or the key is known, or SCRAM has failed. BAD: no
 * such protocol; stop watching.
 */
MUST_CHECK enum parse pgsql_watch(struct pgsql_watch *watch, const uint8_t *bytes, size_t n);

#endif
