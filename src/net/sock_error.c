/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/sock_error.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/def.h"

static const struct sock_error {
	int err;
	enum sock_fault fault;
	const char *words;
} errors[] = {
	{ ECONNREFUSED, SOCK_FAULT_REFUSED, "connection refused" },
	{ ETIMEDOUT, SOCK_FAULT_TIMEOUT, "timed out" },
	{ ECONNRESET, SOCK_FAULT_RESET, "connection reset" },
	{ EPIPE, SOCK_FAULT_RESET, "connection reset" },
	{ ECONNABORTED, SOCK_FAULT_RESET, "connection reset" },
	{ EHOSTUNREACH, SOCK_FAULT_UNREACHABLE, "host unreachable" },
	{ EHOSTDOWN, SOCK_FAULT_UNREACHABLE, "host is down" },
	{ ENETUNREACH, SOCK_FAULT_UNREACHABLE, "network unreachable" },
	{ ENOENT, SOCK_FAULT_ABSENT, "no such socket" },
	{ EPROTO, SOCK_FAULT_TLS, "TLS failed" },
	{ EPROTONOSUPPORT, SOCK_FAULT_NO_TLS, "it has no TLS" },
	{ ESHUTDOWN, SOCK_FAULT_LOGIN, "log-in refused" },
	{ EUSERS, SOCK_FAULT_LOGIN, "log-in refused" },
	{ EAGAIN, SOCK_FAULT_LOCAL, "its backlog is full" },
};

static const struct sock_error *find_error(int err)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		if (errors[i].err == -err)
			return &errors[i];
	}
	return NULL;
}

enum sock_fault sock_fault_of(int err)
{
	const struct sock_error *error = find_error(err);

	if (err == 0)
		return SOCK_FAULT_NONE;
	return error ? error->fault : SOCK_FAULT_LOCAL;
}

const char *sock_fault_words(int err)
{
	const struct sock_error *error = find_error(err);

	return error ? error->words : strerrordesc_np(-err);
}
