/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/reason.h"

#include <errno.h>

#include "net/sock_error.h"

const char *const close_reason_names[CLOSE_REASONS] = {
	[CLOSE_NONE] = "none",
	[CLOSE_DONE] = "done",
	[CLOSE_CLIENT_RESET] = "client_reset",
	[CLOSE_BACKEND_RESET] = "backend_reset",
	[CLOSE_CLIENT_LOST] = "client_lost",
	[CLOSE_BACKEND_LOST] = "backend_lost",
	[CLOSE_CLIENT_TRUNCATED] = "client_truncated",
	[CLOSE_BACKEND_TRUNCATED] = "backend_truncated",
	[CLOSE_CLIENT_TLS] = "client_tls_error",
	[CLOSE_BACKEND_TLS] = "backend_tls_error",
	[CLOSE_CLIENT_LEFT] = "client_left",
	[CLOSE_PREREAD_TIMEOUT] = "preread_timeout",
	[CLOSE_BAD_PREREAD] = "bad_preread",
	[CLOSE_REFUSED] = "refused",
	[CLOSE_IDLE] = "idle",
	[CLOSE_HALF_CLOSED_IDLE] = "half_closed_idle",
	[CLOSE_CONNECT_REFUSED] = "connect_refused",
	[CLOSE_CONNECT_TIMEOUT] = "connect_timeout",
	[CLOSE_CONNECT_FAILED] = "connect_failed",
	[CLOSE_LOGIN_REFUSED] = "login_refused",
	[CLOSE_NO_BACKEND] = "no_backend",
	[CLOSE_BACKENDS_FULL] = "backends_full",
	[CLOSE_QUEUE_TIMEOUT] = "queue_timeout",
	[CLOSE_FIRST_BYTE_TIMEOUT] = "first_byte_timeout",
	[CLOSE_NO_RESOURCES] = "no_resources",
	[CLOSE_KILLED] = "killed",
	[CLOSE_BACKEND_DOWN] = "backend_down",
	[CLOSE_DRAINED] = "drained",
	[CLOSE_DRAIN_TIMEOUT] = "drain_timeout",
	[CLOSE_SHUTDOWN] = "shutdown",
};

const char *const close_by_names[CLOSE_BYS] = {
	[BY_RINGMAIN] = "ringmain",
	[BY_CLIENT] = "client",
	[BY_BACKEND] = "backend",
};

const char *const admission_names[ADMISSIONS] = {
	[ADMISSION_GRANTED] = "granted",
	[ADMISSION_DENIED] = "denied",
	[ADMISSION_SOURCE_SESSIONS] = "source_sessions",
	[ADMISSION_SOURCE_RATE] = "source_rate",
	[ADMISSION_TABLE_FULL] = "source_table_full",
};

static enum close_reason by_side(bool is_client, enum close_reason of_client,
				 enum close_reason of_backend)
{
	return is_client ? of_client : of_backend;
}

enum close_reason reason_of_side(int err, bool is_client)
{
	switch (-err) {
	case ENOMEM:
	case ENOBUFS:
		return CLOSE_NO_RESOURCES;
	case ECONNABORTED:
		return by_side(is_client, CLOSE_CLIENT_TRUNCATED, CLOSE_BACKEND_TRUNCATED);
	case ENETDOWN:
		return by_side(is_client, CLOSE_CLIENT_LOST, CLOSE_BACKEND_LOST);
	default:
		break;
	}
	switch (sock_fault_of(err)) {
	case SOCK_FAULT_TLS:
		return by_side(is_client, CLOSE_CLIENT_TLS, CLOSE_BACKEND_TLS);
	case SOCK_FAULT_TIMEOUT:
	case SOCK_FAULT_UNREACHABLE:
		return by_side(is_client, CLOSE_CLIENT_LOST, CLOSE_BACKEND_LOST);
	default:
		return by_side(is_client, CLOSE_CLIENT_RESET, CLOSE_BACKEND_RESET);
	}
}

enum close_reason reason_of_connect(int err)
{
	switch (sock_fault_of(err)) {
	case SOCK_FAULT_LOCAL:
		return CLOSE_NO_RESOURCES;
	case SOCK_FAULT_REFUSED:
		return CLOSE_CONNECT_REFUSED;
	case SOCK_FAULT_TIMEOUT:
		return CLOSE_CONNECT_TIMEOUT;
	case SOCK_FAULT_TLS:
	case SOCK_FAULT_NO_TLS:
		return CLOSE_BACKEND_TLS;
	case SOCK_FAULT_LOGIN:
		return CLOSE_LOGIN_REFUSED;
	default:
		return CLOSE_CONNECT_FAILED;
	}
}
