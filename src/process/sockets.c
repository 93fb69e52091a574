/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/sock.h"

/* An address may still be held by a process that was just killed: its ring ends a little later. */
#define BIND_PATIENCE_MS 2000

static size_t addresses_of(const struct listener_config *config)
{
	size_t n = 0;

	for (size_t b = 0; b < config->binds_n; b++) {
		const struct bind_config *bind = &config->binds[b];

		n += bind->addrs_n * (size_t)(bind->spec.port_last - bind->spec.port_first + 1);
	}
	return n;
}

static bool allocate(struct sockets *k, const struct runtime *runtime)
{
	size_t total = 0;

	for (size_t n = 0; n < runtime->listeners_n; n++)
		total += addresses_of(runtime->listeners[n].config);
	k->workers_n = runtime->workers_n;
	k->all = calloc(total * runtime->workers_n, sizeof(*k->all));
	k->addrs = calloc(total, sizeof(*k->addrs));
	k->files = calloc(total, sizeof(*k->files));
	k->per_worker = total;
	for (size_t n = 0; k->all && n < total * runtime->workers_n; n++)
		k->all[n].fd = -1;
	return k->all && k->addrs && k->files;
}

static void log_listening(const struct listener_config *config, const struct addr *addr)
{
	char text[ADDR_TEXT_BYTES];
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, "listening"))
		return;
	log_text(&line, "listener", config->name);
	log_text(&line, "addr", addr_format(addr, text));
	log_end(&line);
}

