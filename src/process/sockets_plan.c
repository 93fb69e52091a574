/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/sockets_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- who binds an address ------------------------------------------------ */

static bool has_port(const struct bind_config *bind, const struct addr *addr)
{
	return addr_is_unix(addr) || (addr_port(addr) >= bind->spec.port_first &&
				      addr_port(addr) <= bind->spec.port_last);
}

static bool has_addr(const struct bind_config *bind, const struct addr *addr)
{
	for (size_t n = 0; n < bind->addrs_n; n++) {
		struct addr of_port = bind->addrs[n];

		if (!addr_is_unix(&of_port))
			addr_set_port(&of_port, addr_port(addr));
		if (addr_is_equal(&of_port, addr))
			return true;
	}
	return false;
}

/* Gives also its listener. NULL: nobody binds it. */
static const struct bind_config *find_bind(const struct config *config, const struct addr *addr,
					   const char **ret_listener)
{
	for (size_t l = 0; l < config->listeners_n; l++) {
		const struct listener_config *listener = &config->listeners[l];

		*ret_listener = listener->name;
		for (size_t b = 0; b < listener->binds_n; b++)
			if (has_port(&listener->binds[b], addr) &&
			    has_addr(&listener->binds[b], addr))
				return &listener->binds[b];
	}
	return NULL;
}

/* ---- warnings ------------------------------------------------------------ */

static void warn_of_passed(const struct passed *p, const struct config *now,
			   const struct config *then, config_diff_fn *tell, void *owner)
{
	char line[CONFIG_DIFF_BYTES], text[ADDR_TEXT_BYTES];
	const char *listener, *unused;

	for (size_t n = 0; n < p->n; n++) {
		const struct addr *addr = &p->all[n].addr;

		if (!find_bind(now, addr, &listener) || find_bind(then, addr, &unused))
			continue;
		snprintf(
			line, sizeof(line),
			"warning: listener %s: %s was passed by the service manager, which listens "
			"on: clients wait there until a listener binds it again, without which the "
			"next start fails",
			listener, addr_format(addr, text));
		tell(owner, line);
	}
}

/* A start gives it to the listener of its name alone, where there is one. */
static void warn_of_passed_to_others(const struct passed *p, const struct config *then,
				     config_diff_fn *tell, void *owner)
{
	char line[CONFIG_DIFF_BYTES], text[ADDR_TEXT_BYTES];
	const char *listener;

	for (size_t n = 0; n < p->n; n++) {
		const struct passed_socket *s = &p->all[n];

		if (!find_bind(then, &s->addr, &listener) || strcmp(listener, s->name) == 0 ||
		    !passed_is_a_listener(then, s->name))
			continue;
		snprintf(line, sizeof(line),
			 "warning: listener %s: %s was passed by the service manager for listener "
			 "%s: with this file the next start fails",
			 listener, addr_format(&s->addr, text), s->name);
		tell(owner, line);
	}
}

/* Nobody would be let bind it. */
static bool is_not_here(struct addr addr)
{
	bool is_away;
	int fd;

	if (addr_is_unix(&addr))
		return false;
	addr_set_port(&addr, 0);
	fd = socket(addr_family(&addr), SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	is_away = bind(fd, &addr.sa, addr.len) < 0 && errno == EADDRNOTAVAIL;
	close(fd);
	return is_away;
}

static void warn_of_absent(const struct sockets *k, const struct config *now,
			   const struct config *then, config_diff_fn *tell, void *owner)
{
	char line[CONFIG_DIFF_BYTES], text[ADDR_TEXT_BYTES];
	const char *listener;

	for (size_t n = 0; n < k->n; n++) {
		const struct addr *addr = &k->all[n].wanted;
		const struct bind_config *was = find_bind(now, addr, &listener), *is;

		is = was && was->is_free ? find_bind(then, addr, &listener) : NULL;
		if (!is || is->is_free || !is_not_here(*addr))
			continue;
		snprintf(line, sizeof(line),
			 "warning: listener %s: this machine does not have %s: it is listened on, "
			 "but without freebind the next start fails",
			 listener, addr_format(addr, text));
		tell(owner, line);
	}
}

void sockets_warn(const struct sockets *k, const struct config *now, const struct config *then,
		  config_diff_fn *tell, void *owner)
{
	warn_of_passed(&k->passed, now, then, tell, owner);
	warn_of_passed_to_others(&k->passed, then, tell, owner);
	warn_of_absent(k, now, then, tell, owner);
}
