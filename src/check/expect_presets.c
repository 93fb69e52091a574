/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Scripts for protocols in which a few bytes tell whether a server is healthy,
 * each with the goodbye after which the server does not complain in its log.
 */

#include <string.h>

#include "base/def.h"
#include "check/expect.h"

/* A literal with its size, without the zero that C adds. */
#define BYTES(text) .bytes = (text), .n = sizeof(text) - 1

/* RFC 5321, 3.1 and 4.2: a greeting may have several lines; nobody speaks before its end. */
static const struct expect_step smtp[] = {
	{ EXPECT_WAIT, BYTES("^220 *\n"), .words = "the greeting" },
	{ EXPECT_OR, BYTES("^220\r\n") },
	{ EXPECT_OR, BYTES("^220-*\n220 *\n") },
	{ EXPECT_ELSE, BYTES("^421*\n"), .verdict = CHECK_NOT_READY, .words = "does not serve" },
	{ EXPECT_ELSE, BYTES("^5*\n"), .verdict = CHECK_OWN_FAULT, .words = "refuses us" },
	{ EXPECT_SEND, BYTES("QUIT\r\n") },
	{ EXPECT_WAIT, BYTES("^221"), .words = "the answer to QUIT" },
};

/* RFC 9051, 7.1. */
static const struct expect_step imap[] = {
	{ EXPECT_WAIT, BYTES("^\\* OK*\n"), .words = "the greeting" },
	{ EXPECT_OR, BYTES("^\\* PREAUTH*\n") },
	{ EXPECT_ELSE, BYTES("^\\* BYE*\n"), .verdict = CHECK_NOT_READY,
	  .words = "does not serve" },
	{ EXPECT_SEND, BYTES("a LOGOUT\r\n") },
	{ EXPECT_WAIT, BYTES("a OK"), .words = "the answer to LOGOUT" },
};

/*
 * RFC 4253, 4.2: lines may come before the server's identification. Then
 * 11.1: a packet that says SSH_MSG_DISCONNECT, 11 (by application), "bye".
 */
static const struct expect_step ssh[] = {
	{ EXPECT_WAIT, BYTES("SSH-2.0-*\n"), .words = "the identification" },
	{ EXPECT_OR, BYTES("SSH-1.99-*\n") },
	{ EXPECT_ELSE, BYTES("^Exceeded MaxStartups"), .verdict = CHECK_FULL, .words = "is full" },
	{ EXPECT_SEND, BYTES("SSH-2.0-ringmain\r\n"
			     "\0\0\0\x1c\x0b"
			     "\x01\0\0\0\x0b\0\0\0\x03"
			     "bye\0\0\0\0"
			     "\0\0\0\0\0\0\0\0\0\0\0") },
};

/*
 * MQTT 3.1.1, 3.1 and 3.2: CONNECT with a clean session and no name, so that
 * no two checks throw each other out. A server that wants a password has
 * answered in its protocol.
 */
static const struct expect_step mqtt[] = {
	{ EXPECT_SEND, BYTES("\x10\x0c\0\x04MQTT\x04\x02\0\x0a\0\0") },
	{ EXPECT_WAIT, BYTES("^ \x02?\0"), .words = "CONNACK" },
	{ EXPECT_ELSE, BYTES("^ \x02?\x03"), .verdict = CHECK_NOT_READY,
	  .words = "server unavailable" },
	{ EXPECT_ELSE, BYTES("^ \x02?\x01"), .verdict = CHECK_PASSED,
	  .words = "wants another version" },
	{ EXPECT_ELSE, BYTES("^ \x02?\x02"), .verdict = CHECK_PASSED, .words = "wants a name" },
	{ EXPECT_ELSE, BYTES("^ \x02?\x04"), .verdict = CHECK_PASSED, .words = "wants a password" },
	{ EXPECT_ELSE, BYTES("^ \x02?\x05"), .verdict = CHECK_PASSED, .words = "wants a password" },
	{ EXPECT_SEND, BYTES("\xe0\0") },
};

/*
 * RFC 4511, 4.2: an anonymous bind; the message's tag and id, those of the
 * answer, then its result as an enumerated number, with lengths of any form in
 * between. 51 is busy, 52 unavailable; whatever else: it has answered. Unbind.
 */
static const struct expect_step ldap[] = {
	{ EXPECT_SEND, BYTES("0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\0\x80\0") },
	{ EXPECT_WAIT,
	  BYTES("^0*\x02\x01\x01"
		"a*\n\x01\0"),
	  .words = "the answer to an anonymous bind" },
	{ EXPECT_ELSE,
	  BYTES("^0*\x02\x01\x01"
		"a*\n\x01\x33"),
	  .verdict = CHECK_NOT_READY, .words = "is busy" },
	{ EXPECT_ELSE,
	  BYTES("^0*\x02\x01\x01"
		"a*\n\x01\x34"),
	  .verdict = CHECK_NOT_READY, .words = "is unavailable" },
	{ EXPECT_OR, BYTES("^0*\x02\x01\x01"
			   "a*\n\x01?") },
	{ EXPECT_SEND, BYTES("0\x05\x02\x01\x02"
			     "B\0") },
};

/*
 * AMQP 0-9-1, 4.2.2: the protocol's header is answered with Connection.Start,
 * method 10.10 on channel 0; one that speaks another version answers with a header.
 */
static const struct expect_step amqp[] = {
	{ EXPECT_SEND, BYTES("AMQP\0\0\x09\x01") },
	{ EXPECT_WAIT, BYTES("^\x01\0\0????\0\x0a\0\x0a"), .words = "Connection.Start" },
	{ EXPECT_ELSE, BYTES("^AMQP????"), .verdict = CHECK_PASSED,
	  .words = "wants another version" },
};

static const struct expect_script presets[] = {
	{ "smtp", smtp, ARRAY_LEN(smtp) }, { "imap", imap, ARRAY_LEN(imap) },
	{ "ssh", ssh, ARRAY_LEN(ssh) },    { "mqtt", mqtt, ARRAY_LEN(mqtt) },
	{ "ldap", ldap, ARRAY_LEN(ldap) }, { "amqp", amqp, ARRAY_LEN(amqp) },
};

const struct expect_script *expect_preset_at(size_t n)
{
	return n < ARRAY_LEN(presets) ? &presets[n] : NULL;
}

const struct expect_script *expect_preset(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(presets); i++)
		if (strcmp(presets[i].name, name) == 0)
			return &presets[i];
	return NULL;
}