/* What can be done about it, or NULL. */
static const char *hint_for(const struct addr *addr, const char *step, int err)
{
	const bool is_unix = addr_is_unix(addr);

	switch (err) {
	case -EADDRINUSE:
		return "another process, or a second ringmain, has this address";
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

static void log_failed(const struct bind_config *bind, const char *name, const struct addr *addr,
		       const char *step, int err)
{
	const char *hint = hint_for(addr, step, err);
	char text[ADDR_TEXT_BYTES];
	struct log_line line;

	if (!log_begin(&line, LOG_ERROR, "cannot listen"))
		return;
	log_text(&line, "listener", name);
	log_text(&line, "addr", addr_format(addr, text));
	log_text(&line, "call", step);
	log_errno(&line, "error", err);
	if (hint)
		log_text(&line, "hint", hint);
	log_text(&line, "file", bind->location.file ? bind->location.file : "");
	log_u64(&line, "line", bind->location.line);
	log_end(&line);
}

static void learn_address(struct addr *addr, int fd, const struct addr *wanted)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	*addr = *wanted;
	if (addr_is_unix(wanted) || getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return;
	addr_from_sockaddr(addr, (struct sockaddr *)&ss, len);
	addr->is_dual = wanted->is_dual;
}

static struct sock_listen wish_of(const struct listener_config *config,
				  const struct bind_config *bind)
{
	return (struct sock_listen){
		.backlog = (int)config->backlog,
		.patience_ms = BIND_PATIENCE_MS,
		.is_free = bind->is_free,
		.access = bind->access,
		.options = {
			.keepalive = config->keepalive,
			.segment_bytes = sock_paced_segment(config->bandwidth_bytes_per_s),
			.nodelay = true,
			.resets = true,
		},
	};
}

/* ---- a precise address beside a wildcard ---- */

static bool is_within(const struct addr *precise, const struct addr *wildcard)
{
	return addr_is_any(wildcard) && !addr_is_any(precise) &&
	       addr_port(precise) == addr_port(wildcard) &&
	       (addr_family(precise) == addr_family(wildcard) ||
		(wildcard->is_dual && addr_family(precise) == AF_INET));
}

/* Is one of ours open that takes what comes to @addr, too? */
static bool has_wildcard(const struct sockets *k, const struct addr *addr)
{
	for (size_t n = 0; k->wildcards > 0 && n < k->per_worker; n++)
		if (is_within(addr, &k->addrs[n]))
			return true;
	return false;
}

static bool has_port(const struct bind_config *bind, uint16_t port)
{
	return port != 0 && bind->spec.port_first <= port && port <= bind->spec.port_last;
}

/* Will one of ours be opened that takes a part of what @wildcard takes? */
static bool has_precise(const struct runtime *runtime, const struct addr *wildcard)
{
	for (size_t l = 0; l < runtime->listeners_n; l++) {
		const struct listener_config *config = runtime->listeners[l].config;

		for (size_t b = 0; b < config->binds_n; b++) {
			const struct bind_config *bind = &config->binds[b];

			if (bind->addrs_n > 0 && !addr_is_any(&bind->addrs[0]) &&
			    has_port(bind, addr_port(wildcard)))
				return true;
		}
	}
	return false;
}

/* ---- opening ---- */

/* One address of a bind, and its place in each worker's part of the table. */
struct target {
	const struct bind_config *bind;
	struct addr addr;
	size_t listener, index;
};

typedef int target_fn(struct sockets *k, struct runtime *runtime, const struct target *target);

static int for_each_of_bind(struct sockets *k, struct runtime *runtime, struct target *target,
			    target_fn *call)
{
	const struct bind_config *bind = target->bind;

	for (size_t n = 0; n < bind->addrs_n; n++) {
		for (unsigned port = bind->spec.port_first; port <= bind->spec.port_last; port++) {
			int err;

			target->addr = bind->addrs[n];
			addr_set_port(&target->addr, (uint16_t)port);
			err = call(k, runtime, target);
			if (err < 0)
				return err;
			target->index++;
		}
	}
	return 0;
}

/* In the order of the configuration. Stops at the first failure. */
static int for_each_target(struct sockets *k, struct runtime *runtime, target_fn *call)
{
	struct target target = { 0 };

	for (; target.listener < runtime->listeners_n; target.listener++) {
		const struct listener_config *config = runtime->listeners[target.listener].config;

		for (size_t b = 0; b < config->binds_n; b++) {
			int err;

			target.bind = &config->binds[b];
			err = for_each_of_bind(k, runtime, &target, call);
			if (err < 0)
				return err;
		}
	}
	return 0;
}

/* A socket for each worker, at the same place of each one's part of the table. */
static int open_target(struct sockets *k, struct runtime *runtime, const struct target *target)
{
	const struct listener_config *config = runtime->listeners[target->listener].config;
	struct sock_listen wish = wish_of(config, target->bind);
	const char *step;
	int fds[WORKERS_MAX];
	int passed = passed_take(&k->passed, runtime->config, config, &target->addr);
	int err;

	wish.addr = target->addr;
	wish.is_joined = addr_is_any(&wish.addr) && has_precise(runtime, &wish.addr);
	wish.joins_wildcard = has_wildcard(k, &wish.addr);
	wish.ret_file = &k->files[target->index];
	if (passed >= 0)
		err = sock_listen_adopt(&wish, passed, fds, k->workers_n, &step);
	else
		err = sock_listen_many(&wish, fds, k->workers_n, &step);
	if (err < 0) {
		log_failed(target->bind, config->name, &wish.addr, step, err);
		return err;
	}
	for (unsigned w = 0; w < k->workers_n; w++) {
		k->all[w * k->per_worker + target->index] = (struct acceptor_socket){
			.listener = &runtime->listeners[target->listener],
			.fd = fds[w],
			.is_tcp = !addr_is_unix(&wish.addr),
		};
	}
	learn_address(&k->addrs[target->index], fds[0], &wish.addr);
	k->wildcards += addr_is_any(&wish.addr);
	return 0;
}

static int open_wildcard(struct sockets *k, struct runtime *runtime, const struct target *target)
{
	return addr_is_any(&target->addr) ? open_target(k, runtime, target) : 0;
}

static int open_precise(struct sockets *k, struct runtime *runtime, const struct target *target)
{
	return addr_is_any(&target->addr) ? 0 : open_target(k, runtime, target);
}

static int log_target(struct sockets *k, struct runtime *runtime, const struct target *target)
{
	log_listening(runtime->listeners[target->listener].config, &k->addrs[target->index]);
	return 0;
}

static void close_all(struct sockets *k)
{
	for (size_t n = 0; n < k->per_worker * k->workers_n; n++)
		if (k->all[n].fd >= 0)
			close(k->all[n].fd);
}

/* See net/sock_listen.c: who wants a part of what a wildcard takes comes after it. */
static int open_all(struct sockets *k, struct runtime *runtime)
{
	int err = passed_init(&k->passed);

	if (err == 0)
		err = for_each_target(k, runtime, open_wildcard);
	if (err == 0)
		err = for_each_target(k, runtime, open_precise);
	if (err == 0)
		err = passed_finish(&k->passed) ? 0 : -EINVAL;
	return err;
}

int sockets_open(struct sockets *k, struct runtime *runtime)
{
	int err;

	*k = (struct sockets){ 0 };
	if (!allocate(k, runtime)) {
		sockets_finish(k);
		return -ENOMEM;
	}
	err = open_all(k, runtime);
	if (err == 0)
		return for_each_target(k, runtime, log_target);
	close_all(k);
	sockets_finish(k);
	return err;
}

void sockets_remove_files(struct sockets *sockets)
{
	for (size_t n = 0; n < sockets->per_worker; n++)
		sock_file_remove(&sockets->addrs[n], &sockets->files[n]);
}

void sockets_finish(struct sockets *sockets)
{
	if (sockets->addrs && sockets->files)
		sockets_remove_files(sockets);
	free(sockets->all);
	free(sockets->addrs);
	free(sockets->files);
	*sockets = (struct sockets){ 0 };
}

const char *sockets_describe(const struct sockets *sockets, const struct listener *listener,
			     char text[SOCKETS_TEXT_BYTES])
{
	char addr[ADDR_TEXT_BYTES];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sockets->per_worker; i++) {
		size_t room = SOCKETS_TEXT_BYTES - n;
		int more;

		if (sockets->all[i].listener != listener)
			continue;
		more = snprintf(text + n, room, "%s%s", n > 0 ? " " : "",
				addr_format(&sockets->addrs[i], addr));
		if ((size_t)more >= room) {
			memcpy(text + SOCKETS_TEXT_BYTES - sizeof(" ..."), " ...", sizeof(" ..."));
			break;
		}
		n += (size_t)more;
	}
	return text;
}
