/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bed.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "config/load.h"
#include "state/generation.h"
#include "state/peers.h"
#include "state/runtime_change.h"
#include "state/runtime_collect.h"
#include "state/tls_contexts.h"

/* ---- the file ------------------------------------------------------------ */

static const char *or_else(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

static void write_backends(const struct bed *st, const struct bed_options *o, FILE *to)
{
	char text[ADDR_TEXT_BYTES];

	for (unsigned n = 0; n < st->servers_n; n++) {
		unsigned server = (n + o->turned) % st->servers_n;

		if (!(o->absent >> server & 1))
			fprintf(to, "backend = b%u %s %s\n", n,
				addr_format(&st->server_addrs[server], text),
				or_else(o->backend_keys, ""));
	}
}

static char *write_file(const struct bed *st, const struct bed_options *o, size_t *ret_bytes)
{
	const char *pool = or_else(o->pool_name, "p");
	char text[ADDR_TEXT_BYTES], *file;
	FILE *to = open_memstream(&file, ret_bytes);

	CHECK(to);
	fprintf(to, "[listener %s]\nbind = %s\npool = %s\n%s\n[pool %s]\n",
		or_else(o->listener_name, "l"), addr_format(&st->addr, text), pool,
		or_else(o->listener_keys, ""), pool);
	write_backends(st, o, to);
	fprintf(to, "%s\n", or_else(o->pool_keys, ""));
	CHECK(fclose(to) == 0);
	return file;
}

void bed_load(const struct bed *st, const struct bed_options *o, struct config **ret_config,
	      struct tls_contexts **ret_tls)
{
	size_t bytes;
	char *file = write_file(st, o, &bytes);
	struct diag diag;

	diag_init(&diag);
	*ret_config = config_load_text("bed.ini", file, bytes, &diag);
	CHECK(*ret_config);
	*ret_tls = st->tls ? tls_contexts_create_next(*ret_config, &diag, st->config, st->tls)
			   : tls_contexts_create(*ret_config, &diag);
	if (diag_has_errors(&diag))
		diag_write(&diag, stderr);
	CHECK(!diag_has_errors(&diag));
	diag_finish(&diag);
	free(file);
}

/* ---- from one to the next ------------------------------------------------ */

struct listener *bed_listener(const struct bed *st)
{
	return &st->runtime->listeners[atomic_load(&st->runtime->generation)->slots[0]];
}

struct pool *bed_pool(const struct bed *st)
{
	return runtime_pool(st->runtime, atomic_load(&st->runtime->generation),
			    &st->config->pools[0]);
}

bool bed_may_reload(const struct bed *st)
{
	return runtime_has_passed(st->runtime);
}

/* All have the socket that they had. */
static void give_sockets(struct bed *st, struct generation *g)
{
	g->sockets = calloc(st->workers_n, sizeof(*g->sockets));
	CHECK(g->sockets);
	g->sockets_n = 1;
	for (unsigned w = 0; w < st->workers_n; w++)
		g->sockets[w] = (struct generation_socket){
			.listener = &st->runtime->listeners[g->slots[0]],
			.fd = st->engines[w].acceptors[0].fd,
			.is_tcp = !addr_is_unix(&st->addr),
		};
}

void bed_reload(struct bed *st, const struct bed_options *o)
{
	struct shared_config *shared;
	struct tls_contexts *tls;
	struct runtime_change *change;
	struct generation *g;
	struct config *config;
	int err;

	CHECK(bed_may_reload(st));
	bed_load(st, o, &config, &tls);
	shared = shared_config_create(config);
	CHECK(shared);
	g = generation_create(shared, tls, st->runtime->slots_max, st->workers_n);
	CHECK(g);
	shared_config_unref(shared);
	change = runtime_prepare(st->runtime, g, &err);
	CHECK(change);
	give_sockets(st, g);
	runtime_publish(change);
	st->config = config;
	st->tls = tls;
	peers_ask(st->runtime);
	peers_serve_queue(st->runtime, bed_pool(st), st->now_ms);
}

bool bed_collect(struct bed *st)
{
	bool was_freed;

	return !runtime_collect(st->runtime, st->now_ms, &was_freed);
}
