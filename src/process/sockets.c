/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/sockets.h"

#include "sockets_change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "net/sock.h"

/* An address may still be held by a process that was just killed: its ring ends a little later. */
#define BIND_PATIENCE_MS 2000

/* Sockets of a worker, at least, that there may be one day. */
#define SOCKETS_MAX_MIN 1024

/* ---- what is said -------------------------------------------------------- */

static void log_address(const char *words, const char *listener, const struct addr *addr)
{
	char text[ADDR_TEXT_BYTES];
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, words))
		return;
	log_text(&line, "listener", listener);
	log_text(&line, "addr", addr_format(addr, text));
	log_end(&line);
}

/* False: no more is told. */
static bool has_room(const struct sockets_failures *failures)
{
	return failures->n < SOCKETS_FAILURES_MAX;
}

/* Of no address. */
static void note_lack(struct sockets_failures *failures, int err)
{
	if (has_room(failures))
		failures->all[failures->n++] = (struct sockets_failure){ .err = err };
}

static void note_failure(struct sockets_change *c, const struct target *t, const char *step,
			 int err)
{
	const struct sockets *k = c->sockets;
	const char *hint = sockets_hint(&t->addr, step, err);

	if (err == -EADDRINUSE && bound_sockets_have(k->all, k->n, &t->addr))
		hint = SOCKETS_HINT_OURS;
	else if (err == -EADDRINUSE && passed_has(&k->passed, &t->addr))
		hint = SOCKETS_HINT_PASSED;
	c->failures->all[c->failures->n++] = (struct sockets_failure){
		.location = t->bind->location,
		.listener = t->config->name,
		.addr = t->addr,
		.step = step,
		.hint = hint,
		.err = err,
	};
}

/* ---- which addresses ----------------------------------------------------- */

static size_t addresses_of(const struct listener_config *config)
{
	size_t n = 0;

	for (size_t b = 0; b < config->binds_n; b++) {
		const struct bind_config *bind = &config->binds[b];

		n += bind->addrs_n * (size_t)(bind->spec.port_last - bind->spec.port_first + 1);
	}
	return n;
}

static size_t addresses_of_all(const struct config *config)
{
	size_t n = 0;

	for (size_t l = 0; l < config->listeners_n; l++)
		n += addresses_of(&config->listeners[l]);
	return n;
}

static void add_targets_of(struct sockets_change *c, const struct target *of)
{
	const struct bind_config *bind = of->bind;

	for (size_t n = 0; n < bind->addrs_n; n++) {
		for (unsigned port = bind->spec.port_first; port <= bind->spec.port_last; port++) {
			struct target *t = &c->targets[c->n++];

			*t = *of;
			t->addr = bind->addrs[n];
			addr_set_port(&t->addr, (uint16_t)port);
		}
	}
}

static void add_targets(struct sockets_change *c, struct runtime *runtime)
{
	const struct generation *g = c->generation;

	for (size_t l = 0; l < g->config->listeners_n; l++) {
		const struct listener_config *config = &g->config->listeners[l];

		for (size_t b = 0; b < config->binds_n; b++)
			add_targets_of(c, &(struct target){
						  .bind = &config->binds[b],
						  .config = config,
						  .listener = &runtime->listeners[g->slots[l]],
					  });
	}
}

/* ---- those there are ----------------------------------------------------- */

static int compare_ports(const void *a, const void *b)
{
	const struct bound_socket *const *left = a, *const *right = b;
	int difference = addr_port(&(*left)->wanted) - addr_port(&(*right)->wanted);

	return difference != 0 ? difference : (*left > *right) - (*left < *right);
}

