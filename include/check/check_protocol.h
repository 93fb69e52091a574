/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CHECK_CHECK_PROTOCOL_H
#define CHECK_CHECK_PROTOCOL_H

/*
 * How a health check talks: one file for each protocol, a state machine
 * without sockets, threads or clocks. check/check_exchange.h runs one.
 *
 * Nothing is allocated: an exchange is of fixed size, whatever a server sends,
 * and ends after CHECK_RECEIVED_BYTES_MAX at the latest.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "check/check_facts.h"

#define CHECK_IN_BYTES 8192  /* of one message that are looked at */
#define CHECK_OUT_BYTES 2048 /* in one go */
#define CHECK_STATE_BYTES 1024
#define CHECK_RANDOM_BYTES 18
#define CHECK_RECEIVED_BYTES_MAX (256u << 10)
#define CHECK_END_POINT_BYTES_MAX 64
#define CHECK_NAME_BYTES 128 /* of a user, a password, a database; with its NUL */

enum check_step {
	CHECK_STEP_MORE, /* send, then receive */
	CHECK_STEP_TLS,  /* send, then begin TLS on this connection */
	CHECK_STEP_DONE, /* send, then close */
};

/* What a protocol that begins TLS itself is to do about it. */
enum check_tls { CHECK_TLS_OFF, CHECK_TLS_PREFER, CHECK_TLS_REQUIRE };

/* What is known of the connection. */
struct check_channel {
	bool is_tls;
	bool is_verified; /* and the server's certificate is good: a password may pass */
	bool is_local;    /* a unix socket */
	/* Stands for the server's certificate (RFC 5929, 4); none: not known. */
	uint8_t end_point[CHECK_END_POINT_BYTES_MAX];
	size_t end_point_bytes;
};

struct check_protocol;
struct expect_script;
struct http_question;
struct scram_cache;

/*
 * What is to be asked: everything that shapes a check's bytes. Kept for as
 * long as exchanges use it; names are shorter than CHECK_NAME_BYTES.
 */
struct check_request {
	const struct check_protocol *protocol;
	const char *user;     /* NULL: ask what can be asked without */
	const char *password; /* NULL: none */
	const char *database; /* NULL: the protocol's usual one */
	enum check_tls tls;
	const struct expect_script *script; /* of expect */
	const struct http_question *http;   /* of http */
	struct scram_cache *scram_cache;    /* of the password; or NULL */
};

struct check_start {
	struct check_channel channel;
	uint8_t random[CHECK_RANDOM_BYTES]; /* that nobody can guess */
};

struct check_exchange {
	const struct check_request *request;
	struct check_channel channel;
	struct check_facts facts;
	enum check_step step;
	uint8_t random[CHECK_RANDOM_BYTES];
	size_t received; /* in all */
	size_t skip;     /* of the message under way, which is too long to be kept */
	size_t in_bytes, out_bytes;
	_Alignas(8) uint8_t state[CHECK_STATE_BYTES]; /* the protocol's own */
	uint8_t in[CHECK_IN_BYTES];
	uint8_t out[CHECK_OUT_BYTES];
};

/*
 * One protocol. The functions act on x->in, from which they take what they
 * have used up, and append to x->out; they are never called again after
 * CHECK_STEP_DONE.
 */
struct check_protocol {
	const char *name;
	enum check_step (*begin)(struct check_exchange *x);
	enum check_step (*received)(struct check_exchange *x);  /* there is at least one byte */
	enum check_step (*secured)(struct check_exchange *x);   /* NULL: it never asks for TLS */
	enum check_step (*ended)(struct check_exchange *x);     /* NULL: always too early */
	enum check_step (*cut_short)(struct check_exchange *x); /* lost, late, too much; or NULL */
	const char *(*awaited)(const struct check_exchange *x); /* "the greeting" */
};

extern const struct check_protocol check_tcp, check_expect, check_http, check_postgres, check_mysql,
	check_redis;

#endif
