/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "app/sockets.h"

#include <errno.h>
#include <stdlib.h>
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

static bool allocate(struct sockets *k, const struct proxy *proxy)
{
	size_t total = 0;

	for (size_t n = 0; n < proxy->listeners_n; n++)
		total += addresses_of(proxy->listeners[n].config);
	k->workers_n = proxy->workers_n;
	k->all = calloc(total * proxy->workers_n, sizeof(*k->all));
	k->addrs = calloc(total, sizeof(*k->addrs));
	k->per_worker = total;
	for (size_t n = 0; k->all && n < total * proxy->workers_n; n++)
		k->all[n].fd = -1;
	return k->all && k->addrs;
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

static void log_failed(const struct bind_config *bind, const char *name, const struct addr *addr,
		       const char *step, int err)
{
	char text[ADDR_TEXT_BYTES];
	struct log_line line;

	if (!log_begin(&line, LOG_ERROR, "cannot listen"))
		return;
	log_text(&line, "listener", name);
	log_text(&line, "addr", addr_format(addr, text));
	log_text(&line, "call", step);
	log_errno(&line, "error", err);
	if (err == -EADDRINUSE)
		log_text(&line, "hint", "another process, or a second ringmain, has this address");
	else if (err == -EACCES)
		log_text(&line, "hint", "ports below 1024 want CAP_NET_BIND_SERVICE");
	log_text(&line, "file", bind->place.file ? bind->place.file : "");
	log_u64(&line, "line", bind->place.line);
	log_end(&line);
}

static void learn_address(struct addr *addr, int fd, const struct addr *wanted)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	*addr = *wanted;
	if (!addr_is_unix(wanted) && getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr(addr, (struct sockaddr *)&ss, len);
}

static struct sock_listen wish_of(const struct listener_config *config)
{
	return (struct sock_listen){
		.backlog = (int)config->backlog,
		.patience_ms = BIND_PATIENCE_MS,
		.options = {
			.keepalive = config->keepalive,
			.keepalive_idle_s = (unsigned)(config->keepalive_idle_ms / 1000),
			.keepalive_interval_s = (unsigned)(config->keepalive_interval_ms / 1000),
			.keepalive_count = config->keepalive_count,
			.user_timeout_ms = (unsigned)config->user_timeout_ms,
			.nodelay = true,
			.resets = true,
		},
	};
}

/* One address: a socket for each worker, at the same place of each one's part of the table. */
static int open_address(struct sockets *k, struct proxy *proxy, size_t listener,
			const struct sock_listen *wish, const char **ret_step)
{
	int fds[WORKERS_MAX];
	int err = sock_listen_many(wish, fds, k->workers_n, ret_step);

	if (err < 0)
		return err;
	for (unsigned w = 0; w < k->workers_n; w++) {
		k->all[w * k->per_worker + k->opened] = (struct acceptor_socket){
			.listener = &proxy->listeners[listener],
			.listener_index = (uint32_t)listener,
			.fd = fds[w],
			.is_tcp = !addr_is_unix(&wish->addr),
		};
	}
	learn_address(&k->addrs[k->opened], fds[0], &wish->addr);
	log_listening(proxy->listeners[listener].config, &k->addrs[k->opened]);
	k->opened++;
	return 0;
}

static int open_bind(struct sockets *k, struct proxy *proxy, size_t listener,
		     const struct bind_config *bind)
{
	const struct listener_config *config = proxy->listeners[listener].config;
	struct sock_listen wish = wish_of(config);
	const char *step;

	for (size_t n = 0; n < bind->addrs_n; n++) {
		for (unsigned port = bind->spec.port_first; port <= bind->spec.port_last; port++) {
			int err;

			wish.addr = bind->addrs[n];
			addr_set_port(&wish.addr, (uint16_t)port);
			err = open_address(k, proxy, listener, &wish, &step);
			if (err == 0)
				continue;
			log_failed(bind, config->name, &wish.addr, step, err);
			return err;
		}
	}
	return 0;
}

static void close_all(struct sockets *k)
{
	for (size_t n = 0; n < k->per_worker * k->workers_n; n++)
		if (k->all[n].fd >= 0)
			close(k->all[n].fd);
}

int sockets_open(struct sockets *k, struct proxy *proxy)
{
	*k = (struct sockets){ 0 };
	if (!allocate(k, proxy)) {
		sockets_finish(k);
		return -ENOMEM;
	}
	for (size_t l = 0; l < proxy->listeners_n; l++) {
		const struct listener_config *config = proxy->listeners[l].config;

		for (size_t b = 0; b < config->binds_n; b++) {
			int err = open_bind(k, proxy, l, &config->binds[b]);

			if (err == 0)
				continue;
			close_all(k);
			sockets_finish(k);
			return err;
		}
	}
	return 0;
}

void sockets_finish(struct sockets *sockets)
{
	for (size_t n = 0; n < sockets->opened; n++)
		sock_unlink(&sockets->addrs[n]);
	free(sockets->all);
	free(sockets->addrs);
	*sockets = (struct sockets){ 0 };
}
