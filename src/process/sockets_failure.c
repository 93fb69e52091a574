/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/sockets_failure.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

const char *sockets_hint(const struct addr *addr, const char *step, int err)
{
	const bool is_unix = addr_is_unix(addr);

	switch (err) {
	case -EADDRINUSE:
		return "another process, or a second ringmain, has this address; or it is that of "
		       "control or status";
	case -EACCES:
		return is_unix ? "the directory of a unix socket must be writable"
			       : "ports below 1024 want CAP_NET_BIND_SERVICE";
	case -EPERM:
		return strcmp(step, "chown") == 0
			       ? "another owner wants CAP_CHOWN, as does a group one is not in"
			       : NULL;
	case -EADDRNOTAVAIL:
		return addr_family(addr) == AF_INET6
			       ? "this machine does not have it: add 'freebind' to this bind, set "
				 "net.ipv6.ip_nonlocal_bind = 1, or listen on all addresses with "
				 "bind = :PORT"
			       : "this machine does not have it: add 'freebind' to this bind, set "
				 "net.ipv4.ip_nonlocal_bind = 1, or listen on all addresses with "
				 "bind = :PORT";
	default:
		return NULL;
	}
}

static void log_failure(const struct sockets_failure *f)
{
	char text[ADDR_TEXT_BYTES];
	struct log_line line;

	if (!f->listener || !log_begin(&line, LOG_ERROR, "cannot listen"))
		return;
	log_text(&line, "listener", f->listener);
	log_text(&line, "addr", addr_format(&f->addr, text));
	log_text(&line, "call", f->step);
	log_errno(&line, "error", f->err);
	if (f->hint)
		log_text(&line, "hint", f->hint);
	log_text(&line, "file", f->location.file ? f->location.file : "");
	log_u64(&line, "line", f->location.line);
	log_end(&line);
}

void sockets_log_failures(const struct sockets_failures *failures)
{
	for (size_t n = 0; n < failures->n; n++)
		log_failure(&failures->all[n]);
}
