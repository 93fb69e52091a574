/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool/health.h"

#include "base/check.h"
#include "net/sock_error.h"

#include <string.h>

const char *const health_change_names[HEALTH_CHANGES] = {
	[HEALTH_SAME] = "same",       [HEALTH_WENT_DOWN] = "down",    [HEALTH_WENT_UP] = "up",
	[HEALTH_EJECTED] = "ejected", [HEALTH_RETURNED] = "returned", [HEALTH_FILLED] = "full",
	[HEALTH_HAS_ROOM] = "room",   [HEALTH_STAYED_DOWN] = "down",
};

void health_init(struct health *health, bool is_up)
{
	*health = (struct health){ .admin_state = BACKEND_READY, .is_up = is_up };
}

enum backend_state health_state(const struct health *health)
{
	if (health->admin_state == BACKEND_MAINT || health->admin_state == BACKEND_DOWN)
		return health->admin_state;
	if (!health->is_up)
		return BACKEND_DOWN;
	if (health->admin_state == BACKEND_DRAIN)
		return BACKEND_DRAIN;
	if (health->standby)
		return BACKEND_STANDBY;
	return health->is_ejected ? BACKEND_EJECTED : BACKEND_READY;
}

static bool is_pass(enum health_answer answer)
{
	return answer != HEALTH_ANSWER_FAILED && answer != HEALTH_ANSWER_REFUSED;
}

static enum health_change note_full(struct health *health, bool is_full)
{
	const bool was_full = health->is_full;

	health->is_full = is_full;
	if (is_full == was_full)
		return HEALTH_SAME;
	return is_full ? HEALTH_FILLED : HEALTH_HAS_ROOM;
}

enum health_change health_on_check(struct health *health, const struct check_config *config,
				   enum health_answer answer)
{
	const bool passed = is_pass(answer);
	const bool at_once = answer == HEALTH_ANSWER_REFUSED || answer == HEALTH_ANSWER_NEEDED;
	const unsigned enough = at_once ? 1 : passed ? config->rise : config->fall;
	const enum health_change fullness = note_full(health, answer == HEALTH_ANSWER_FULL);

	if (passed == health->is_up) {
		const bool is_first_no = !passed && !health->is_checked;

		health->is_checked = true;
		health->streak = 0;
		return is_first_no ? HEALTH_STAYED_DOWN : fullness;
	}
	health->streak++;
	if (health->is_checked && health->streak < enough)
		return HEALTH_SAME;
	health->is_checked = true;
	health->streak = 0;
	health->is_up = passed;
	return passed ? HEALTH_WENT_UP : HEALTH_WENT_DOWN;
}

/* A number below @n, from 32 random bits. */
static uint64_t below(uint64_t n, uint32_t random)
{
	return (uint64_t)(((unsigned __int128)n * random) >> 32);
}

uint64_t health_check_delay_ms(const struct health *health, const struct check_config *config,
			       uint32_t random)
{
	const bool is_fast = health->streak > 0 || health->is_full;
	uint64_t ms = is_fast ? config->fast_interval_ms : config->interval_ms;
	uint64_t off = ms * MIN(config->jitter_percent, 100) / 100;

	return ms - off + below(2 * off + 1, random);
}

uint64_t health_first_delay_ms(const struct check_config *config, uint32_t random)
{
	return below(config->interval_ms, random);
}

enum health_result health_result_of(int err)
{
	enum sock_fault fault = sock_fault_of(err);

	if (fault == SOCK_FAULT_NONE)
		return HEALTH_FINE;
	if (fault == SOCK_FAULT_NO_TLS) /* it serves those who do not ask for it */
		return HEALTH_EXCUSED;
	return fault == SOCK_FAULT_LOCAL ? HEALTH_LOCAL : HEALTH_FAILED;
}

/* The slice that holds @now_ms, emptied when it was last used for another time. */
static struct health_slice *slice_at(struct health *health, const struct eject_config *config,
				     uint64_t now_ms)
{
	uint64_t number = now_ms / MAX(config->window_ms / HEALTH_SLICES, 1);
	struct health_slice *slice = &health->slices[number % HEALTH_SLICES];

	if (slice->number < number)
		*slice = (struct health_slice){ .number = number };
	return slice;
}

static bool fails_in_a_row(struct health *health, const struct eject_config *config)
{
	health->blamed_failures = health->failures_in_row;
	health->blamed_connects = 0;
	return config->in_a_row > 0 && health->failures_in_row >= config->in_a_row;
}

