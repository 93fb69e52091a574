/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role/role_judge.h"

#include <assert.h>
#include <stdlib.h>

#include "base/check.h"

struct role_judge *role_judge_create(const struct role_config *config, size_t n)
{
	struct role_judge *judge = calloc(1, sizeof(*judge));
	struct failback_member *backs = calloc(MAX(n, (size_t)1), sizeof(*backs));

	CHECK(n < UINT16_MAX);
	if (!judge || !backs) {
		free(judge);
		free(backs);
		return NULL;
	}
	judge->config = *config;
	judge->members_n = n;
	failback_init(&judge->failback, &config->failback, backs);
	judge->members = calloc(MAX(n, (size_t)1), sizeof(*judge->members));
	judge->claims = calloc(MAX(n, (size_t)1), sizeof(*judge->claims));
	judge->verdicts = calloc(MAX(n, (size_t)1), sizeof(*judge->verdicts));
	if (!judge->members || !judge->claims || !judge->verdicts) {
		role_judge_destroy(judge);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		judge->members[i].reason = ROLE_UNKNOWN;
	return judge;
}

void role_judge_destroy(struct role_judge *judge)
{
	if (!judge)
		return;
	free(judge->failback.members);
	free(judge->members);
	free(judge->claims);
	free(judge->verdicts);
	free(judge);
}

/* ---- what checks say ----------------------------------------------------- */

void role_judge_note(struct role_judge *judge, size_t n, const struct check_facts *facts,
		     uint64_t now_ms)
{
	struct role_member *m = &judge->members[n];

	role_evidence_note(&m->evidence, facts, now_ms);
	if (facts->verdict != CHECK_PASSED)
		return;
	if (facts->role == CHECK_ROLE_REPLICA)
		failback_note_replica(&judge->failback, (uint16_t)n);
}

void role_judge_doubt(struct role_judge *judge, size_t n)
{
	role_evidence_doubt(&judge->members[n].evidence);
}

void role_judge_note_down(struct role_judge *judge, size_t n)
{
	role_evidence_clear(&judge->members[n].evidence);
}

static enum check_role role_now(const struct role_judge *judge, size_t n, uint64_t now_ms)
{
	return role_evidence_of(&judge->members[n].evidence, judge->config.age_max_ms, now_ms);
}

/* ---- who is primary ------------------------------------------------------ */

static bool is_claiming(const struct role_judge *judge, size_t n, uint64_t now_ms)
{
	return role_now(judge, n, now_ms) == CHECK_ROLE_PRIMARY;
}

/* It is the one, of those among whom nothing else tells. */
void role_judge_allow(struct role_judge *judge, size_t n, uint64_t now_ms)
{
	const enum role_reason reason = judge->members[n].as_primary;
	const bool is_one_of = is_claiming(judge, n, now_ms) &&
			       (reason == ROLE_SPLIT || reason == ROLE_RETURNED);

	fencing_forget(&judge->fencing);
	failback_allow(&judge->failback, (uint16_t)n);
	for (size_t i = 0; is_one_of && i < judge->members_n; i++)
		if (i != n && is_claiming(judge, i, now_ms))
			failback_forbid(&judge->failback, (uint16_t)i);
}

/* Somebody has promoted it since the last one was written to, as its timeline tells. */
static bool is_promoted(const struct role_judge *judge, size_t n)
{
	const struct check_facts *facts = &judge->members[n].evidence.facts;

	return facts->system_id != 0 && facts->system_id == judge->fencing.system_id &&
	       facts->timeline > judge->fencing.timeline;
}

static bool is_held_back(const struct role_judge *judge, size_t n)
{
	return judge->failback.members[n].is_replaced && !is_promoted(judge, n);
}

/* Is there one that claims to be primary, and was not replaced? */
static bool has_heir(const struct role_judge *judge, uint64_t now_ms)
{
	for (size_t i = 0; i < judge->members_n; i++)
		if (is_claiming(judge, i, now_ms) && !is_held_back(judge, i))
			return true;
	return false;
}

/* May it be primary, as far as it alone is concerned? Who was replaced contradicts no other. */
static bool is_candidate(struct role_judge *judge, size_t n, bool has_heir, uint64_t now_ms)
{
	struct failback *f = &judge->failback;
	const uint16_t number = (uint16_t)n;

	if (!is_held_back(judge, n)) {
		failback_note_claim(f, number, now_ms);
		return true;
	}
	if (has_heir)
		failback_note_silence(f, number);
	else
		failback_note_claim(f, number, now_ms);
	return !has_heir && failback_lets(f, number, now_ms);
}

static struct fencing_claim claim_of(const struct role_member *m)
{
	return (struct fencing_claim){
		.system_id = m->evidence.facts.system_id,
		.started_us = m->evidence.facts.started_us,
		.timeline = m->evidence.facts.timeline,
		.port = m->port,
	};
}

/* It claims to be primary as well, but was replaced. */
static enum role_reason reason_of_other(const struct role_judge *judge, const struct role_member *m)
{
	const struct fencing_claim claim = claim_of(m);

