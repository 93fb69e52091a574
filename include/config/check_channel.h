/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_CHECK_CHANNEL_H
#define CONFIG_CHECK_CHANNEL_H

/* How the checks of a pool have TLS, where it is not that of the sessions. */

#include <stdbool.h>

#include "config/config.h"

enum check_channel_kind {
	CHECK_CHANNEL_CLEAR,
	CHECK_CHANNEL_SESSIONS, /* as sessions: by tls of the pool */
	CHECK_CHANNEL_OFFERED,  /* its protocol asks for it, and goes on without */
	CHECK_CHANNEL_TLS,      /* TLS, in the way that is the protocol's */
};

enum check_channel_kind check_channel_kind(const struct pool_config *pool);

/* Is the server's certificate verified there? Without a tls_ca that of OFFERED is not. */
bool check_channel_is_verified(const struct pool_config *pool);

/* Is this backend asked over a unix socket, and not at another address? */
bool check_channel_is_local(const struct pool_config *pool, const struct backend_config *backend);

#endif
