/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROCESS_SOCKETS_FAILURE_H
#define PROCESS_SOCKETS_FAILURE_H

#include "config/config.h"
#include "net/addr.h"

/* Which address could not be listened on, and why. */
struct sockets_failure {
	struct config_location location;
	const char *listener; /* NULL: there is no memory, or no room for so many */
	struct addr addr;
	const char *step, *hint; /* the call that failed; what can be done, or NULL */
	int err;
};

/* All that could not be had, up to so many; nobody reads more. */
#define SOCKETS_FAILURES_MAX 8

struct sockets_failures {
	struct sockets_failure all[SOCKETS_FAILURES_MAX];
	size_t n;
};

/* Whoever has the address is no stranger. */
#define SOCKETS_HINT_OURS                                                                         \
	"ringmain itself has it, in another form or by another path: it can be had when another " \
	"reload has removed that bind before"
#define SOCKETS_HINT_PASSED                                                                \
	"the service manager has passed it, for the listener that its socket unit names: " \
	"see FileDescriptorName="

/* What can be done about it, or NULL. */
const char *sockets_hint(const struct addr *addr, const char *step, int err);

/* Says those that have an address. */
void sockets_log_failures(const struct sockets_failures *failures);

#endif