static size_t first_of_port(const struct sockets_change *c, uint16_t port)
{
	size_t from = 0, to = c->sockets->n;

	while (from < to) {
		size_t middle = (from + to) / 2;

		if (addr_port(&c->by_port[middle]->wanted) < port)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static bool is_for(const struct bound_socket *s, const struct target *t)
{
	return addr_family(&s->wanted) == addr_family(&t->addr) &&
	       s->wanted.is_dual == t->addr.is_dual && addr_is_equal(&s->wanted, &t->addr);
}

/* The one of this address that nobody has found, best of the same listener; or NULL. */
static struct bound_socket *find_known(const struct sockets_change *c, const struct target *t)
{
	struct bound_socket *found = NULL;
	uint16_t port = addr_port(&t->addr);

	for (size_t n = first_of_port(c, port); n < c->sockets->n; n++) {
		struct bound_socket *s = c->by_port[n];

		if (addr_port(&s->wanted) != port)
			break;
		if (c->stays[s - c->sockets->all] || !is_for(s, t) ||
		    sock_file_is_gone(&s->wanted, &s->file))
			continue; /* whose file somebody has removed, nobody reaches any more */
		if (s->listener == t->listener)
			return s;
		if (!found)
			found = s;
	}
	return found;
}

static void find_all_known(struct sockets_change *c)
{
	for (size_t n = 0; n < c->sockets->n; n++)
		c->by_port[n] = &c->sockets->all[n];
	if (c->sockets->n > 0)
		qsort(c->by_port, c->sockets->n, sizeof(struct bound_socket *), compare_ports);
	for (size_t n = 0; n < c->n; n++) {
		struct target *t = &c->targets[n];

		t->known = find_known(c, t);
		if (t->known)
			c->stays[t->known - c->sockets->all] = true;
		else
			c->fresh_n++;
	}
}

/* ---- a precise address beside a wildcard, and two wildcards --------------- */

static bool shares_port(const struct sockets *k, const struct bound_socket *s,
			const struct addr *addr)
{
	if (!s->fds || !bound_addrs_overlap(&s->wanted, addr))
		return false;
	for (unsigned w = 0; w < k->workers_n; w++)
		(void)!sock_share_port(s->fds[w]);
	return true;
}

/* Do we have a part of what comes to @addr, or all of it? Then these let it join. */
static bool joins_ours(struct sockets_change *c, const struct addr *addr)
{
	const struct sockets *k = c->sockets;
	bool joins = false;

	for (size_t n = first_of_port(c, addr_port(addr)); n < k->n; n++) {
		if (addr_port(&c->by_port[n]->wanted) != addr_port(addr))
			break;
		joins |= shares_port(k, c->by_port[n], addr);
	}
	for (size_t n = 0; c->wildcards_n > 0 && n < c->n; n++)
		joins |= shares_port(k, &c->targets[n].fresh, addr);
	return joins;
}

/* ---- opening ------------------------------------------------------------- */

static struct sock_options options_of(const struct listener_config *config)
{
	return (struct sock_options){
		.keepalive = config->keepalive,
		.segment_bytes = sock_paced_segment(config->bandwidth_bytes_per_s),
		.nodelay = true,
		.resets = true,
	};
}

static void learn_address(struct bound_socket *s)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	s->addr = s->wanted;
	if (addr_is_unix(&s->wanted) || getsockname(s->fds[0], (struct sockaddr *)&ss, &len) < 0)
		return;
	addr_from_sockaddr(&s->addr, (struct sockaddr *)&ss, len);
	s->addr.is_dual = s->wanted.is_dual;
}

static int listen_for(struct sockets_change *c, struct target *t, int *fds, const char **ret_step)
{
	struct sockets *k = c->sockets;
	const struct sock_listen wanted = {
		.addr = t->addr,
		.backlog = (int)t->config->backlog,
		.patience_ms = c->is_first && c->failures->n == 0 ? BIND_PATIENCE_MS : 0,
		.joins_wildcard = joins_ours(c, &t->addr),
		.is_free = t->bind->is_free,
		.access = t->bind->access,
		.options = options_of(t->config),
		.ret_file = &t->fresh.file,
	};
	int passed = passed_take(&k->passed, c->generation->config, t->config, &t->addr);

	t->fresh.is_passed = passed >= 0;
	if (passed >= 0)
		return sock_listen_adopt(&wanted, passed, fds, k->workers_n, ret_step);
	return sock_listen_many(&wanted, fds, k->workers_n, ret_step);
}

/* A socket for each worker. */
static void open_target(struct sockets_change *c, struct target *t)
{
	int *fds = calloc(c->sockets->workers_n, sizeof(*fds));
	const char *step = "memory";
	int err = fds ? listen_for(c, t, fds, &step) : -ENOMEM;

	if (err < 0) {
		free(fds);
		note_failure(c, t, step, err);
		return;
	}
	t->fresh.fds = fds;
	t->fresh.wanted = t->addr;
	t->fresh.access = t->bind->access;
	c->wildcards_n += addr_is_any(&t->addr);
	learn_address(&t->fresh);
}

static void open_some(struct sockets_change *c, bool wildcards)
{
	for (size_t n = 0; n < c->n && has_room(c->failures); n++) {
		struct target *t = &c->targets[n];

		if (!t->known && addr_is_any(&t->addr) == wildcards)
			open_target(c, t);
	}
}

/*
 * All are tried, so that all that cannot be had is told at once. See net/sock_listen.c: who wants
 * a part of what a wildcard takes comes after it.
 */
static void open_fresh(struct sockets_change *c)
{
	open_some(c, true);
	open_some(c, false);
}

/* ---- prepare, commit ----------------------------------------------------- */

static void free_change(struct sockets_change *c)
{
	free(c->targets);
	free(c->by_port);
	free(c->stays);
	free(c->all);
	free(c);
}

static struct sockets_change *create_change(struct sockets *k, struct generation *g)
{
	struct sockets_change *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->sockets = k;
	c->generation = g;
	c->targets = calloc(addresses_of_all(g->config) + 1, sizeof(*c->targets));
	c->by_port = calloc(k->n + 1, sizeof(struct bound_socket *));
	c->stays = calloc(k->n + 1, sizeof(*c->stays));
	if (c->targets && c->by_port && c->stays)
		return c;
	free_change(c);
	return NULL;
}

static void close_fresh(const struct sockets *k, struct target *t)
{
	for (unsigned w = 0; t->fresh.fds && w < k->workers_n; w++)
		close(t->fresh.fds[w]);
	if (t->fresh.fds)
		sock_file_remove(&t->fresh.addr, &t->fresh.file);
	free(t->fresh.fds);
}

void sockets_abandon(struct sockets_change *c)
{
	if (!c)
		return;
	for (size_t n = 0; n < c->n; n++)
		close_fresh(c->sockets, &c->targets[n]);
	free_change(c);
}

/* What is wrong is noted. */
static void open_all(struct sockets_change *c, struct runtime *runtime)
{
	struct sockets *k = c->sockets;

	add_targets(c, runtime);
	find_all_known(c);
	c->is_first = k->max == 0;
	if (c->is_first)
		k->max = MAX(SOCKETS_MAX_MIN, 2 * c->n);
	if (k->n + c->fresh_n > k->max)
		note_lack(c->failures, -ENOSPC);
	else
		open_fresh(c);
	if (c->failures->n == 0 && sockets_lay_out(c) < 0)
		note_lack(c->failures, -ENOMEM);
}

struct sockets_change *sockets_prepare(struct sockets *k, struct runtime *runtime,
				       struct generation *g, struct sockets_failures *failures)
{
	struct sockets_change *c = create_change(k, g);

	failures->n = 0;
	if (!c) {
		note_lack(failures, -ENOMEM);
		return NULL;
	}
	c->failures = failures;
	open_all(c, runtime);
	if (failures->n == 0)
		return c;
	sockets_abandon(c);
	return NULL;
}

/* What a listener's settings say of a socket that is there already. */
static void apply_settings(const struct sockets *k, const struct target *t)
{
	const struct sock_options options = options_of(t->config);
	const char *step;

	/* One that refuses is not to be woken by this: it listens with it when it goes on. */
	bool refuses = atomic_load(&t->known->listener->pause) == LISTENER_REFUSES;

	for (unsigned w = 0; w < k->workers_n; w++) {
		if (!refuses)
			(void)!listen(t->known->fds[w], (int)t->config->backlog);
		(void)!sock_set_options(t->known->fds[w], &t->known->wanted, &options, &step);
	}
}

static void apply_access(struct bound_socket *s, const struct sock_access *wanted)
{
	int err = 0;

	/* A mode that the file says is so afterwards, whoever has changed it by hand. */
	if (addr_is_unix(&s->wanted) &&
	    (wanted->mode != 0 || !sock_access_is_equal(&s->access, wanted)))
		err = sock_file_change(&s->wanted, &s->file, wanted);
	if (err < 0)
		log_say(LOG_WARN, "%s: who may connect is as before: %s", s->wanted.un.sun_path,
			strerror(-err));
	s->access = *wanted;
}

static void take_target(struct sockets_change *c, size_t n)
{
	struct target *t = &c->targets[n];

	if (t->known) {
		apply_settings(c->sockets, t);
		apply_access(t->known, &t->bind->access);
		if (t->known->listener != t->listener)
			log_address("listening", t->config->name, &t->known->addr);
		c->all[n] = *t->known;
	} else {
		log_address("listening", t->config->name, &t->fresh.addr);
		c->all[n] = t->fresh;
	}
	c->all[n].listener = t->listener;
}

static void drop_socket(struct bound_socket *s)
{
	const struct listener_config *config = s->listener->config;

	log_address("listening no more", config ? config->name : "", &s->addr);
	sock_file_remove(&s->addr, &s->file);
	free(s->fds);
}

void sockets_commit(struct sockets_change *c)
{
	struct sockets *k = c->sockets;

	for (size_t n = 0; n < c->n; n++)
		take_target(c, n);
	for (size_t n = 0; n < k->n; n++)
		if (!c->stays[n])
			drop_socket(&k->all[n]);
	free(k->all);
	k->all = c->all;
	k->n = c->n;
	c->all = NULL;
	free_change(c);
}

/* ---- the first ----------------------------------------------------------- */

/* All that was passed on is for one of our listeners. */
static struct sockets_change *prepare_first(struct sockets *k, struct runtime *runtime,
					    int *ret_err)
{
	struct sockets_failures failures = { 0 };
	struct sockets_change *c;

	*ret_err = passed_init(&k->passed);
	if (*ret_err < 0)
		return NULL;
	c = sockets_prepare(k, runtime, runtime->generation, &failures);
	if (!c) {
		sockets_log_failures(&failures);
		*ret_err = failures.all[0].err;
	} else if (!passed_are_taken(&k->passed)) {
		sockets_abandon(c);
		c = NULL;
		*ret_err = -EINVAL;
	}
	return c;
}

int sockets_open(struct sockets *k, struct runtime *runtime)
{
	struct sockets_change *change;
	int err;

	*k = (struct sockets){ .workers_n = runtime->workers_n };
	change = prepare_first(k, runtime, &err);
	if (!change) {
		passed_finish(&k->passed);
		return err;
	}
	sockets_commit(change);
	return 0;
}

const char *sockets_describe(const struct sockets *sockets, const struct listener *listener,
			     char text[SOCKETS_TEXT_BYTES])
{
	char addr[ADDR_TEXT_BYTES];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sockets->n; i++) {
		size_t room = SOCKETS_TEXT_BYTES - n;
		int more;

		if (sockets->all[i].listener != listener)
			continue;
		more = snprintf(text + n, room, "%s%s", n > 0 ? " " : "",
				addr_format(&sockets->all[i].addr, addr));
		if ((size_t)more >= room) {
			memcpy(text + SOCKETS_TEXT_BYTES - sizeof(" ..."), " ...", sizeof(" ..."));
			break;
		}
		n += (size_t)more;
	}
	return text;
}

void sockets_remove_files(struct sockets *sockets)
{
	for (size_t n = 0; n < sockets->n; n++)
		sock_file_remove(&sockets->all[n].addr, &sockets->all[n].file);
}

void sockets_finish(struct sockets *sockets)
{
	sockets_remove_files(sockets);
	passed_finish(&sockets->passed);
	for (size_t n = 0; n < sockets->n; n++)
		free(sockets->all[n].fds);
	free(sockets->all);
	*sockets = (struct sockets){ 0 };
}
