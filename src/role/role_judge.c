/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role/role_judge.h"

#include <assert.h>
#include <stdlib.h>

#include "base/check.h"

struct role_judge *role_judge_create(const struct role_config *config, size_t n)
{
	struct role_judge *judge = calloc(1, sizeof(*judge));
	struct failback_member *backs = calloc(MAX(n, (size_t)1), sizeof(*backs));

	CHECK(n < FAILBACK_NOBODY);
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

void role_judge_note_down(struct role_judge *judge, size_t n)
{
	role_evidence_clear(&judge->members[n].evidence);
}

void role_judge_allow(struct role_judge *judge, size_t n)
{
	fencing_forget(&judge->fencing);
	failback_allow(&judge->failback, (uint16_t)n);
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

/* All that claim to be primary, against each other; their verdicts are in their order. */
static void fence(struct role_judge *judge, uint64_t now_ms)
{
	size_t n = 0;

	for (size_t i = 0; i < judge->members_n; i++) {
		const struct role_member *m = &judge->members[i];

		if (!is_claiming(judge, i, now_ms))
			continue;
		judge->claims[n++] = (struct fencing_claim){
			.system_id = m->evidence.facts.system_id,
			.started_us = m->evidence.facts.started_us,
			.timeline = m->evidence.facts.timeline,
			.port = m->port,
		};
	}
	fencing_judge(&judge->fencing, judge->claims, n, judge->verdicts);
}

static enum role_reason judge_primary(struct role_judge *judge, size_t n, bool is_promoted,
				      uint64_t now_ms)
{
	struct role_member *m = &judge->members[n];

	if (m->evidence.facts.is_read_only)
		return ROLE_READ_ONLY;
	if (judge->config.fence &&
	    !failback_admits(&judge->failback, (uint16_t)n, is_promoted, now_ms))
		return ROLE_RETURNED;
	replica_lag_note_primary(&judge->lag, &m->evidence.facts);
	return ROLE_ADMITTED;
}

/* Judges those that claim to be primary, as such. */
static void judge_primaries(struct role_judge *judge, uint64_t now_ms)
{
	const struct fencing before = judge->fencing;
	size_t claim = 0;

	if (judge->config.fence)
		fence(judge, now_ms);
	for (size_t i = 0; i < judge->members_n; i++) {
		struct role_member *m = &judge->members[i];
		enum fencing_verdict verdict = FENCING_ADMITTED;

		if (!is_claiming(judge, i, now_ms)) {
			failback_note_silence(&judge->failback, (uint16_t)i);
			continue;
		}
		if (judge->config.fence)
			verdict = judge->verdicts[claim++];
		if (verdict == FENCING_ADMITTED)
			m->as_primary = judge_primary(
				judge, i, judge->fencing.timeline > before.timeline, now_ms);
		else
			m->as_primary = verdict == FENCING_STALE ? ROLE_STALE : ROLE_SPLIT;
	}
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

/* What becomes of a server by its role and by what the pool wants. */
static enum role_reason reason_by_role(const struct role_judge *judge, size_t n, uint64_t now_ms)
{
	const struct role_member *m = &judge->members[n];
	const enum role_wanted wanted = judge->config.wanted;

	switch (role_now(judge, n, now_ms)) {
	case CHECK_ROLE_PRIMARY:
		if (wanted == ROLE_WANTED_ANY && m->as_primary == ROLE_READ_ONLY)
			return ROLE_ADMITTED;
		return wanted == ROLE_WANTED_REPLICA ? ROLE_OTHER : m->as_primary;
	case CHECK_ROLE_REPLICA:
		return wanted == ROLE_WANTED_PRIMARY ? ROLE_OTHER : judge_replica(judge, m);
	default:
		return ROLE_UNKNOWN;
	}
}

bool role_judge_has_fenced(const struct role_judge *judge, size_t n)
{
	const enum role_reason reason = judge->members[n].as_primary;

	return reason == ROLE_STALE || reason == ROLE_SPLIT;
}

bool role_judge_decide(struct role_judge *judge, uint64_t now_ms)
{
	bool has_changed = false;

	judge_primaries(judge, now_ms);
	for (size_t i = 0; i < judge->members_n; i++) {
		const enum role_reason reason = reason_by_role(judge, i, now_ms);

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
	[ROLE_ADMITTED] = "has the role",
	[ROLE_UNKNOWN] = "role unknown",
	[ROLE_OTHER] = "has another role",
	[ROLE_READ_ONLY] = "refuses to write",
	[ROLE_STALE] = "primary of an older timeline",
	[ROLE_SPLIT] = "one of several primaries",
	[ROLE_RETURNED] = "was replaced as primary",
	[ROLE_LAGS] = "too far behind its primary",
	[ROLE_LAG_UNKNOWN] = "lag unknown",
};

static_assert(ARRAY_LEN(reason_texts) == ROLE_REASONS, "every reason needs words");

const char *role_reason_text(enum role_reason reason)
{
	CHECK((size_t)reason < ARRAY_LEN(reason_texts));
	return reason_texts[reason];
}
