/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What workers are told of another generation's sockets. */

#include "sockets_change.h"

#include <errno.h>
#include <stdlib.h>

/* ---- a precise address beside a wildcard --------------------------------- */

/* Were it not listening, its clients would come to another listener. */
static bool is_covered(const struct sockets_change *c, const struct target *t)
{
	for (size_t n = 0; n < c->n; n++)
		if (c->targets[n].listener != t->listener &&
		    bound_addr_is_within(&t->addr, &c->targets[n].addr))
			return true;
	return false;
}

/* It goes, and what comes there has another socket of ours from now on. */
static bool is_followed(const struct sockets_change *c, const struct bound_socket *s)
{
	if (s->is_passed || c->stays[s - c->sockets->all])
		return false;
	for (size_t n = 0; n < c->n; n++)
		if (bound_addrs_overlap(&s->wanted, &c->targets[n].addr))
			return true;
	return false;
}

/* ---- by worker ----------------------------------------------------------- */

static struct generation_socket socket_of(const struct bound_socket *s, struct listener *listener,
					  unsigned worker)
{
	return (struct generation_socket){
		.id = s->id,
		.listener = listener,
		.fd = s->fds[worker],
		.is_tcp = !addr_is_unix(&s->wanted),
	};
}

static int compare_ids(const void *a, const void *b)
{
	const struct generation_socket *left = a, *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

static void add_targets(const struct sockets_change *c, unsigned worker,
			struct generation_socket *to)
{
	for (size_t n = 0; n < c->n; n++) {
		const struct target *t = &c->targets[n];

		to[n] = socket_of(t->known ? t->known : &t->fresh, t->listener, worker);
		to[n].is_new = !t->known;
		to[n].is_covered = t->is_covered;
	}
}

static void add_leaving(const struct sockets_change *c, unsigned worker,
			struct generation_socket *to)
{
	size_t n = 0;

	for (size_t i = 0; i < c->sockets->n; i++) {
		const struct bound_socket *s = &c->sockets->all[i];

		if (!is_followed(c, s))
			continue;
		to[n] = socket_of(s, s->listener, worker);
		to[n++].is_leaving = true;
	}
}

int sockets_lay_out(struct sockets_change *c)
{
	struct generation *g = c->generation;
	struct sockets *k = c->sockets;
	size_t leaving = 0;

	for (size_t n = 0; n < c->n; n++) {
		if (!c->targets[n].known)
			c->targets[n].fresh.id = ++k->last_id;
		c->targets[n].is_covered = is_covered(c, &c->targets[n]);
	}
	for (size_t n = 0; n < k->n; n++)
		leaving += is_followed(c, &k->all[n]);
	g->sockets_n = c->n + leaving;
	g->sockets = calloc(g->sockets_n * k->workers_n + 1, sizeof(*g->sockets));
	c->all = calloc(c->n + 1, sizeof(*c->all));
	if (!g->sockets || !c->all)
		return -ENOMEM;
	for (unsigned w = 0; w < k->workers_n; w++) {
		struct generation_socket *to = g->sockets + w * g->sockets_n;

		add_targets(c, w, to);
		add_leaving(c, w, to + c->n);
		qsort(to, g->sockets_n, sizeof(*to), compare_ids);
	}
	return 0;
}
