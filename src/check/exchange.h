/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CHECK_EXCHANGE_H
#define CHECK_EXCHANGE_H

/* What the protocols of this floor have in common. */

#include "base/check.h"
#include "check/check_protocol.h"

/* It is over: what was found out, and why in words. Gives CHECK_STEP_DONE. */
PRINTF_LIKE(3, 4)
enum check_step exchange_done(struct check_exchange *x, enum check_verdict verdict,
			      const char *format, ...);

/* Sets the words alone: it goes on. */
PRINTF_LIKE(2, 3) void exchange_say(struct check_exchange *x, const char *format, ...);

/* Appends to what is sent; it fits, by the bounds on what is asked. */
void exchange_send(struct check_exchange *x, const void *bytes, size_t n);
void exchange_send_byte(struct check_exchange *x, uint8_t byte);

/*
 * Takes @n bytes off the beginning of the input; those of them that have not
 * come yet are left out when they come.
 */
void exchange_take(struct check_exchange *x, size_t n);

/*
 * Is a message of @n bytes, which begins the input, there? One that is longer
 * than the input has room for is, as soon as that is full: *ret_n is how much of it
 * there is.
 */
MUST_CHECK bool exchange_has(const struct check_exchange *x, size_t n, size_t *ret_n);

/* May a password leave as it is? Only inside verified TLS, or over a unix socket. */
MUST_CHECK bool exchange_may_send_password(const struct check_exchange *x);

/* The server asks for that where it may not be. Gives CHECK_STEP_DONE. */
enum check_step exchange_keep_password(struct check_exchange *x);

/* Words of a server, cut to fit, on one line; for "%s". */
struct exchange_quote {
	char text[CHECK_WORDS_BYTES];
};
struct exchange_quote exchange_quote(const void *bytes, size_t n);

#endif