	return fencing_is_stale(&judge->fencing, &claim) ? ROLE_STALE : ROLE_RETURNED;
}

static enum role_reason reason_of(const struct role_member *m, enum fencing_verdict verdict)
{
	switch (verdict) {
	case FENCING_STALE:
		return ROLE_STALE;
	case FENCING_SPLIT:
		return ROLE_SPLIT;
	default:
		return m->evidence.facts.is_read_only ? ROLE_READ_ONLY : ROLE_ADMITTED;
	}
}

/* All that claim to be primary, against each other. */
static void fence(struct role_judge *judge, uint64_t now_ms)
{
	const bool heir = has_heir(judge, now_ms);
	size_t n = 0, claim = 0;

	for (size_t i = 0; i < judge->members_n; i++) {
		struct role_member *m = &judge->members[i];

		if (!is_claiming(judge, i, now_ms))
			failback_note_silence(&judge->failback, (uint16_t)i);
		m->is_candidate = is_claiming(judge, i, now_ms) &&
				  is_candidate(judge, i, heir, now_ms);
		if (m->is_candidate)
			judge->claims[n++] = claim_of(m);
	}
	fencing_judge(&judge->fencing, judge->claims, n, judge->verdicts);
	for (size_t i = 0; i < judge->members_n; i++) {
		struct role_member *m = &judge->members[i];

		if (m->is_candidate)
			m->as_primary = reason_of(m, judge->verdicts[claim++]);
		else if (is_claiming(judge, i, now_ms))
			m->as_primary = reason_of_other(judge, m);
	}
}

static bool is_written_to(const struct role_judge *judge, size_t n, uint64_t now_ms)
{
	return is_claiming(judge, n, now_ms) && judge->members[n].as_primary == ROLE_ADMITTED;
}

/* Whoever was primary and is so no more has been replaced, once another one is. */
static void note_successors(struct role_judge *judge, uint64_t now_ms)
{
	bool has_primary = false;

	for (size_t i = 0; i < judge->members_n; i++) {
		if (!is_written_to(judge, i, now_ms))
			continue;
		failback_note_primary(&judge->failback, (uint16_t)i);
		has_primary = true;
	}
	for (size_t i = 0; has_primary && i < judge->members_n; i++)
		if (!is_written_to(judge, i, now_ms))
			failback_note_other(&judge->failback, (uint16_t)i);
}

/* Judges those that claim to be primary, as such. */
static void judge_primaries(struct role_judge *judge, uint64_t now_ms)
{
	if (judge->config.fence)
		fence(judge, now_ms);
	else
		for (size_t i = 0; i < judge->members_n; i++)
			judge->members[i].as_primary =
				reason_of(&judge->members[i], FENCING_ADMITTED);
	if (judge->config.fence)
		note_successors(judge, now_ms);
	for (size_t i = 0; i < judge->members_n; i++)
		if (is_written_to(judge, i, now_ms))
			replica_lag_note_primary(&judge->lag, i, &judge->members[i].evidence.facts);
}

/* ---- replicas ------------------------------------------------------------ */

static enum role_reason judge_replica(const struct role_judge *judge, const struct role_member *m)
{
	const struct role_config *config = &judge->config;
	const struct check_facts *facts = &m->evidence.facts;
	uint64_t bytes;

