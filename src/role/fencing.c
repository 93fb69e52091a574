/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role/fencing.h"

bool fencing_is_stale(const struct fencing *f, const struct fencing_claim *c)
{
	return f->system_id != 0 && c->system_id == f->system_id && c->timeline < f->timeline;
}

/* A unix socket's path tells no port. */
static bool is_same_port(uint16_t a, uint16_t b)
{
	return a == b || a == 0 || b == 0;
}

/* Two names of one server? */
static bool is_same(const struct fencing_claim *a, const struct fencing_claim *b)
{
	return a->system_id != 0 && a->started_us != 0 && a->system_id == b->system_id &&
	       a->started_us == b->started_us && is_same_port(a->port, b->port);
}

/* The claim that all others of @open are behind or the same as; NULL: it cannot be told. */
static const struct fencing_claim *find_leader(const struct fencing_claim *claims, size_t n,
					       const enum fencing_verdict *verdicts)
{
	const struct fencing_claim *leader = NULL;

	for (size_t i = 0; i < n; i++)
		if (verdicts[i] != FENCING_STALE &&
		    (!leader || claims[i].timeline > leader->timeline))
			leader = &claims[i];
	for (size_t i = 0; leader && i < n; i++) {
		const struct fencing_claim *c = &claims[i];

		if (verdicts[i] == FENCING_STALE || c == leader || is_same(c, leader))
			continue;
		if (leader->system_id == 0 || c->system_id != leader->system_id ||
		    c->timeline == 0 || c->timeline == leader->timeline)
			return NULL;
	}
	return leader;
}

static void remember(struct fencing *f, const struct fencing_claim *leader)
{
	if (leader->system_id == 0)
		return;
	f->system_id = leader->system_id;
	f->timeline = leader->timeline;
}

void fencing_judge(struct fencing *f, const struct fencing_claim *claims, size_t n,
		   enum fencing_verdict *ret_verdicts)
{
	const struct fencing_claim *leader;

	for (size_t i = 0; i < n; i++)
		ret_verdicts[i] = fencing_is_stale(f, &claims[i]) ? FENCING_STALE : FENCING_SPLIT;
	leader = find_leader(claims, n, ret_verdicts);
	if (!leader)
		return;
	remember(f, leader);
	for (size_t i = 0; i < n; i++) {
		if (&claims[i] == leader || is_same(&claims[i], leader))
			ret_verdicts[i] = FENCING_ADMITTED;
		else
			ret_verdicts[i] = FENCING_STALE;
	}
}

void fencing_forget(struct fencing *f)
{
	*f = (struct fencing){ 0 };
}
