/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/check_channel.h"

static bool can_ask_for_tls(const struct check_config *check)
{
	return check->user && (check->kind == CHECK_POSTGRES || check->kind == CHECK_MYSQL);
}

enum check_channel_kind check_channel_kind(const struct pool_config *pool)
{
	const struct check_config *check = &pool->check;

	if (check->kind == CHECK_NONE || check->kind == CHECK_TCP || check->tls == CHECK_TLS_NO)
		return CHECK_CHANNEL_CLEAR;
	if (pool->tls)
		return CHECK_CHANNEL_SESSIONS;
	if (check->tls == CHECK_TLS_YES || check->kind == CHECK_TLS)
		return CHECK_CHANNEL_TLS;
	return can_ask_for_tls(check) ? CHECK_CHANNEL_OFFERED : CHECK_CHANNEL_CLEAR;
}

bool check_channel_is_local(const struct pool_config *pool, const struct backend_config *backend)
{
	return backend->spec.is_unix && backend->check_addr.len == 0 && pool->check.addr.len == 0;
}

bool check_channel_is_verified(const struct pool_config *pool)
{
	switch (check_channel_kind(pool)) {
	case CHECK_CHANNEL_SESSIONS:
	case CHECK_CHANNEL_TLS:
		return pool->tls_verify;
	case CHECK_CHANNEL_OFFERED:
		return pool->tls_verify && pool->tls_ca;
	default:
		return false;
	}
}