	if (config->lag_max_ms != ROLE_NO_LAG_LIMIT) {
		if (!facts->has_lag)
			return ROLE_LAG_UNKNOWN;
		if (facts->lag_ms > config->lag_max_ms)
			return ROLE_LAGS;
	}
	if (config->lag_max_bytes == ROLE_NO_LAG_LIMIT)
		return ROLE_ADMITTED;
	if (!replica_lag_bytes(&judge->lag, facts, &bytes))
		return ROLE_LAG_UNKNOWN;
	return bytes <= config->lag_max_bytes ? ROLE_ADMITTED : ROLE_LAGS;
}

/* ---- the decision -------------------------------------------------------- */

/* Of one that claims to be primary. */
static enum role_reason reason_of_primary(const struct role_judge *judge,
					  const struct role_member *m, bool has_replica)
{
	const enum role_wanted wanted = judge->config.wanted;

	if (wanted == ROLE_WANTED_REPLICA)
		return ROLE_OTHER;
	if (wanted == ROLE_WANTED_PRIMARY)
		return m->as_primary;
	if (m->as_primary != ROLE_READ_ONLY && m->as_primary != ROLE_ADMITTED)
		return m->as_primary;
	return has_replica ? ROLE_SPARE : ROLE_ADMITTED; /* to read from */
}

/* What becomes of a server by its role and by what the pool wants. */
static enum role_reason reason_by_role(const struct role_judge *judge, size_t n, bool has_replica,
				       uint64_t now_ms)
{
	const struct role_member *m = &judge->members[n];

	switch (role_now(judge, n, now_ms)) {
	case CHECK_ROLE_PRIMARY:
		return reason_of_primary(judge, m, has_replica);
	case CHECK_ROLE_REPLICA:
		return judge->config.wanted == ROLE_WANTED_PRIMARY ? ROLE_OTHER
								   : judge_replica(judge, m);
	default:
		return ROLE_UNKNOWN;
	}
}

/* One that has no room, as it says itself, leaves who comes to a primary. */
static bool is_serving_replica(const struct role_judge *judge, size_t n, uint64_t now_ms)
{
	const struct role_member *m = &judge->members[n];

	return !m->is_out && !m->evidence.is_full &&
	       role_now(judge, n, now_ms) == CHECK_ROLE_REPLICA &&
	       judge_replica(judge, m) == ROLE_ADMITTED;
}

/* Does a replica serve, where that makes a difference? */
static bool has_replica(const struct role_judge *judge, uint64_t now_ms)
{
	if (judge->config.wanted != ROLE_WANTED_REPLICA_FIRST)
		return false;
	for (size_t i = 0; i < judge->members_n; i++)
		if (is_serving_replica(judge, i, now_ms))
			return true;
	return false;
}

bool role_judge_has_fenced(const struct role_judge *judge, size_t n)
{
	const enum role_reason reason = judge->members[n].as_primary;

	return reason == ROLE_STALE || reason == ROLE_SPLIT || reason == ROLE_RETURNED;
}

bool role_judge_decide(struct role_judge *judge, uint64_t now_ms)
{
	bool has_changed = false, is_replica_there;

	judge_primaries(judge, now_ms);
	is_replica_there = has_replica(judge, now_ms);
	for (size_t i = 0; i < judge->members_n; i++) {
		const enum role_reason reason = reason_by_role(judge, i, is_replica_there, now_ms);

		has_changed |= reason != judge->members[i].reason;
		judge->members[i].reason = reason;
	}
	return has_changed;
}

uint64_t role_judge_next_ms(const struct role_judge *judge, uint64_t now_ms)
{
	const struct role_config *config = &judge->config;
	uint64_t next_ms = UINT64_MAX;

	for (size_t i = 0; i < judge->members_n; i++) {
		const struct role_evidence *e = &judge->members[i].evidence;
		const struct failback_member *back = &judge->failback.members[i];
		const uint64_t old_ms = e->confirmed_ms + config->age_max_ms + 1;
		const uint64_t back_ms = back->claims_since_ms + config->failback.after_ms;

		if (e->is_there && old_ms > now_ms)
			next_ms = MIN(next_ms, old_ms);
		if (config->failback.policy == FAILBACK_AFTER && back->is_replaced &&
		    back->claims_since_ms > 0 && back_ms > now_ms)
			next_ms = MIN(next_ms, back_ms);
	}
	return next_ms;
}

static const char *const reason_texts[] = {
	[ROLE_ADMITTED] = "has the role",           [ROLE_UNKNOWN] = "role unknown",
	[ROLE_OTHER] = "has another role",          [ROLE_SPARE] = "primary, and replicas serve",
	[ROLE_READ_ONLY] = "refuses to write",      [ROLE_STALE] = "primary of an older timeline",
	[ROLE_SPLIT] = "one of several primaries",  [ROLE_RETURNED] = "was replaced as primary",
	[ROLE_LAGS] = "too far behind its primary", [ROLE_LAG_UNKNOWN] = "lag unknown",
};

static_assert(ARRAY_LEN(reason_texts) == ROLE_REASONS, "every reason needs words");

const char *role_reason_text(enum role_reason reason)
{
	CHECK((size_t)reason < ARRAY_LEN(reason_texts));
	return reason_texts[reason];
}
