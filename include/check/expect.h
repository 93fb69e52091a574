/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CHECK_EXPECT_H
#define CHECK_EXPECT_H

/*
 * A conversation written down as data: what is sent, and what must come back.
 *
 *	WAIT "^220 *\n"         the answer must match this,
 *	OR   "^220-*\n220 *\n"  or this; then it goes on behind what matched;
 *	ELSE "^421"             or it is over with another verdict
 *	SEND "QUIT\r\n"
 *
 * In a pattern ? stands for any byte and * for any number of them, as few as
 * will do; a backslash takes the meaning from what follows it. With ^ in
 * front it must match at once, else anywhere in what is still to come. Of a
 * group the one whose match ends first counts, of several the first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/check_facts.h"

#define EXPECT_ALTERNATIVES_MAX 8 /* in one group: a WAIT with its ORs and ELSEs */
#define EXPECT_SEND_BYTES_MAX 1024

enum expect_kind { EXPECT_SEND, EXPECT_WAIT, EXPECT_OR, EXPECT_ELSE };

struct expect_step {
	enum expect_kind kind;
	const char *bytes; /* not a C string: NULs are allowed */
	size_t n;
	bool is_literal;            /* no pattern: these very bytes, anywhere */
	enum check_verdict verdict; /* of ELSE */
	const char *words;          /* of WAIT: what is awaited; of ELSE: what it means */
};

struct expect_script {
	const char *name;
	const struct expect_step *steps;
	size_t steps_n;
};

/* A script that comes with ringmain: smtp, imap, ssh, mqtt, ldap, amqp; NULL: no such one. */
const struct expect_script *expect_preset(const char *name);

/* The @n-th, or NULL behind the last. */
const struct expect_script *expect_preset_at(size_t n);

#endif