static bool fails_too_often(struct health *health, const struct eject_config *config,
			    uint64_t newest)
{
	uint64_t connects = 0, failures = 0;

	if (config->failure_percent == 0)
		return false;
	for (size_t i = 0; i < HEALTH_SLICES; i++) {
		if (newest - health->slices[i].number >= HEALTH_SLICES)
			continue;
		connects += health->slices[i].connects;
		failures += health->slices[i].failures;
	}
	health->blamed_failures = (uint32_t)failures;
	health->blamed_connects = (uint32_t)connects;
	return connects >= config->window_connects_min &&
	       failures * 100 >= connects * config->failure_percent;
}

static bool is_spare(const struct health_group *group)
{
	return (uint64_t)(group->out + 1) * 100 <=
	       (uint64_t)group->members * group->eject->ejected_max_percent;
}

static void eject(struct health *health, const struct eject_config *config, uint64_t now_ms,
		  uint32_t random)
{
	uint64_t step_ms = MAX(config->time_ms, 1);
	uint64_t in_ms = now_ms - MIN(health->eject_end_ms, now_ms);
	uint64_t forgiven = in_ms / step_ms;
	uint64_t ms;

	health->ejections -= (unsigned)MIN(forgiven, health->ejections);
	health->ejections++;
	ms = MIN(step_ms * health->ejections, MAX(config->time_max_ms, step_ms));
	ms += below(ms * config->jitter_percent / 100 + 1, random);
	health->eject_end_ms = now_ms + ms;
	health->is_ejected = true;
}

enum health_change health_on_connect(struct health *health, const struct health_group *group,
				     enum health_result result, uint64_t now_ms, uint32_t random)
{
	const struct eject_config *config = group->eject;
	struct health_slice *slice;

	if (result == HEALTH_LOCAL || result == HEALTH_EXCUSED)
		return HEALTH_SAME;
	slice = slice_at(health, config, now_ms);
	slice->connects++;
	if (result == HEALTH_FINE) {
		health->failures_in_row = 0;
		return HEALTH_SAME;
	}

	slice->failures++;
	health->failures_in_row++;
	if (health_state(health) != BACKEND_READY || !is_spare(group))
		return HEALTH_SAME;
	if (!fails_in_a_row(health, config) && !fails_too_often(health, config, slice->number))
		return HEALTH_SAME;
	eject(health, config, now_ms, random);
	return HEALTH_EJECTED;
}

/* ---- sessions that it took --------------------------------------------------- */

static void note_network(struct health *health, uint64_t network)
{
	if (network == 0 || health->networks_n == HEALTH_NETWORKS)
		return;
	for (unsigned i = 0; i < health->networks_n; i++)
		if (health->networks[i] == network)
			return;
	health->networks[health->networks_n++] = network;
}

static bool serves_too_few(struct health *health, const struct eject_config *config)
{
	health->blamed_failures = health->unserved_in_row;
	health->blamed_connects = 0;
	return config->in_a_row > 0 && health->unserved_in_row >= config->in_a_row;
}

static void forget_unserved(struct health *health)
{
	health->unserved_in_row = health->networks_n = 0;
}

enum health_change health_on_unserved(struct health *health, const struct health_group *group,
				      const struct unserved *session, uint64_t now_ms,
				      uint32_t random)
{
	const struct eject_config *config = group->eject;
	struct health_slice *slice = slice_at(health, config, now_ms);

	health->unserved_in_row++;
	health->unserved_ms = now_ms;
	note_network(health, session->network);
	if (session->is_certain && session->kind != REFUSAL_OF_CLIENT)
		health->networks_n = HEALTH_NETWORKS;
	if (health->networks_n < HEALTH_NETWORKS ||
	    (session->kind == REFUSAL_OF_CLIENT && !group->others_serve))
		return HEALTH_SAME;
	slice->failures++;
	if (health_state(health) != BACKEND_READY || !is_spare(group))
		return HEALTH_SAME;
	if (!serves_too_few(health, config) && !fails_too_often(health, config, slice->number))
		return HEALTH_SAME;
	eject(health, config, now_ms, random);
	return HEALTH_EJECTED;
}

/* A session that began before the failures that are counted says nothing about now. */
void health_on_served(struct health *health, uint64_t began_ms)
{
	if (began_ms >= health->unserved_ms)
		forget_unserved(health);
}

/* When an ejection is over, the failures that led to it are forgotten. */
enum health_change health_on_time(struct health *health, uint64_t now_ms)
{
	if (!health->is_ejected || now_ms < health->eject_end_ms)
		return HEALTH_SAME;
	health->is_ejected = false;
	health->failures_in_row = 0;
	forget_unserved(health);
	memset(health->slices, 0, sizeof(health->slices));
	return HEALTH_RETURNED;
}
