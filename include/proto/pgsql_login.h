/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_PGSQL_LOGIN_H
#define PROTO_PGSQL_LOGIN_H

/*
 * What a PostgreSQL server answers to a start-up packet (PostgreSQL's manual,
 * "Message Formats" and "SASL Authentication"): an error, or how the client is
 * to show who it is.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "proto/parse.h"
#include "proto/refusal.h"

#define PGSQL_SQLSTATE_BYTES 6             /* with its NUL */
#define PGSQL_CANNOT_CONNECT_NOW "57P03"   /* starting up, shutting down, recovering */
#define PGSQL_TOO_MANY_CONNECTIONS "53300" /* of the server, a database, or a role */

/*
 * The @n bytes that a server says first, which it borrows. DONE: its answer is
 * an ErrorResponse, which has come whole; its SQLSTATE is in ret_sqlstate, ""
 * where it has none. Messages that can come before it are passed over. BAD: it
 * is something else.
 */
MUST_CHECK enum parse pgsql_read_error(const uint8_t *bytes, size_t n,
				       char ret_sqlstate[PGSQL_SQLSTATE_BYTES]);

/*
 * What an error of this SQLSTATE means, where it is the answer to a start-up packet; it lives for
 * ever. NULL: nothing against the server, such as that the password is wrong (28P01) or that there
 * is no such database.
 */
const struct refusal *pgsql_refusal_of(const char *sqlstate);

/*
 * Takes SCRAM-SHA-256-PLUS out of the mechanisms that AuthenticationSASL
 * offers, if it offers others, for it wants the client to be in TLS: *n bytes
 * are changed in place, and may become fewer. Messages that can come before it
 * are passed over. MORE: it has not come whole. BAD: there is nothing to edit.
 */
MUST_CHECK enum parse pgsql_edit_sasl(uint8_t *bytes, size_t *n);

/*
 * Of @n bytes, those of messages that can come before an answer: the client
 * may have them before that is there. *left is what has not come yet of the
 * last of them, 0 at first.
 */
size_t pgsql_pass_before_answer(const uint8_t *bytes, size_t n, uint32_t *left);

#endif
