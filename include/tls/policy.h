/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_POLICY_H
#define TLS_POLICY_H

/*
 * Which versions, cipher suites, groups and ALPN ids: names checked one by
 * one (the library silently skips those it does not know) and put on a
 * context of the library. For this floor.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"
#include "tls/context.h"
#include "x509/problem.h"

struct WOLFSSL_CTX;
struct WOLFSSL_METHOD;

#define POLICY_GROUPS_MAX 5
#define POLICY_CIPHERS_BYTES 512
#define POLICY_ALPN_BYTES 1024

struct policy {
	enum tls_version min, max;
	char ciphers[POLICY_CIPHERS_BYTES]; /* the library's names */
	int groups[POLICY_GROUPS_MAX];
	size_t groups_n;
	char alpn[POLICY_ALPN_BYTES]; /* "": none */
};

/*
 * Checks @wanted and fills in the defaults. False: there are errors in
 * @problems. @min is the lowest version when none is asked for.
 */
MUST_CHECK bool policy_resolve(const struct tls_policy *wanted, enum tls_version min,
			       bool is_server, struct tls_problems *problems,
			       struct policy *ret_policy);

/*
 * The groups of who says nothing of them, best first. A client has no
 * post-quantum one: its first hello would grow by a kilobyte, and a server
 * that does not know it would have to ask for a second one.
 */
const char *policy_groups(bool is_server);

/* Our name for what the library calls a group. */
const char *policy_group_name(const char *name);

/* IANA's name for what the library calls a suite. */
const char *policy_cipher_name(const char *name);

/* OpenSSL's name for it, which is IANA's from TLS 1.3 on. */
const char *policy_cipher_openssl(const char *name);

/* What the library makes a context of these versions from; NULL: out of memory. */
struct WOLFSSL_METHOD *policy_method(const struct policy *policy, bool is_server);

/* Sets all but ALPN, which is set for each session. False: the library refuses. */
MUST_CHECK bool policy_apply(const struct policy *policy, struct WOLFSSL_CTX *ctx);

#endif
