/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CHECK_CHECK_FACTS_H
#define CHECK_CHECK_FACTS_H

/* What a check found out about a server: facts, of which each pool makes what it wants. */

#include <stdbool.h>
#include <stdint.h>

#define CHECK_WORDS_BYTES 160 /* with its NUL; longer ones are cut */

enum check_verdict {
	CHECK_PASSED,    /* it serves */
	CHECK_FULL,      /* it is healthy, and refuses for want of connections */
	CHECK_NOT_READY, /* it is there, and says that it does not serve now */
	CHECK_FAILED,    /* dead, silent, or does not speak the protocol */
	CHECK_OWN_FAULT, /* the check cannot log in: that says nothing against the server */
	CHECK_VERDICTS
};

enum check_role { CHECK_ROLE_UNKNOWN, CHECK_ROLE_PRIMARY, CHECK_ROLE_REPLICA, CHECK_ROLES };

extern const char *const check_role_names[CHECK_ROLES];

struct check_facts {
	enum check_verdict verdict;
	enum check_role role;
	bool is_silent;    /* of CHECK_FAILED: it did not say anything wrong, but nothing in time */
	bool is_complete;  /* it has said all that it had to say: the connection ends in order */
	bool is_read_only; /* whatever its role: it refuses to write */
	bool is_detached;  /* a replica that gets nothing from its primary now */
	bool has_position; /* in the stream of changes, in bytes: written by a primary, */
	uint64_t position; /* shown by a replica; comparable within one system_id */
	bool has_lag;      /* as the server itself sees it */
	uint64_t lag_ms;
	uint32_t timeline;   /* of PostgreSQL; 0: not known */
	uint64_t system_id;  /* the same on all copies of one database; 0: not known */
	uint64_t started_us; /* when the server process began, by its own clock; 0: not known */
	char words[CHECK_WORDS_BYTES]; /* why, for a log line; may quote the server: any bytes */
};

#endif
