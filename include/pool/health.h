/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOL_HEALTH_H
#define POOL_HEALTH_H

/*
 * Is one backend healthy? A pure state machine over three inputs: what the
 * operator says of it, what its active checks say (rise and fall), and how
 * sessions fare that connect to it (ejection). It asks nobody and looks at no
 * clock: answers, time and random numbers are arguments. The pool holds one
 * for each backend, under its lock.
 *
 * Checks: `fall` failures in a row take it down, `rise` passes in a row bring
 * it up; the very first answer is believed at once. While answers contradict
 * what is believed, it is asked faster.
 *
 * Ejection: `in_a_row` connects that fail in a row, or `failure_percent` of
 * at least `window_connects_min` within `window_ms`, put it out for `time_ms`,
 * and n times as long when it is the n-th time; each `time_ms` that it stays
 * in forgives one of them. Never is it put out when more than
 * `ejected_max_percent` of the pool would be out then.
 *
 * Sessions that it takes and does not serve are failures as well, once it is
 * clear that their clients are not the reason: they are in three networks. One
 * that it may refuse for what the client says counts only while another
 * backend takes in who comes.
 */

#include <stdbool.h>
#include <stdint.h>

#include "balance/backend.h"
#include "base/def.h"
#include "config/config.h"
#include "proto/refusal.h"

/* What a try to connect says about the backend. */
enum health_result {
	HEALTH_FINE,    /* it took the session */
	HEALTH_FAILED,  /* refused, timed out, reset before its first byte, failed in TLS */
	HEALTH_LOCAL,   /* trouble of our own, such as no port left: says nothing of it */
	HEALTH_EXCUSED, /* it cannot serve this client, which is not held against it */
	HEALTH_RESULTS,
};

/* What an active check says. */
enum health_answer {
	HEALTH_ANSWER_FAILED,
	HEALTH_ANSWER_PASSED,
	HEALTH_ANSWER_FULL,    /* passed, but it takes nobody in now */
	HEALTH_ANSWER_REFUSED, /* it says itself that it does not serve: believed at once */
	HEALTH_ANSWER_NEEDED,  /* passed, and nobody else serves: believed at once, too */
};

enum health_change {
	HEALTH_SAME,
	HEALTH_WENT_DOWN,
	HEALTH_WENT_UP,
	HEALTH_EJECTED,
	HEALTH_RETURNED, /* from ejection */
	HEALTH_FILLED,   /* it takes nobody in now, for want of connections */
	HEALTH_HAS_ROOM,
	HEALTH_STAYED_DOWN, /* its first check has failed, before which nobody was let in */
	HEALTH_CHANGES,
};

extern const char *const health_change_names[HEALTH_CHANGES];

#define HEALTH_SLICES 10  /* that a window is counted in */
#define HEALTH_NETWORKS 3 /* of clients: so many do not mistake a server's protocol all at once */

/* A session that the backend took and did not serve. */
struct unserved {
	uint64_t network; /* where its client is; 0: nobody knows */
	enum refusal_kind kind;
	bool is_certain; /* no client can have been the reason, unless the refusal may be its own */
	uint64_t began_ms; /* when it was connected */
};

struct health {
	enum backend_state admin_state; /* by the operator: ready, drain, maint or down */

	bool is_up;          /* as its checks say */
	bool is_checked;     /* a check has answered */
	bool is_full;        /* as the last one has said */
	const char *standby; /* why its role keeps it from serving: pool_set_standby(); NULL */
	unsigned streak;     /* answers in a row that contradict is_up */

	bool is_ejected;
	unsigned failures_in_row;
	unsigned unserved_in_row; /* sessions that it took; see struct unserved */
	unsigned networks_n;      /* whose they were; HEALTH_NETWORKS: it is the backend */
	uint64_t networks[HEALTH_NETWORKS];
	uint64_t unserved_ms;  /* when the last was */
	unsigned ejections;    /* not yet forgiven */
	uint64_t eject_end_ms; /* when it came or will come back from the last */
	/* For what it was ejected last: failures of so many connects, or, with 0, in a row. */
	uint32_t blamed_failures, blamed_connects;
	struct health_slice {
		uint64_t number; /* of the slice, counted from time 0 */
		uint32_t connects;
		uint32_t failures;
	} slices[HEALTH_SLICES];
};

/* Of one pool. */
struct health_group {
	const struct eject_config *eject;
	unsigned members;
	unsigned out;      /* down, draining, in maintenance or ejected */
	bool others_serve; /* another one takes in who comes, and has refused nobody since */
};

/* Not @is_up: until its first check passes. */
void health_init(struct health *health, bool is_up);

/* What all of these together say. The operator comes first, then its checks. */
enum backend_state health_state(const struct health *health);

/* An active check passed or failed. A timeout of the check is a failure. */
enum health_change health_on_check(struct health *health, const struct check_config *config,
				   enum health_answer answer);

/* How long after the start of the last check the next one starts. */
uint64_t health_check_delay_ms(const struct health *health, const struct check_config *config,
			       uint32_t random);

/* How long after start-up the first check starts: checks of many backends are spread evenly. */
uint64_t health_first_delay_ms(const struct check_config *config, uint32_t random);

/* Of 0 or the -errno of connect(2) or of the first receive. */
enum health_result health_result_of(int err);

/* A session tried to connect. */
enum health_change health_on_connect(struct health *health, const struct health_group *group,
				     enum health_result result, uint64_t now_ms, uint32_t random);

/* A session that connected came to nothing; one that began at @began_ms did not. */
enum health_change health_on_unserved(struct health *health, const struct health_group *group,
				      const struct unserved *session, uint64_t now_ms,
				      uint32_t random);
void health_on_served(struct health *health, uint64_t began_ms);

/* Ends an ejection whose time is over. */
enum health_change health_on_time(struct health *health, uint64_t now_ms);

#endif
